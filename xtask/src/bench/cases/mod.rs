//! The list of cases, with a file for each kind of work. docs/performance.md gives the reason for the shapes.

mod graphs;
mod ops;
mod tables;
mod texts;

use crate::bench::case::{Case, Inputs};

/// A case that has not been built yet.
pub(crate) struct Entry {
    /// Name of the case; the peer uses the same one.
    pub(crate) name: &'static str,
    /// Describes the work.
    pub(crate) work: &'static str,
    /// Builds the case; an error says what is missing.
    pub(crate) build: fn(&Inputs) -> anyhow::Result<Case>,
}

/// All cases, cheapest first.
pub(crate) const ALL: &[Entry] = &[
    Entry {
        name: "mlp-step",
        work: "training step: MLP 128-256-128-2, batch 256, AdamW",
        build: tables::mlp,
    },
    Entry {
        name: "tabular-step",
        work: "training step: 14 tables x 16, MLP 256-128, batch 512, AdamW",
        build: tables::tabular,
    },
    Entry {
        name: "tabular-cin-step",
        work: "the same with a CIN (16, 16)",
        build: tables::tabular_cin,
    },
    Entry {
        name: "layer-norm",
        work: "forward and backward on (64, 128, 384)",
        build: ops::layer_norm,
    },
    Entry {
        name: "gelu",
        work: "forward and backward on (64, 128, 384)",
        build: ops::gelu,
    },
    Entry {
        name: "softmax",
        work: "forward and backward on (64, 128, 384)",
        build: ops::softmax,
    },
    Entry {
        name: "cross-entropy",
        work: "forward and backward on (64 x 128, 384)",
        build: ops::cross_entropy,
    },
    Entry {
        name: "adamw",
        work: "one AdamW step on 22 million parameters (MiniLM's)",
        build: ops::adamw,
    },
    Entry {
        name: "csr-64",
        work: "A X on amazon-computers, width 64",
        build: graphs::csr_64,
    },
    Entry {
        name: "csr-128",
        work: "A X on amazon-computers, width 128",
        build: graphs::csr_128,
    },
    Entry {
        name: "csr-512",
        work: "A X on amazon-computers, width 512",
        build: graphs::csr_512,
    },
    Entry {
        name: "csr-767",
        work: "A X on amazon-computers, width 767",
        build: graphs::csr_767,
    },
    Entry {
        name: "csr-train-64",
        work: "A X forward and backward, width 64",
        build: graphs::train_64,
    },
    Entry {
        name: "csr-train-128",
        work: "A X forward and backward, width 128",
        build: graphs::train_128,
    },
    Entry {
        name: "csr-train-512",
        work: "A X forward and backward, width 512",
        build: graphs::train_512,
    },
    Entry {
        name: "csr-train-767",
        work: "A X forward and backward, width 767",
        build: graphs::train_767,
    },
    Entry {
        name: "pyg-128",
        work: "A X, width 128, against PyTorch Geometric's default convolution",
        build: graphs::pyg_128,
    },
    Entry {
        name: "gcn-epoch",
        work: "full-batch epoch of a GCN 767-256-256-10 on amazon-computers, Adam",
        build: graphs::epoch,
    },
    Entry {
        name: "csr-million",
        work: "A X, 1,000,000 nodes, 25,000,000 directed edges, width 100",
        build: graphs::million,
    },
    Entry {
        name: "minilm-step",
        work: "fine-tuning step of MiniLM, 16 x 128 tokens, AdamW",
        build: texts::step,
    },
    Entry {
        name: "minilm-inference",
        work: "MiniLM on 256 IMDB reviews, at most 256 tokens, [CLS], length buckets",
        build: texts::inference,
    },
];

//! The catalogue of cases; a file a kind of work. Shapes are those of docs/performance.md.

mod graphs;
mod ops;
mod tables;
mod texts;

use crate::bench::case::{Case, Inputs};

/// A case by name.
pub(crate) struct Entry {
    /// Known to the peer by the same name.
    pub(crate) name: &'static str,
    /// What is timed.
    pub(crate) work: &'static str,
    /// Builds it; an error says what is missing.
    pub(crate) build: fn(&Inputs) -> anyhow::Result<Case>,
}

/// All of them, cheapest first.
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

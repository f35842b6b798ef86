//! The networks of the paper's tables, without a gate. They read the settings of the backbone, each with its own kind of
//! layer; `--set graph.encoder=KIND` puts the gate on any of them.

use super::gated::GatedMethod;
use crate::settings::EncoderKind;
use l0gm_train::{Knob, MethodInfo, Role};
use std::borrow::Cow;

pub(super) static GCN: GatedMethod = network(
    EncoderKind::Gcn,
    ["gcn", "GCN", "Kipf and Welling 2017"],
    "a graph convolutional network",
);

pub(super) static GRAPHSAGE: GatedMethod = network(
    EncoderKind::Sage,
    ["graphsage", "GraphSAGE", "Hamilton et al. 2017"],
    "means over neighbours beside the node itself",
);

pub(super) static GAT: GatedMethod = network(
    EncoderKind::Gat,
    ["gat", "GAT", "Velickovic et al. 2018"],
    "attention over neighbours",
);

pub(super) static MLP: GatedMethod = network(
    EncoderKind::Mlp,
    ["mlp", "MLP", "arXiv:2603.26801, Table 3"],
    "a multilayer perceptron on a node's own attributes, without the edges",
);

/// A network by name, label and source. The label is that of the paper's row.
const fn network(
    encoder: EncoderKind,
    [name, label, source]: [&'static str; 3],
    summary: &'static str,
) -> GatedMethod {
    GatedMethod {
        info: MethodInfo {
            name: Cow::Borrowed(name),
            label: Cow::Borrowed(label),
            summary: Cow::Borrowed(summary),
            source: Cow::Borrowed(source),
            role: Role::Rival,
            gated: false,
            knob: Knob::None,
            rival_of: Some(Cow::Borrowed(label)),
            needs: None,
        },
        encoder: Some(encoder),
    }
}

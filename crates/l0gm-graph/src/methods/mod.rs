//! The methods for graphs. To add one, write a file here and add its name to the list.

mod compressed;
mod gated;
mod label_propagation;
mod logistic;
mod majority;
mod networks;
mod node_regression;
mod sgc;
mod sign;
mod two_hop;

use crate::GraphModality;
use l0gm_train::Methods;

/// Every method for graphs, in the order in which plans and tables show them.
pub(crate) static METHODS: Methods<GraphModality> = Methods::new(
    "graphs",
    &[
        &gated::DENSE,
        &gated::L0GM,
        &gated::SETTLED,
        &majority::Majority,
        &logistic::Logistic,
        &two_hop::TwoHop,
        &label_propagation::LabelPropagation,
        &sgc::Sgc,
        &sign::SIGN,
        &sign::GATED,
        &networks::GCN,
        &networks::GRAPHSAGE,
        &networks::GAT,
        &networks::MLP,
    ],
)
.with_techniques();

//! The methods for graphs. To add one, write a file here and add its name to the list.

mod dense;
mod l0gm;
mod logistic;
mod two_hop;

use crate::GraphModality;
use l0gm_train::Methods;

/// Every method for graphs, in the order in which plans and tables show them.
pub(crate) const METHODS: Methods<GraphModality> = Methods::new(
    "graphs",
    &[
        &dense::Dense,
        &l0gm::L0gm,
        &logistic::Logistic,
        &two_hop::TwoHop,
    ],
);

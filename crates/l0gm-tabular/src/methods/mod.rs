//! The methods for tables. To add one, write a file here and add its name to the list.

mod dense;
mod l0gm;
mod logistic;

use crate::TabularModality;
use l0gm_train::Methods;

/// Every method for tables, in the order in which plans and tables show them.
pub(crate) const METHODS: Methods<TabularModality> =
    Methods::new("tables", &[&dense::Dense, &l0gm::L0gm, &logistic::Logistic]);

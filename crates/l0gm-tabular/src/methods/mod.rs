//! The methods for tables. To add one, write a file here and add its name to the list.

mod branches;
mod compressed;
mod external;
mod forust;
mod gated;
mod logistic;
mod majority;
mod selection;
mod stg;

use crate::TabularModality;
use l0gm_train::Methods;

/// Every method for tables, in the order in which plans and tables show them.
pub(crate) static METHODS: Methods<TabularModality> = Methods::new(
    "tables",
    &[
        &gated::DENSE,
        &gated::L0GM,
        &gated::SETTLED,
        &majority::Majority,
        &logistic::Logistic,
        &forust::Forust,
        &branches::MLP,
        &branches::WIDE_AND_DEEP,
        &branches::XDEEPFM,
        &branches::DEEPFM,
        &branches::DCN_V2,
        &branches::TABM,
        &selection::MUTUAL_INFORMATION,
        &selection::RECURSIVE,
        &selection::GROUP_LASSO,
        &selection::GAIN,
        &stg::STG,
        &external::XGBOOST,
        &external::LIGHTGBM,
        &external::CATBOOST,
        &external::EXTERNAL,
    ],
)
.with_techniques();

//! The methods for texts. To add one, write a file here and add its name to the list.

mod compressed;
mod gated;
mod majority;
mod tfidf;

use crate::TextModality;
use l0gm_train::Methods;

/// Every method for texts, in the order in which plans and tables show them.
pub(crate) static METHODS: Methods<TextModality> = Methods::new(
    "texts",
    &[
        &gated::DENSE,
        &gated::L0GM,
        &gated::SETTLED,
        &majority::Majority,
        &tfidf::TfIdfLogistic,
    ],
)
.with_techniques();

//! The methods for texts. To add one, write a file here and add its name to the list.

mod dense;
mod l0gm;
mod tfidf;

use crate::TextModality;
use l0gm_train::Methods;

/// Every method for texts, in the order in which plans and tables show them.
pub(crate) const METHODS: Methods<TextModality> = Methods::new(
    "texts",
    &[&dense::Dense, &l0gm::L0gm, &tfidf::TfIdfLogistic],
);

//! The robustness protocol of the paper's Appendix B: the trained model on the test split under twelve
//! perturbations, and Rob mu, the metric's mean over them.
//!
//! Where a perturbation meets the model is its task's affair: at the input where that is continuous or can be
//! masked, else at the interface, before the gate. What was perturbed where stands in the record. How an example
//! is perturbed depends on (condition, example, seed) alone, so every method meets the same.

mod condition;
mod perturbation;
mod record;
mod scale;
mod scoring;

pub(crate) use scoring::{Scoring, score_conditions};

pub use condition::{Condition, ConditionKind};
pub use perturbation::{Distortion, Perturbation};
pub use record::{ConditionResult, Robustness, Score};
pub use scale::FeatureScale;
pub use scoring::report_condition;

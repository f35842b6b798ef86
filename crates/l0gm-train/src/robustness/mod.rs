//! The robustness protocol of the paper's Appendix B: the trained model is judged on the test split under twelve
//! perturbations, and Rob mu is the mean of the metric over them.
//!
//! Each task decides where a perturbation acts: on the input where that is continuous or can be masked, otherwise on
//! the interface in front of the gate. The record states which. The perturbation of an example depends only on
//! (condition, example, seed), so every method meets the same one.

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

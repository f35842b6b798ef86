//! Stochastic gates with Gaussian noise (STG), the nearest relative of L0GM: the same interface, training loop and
//! schedules, with another distribution of z.

use super::gated::GatedMethod;
use crate::TabularSettings;
use l0gm_gate::{GateDistribution, InferenceGate};
use l0gm_train::{Knob, MethodInfo, Role};
use std::borrow::Cow;

/// The backbone with Gaussian gates.
pub(super) static STG: GatedMethod = GatedMethod {
    info: MethodInfo {
        name: Cow::Borrowed("stg"),
        label: Cow::Borrowed("STG"),
        summary: Cow::Borrowed(
            "stochastic gates with Gaussian noise on the field embeddings, trained like L0GM's",
        ),
        source: Cow::Borrowed("arXiv:1810.04247"),
        role: Role::Rival,
        gated: true,
        knob: Knob::LambdaOrTarget,
        rival_of: None,
        needs: None,
    },
    adapt: Some(gaussian),
    rank: None,
};

/// Standard deviation of the logistic noise that a hard-concrete gate adds to log_alpha: pi / sqrt(3).
const LOGISTIC_DEVIATION: f64 = 1.813_799_364_234_217_8;

/// The authors' gate. mu may travel as many standard deviations of its noise as log_alpha may of its own.
fn gaussian(settings: &mut TabularSettings) {
    settings.gate.distribution = GateDistribution::Gaussian;
    settings.gate.inference = InferenceGate::Median;
    settings.train.optimiser.gate_travel *= settings.gate.sigma / LOGISTIC_DEVIATION;
}

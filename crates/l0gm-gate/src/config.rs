//! The gate's settings, checked once when a gate is built.
use serde::{Deserialize, Serialize};
/// How noise is shared in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateKind {
    /// One z for the whole batch each step.
    Static,
    /// Own noise for every example.
    #[default]
    PerExample,
}
/// What one gate covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Granularity {
    /// One gate a dimension of the interface.
    #[default]
    Interface,
    /// One gate a field (tabular), or a block of equal width.
    Group,
}
/// The deterministic gate used outside training (design: "infer").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InferenceGate {
    /// clip(sigmoid(log_alpha / tau) (zeta - gamma) + gamma, 0, 1): closed where P(z != 0) < 1/2.
    #[default]
    Median,
    /// 1[sigmoid(log_alpha) > pi]: the paper's Algorithm 1.
    Threshold,
    /// clip(sigmoid(log_alpha) (zeta - gamma) + gamma, 0, 1): Louizos et al.
    HardSigmoid,
}
/// Whether the penalty sums over gates (the paper) or averages (comparable across widths).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PenaltyReduction {
    /// Sum over gates.
    #[default]
    Sum,
    /// Mean over gates.
    Mean,
}
/// The gate's settings. Defaults are the documented defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GateConfig {
    /// How noise is shared in training.
    pub kind: GateKind,
    /// What one gate covers.
    pub granularity: Granularity,
    /// The deterministic gate used outside training.
    pub inference: InferenceGate,
    /// Threshold of [`InferenceGate::Threshold`], in (0, 1).
    pub pi: f64,
    /// Lower end of the stretch, below 0.
    pub gamma: f64,
    /// Upper end of the stretch, above 1.
    pub zeta: f64,
    /// P(z != 0) of every gate before training, in (0, 1); at the schedule's first temperature.
    pub initial_open: f64,
    /// Sum or mean over gates.
    pub penalty: PenaltyReduction,
}
impl Default for GateConfig {
    fn default() -> Self {
        Self {
            kind: GateKind::default(),
            granularity: Granularity::default(),
            inference: InferenceGate::default(),
            pi: 0.5,
            gamma: -0.1,
            zeta: 1.1,
            initial_open: 0.9,
            penalty: PenaltyReduction::default(),
        }
    }
}
impl GateConfig {
    /// Checks every setting; the error names the setting, its value and the allowed range.
    pub fn check(&self) -> crate::Result<()> {
        todo!()
    }
}

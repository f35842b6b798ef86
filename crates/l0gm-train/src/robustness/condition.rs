//! The twelve conditions: four kinds of perturbation, each at three severities (Appendix B of the paper).

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// A kind of perturbation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum ConditionKind {
    /// Each part of an example is missing with probability p.
    Missingness,
    /// Gaussian noise of sigma times each feature's standard deviation.
    Noise,
    /// Each feature on 2^bits equally spaced levels between its smallest and its largest value.
    Quantisation,
    /// A contiguous block, a share r of an example's parts, is missing.
    Occlusion,
}

impl ConditionKind {
    /// In the report's order.
    pub const ALL: [Self; 4] = [
        Self::Missingness,
        Self::Noise,
        Self::Quantisation,
        Self::Occlusion,
    ];

    /// Its name, which also names its stream of random numbers.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether parts go missing; else numbers are distorted.
    pub fn hides(self) -> bool {
        matches!(self, Self::Missingness | Self::Occlusion)
    }
}

/// One perturbation of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// What is done.
    pub kind: ConditionKind,
    /// p, sigma, bits or r.
    pub severity: f64,
}

impl Condition {
    /// The protocol's twelve, mildest first within each kind.
    pub const PROTOCOL: [Self; 12] = [
        Self::of(ConditionKind::Missingness, 0.1),
        Self::of(ConditionKind::Missingness, 0.3),
        Self::of(ConditionKind::Missingness, 0.5),
        Self::of(ConditionKind::Noise, 0.05),
        Self::of(ConditionKind::Noise, 0.10),
        Self::of(ConditionKind::Noise, 0.20),
        Self::of(ConditionKind::Quantisation, 8.0),
        Self::of(ConditionKind::Quantisation, 6.0),
        Self::of(ConditionKind::Quantisation, 4.0),
        Self::of(ConditionKind::Occlusion, 0.1),
        Self::of(ConditionKind::Occlusion, 0.2),
        Self::of(ConditionKind::Occlusion, 0.3),
    ];

    const fn of(kind: ConditionKind, severity: f64) -> Self {
        Self { kind, severity }
    }

    /// "p 0.1", "σ 0.05", "8 bits", "r 0.3".
    pub fn severity_name(&self) -> String {
        let value = self.severity;
        match self.kind {
            ConditionKind::Missingness => format!("p {value}"),
            ConditionKind::Noise => format!("σ {value}"),
            ConditionKind::Quantisation => format!("{value} bits"),
            ConditionKind::Occlusion => format!("r {value}"),
        }
    }

    /// "missingness, p 0.1".
    pub fn name(&self) -> String {
        format!("{}, {}", self.kind.name(), self.severity_name())
    }
}

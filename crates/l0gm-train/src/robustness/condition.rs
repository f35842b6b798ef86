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
    /// Each part of an example (field, token, dimension) is missing with probability p.
    Missingness,
    /// Gaussian noise with sigma times each feature's standard deviation is added.
    Noise,
    /// Each feature is rounded to 2^bits equally spaced levels between its smallest and largest value.
    Quantisation,
    /// A contiguous block of an example's parts, a share r of them, is missing.
    Occlusion,
}

impl ConditionKind {
    /// All kinds, in the report's order.
    pub const ALL: [Self; 4] = [
        Self::Missingness,
        Self::Noise,
        Self::Quantisation,
        Self::Occlusion,
    ];

    /// The kind's name. It also names the stream of random numbers.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether parts go missing. Otherwise, numbers are distorted.
    pub fn hides(self) -> bool {
        matches!(self, Self::Missingness | Self::Occlusion)
    }
}

/// One perturbation of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The kind of perturbation.
    pub kind: ConditionKind,
    /// The strength: p, sigma, bits or r, depending on the kind.
    pub severity: f64,
}

impl Condition {
    /// The twelve conditions of the protocol, the mildest first within each kind.
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

    /// The strength in words: "p 0.1", "σ 0.05", "8 bits", "r 0.3".
    pub fn severity_name(&self) -> String {
        let value = self.severity;
        match self.kind {
            ConditionKind::Missingness => format!("p {value}"),
            ConditionKind::Noise => format!("σ {value}"),
            ConditionKind::Quantisation => format!("{value} bits"),
            ConditionKind::Occlusion => format!("r {value}"),
        }
    }

    /// Kind and strength in words: "missingness, p 0.1".
    pub fn name(&self) -> String {
        format!("{}, {}", self.kind.name(), self.severity_name())
    }
}

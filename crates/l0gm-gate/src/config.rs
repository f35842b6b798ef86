//! The gate's settings, which are checked once when a gate is built. The constants and their meaning are those of
//! Louizos et al. (2018), which the paper's section 3.3 and Algorithm 1 use.

use crate::{Error, Interface, Result, Temperature, distribution, gaussian};
use l0gm_ops::Stretch;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// How noise is shared among examples in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum GateKind {
    /// One z for the whole batch at each step.
    Static,
    /// Every example has its own noise.
    #[default]
    PerExample,
    /// Every example has its own noise, and log_alpha = a + W r, so the gate depends on the example. Its active
    /// fraction and its penalty are means over examples, and it cannot be compacted.
    Conditional,
    /// What is open was decided by something else than training: there is no noise, no penalty and no gradient. Such a
    /// gate is made by [`Gate::fixed`](crate::Gate::fixed) and not by settings.
    Fixed,
}
impl GateKind {
    /// The name in settings and records.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
/// What one gate covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Granularity {
    /// One gate per dimension of the interface.
    #[default]
    Interface,
    /// One gate per field on an interface of fields; on a flat one, one gate per [`GateConfig::group_width`]
    /// neighbouring dimensions.
    Group,
    /// Gates below the interface, at places that the modality chooses: one per entry of an embedding table, per token
    /// and dimension before pooling, or per channel of every layer. Each such gate covers one dimension.
    Fine,
}
impl Granularity {
    /// The name in settings and records.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
/// The deterministic gate that is used outside training (docs/concepts.md).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum InferenceGate {
    /// clip(sigmoid(log_alpha / tau) (zeta - gamma) + gamma, 0, 1), which is closed where P(z != 0) < 1/2.
    #[default]
    Median,
    /// 1[sigmoid(log_alpha) > pi], as in the paper's Algorithm 1.
    Threshold,
    /// clip(sigmoid(log_alpha) (zeta - gamma) + gamma, 0, 1), as in Louizos et al.
    HardSigmoid,
}
impl InferenceGate {
    /// The name in settings and records.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
/// The distribution of z in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum GateDistribution {
    /// Logistic noise, stretched and clipped (Louizos et al. 2018), as in the paper.
    #[default]
    HardConcrete,
    /// Gaussian noise, clipped (STG; Yamada et al. 2020): see [`gaussian`](crate::gaussian). `log_alpha` then holds their
    /// mu, and temperature, gamma, zeta and pi have no meaning.
    Gaussian,
}
impl GateDistribution {
    /// The name in settings and records.
    pub fn name(self) -> &'static str {
        self.into()
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
/// Whether the penalty is a sum over gates, as in the paper, or a mean, which is comparable across widths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PenaltyReduction {
    /// Sum over gates.
    #[default]
    Sum,
    /// Mean over gates.
    Mean,
}
/// The gate's settings. The defaults are the documented ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GateConfig {
    /// How noise is shared among examples in training. The kind fixed is that of methods which choose dimensions
    /// themselves; as a setting it is refused.
    pub kind: GateKind,
    /// What one gate covers.
    pub granularity: Granularity,
    /// How many neighbouring dimensions one gate of [`Granularity::Group`] covers on a flat interface: at least 1,
    /// and a divisor of the interface's width. The default is the width of an attention head of MiniLM. Unused on an
    /// interface of fields, where each field is a group.
    pub group_width: usize,
    /// The deterministic gate that is used outside training.
    pub inference: InferenceGate,
    /// Threshold of [`InferenceGate::Threshold`], in (0, 1).
    pub pi: f64,
    /// Lower end of the stretch interval, below 0.
    pub gamma: f64,
    /// Upper end of the stretch interval, above 1.
    pub zeta: f64,
    /// P(z != 0) of every gate before training, in (0, 1), at the schedule's first temperature.
    pub initial_open: f64,
    /// Whether the penalty is a sum or a mean over gates.
    pub penalty: PenaltyReduction,
    /// The distribution of z in training.
    #[serde(skip_serializing_if = "GateDistribution::is_default")]
    pub distribution: GateDistribution,
    /// Standard deviation of the noise of gaussian gates, above 0.
    #[serde(skip_serializing_if = "is_usual_sigma")]
    pub sigma: f64,
}

/// The sigma of the STG paper.
const SIGMA: f64 = 0.5;

fn is_usual_sigma(sigma: &f64) -> bool {
    *sigma == SIGMA
}
impl Default for GateConfig {
    fn default() -> Self {
        Self {
            kind: GateKind::default(),
            granularity: Granularity::default(),
            group_width: 32, // 384 dimensions in 12 heads (all-MiniLM-L6-v2)
            inference: InferenceGate::default(),
            pi: 0.5,
            gamma: -0.1,
            zeta: 1.1,
            initial_open: 0.9,
            penalty: PenaltyReduction::default(),
            distribution: GateDistribution::default(),
            sigma: SIGMA,
        }
    }
}
impl GateConfig {
    /// Checks every setting of a gate that will be trained. The error names the setting, its value and the allowed
    /// range.
    pub fn check(&self) -> Result<()> {
        if self.kind == GateKind::Fixed {
            return Err(Error::Setting(
                "kind is fixed, but settings do not say which dimensions such a gate leaves open; take static, \
                 per-example or conditional, or make the gate with Gate::fixed"
                    .into(),
            ));
        }
        self.check_ranges()
    }

    /// Checks every setting of a gate of any kind.
    pub(crate) fn check_ranges(&self) -> Result<()> {
        // Write the comparisons so that NaN fails them too; every comparison with NaN is false.
        let inside = |name: &str, value: f64| match value > 0.0 && value < 1.0 {
            true => Ok(()),
            false => Err(Error::setting(name, value, "strictly between 0 and 1")),
        };
        inside("pi", self.pi)?;
        inside("initial-open", self.initial_open)?;
        if !(self.gamma < 0.0 && self.gamma.is_finite()) {
            return Err(Error::setting("gamma", self.gamma, "finite and below 0"));
        }
        if !(self.zeta > 1.0 && self.zeta.is_finite()) {
            return Err(Error::setting("zeta", self.zeta, "finite and above 1"));
        }
        if !(self.sigma > 0.0 && self.sigma.is_finite()) {
            return Err(Error::setting("sigma", self.sigma, "finite and above 0"));
        }
        if self.distribution == GateDistribution::Gaussian
            && self.inference != InferenceGate::Median
        {
            return Err(Error::Setting(format!(
                "inference is {}, but gates of the distribution gaussian have no other deterministic gate than median",
                self.inference.name()
            )));
        }
        if self.group_width == 0 {
            return Err(Error::setting("group-width", 0.0, "at least 1"));
        }
        if self.kind == GateKind::Conditional && self.granularity == Granularity::Fine {
            return Err(Error::Setting(
                "kind is conditional and granularity fine, but a conditional gate reads the interface and fine \
                 gates stand below it; take granularity interface or group, or kind per-example"
                    .into(),
            ));
        }
        Ok(())
    }

    /// Checks every setting, and that the gates fit `interface`. For callers that know the width of the interface
    /// before there is a model.
    ///
    /// # Errors
    /// Those of [`check`](Self::check); an interface without dimensions; groups that do not fill the interface.
    pub fn check_on(&self, interface: Interface) -> Result<()> {
        self.check()?;
        interface.gates(self).map(|_| ())
    }

    /// The largest log_alpha at which the deterministic gate is closed, at temperature `tau`.
    pub fn closing_point(&self, tau: Temperature) -> f64 {
        if self.kind == GateKind::Fixed {
            return 0.0;
        }
        if self.distribution == GateDistribution::Gaussian {
            return gaussian::CLOSING;
        }
        // Median and hard sigmoid clip s (zeta - gamma) + gamma at 0. There s = -gamma / (zeta - gamma), whose odds
        // are -gamma / zeta.
        let odds = -self.gamma / self.zeta;
        match self.inference {
            InferenceGate::Median => tau.0 * odds.ln(),
            InferenceGate::HardSigmoid => odds.ln(),
            InferenceGate::Threshold => (self.pi / (1.0 - self.pi)).ln(),
        }
    }

    /// P(z != 0) of a gate with this `log_alpha` (for a Gaussian gate mu), at temperature `tau`.
    pub fn open_probability(&self, log_alpha: f64, tau: Temperature) -> f64 {
        match self.distribution {
            GateDistribution::HardConcrete => {
                distribution::open_probability(log_alpha, tau, self.stretch())
            }
            GateDistribution::Gaussian => gaussian::open_probability(log_alpha, self.sigma),
        }
    }

    /// Derivative of [`open_probability`](Self::open_probability) with respect to `log_alpha`.
    pub fn open_slope(&self, log_alpha: f64, tau: Temperature) -> f64 {
        match self.distribution {
            GateDistribution::HardConcrete => {
                let open = self.open_probability(log_alpha, tau);
                open * (1.0 - open)
            }
            GateDistribution::Gaussian => gaussian::open_slope(log_alpha, self.sigma),
        }
    }

    /// The `log_alpha` of every gate before training, at the schedule's first temperature.
    pub(crate) fn start(&self, first: Temperature) -> f64 {
        match self.distribution {
            GateDistribution::HardConcrete => distribution::log_alpha_for_open_probability(
                self.initial_open,
                first,
                self.stretch(),
            ),
            GateDistribution::Gaussian => {
                gaussian::mu_for_open_probability(self.initial_open, self.sigma)
            }
        }
    }

    /// The stretch interval (gamma, zeta).
    pub fn stretch(&self) -> Stretch {
        Stretch {
            gamma: self.gamma,
            zeta: self.zeta,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(config: GateConfig) -> String {
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn defaults_pass_their_own_check() {
        GateConfig::default().check().unwrap();
        assert_eq!(GateConfig::default().stretch(), Stretch::default());
    }

    #[test]
    fn each_setting_outside_its_range_is_named_with_value_and_range() {
        let base = GateConfig::default;
        for gamma in [0.0, 0.5, f64::NAN, f64::NEG_INFINITY] {
            let text = message(GateConfig { gamma, ..base() });
            assert!(
                text.contains(&format!("gamma is {gamma}")) && text.contains("below 0"),
                "{text}"
            );
        }
        for zeta in [1.0, 0.9, f64::NAN, f64::INFINITY] {
            let text = message(GateConfig { zeta, ..base() });
            assert!(
                text.contains(&format!("zeta is {zeta}")) && text.contains("above 1"),
                "{text}"
            );
        }
        for bad in [0.0, 1.0, -0.1, 1.5, f64::NAN] {
            let text = message(GateConfig { pi: bad, ..base() });
            assert!(
                text.contains(&format!("pi is {bad}")) && text.contains("between 0 and 1"),
                "{text}"
            );
            let text = message(GateConfig {
                initial_open: bad,
                ..base()
            });
            assert!(text.contains(&format!("initial-open is {bad}")), "{text}");
        }
        let text = message(GateConfig {
            group_width: 0,
            ..base()
        });
        assert!(
            text.contains("group-width is 0") && text.contains("at least 1"),
            "{text}"
        );
    }

    #[test]
    fn names_are_those_that_settings_are_written_with() {
        for kind in [
            GateKind::Static,
            GateKind::PerExample,
            GateKind::Conditional,
            GateKind::Fixed,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        for distribution in [GateDistribution::HardConcrete, GateDistribution::Gaussian] {
            assert_eq!(
                serde_json::to_value(distribution).unwrap(),
                distribution.name()
            );
        }
        for gate in [
            InferenceGate::Median,
            InferenceGate::Threshold,
            InferenceGate::HardSigmoid,
        ] {
            assert_eq!(serde_json::to_value(gate).unwrap(), gate.name());
        }
        for granularity in [
            Granularity::Interface,
            Granularity::Group,
            Granularity::Fine,
        ] {
            assert_eq!(
                serde_json::to_value(granularity).unwrap(),
                granularity.name()
            );
        }
    }

    #[test]
    fn settings_are_read_in_kebab_case_and_unknown_ones_are_refused() {
        let text = r#"{"kind": "static", "granularity": "group", "inference": "hard-sigmoid", "initial-open": 0.5}"#;
        let config: GateConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.kind, GateKind::Static);
        assert_eq!(config.inference, InferenceGate::HardSigmoid);
        assert_eq!(config.initial_open, 0.5);
        assert_eq!(config.zeta, 1.1);
        let unknown = serde_json::from_str::<GateConfig>(r#"{"initial-opened": 0.5}"#);
        assert!(unknown.unwrap_err().to_string().contains("initial-open"));
    }
}

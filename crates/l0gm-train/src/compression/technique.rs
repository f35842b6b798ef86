//! A technique: what `--method` names, and how it changes the training of a modality's own backbone.

use crate::{Error, Knob, MethodInfo, Result, Role, RunSpec, TrainConfig};
use candle_core::Device;
use l0gm_gate::{Gate, GateConfig, GateKind, Interface};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;

/// What stands on the interface of a technique's model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interior {
    /// Nothing: the backbone as it is.
    Dense,
    /// A fixed gate ([`Gate::fixed`](l0gm_gate::Gate::fixed)), open at first, whose dimensions the technique closes.
    Fixed,
    /// A gate that holds a scale factor in [0, 1] for each dimension, which the technique sets.
    Scales,
}

impl Interior {
    /// The gate that a model for these training settings gets on its interface.
    ///
    /// # Errors
    /// A tensor cannot be created.
    pub fn gate(self, interface: Interface, train: &TrainConfig, device: &Device) -> Result<Gate> {
        Ok(match self {
            Self::Dense => Gate::identity(interface),
            Self::Fixed => Gate::fixed(interface, &vec![true; interface.width()], device)?,
            Self::Scales => {
                let config = GateConfig {
                    kind: GateKind::Static,
                    ..GateConfig::default()
                };
                Gate::new(interface, &config, &train.schedule, device)?
            }
        })
    }
}

/// A method that every modality offers for its own backbone.
#[derive(Clone, Debug)]
pub struct Technique {
    pub(crate) info: MethodInfo,
    pub(crate) interior: Interior,
    /// The technique's own settings with their defaults; null if it has none.
    pub(crate) settings: fn() -> Value,
    /// Number of separately trained models whose predictions are averaged, from its own settings.
    pub(crate) members: fn(&Value) -> Result<usize>,
    /// Checks the technique's own settings and changes those of training.
    pub(crate) apply: fn(&Value, &mut TrainConfig) -> Result<()>,
}

impl Technique {
    /// The method's description.
    pub fn info(&self) -> MethodInfo {
        self.info.clone()
    }

    /// What stands on the interface of its model.
    pub fn interior(&self) -> Interior {
        self.interior
    }

    /// Its own settings with their defaults, as [`Method::settings`](crate::Method::settings) returns them.
    pub fn settings(&self) -> Value {
        (self.settings)()
    }

    /// Of how many separately trained models a run's predictions are the mean.
    ///
    /// # Errors
    /// Those of [`check`](Self::check).
    pub fn members(&self, spec: &RunSpec) -> Result<usize> {
        (self.members)(&spec.settings[RunSpec::METHOD_SETTINGS])
    }

    /// Refuses to time a run of several models, of which no single one is the run's.
    ///
    /// # Errors
    /// [`Error::NoModel`] if the run has several models.
    pub fn check_timed(&self, spec: &RunSpec) -> Result<()> {
        match self.members(spec)? {
            0 | 1 => Ok(()),
            several => Err(Error::NoModel(format!(
                "method {} keeps {several} models and no single one to be timed ({})",
                self.info.name,
                spec.id()
            ))),
        }
    }

    /// Refuses own settings that are out of range.
    ///
    /// # Errors
    /// Names the setting, its value and the allowed range.
    pub fn check(&self, settings: &Value) -> Result<()> {
        (self.apply)(settings, &mut TrainConfig::default())
    }

    /// Changes the training settings of a run so that it is trained by this technique.
    ///
    /// # Errors
    /// Those of [`check`](Self::check).
    pub fn apply(&self, spec: &RunSpec, train: &mut TrainConfig) -> Result<()> {
        (self.apply)(&spec.settings[RunSpec::METHOD_SETTINGS], train)
    }
}

/// For techniques that train one model.
pub(super) fn one(_: &Value) -> Result<usize> {
    Ok(1)
}

/// The settings of a technique that has none.
pub(super) fn no_settings() -> Value {
    Value::Null
}

/// A technique's settings as a table.
pub(super) fn written<T: Serialize + Default>() -> Value {
    serde_json::json!(T::default())
}

/// A technique's settings, from the table of a run. New runs have all of them there, as [`written`] gives them. A stored
/// run from before a setting, or from before the technique had any and so without a table, means what was done then,
/// which need not be today's default.
pub(super) fn read<T: DeserializeOwned>(settings: &Value, name: &str) -> Result<T> {
    let table = match settings {
        Value::Null => serde_json::json!({}),
        table => table.clone(),
    };
    serde_json::from_value(table)
        .map_err(|error| Error::Setting(format!("setting `method.{name}`: {error}")))
}

/// Refuses a setting that is not allowed.
pub(super) fn check(
    allowed: bool,
    technique: &str,
    name: &str,
    value: impl std::fmt::Display,
    expected: &str,
) -> Result<()> {
    match allowed {
        true => Ok(()),
        false => Err(Error::Setting(format!(
            "setting `method.{technique}.{name}` = {value}: must be {expected}"
        ))),
    }
}

/// The description of a technique that removes whole dimensions of the interface. It takes a target.
pub(super) const fn dimension_rival(
    name: &'static str,
    label: &'static str,
    summary: &'static str,
    source: &'static str,
) -> MethodInfo {
    MethodInfo {
        name: Cow::Borrowed(name),
        label: Cow::Borrowed(label),
        summary: Cow::Borrowed(summary),
        source: Cow::Borrowed(source),
        role: Role::Rival,
        gated: true,
        knob: Knob::Target,
        rival_of: None,
        needs: None,
    }
}

/// The description of a technique that removes single weights. It takes a target.
pub(super) const fn rival(
    name: &'static str,
    label: &'static str,
    summary: &'static str,
    source: &'static str,
) -> MethodInfo {
    MethodInfo {
        name: Cow::Borrowed(name),
        label: Cow::Borrowed(label),
        summary: Cow::Borrowed(summary),
        source: Cow::Borrowed(source),
        role: Role::Rival,
        gated: false,
        knob: Knob::Target,
        rival_of: None,
        needs: None,
    }
}

/// The description of a technique that removes nothing.
pub(super) const fn calibration_rival(
    name: &'static str,
    label: &'static str,
    summary: &'static str,
    source: &'static str,
) -> MethodInfo {
    MethodInfo {
        name: Cow::Borrowed(name),
        label: Cow::Borrowed(label),
        summary: Cow::Borrowed(summary),
        source: Cow::Borrowed(source),
        role: Role::Rival,
        gated: false,
        knob: Knob::None,
        rival_of: None,
        needs: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Compression;
    use crate::compression::{Ranking, TECHNIQUES};
    use serde_json::json;

    #[test]
    fn stored_runs_without_a_ranking_compared_magnitudes() {
        let ranking = |technique: &Technique, settings: &Value| {
            let mut train = TrainConfig::default();
            (technique.apply)(settings, &mut train).unwrap();
            match train.compression {
                Some(Compression::MagnitudeWeights(own)) => own.ranking,
                Some(Compression::LotteryTicket(own)) => own.ranking,
                other => unreachable!("{other:?}"),
            }
        };
        for (name, stored) in [
            ("magnitude-weights", Value::Null),
            ("magnitude-weights", json!({})),
            ("lottery-ticket", json!({"rewind": 0.05})),
        ] {
            let mut all = TECHNIQUES.into_iter();
            let technique = all.find(|technique| technique.info.name == name).unwrap();
            assert_eq!(ranking(technique, &stored), Ranking::Magnitude);
            assert_eq!(ranking(technique, &technique.settings()), Ranking::Lamp);
        }
    }
}

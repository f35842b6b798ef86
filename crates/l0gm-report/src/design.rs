//! The choices of the gate's design that the paper ablates, and their defaults: one gate for each dimension of the
//! interface, noise drawn for each example, annealing, and no calibration term. They are read from the settings that
//! all modalities share (`gate.*`, `train.*`). If the record of an older run does not state a setting, the run had
//! its default.

use std::collections::BTreeMap;

/// One choice of the gate's design that the paper ablates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Whether the gate is static, drawn per example, or conditional on the input.
    Kind,
    /// What one gate covers: a dimension of the interface, a group of them, or something finer.
    Granularity,
    /// Whether the penalty and the temperature are annealed: `annealed` or `none`.
    Schedule,
    /// The calibration term of the objective: `none`, `soft-ece` or `mmce`.
    Coupling,
}

impl Axis {
    /// Every axis.
    pub const ALL: [Self; 4] = [
        Self::Kind,
        Self::Granularity,
        Self::Schedule,
        Self::Coupling,
    ];

    /// The key of the setting that holds this choice.
    pub fn key(self) -> &'static str {
        match self {
            Self::Kind => "gate.kind",
            Self::Granularity => "gate.granularity",
            Self::Schedule => "train.schedule.kind",
            Self::Coupling => "train.objective.coupling.kind",
        }
    }

    /// Its value in the paper's default design.
    pub fn default(self) -> &'static str {
        match self {
            Self::Kind => "per-example",
            Self::Granularity => "interface",
            Self::Schedule => "annealed",
            Self::Coupling => "none",
        }
    }

    /// The name under which `--ablation` changes this axis.
    pub fn ablation(self) -> &'static str {
        match self {
            Self::Kind => "static",
            Self::Granularity => "fine",
            Self::Schedule => "no-annealing",
            Self::Coupling => "soft-ece",
        }
    }

    /// Whether a setting belongs to this axis and may differ with it.
    pub(crate) fn owns(self, key: &str) -> bool {
        match self {
            Self::Kind => key == self.key(),
            Self::Granularity => key == self.key() || key == "gate.group-width",
            Self::Schedule => key.starts_with("train.schedule."),
            Self::Coupling => key.starts_with("train.objective.coupling."),
        }
    }

    /// This axis's value in flat settings, or its default.
    pub fn value(self, settings: &BTreeMap<String, String>) -> String {
        let value = settings.get(self.key()).cloned();
        value.unwrap_or_else(|| self.default().to_owned())
    }

    /// Describes the departure from the default in the paper's words; `None` if there is none.
    fn in_words(self, settings: &BTreeMap<String, String>) -> Option<String> {
        let value = self.value(settings);
        let with = |key: &str| settings.get(key).map_or("", String::as_str);
        (value != self.default()).then(|| match self {
            Self::Kind => format!("{value} gate"),
            Self::Granularity if value == "group" => {
                format!("groups of {}", with("gate.group-width"))
            }
            Self::Granularity => format!("{value} gates"),
            Self::Schedule if value == "none" => "no annealing".to_owned(),
            Self::Schedule => format!("schedule {value}"),
            Self::Coupling => {
                format!("{value} {}", with("train.objective.coupling.weight"))
            }
        })
    }
}

/// Describes every departure of a gated run's design from the default, such as "fine gates" or "soft-ece 0.3".
pub(crate) fn in_words(settings: &BTreeMap<String, String>) -> Vec<String> {
    let axes = Axis::ALL.into_iter();
    axes.filter_map(|axis| axis.in_words(settings)).collect()
}

/// The axes in which these flat settings depart from the default design.
pub(crate) fn departures(settings: &BTreeMap<String, String>) -> Vec<Axis> {
    let axes = Axis::ALL.into_iter();
    axes.filter(|axis| axis.value(settings) != axis.default())
        .collect()
}

//! The gate's design as the paper has it by default (a gate an interface dimension, own noise an example,
//! annealed, no calibration term), and the choices in which a run may depart from it. Read from the
//! settings that all modalities share (`gate.*`, `train.*`); a setting that an older run does not state
//! had its default.

use std::collections::BTreeMap;

/// One choice of the gate's design that the paper ablates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Whose noise, or whose gate: static, per-example, conditional.
    Kind,
    /// What one gate covers: interface, group, fine.
    Granularity,
    /// annealed or none.
    Schedule,
    /// none, soft-ece or mmce.
    Coupling,
}

impl Axis {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Kind,
        Self::Granularity,
        Self::Schedule,
        Self::Coupling,
    ];

    /// The setting that says it.
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

    /// The ablation of the runner that changes it, as `--ablation` names it.
    pub fn ablation(self) -> &'static str {
        match self {
            Self::Kind => "static",
            Self::Granularity => "fine",
            Self::Schedule => "no-annealing",
            Self::Coupling => "soft-ece",
        }
    }

    /// Settings that belong to it and may differ with it.
    pub(crate) fn owns(self, key: &str) -> bool {
        match self {
            Self::Kind => key == self.key(),
            Self::Granularity => key == self.key() || key == "gate.group-width",
            Self::Schedule => key.starts_with("train.schedule."),
            Self::Coupling => key.starts_with("train.objective.coupling."),
        }
    }

    /// Its value in some settings, flat.
    pub fn value(self, settings: &BTreeMap<String, String>) -> String {
        let value = settings.get(self.key()).cloned();
        value.unwrap_or_else(|| self.default().to_owned())
    }

    /// What departs from the default, in the paper's words; absent where nothing does.
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

/// What of a gated run's design departs from the default: "fine gates", "soft-ece 0.3".
pub(crate) fn in_words(settings: &BTreeMap<String, String>) -> Vec<String> {
    let axes = Axis::ALL.into_iter();
    axes.filter_map(|axis| axis.in_words(settings)).collect()
}

/// The axes in which some settings, flat, depart from the default design.
pub(crate) fn departures(settings: &BTreeMap<String, String>) -> Vec<Axis> {
    let axes = Axis::ALL.into_iter();
    axes.filter(|axis| axis.value(settings) != axis.default())
        .collect()
}

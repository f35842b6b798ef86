//! Ablations: the gate's design with one choice changed, as in the paper's Tables 6, 9 and 10. An ablation consists
//! of settings that all modalities share, and a few lambdas to run them at.

use crate::names;
use serde_json::{Value, json};

/// The value of `--ablation` that stands for all of them.
pub(super) const ALL_ABLATIONS: &str = "all";
/// The value of `--ablation` that stands for none of them.
pub(super) const NO_ABLATION: &str = "none";

/// Weights of the calibration term (the paper's Table 7).
const COUPLING_WEIGHTS: [f64; 3] = [0.1, 0.3, 1.0];

/// A change of one choice in the gate's design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ablation {
    /// One mask for all examples, drawn once per step.
    Static,
    /// Gates that depend on the example.
    Conditional,
    /// Finer gates than one for each dimension of the interface.
    Fine,
    /// The full penalty and the final temperature from the first step on.
    NoAnnealing,
    /// Soft-binned ECE as a term of the objective.
    SoftEce,
    /// MMCE as a term of the objective.
    Mmce,
}

impl Ablation {
    /// Every ablation, in the order of running.
    pub const ALL: [Self; 6] = [
        Self::Static,
        Self::Conditional,
        Self::Fine,
        Self::NoAnnealing,
        Self::SoftEce,
        Self::Mmce,
    ];

    /// The name that `--ablation` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Conditional => "conditional",
            Self::Fine => "fine",
            Self::NoAnnealing => "no-annealing",
            Self::SoftEce => "soft-ece",
            Self::Mmce => "mmce",
        }
    }

    /// The ablation of this name. An unknown name is a usage error that suggests the nearest one.
    pub fn of(name: &str) -> anyhow::Result<Self> {
        let named = Self::ALL.map(Self::name).into_iter();
        let names: Vec<String> = named
            .chain([ALL_ABLATIONS, NO_ABLATION])
            .map(str::to_owned)
            .collect();
        names::check("--ablation", name, &names)?;
        let known = Self::ALL.into_iter().find(|a| a.name() == name);
        known.ok_or_else(|| crate::usage::usage(format!("--ablation {name} stands alone")))
    }

    /// Its variants: each has a name and the settings to lay over a modality's.
    pub fn variants(self) -> Vec<(String, Value)> {
        let name = self.name().to_owned();
        match self {
            Self::Static | Self::Conditional => {
                vec![(name, json!({"gate": {"kind": self.name()}}))]
            }
            Self::Fine => vec![(name, json!({"gate": {"granularity": "fine"}}))],
            Self::NoAnnealing => vec![(name, json!({"train": {"schedule": {"kind": "none"}}}))],
            Self::SoftEce | Self::Mmce => COUPLING_WEIGHTS
                .map(|weight| {
                    let term = json!({"kind": self.name(), "weight": weight});
                    let settings = json!({"train": {"objective": {"coupling": term}}});
                    (format!("{name} {weight}"), settings)
                })
                .to_vec(),
        }
    }

    /// The lambdas to run it at if the flags name none: those of the paper's table, of which at least one closes a
    /// moderate share of gates and one closes most. Table 9 states what Table 8 states at 3e-4. Table 10 has 1e-3 and
    /// 3e-3; 1e-2 is added because 3e-3 does not close most gates at every width. Finer gates are more numerous and
    /// each adds to the penalty, so smaller lambdas give the same active fractions.
    pub fn lambdas(self) -> &'static [f64] {
        match self {
            Self::Static | Self::Conditional | Self::NoAnnealing => &[3e-4, 3e-3],
            Self::Fine => &[1e-5, 3e-5, 1e-4, 3e-4],
            Self::SoftEce | Self::Mmce => &[1e-3, 3e-3, 1e-2],
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::runner::LAMBDA_GRID;
    use l0gm_report::design::Axis;
    use l0gm_report::settings::flat;

    #[test]
    fn every_ablation_changes_one_thing_that_the_report_can_tell_at_lambdas_of_the_grid() {
        for ablation in Ablation::ALL {
            assert_eq!(Ablation::of(ablation.name()).unwrap(), ablation);
            for (_, variant) in ablation.variants() {
                let settings = flat(&variant);
                let changed: Vec<Axis> = Axis::ALL
                    .into_iter()
                    .filter(|axis| {
                        let value = settings.get(axis.key());
                        value.is_some_and(|value| value != axis.default())
                    })
                    .collect();
                assert_eq!(changed.len(), 1, "{}", ablation.name());
            }
            // Ablations are compared with the default at the same lambda; finer gates are compared at the same active
            // fraction.
            let mut lambdas = ablation.lambdas().iter();
            let in_grid = lambdas.all(|lambda| LAMBDA_GRID.contains(lambda));
            assert!(in_grid || ablation == Ablation::Fine);
        }
    }

    #[test]
    fn the_report_names_ablations_by_their_names_here() {
        for axis in Axis::ALL {
            let named = Ablation::of(axis.ablation()).unwrap();
            let (_, settings) = named.variants().remove(0);
            let settings = flat(&settings);
            assert!(settings.contains_key(axis.key()), "{axis:?}");
        }
    }

    #[test]
    fn an_unknown_name_says_the_nearest() {
        let error = Ablation::of("conditonal").unwrap_err();
        assert_eq!(crate::usage::exit_code(&error), 2);
        assert!(error.to_string().contains("conditional"), "{error}");
        assert!(error.to_string().contains("mmce, all, none"), "{error}");
    }
}

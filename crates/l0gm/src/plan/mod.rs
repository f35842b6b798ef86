//! Turns flags into runs: every combination of modality, dataset, method, lambda or target or ablation, and seed,
//! each with its complete settings and an estimated cost. Nothing is trained or written here.

pub mod ablation;
mod choice;
mod lines;
mod settings;
mod share;
mod table;

pub use ablation::Ablation;
pub use choice::{Choice, threads};
pub use lines::print_lines;
pub use settings::{Overrides, merged};
pub use share::Share;
pub use table::print_table;

use crate::names;
use crate::usage::usage;
use anyhow::Context;
use l0gm_gate::Target;
use l0gm_train::{MethodInfo, Modality, Profile, Role, RunSpec, SpecRequest};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A run with its settings and estimated cost.
#[derive(Clone, Debug)]
pub struct PlannedRun {
    /// Index of its modality in the list that the plan was made with.
    pub modality: usize,
    /// Everything its result depends on.
    pub spec: RunSpec,
    /// Description of its method.
    pub method: MethodInfo,
    /// The ablation that it belongs to, such as "soft-ece 0.1".
    pub ablation: Option<String>,
    /// What the run costs.
    pub cost: Cost,
    /// Time that the run adds to its plan. Work that several runs share counts for the first of them only.
    pub estimate: Duration,
}

impl PlannedRun {
    /// A run on its own. [`Plan::of`] later sets the time that it adds to a plan.
    pub fn new(
        modality: usize,
        spec: RunSpec,
        method: MethodInfo,
        ablation: Option<String>,
        cost: Cost,
    ) -> Self {
        Self {
            modality,
            spec,
            method,
            ablation,
            estimate: cost.alone(),
            cost,
        }
    }

    /// The active fraction at which its gate aims. A model without a gate has none, whatever the settings say.
    pub fn target(&self) -> Option<f64> {
        let target = self.spec.settings["train"]["target"].as_f64();
        target.filter(|_| self.method.has_knob())
    }
}

/// All runs of a command.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The runs in the order in which they are carried out.
    pub runs: Vec<PlannedRun>,
}

impl Plan {
    /// Makes the plan. An unknown name is a usage error that suggests the nearest known one.
    pub fn new(
        modalities: &[Box<dyn Modality>],
        choice: &Choice,
        profile: Profile,
        overrides: &Overrides,
    ) -> anyhow::Result<Self> {
        let datasets = chosen_datasets(modalities, choice)?;
        overrides.check_used(modalities, &datasets)?;
        let methods = known_methods(modalities);
        for method in &choice.methods {
            names::check("--method", method, &methods)?;
        }
        let mut runs = Vec::new();
        let mut ids = BTreeSet::new();
        for (index, dataset) in datasets {
            let modality = modalities[index].as_ref();
            // Under the general recipe L0GM itself settles, and the variant would be the same training again.
            let general = profile == Profile::General || !modality.datasets().contains(&dataset);
            let named = |method: &MethodInfo| choice.methods.contains(&method.name.to_string());
            // Baselines come first, so that every other run can say whether it beats them.
            let mut methods = modality.methods();
            methods.sort_by_key(|method| method.role != Role::Baseline);
            for method in methods {
                if !choice.takes(&method)
                    || (method.role == Role::Variant && general && !named(&method))
                {
                    continue;
                }
                for point in points_of(&method, choice, general)? {
                    let settings = overrides.with(modality.name(), &point.settings);
                    for &seed in &choice.seeds {
                        let request = SpecRequest {
                            lambda: point.lambda,
                            seed,
                            profile,
                            overrides: &settings,
                            ..SpecRequest::new(&dataset, &method.name)
                        };
                        let spec = modality
                            .spec(&request)
                            .map_err(|error| spec_error(modality.name(), &dataset, error))?;
                        // An ablation that the settings contain anyway is not run twice.
                        if !ids.insert(spec.id()) {
                            continue;
                        }
                        let cost = Cost::of(modality, &spec)?;
                        let ablation = point.ablation.clone();
                        let method = method.clone();
                        runs.push(PlannedRun::new(index, spec, method, ablation, cost));
                    }
                }
            }
        }
        if runs.is_empty() {
            return Err(usage("the flags leave nothing to run"));
        }
        Ok(Self::of(runs))
    }

    /// A plan of these runs, in this order.
    pub fn of(mut runs: Vec<PlannedRun>) -> Self {
        let mut paid = BTreeSet::new();
        for run in &mut runs {
            let cost = &run.cost;
            let first =
                |(key, time): &(String, Duration)| paid.insert(key.clone()).then_some(*time);
            run.estimate = cost.own + cost.shared.iter().filter_map(first).sum::<Duration>();
        }
        Self { runs }
    }

    /// The sum of the runs' estimates.
    pub fn estimate(&self) -> Duration {
        self.runs.iter().map(|run| run.estimate).sum()
    }

    /// (dataset, modality, whether its twin is used) without repetitions, in the plan's order.
    pub fn data(&self) -> Vec<(String, String, bool)> {
        let mut data: Vec<(String, String, bool)> = Vec::new();
        for run in &self.runs {
            let spec = &run.spec;
            let entry = (spec.dataset.clone(), spec.modality.clone(), spec.twin);
            if !data.contains(&entry) {
                data.push(entry);
            }
        }
        data
    }
}

/// Rough estimates of the time that a run takes.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// Time for work of this run alone.
    own: Duration,
    /// Keys and times of work that is done once for all runs with the same key.
    shared: Vec<(String, Duration)>,
}

impl Cost {
    /// Estimates a run.
    pub fn of(modality: &dyn Modality, spec: &RunSpec) -> anyhow::Result<Self> {
        let estimating = || format!("estimating {} on {}", modality.name(), spec.dataset);
        Ok(Self {
            own: modality.estimate(spec).with_context(estimating)?,
            shared: modality.shared_work(spec).with_context(estimating)?,
        })
    }

    /// Time of the run if no shared work has been done yet.
    pub fn alone(&self) -> Duration {
        self.own + self.shared.iter().map(|(_, time)| *time).sum::<Duration>()
    }
}

/// Lambdas of a variant of L0GM where the flags name none: one that closes a moderate share of the gates is enough to
/// see what the variant changes.
const VARIANT_LAMBDAS: [f64; 1] = [1e-3];

/// Active fractions to aim at where the flags name none: under the general recipe, and for methods that take no lambda. What lambda closes depends on the
/// data set; a target means the same on every one.
const GENERAL_TARGETS: [f64; 3] = [0.05, 0.15, 0.5];

/// One combination of settings for a method, which is run with every seed.
struct PointToRun {
    ablation: Option<String>,
    lambda: Option<f64>,
    /// Changes to the modality's settings.
    settings: Value,
}

/// A method without a penalty to adjust is run once per seed. Every other method is run at all lambdas and targets, or at
/// all targets if it takes no lambda.
/// L0GM is also run with each ablation, at the ablation's own lambdas or at those of the flags.
fn points_of(
    method: &MethodInfo,
    choice: &Choice,
    general: bool,
) -> anyhow::Result<Vec<PointToRun>> {
    let plain = || Value::Object(Map::new());
    if !method.has_knob() {
        return Ok(vec![PointToRun {
            ablation: None,
            lambda: None,
            settings: plain(),
        }]);
    }
    let by_target = !method.takes_lambda();
    let usual_targets = match by_target {
        true => choice.targets.is_empty(),
        false => general && !choice.points_given,
    };
    let mut points = if usual_targets {
        let targets = GENERAL_TARGETS.map(Target::new);
        let targets: Result<Vec<Target>, _> = targets.into_iter().collect();
        sparsities(&[], &targets?, &plain())
    } else if by_target {
        sparsities(&[], &choice.targets, &plain())
    } else if method.role == Role::Variant && !choice.points_given {
        sparsities(&VARIANT_LAMBDAS, &[], &plain())
    } else {
        sparsities(&choice.lambdas, &choice.targets, &plain())
    };
    let ablations = choice.ablations.iter().filter(|_| method.is_subject());
    for ablation in ablations {
        for (name, settings) in ablation.variants() {
            let of_it = match choice.points_given {
                true => sparsities(&choice.lambdas, &choice.targets, &settings),
                false => sparsities(ablation.lambdas(), &[], &settings),
            };
            points.extend(of_it.into_iter().map(|point| PointToRun {
                ablation: Some(name.clone()),
                ..point
            }));
        }
    }
    Ok(points)
}

/// The points of these settings: one for each lambda and target.
fn sparsities(lambdas: &[f64], targets: &[Target], settings: &Value) -> Vec<PointToRun> {
    let by_lambda = lambdas.iter().map(|&lambda| PointToRun {
        ablation: None,
        lambda: Some(lambda),
        settings: settings.clone(),
    });
    let by_target = targets.iter().map(|target| {
        let aimed = json!({"train": {"target": target.active()}});
        PointToRun {
            ablation: None,
            lambda: None,
            settings: merged(settings, &aimed),
        }
    });
    by_lambda.chain(by_target).collect()
}

fn known_methods(modalities: &[Box<dyn Modality>]) -> Vec<String> {
    let mut methods = Vec::new();
    for modality in modalities {
        for method in modality.methods() {
            let name = method.name.into_owned();
            if !methods.contains(&name) {
                methods.push(name);
            }
        }
    }
    methods
}

/// Pairs (modality index, dataset). Without `--dataset`, each chosen modality has its default dataset.
pub fn chosen_datasets(
    modalities: &[Box<dyn Modality>],
    choice: &Choice,
) -> anyhow::Result<Vec<(usize, String)>> {
    let known: Vec<String> = modalities.iter().map(|m| m.name().to_owned()).collect();
    for name in &choice.modalities {
        names::check("--modality", name, &known)?;
    }
    let chosen: Vec<usize> = (0..modalities.len())
        .filter(|&i| choice.modalities.is_empty() || choice.modalities.contains(&known[i]))
        .collect();
    if choice.datasets.is_empty() {
        return Ok(chosen
            .into_iter()
            .filter_map(|i| modalities[i].datasets().into_iter().next().map(|d| (i, d)))
            .collect());
    }
    let mut pairs = Vec::new();
    for dataset in &choice.datasets {
        let of_name = chosen
            .iter()
            .find(|&&i| modalities[i].datasets().contains(dataset));
        let index = match of_name {
            Some(&index) => index,
            None if looks_like_a_path(dataset) => match chosen.as_slice() {
                [only] => *only,
                _ => {
                    return Err(usage(format!(
                        "--dataset {dataset}: a path needs one --modality ({})",
                        known.join(", ")
                    )));
                }
            },
            None => {
                if let Some(other) = modalities.iter().find(|m| m.datasets().contains(dataset)) {
                    return Err(usage(format!(
                        "--dataset {dataset}: is of modality {}, which --modality {} leaves out",
                        other.name(),
                        choice.modalities.join(",")
                    )));
                }
                let names: Vec<String> = chosen
                    .iter()
                    .flat_map(|&i| modalities[i].datasets())
                    .collect();
                return Err(names::check("--dataset", dataset, &names)
                    .err()
                    .unwrap_or_else(|| usage(format!("--dataset {dataset}: not known"))));
            }
        };
        if !pairs.contains(&(index, dataset.clone())) {
            pairs.push((index, dataset.clone()));
        }
    }
    pairs.sort_by_key(|(index, _)| *index);
    Ok(pairs)
}

fn looks_like_a_path(dataset: &str) -> bool {
    dataset.contains(['/', '\\', '.']) || std::path::Path::new(dataset).exists()
}

/// Turns an error in a setting into a usage error; other errors stay as they are.
pub fn spec_error(modality: &str, dataset: &str, error: l0gm_train::Error) -> anyhow::Error {
    match error {
        l0gm_train::Error::Setting(message) => usage(format!("{modality}: {message}")),
        l0gm_train::Error::Gate(l0gm_gate::Error::Setting(message)) => {
            usage(format!("{modality}: {message}"))
        }
        // Most errors about data begin with the file's name; a reader need not see it twice.
        other if other.to_string().contains(dataset) => anyhow::Error::new(other),
        other => anyhow::Error::new(other).context(format!("planning {modality} on {dataset}")),
    }
}

#[cfg(test)]
mod tests;

//! The search space of the paper's Table 7, in the settings of a modality, and the points that a search tries.

use crate::flags::WayFlag;
use crate::usage::usage;
use anyhow::Context;
use l0gm_gate::Generator;
use l0gm_report::paper::Paper;
use l0gm_train::{Hyperparameter, Modality};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Number of draws after which a random search counts the space as used up, because draws repeat earlier points.
const REDRAWS: usize = 10_000;

/// How a search chooses points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Independent draws: candidates are equally likely, and ranges are drawn from uniformly.
    Random,
    /// Points of the grid of all candidates in random order. A range contributes both ends and the middle.
    Grid,
}

impl From<WayFlag> for Way {
    fn from(way: WayFlag) -> Self {
        match way {
            WayFlag::Random => Self::Random,
            WayFlag::Grid => Self::Grid,
        }
    }
}

/// The paper's Table 7, as transcribed. Lambda, granularity and coupling are not searched: lambda is swept, and the
/// ablations compare the other two.
#[derive(Debug, Deserialize)]
struct Table7 {
    learning_rate: Vec<f64>,
    weight_decay: Vec<f64>,
    dropout: Vec<f64>,
    batch_size: Vec<u64>,
    warmup_fraction: [f64; 2],
    end_temperature: [f64; 2],
}

/// One searched setting of a modality.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// Its path in the modality's settings, such as "train.batch-size".
    pub key: String,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    OneOf(Vec<Value>),
    Range(f64, f64),
}

/// The searched settings of one modality.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Space {
    /// Settings that every method has.
    pub backbone: Vec<Axis>,
    /// Settings that only gated methods have.
    pub gate: Vec<Axis>,
}

/// One point of the space: values by path. Trial 0 is empty for the defaults, or holds an incumbent's values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Trial {
    /// Settings for every method; all methods share them within one trial.
    pub backbone: Vec<(String, Value)>,
    /// Settings for gated methods.
    pub gate: Vec<(String, Value)>,
}

impl Space {
    /// The space of a modality; settings that `held` contains are not searched.
    pub(crate) fn new(modality: &dyn Modality, held: &Value) -> anyhow::Result<Self> {
        let paper = Paper::load()?;
        let table: Table7 = paper
            .search
            .try_into()
            .context("results/paper/tables.toml: [search]")?;
        let some = |values: &[f64]| Values::OneOf(values.iter().map(|&v| v.into()).collect());
        let axis = |name, values| {
            let key = modality.setting_of(name)?;
            (!is_set(held, key)).then(|| Axis {
                key: key.to_owned(),
                values,
            })
        };
        let backbone = [
            axis(Hyperparameter::LearningRate, some(&table.learning_rate)),
            axis(Hyperparameter::WeightDecay, some(&table.weight_decay)),
            axis(Hyperparameter::Dropout, some(&table.dropout)),
            axis(
                Hyperparameter::BatchSize,
                Values::OneOf(table.batch_size.iter().map(|&v| v.into()).collect()),
            ),
        ];
        let range = |[low, high]: [f64; 2]| Values::Range(low, high);
        let gate = [
            axis(Hyperparameter::Warmup, range(table.warmup_fraction)),
            axis(Hyperparameter::EndTemperature, range(table.end_temperature)),
        ];
        Ok(Self {
            backbone: backbone.into_iter().flatten().collect(),
            gate: gate.into_iter().flatten().collect(),
        })
    }

    /// Splits a table of settings into the searched ones, as a trial, and the rest.
    pub(crate) fn split(&self, settings: &Value) -> (Trial, Value) {
        let mut rest = settings.clone();
        let mut of = |axes: &[Axis]| -> Vec<(String, Value)> {
            let found = axes.iter().filter_map(|axis| {
                let value = remove(&mut rest, &axis.key)?;
                Some((axis.key.clone(), value))
            });
            found.collect()
        };
        let trial = Trial {
            backbone: of(&self.backbone),
            gate: of(&self.gate),
        };
        (trial, rest)
    }

    /// Makes `count` trials, of which `first` is trial 0: the defaults or an incumbent. No two share their backbone
    /// settings, so that every method tries the same number of different points.
    pub(crate) fn trials(
        &self,
        first: Trial,
        way: Way,
        count: usize,
        seed: u64,
    ) -> anyhow::Result<Vec<Trial>> {
        let mut grid = product(&self.backbone);
        grid.retain(|backbone| *backbone != first.backbone);
        if count == 0 || count > grid.len() + 1 {
            return Err(usage(format!(
                "--trials {count}: expected 1 to {}: the settings in use and each other point of the space once",
                grid.len() + 1
            )));
        }
        let root = Generator::new(seed);
        let mut trials = vec![first];
        match way {
            Way::Grid => {
                let mut order = grid;
                root.stream("grid", 0).shuffle(&mut order);
                let mut gates = product(&self.gate);
                root.stream("grid", 1).shuffle(&mut gates);
                let points = order.into_iter().zip(gates.into_iter().cycle());
                trials.extend(
                    points
                        .take(count - 1)
                        .map(|(backbone, gate)| Trial { backbone, gate }),
                );
            }
            Way::Random => {
                let mut generator = root.stream("random", 0);
                for _ in 0..REDRAWS {
                    if trials.len() == count {
                        break;
                    }
                    let backbone = draw(&self.backbone, &mut generator);
                    let gate = draw(&self.gate, &mut generator);
                    if trials.iter().all(|t| t.backbone != backbone) {
                        trials.push(Trial { backbone, gate });
                    }
                }
                if trials.len() < count {
                    return Err(usage(format!(
                        "--trials {count}: that is nearly the whole space; take --by grid"
                    )));
                }
            }
        }
        Ok(trials)
    }
}

impl Trial {
    /// The trial as a table of settings; `gated` includes those of the gate.
    pub(crate) fn settings(&self, gated: bool) -> Value {
        let mut table = Value::Object(Map::new());
        let gate = self.gate.iter().filter(|_| gated);
        for (key, value) in self.backbone.iter().chain(gate) {
            insert(&mut table, key, value.clone());
        }
        table
    }
}

/// Puts a value at a dotted path and creates tables on the way.
pub(crate) fn insert(table: &mut Value, key: &str, value: Value) {
    let mut at = table;
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let Value::Object(map) = at else { return };
        if parts.peek().is_none() {
            map.insert(part.to_owned(), value);
            return;
        }
        at = map.entry(part).or_insert_with(|| Value::Object(Map::new()));
    }
}

pub(crate) fn get<'v>(table: &'v Value, key: &str) -> Option<&'v Value> {
    key.split('.')
        .try_fold(table, |table, part| table.get(part))
}

/// Removes the value at a dotted path and returns it.
fn remove(table: &mut Value, key: &str) -> Option<Value> {
    let (path, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut parts = path.split('.').filter(|part| !part.is_empty());
    let table = parts.try_fold(table, |table, part| table.get_mut(part))?;
    table.as_object_mut()?.remove(last)
}

fn is_set(table: &Value, key: &str) -> bool {
    get(table, key).is_some()
}

/// Every combination of the axes' candidates; the last axis varies fastest. No axes give one empty combination.
fn product(axes: &[Axis]) -> Vec<Vec<(String, Value)>> {
    let mut points = vec![Vec::new()];
    for axis in axes {
        let values = match &axis.values {
            Values::OneOf(values) => values.clone(),
            Values::Range(low, high) => [*low, rounded((low + high) / 2.0), *high]
                .map(Value::from)
                .to_vec(),
        };
        points = points
            .into_iter()
            .flat_map(|point: Vec<(String, Value)>| {
                values
                    .iter()
                    .map(move |value| {
                        let mut longer = point.clone();
                        longer.push((axis.key.clone(), value.clone()));
                        longer
                    })
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    points
}

fn draw(axes: &[Axis], generator: &mut Generator) -> Vec<(String, Value)> {
    axes.iter()
        .map(|axis| {
            let value = match &axis.values {
                Values::OneOf(values) => {
                    values[generator.below(values.len() as u64) as usize].clone()
                }
                Values::Range(low, high) => {
                    rounded(low + (high - low) * generator.uniform()).into()
                }
            };
            (axis.key.clone(), value)
        })
        .collect()
}

/// Three decimals: finer steps do not matter, and people read these values.
fn rounded(x: f64) -> f64 {
    (x * 1e3).round() / 1e3
}

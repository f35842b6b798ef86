//! Tests whether L0GM differs from its rivals by more than the choice of test examples would explain. A paired
//! bootstrap on the stored predictions compares accuracy, NLL and Brier score, corrected over all tests of a family.
//! Dense and the other methods form families; designs with one changed choice are a family of their own.

mod bootstrap;
mod holm;
mod pairing;
mod table;

pub(crate) use bootstrap::RESAMPLES;
pub(crate) use table::blocks;

use super::arms;
use super::design::Axis;
use super::study::{Point, Study};
use crate::choice::Choices;
use crate::out::OutDir;
use bootstrap::paired;
use l0gm_gate::Generator;
use l0gm_train::{Role, RunRecord, Split, read_predictions};
pub(crate) use pairing::{Scored, differences};
use std::collections::BTreeMap;

/// Seed of the resampling, the same for every test of every report.
const SEED: u64 = 0;

/// A measure that the tests compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Accuracy, where higher is better.
    Accuracy,
    /// Negative log-likelihood in nats, where lower is better.
    Nll,
    /// Brier score, where lower is better.
    Brier,
}

const MEASURES: [Measure; 3] = [Measure::Accuracy, Measure::Nll, Measure::Brier];

/// The test of one measure for one pair of models.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// The measure that was tested.
    pub measure: Measure,
    /// Our value minus the rival's.
    pub difference: f64,
    /// Lower end of the 95% interval of the difference.
    pub low: f64,
    /// Upper end of the 95% interval of the difference.
    pub high: f64,
    /// Two-sided p value before correction.
    pub p: f64,
    /// p value after Holm's correction over the family's tests.
    pub p_holm: f64,
}

impl Test {
    /// Whether ours is better, worse or not distinguishable at the 5% level, after correction.
    pub fn outcome(&self) -> Outcome {
        let higher_is_better = self.measure == Measure::Accuracy;
        if self.p_holm > 0.05 {
            Outcome::Same
        } else if (self.difference > 0.0) == higher_is_better {
            Outcome::Better
        } else {
            Outcome::Worse
        }
    }
}

/// The conclusion of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Ours is better.
    Better,
    /// The difference could be due to chance.
    Same,
    /// Ours is worse.
    Worse,
}

/// Tests that answer one question and are corrected together for multiple testing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// L0GM against dense and every rival.
    Rivals,
    /// L0GM against the inexpensive methods that every study includes.
    Baselines,
    /// The default design against designs with one changed choice.
    Designs,
}

impl Family {
    /// Every family, in the report's order.
    pub(crate) const ALL: [Self; 3] = [Self::Rivals, Self::Baselines, Self::Designs];
}

/// A comparison of one pair of points.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Slug of the study.
    pub study: String,
    /// The family whose tests are corrected together.
    pub family: Family,
    /// Label of our point.
    pub ours: String,
    /// Label of the rival's point.
    pub rival: String,
    /// Number of seeds that both points have.
    pub seeds: usize,
    /// Number of resampled pairs of predictions: examples, or (seed, example) pairs if each seed has test rows of its
    /// own.
    pub examples: usize,
    /// One test for each measure, or the reason why there is none.
    pub tests: Result<Vec<Test>, String>,
}

impl Comparison {
    /// The test of one measure, if there is one.
    pub fn test(&self, measure: Measure) -> Option<&Test> {
        let tests = self.tests.as_ref().ok()?;
        tests.iter().find(|test| test.measure == measure)
    }
}

/// The test of one measure between two points of a study, identified by their labels.
pub fn test_between<'c>(
    comparisons: &'c [Comparison],
    study: &str,
    (ours, rival): (&str, &str),
    measure: Measure,
) -> Option<&'c Test> {
    comparisons
        .iter()
        .filter(|c| c.study == study && c.ours == ours && c.rival == rival)
        .find_map(|c| c.test(measure))
}

/// Compares all pairs of a folder's runs. If the predictions of a run cannot be read, its pairs say so instead of
/// giving tests, and stderr does too.
pub fn compare(out: &OutDir, records: &[RunRecord], choices: &Choices) -> Vec<Comparison> {
    let studies = choices.studies(records);
    let read = |run: &RunRecord| {
        scored(out, run, Split::Test)
            .inspect_err(|error| eprintln!("warning: not compared: {error}"))
    };
    studies
        .iter()
        .flat_map(|study| compare_study(study, &read))
        .collect()
}

/// Reads and scores one run's predictions of a split.
pub(crate) fn scored(out: &OutDir, run: &RunRecord, split: Split) -> Result<Scored, String> {
    let path = out.run(&run.run_id).join("predictions.parquet");
    let broken = |what: String| {
        format!(
            "{what}; delete predictions.parquet and record.json there, and run the same command again"
        )
    };
    let tables = read_predictions(&path).map_err(|error| broken(error.to_string()))?;
    let table = tables.iter().find(|table| table.split == split);
    let name: &str = split.into();
    let table =
        table.ok_or_else(|| broken(format!("{}: no {name} predictions", path.display())))?;
    Ok(Scored::of(table))
}

type Read<'r> = &'r dyn Fn(&RunRecord) -> Result<Scored, String>;

fn compare_study(study: &Study<'_>, read: Read<'_>) -> Vec<Comparison> {
    let mut cache: BTreeMap<String, Result<Scored, String>> = BTreeMap::new();
    let mut found: Vec<Comparison> = pairs(study)
        .into_iter()
        .map(|(family, ours, rival)| {
            for run in ours.runs.iter().chain(&rival.runs) {
                let id = run.run_id.clone();
                cache.entry(id).or_insert_with(|| read(run));
            }
            compare_pair(study, (family, ours, rival), &cache)
        })
        .collect();
    for family in Family::ALL {
        correct(&mut found, family);
    }
    found
}

/// Our point and the rival's, with their family.
type Pair<'s, 'a> = (Family, &'s Point<'a>, &'s Point<'a>);

/// The pairs to compare. The gated points that are recommended and that have the lowest validation loss are each
/// compared with dense at their settings and with every other method; an ablation is compared with the default design
/// at the same lambda.
fn pairs<'s, 'a>(study: &'s Study<'a>) -> Vec<Pair<'s, 'a>> {
    let mut pairs: Vec<Pair<'s, 'a>> = Vec::new();
    let rivals = |pair: (&'s Point<'a>, &'s Point<'a>)| (Family::Rivals, pair.0, pair.1);
    let mut ours: Vec<&Point<'a>> = arms::best(study).into_iter().collect();
    let pick = study.pick().filter(|p| p.departures().is_empty());
    ours.extend(pick.filter(|pick| !ours.iter().any(|p| std::ptr::eq(*p, *pick))));
    for point in ours {
        pairs.extend(
            study
                .dense_beside(point)
                .map(|dense| rivals((point, dense))),
        );
        let others = study.points.iter().filter_map(|other| {
            let family = match other.method.role {
                Role::Backbone | Role::Subject => return None,
                Role::Variant if other.lambda != point.lambda => return None,
                Role::Variant => Family::Designs,
                Role::Rival => Family::Rivals,
                Role::Baseline => Family::Baselines,
            };
            Some((family, point, other))
        });
        pairs.extend(others);
    }
    for axis in Axis::ALL {
        let designs = arms::pairs(study, axis).into_iter();
        pairs.extend(designs.map(|(plain, other)| (Family::Designs, plain, other)));
    }
    pairs
}

fn compare_pair(
    study: &Study<'_>,
    (family, ours, rival): Pair<'_, '_>,
    cache: &BTreeMap<String, Result<Scored, String>>,
) -> Comparison {
    let shared: Vec<(&RunRecord, &RunRecord)> = ours
        .runs
        .iter()
        .filter_map(|a| {
            let b = rival.runs.iter().find(|b| b.spec.seed == a.spec.seed)?;
            Some((*a, *b))
        })
        .collect();
    let get = |run: &RunRecord| match cache.get(&run.run_id) {
        Some(Ok(scored)) => Ok(scored),
        Some(Err(error)) => Err(error.clone()),
        None => Err(format!("{}: not read", run.run_id)),
    };
    let mut examples = 0;
    let tests = shared
        .iter()
        .map(|(a, b)| Ok((get(a)?, get(b)?)))
        .collect::<Result<Vec<_>, String>>()
        .and_then(|pairs| differences(&pairs))
        .and_then(|strata| {
            examples = strata.iter().map(Vec::len).sum();
            let name = format!("{}: {} / {}", study.slug(), ours.label(), rival.label());
            let draws = Generator::new(SEED).stream(&name, 0);
            paired(&strata, RESAMPLES, &draws)
                .ok_or_else(|| "no example, or a loss that is not finite".to_owned())
        })
        .map(|estimates| {
            let tests = MEASURES.into_iter().zip(estimates);
            tests
                .map(|(measure, e)| Test {
                    measure,
                    difference: e.difference,
                    low: e.low,
                    high: e.high,
                    p: e.p,
                    p_holm: e.p,
                })
                .collect()
        });
    Comparison {
        study: study.slug(),
        family,
        ours: ours.label(),
        rival: rival.label(),
        seeds: shared.len(),
        examples,
        tests,
    }
}

/// Applies Holm's correction to all tests of one family of a study together.
fn correct(comparisons: &mut [Comparison], family: Family) {
    let mut tests: Vec<&mut Test> = comparisons
        .iter_mut()
        .filter(|c| c.family == family)
        .filter_map(|c| c.tests.as_mut().ok())
        .flatten()
        .collect();
    let p: Vec<f64> = tests.iter().map(|test| test.p).collect();
    for (test, corrected) in tests.iter_mut().zip(holm::holm(&p)) {
        test.p_holm = corrected;
    }
}

#[cfg(test)]
mod tests;

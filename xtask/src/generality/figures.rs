//! The figures of a block, each computed from the records of its runs: one row a method, means over seeds.

use l0gm_train::{MethodInfo, RunRecord};
use std::collections::{BTreeMap, BTreeSet};

/// A mean over seeds with its sample standard deviation, which needs two seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) mean: f64,
    pub(super) std: Option<f64>,
}

/// What one method reached in a block. All measures are of the test split, before temperature scaling.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) method: MethodInfo,
    /// Number of seeds whose runs are finished.
    pub(super) seeds: usize,
    /// In nats.
    pub(super) nll: Estimate,
    /// Binary, or macro one-vs-rest; absent if a record has none.
    pub(super) auc: Option<f64>,
    pub(super) ece: f64,
    /// What ECE reads on average if the predictions are perfectly calibrated.
    pub(super) ece_noise: f64,
    pub(super) accuracy: f64,
    /// Share of the interface that the deterministic gate leaves open; 1 for the backbone, absent for baselines.
    pub(super) active: Option<f64>,
    pub(super) seconds: f64,
    /// Place by NLL among the rows with the same seeds as the most complete one; others have none.
    pub(super) rank: Option<usize>,
    /// Number of warnings in all records.
    pub(super) warnings: usize,
    /// Largest relative distance between the chosen validation loss and the best one seen.
    pub(super) gap: Option<f64>,
    /// Largest distance between the expected and the deterministic active fraction, for gated methods.
    pub(super) apart: Option<f64>,
}

/// What the table shows of one member at one number of training rows.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    /// One row for each method with a finished run, in the order of the records.
    pub(super) rows: Vec<Row>,
    /// What the suite's lambda leaves open, in the mean over seeds.
    pub(super) by_lambda: Option<f64>,
    /// Numbers of training, validation and test rows of the first record.
    pub(super) parts: [usize; 3],
    /// The device and machine of the records, most often one.
    pub(super) machines: BTreeSet<String>,
}

impl Figures {
    /// Computes them; `None` if no run is finished.
    pub(super) fn of(records: &[RunRecord]) -> Option<Self> {
        let first = records.first()?;
        let mut by_method: Vec<Vec<&RunRecord>> = Vec::new();
        let mut by_lambda = Vec::new();
        for record in records {
            if record.method.is_subject() && record.spec.lambda.is_some() {
                by_lambda.push(record.gate.active_fraction);
                continue;
            }
            match by_method
                .iter_mut()
                .find(|of_one| of_one[0].method.name == record.method.name)
            {
                Some(of_one) => of_one.push(record),
                None => by_method.push(vec![record]),
            }
        }
        let mut rows: Vec<Row> = by_method.iter().map(|records| row(records)).collect();
        let seeds = |records: &Vec<&RunRecord>| records.iter().map(|r| r.spec.seed).collect();
        let seeds: Vec<BTreeSet<u64>> = by_method.iter().map(seeds).collect();
        rank(&mut rows, &seeds);
        let part = |name: &str| first.data.rows.get(name).copied().unwrap_or(0);
        Some(Self {
            rows,
            by_lambda: (!by_lambda.is_empty())
                .then(|| by_lambda.iter().sum::<f64>() / by_lambda.len() as f64),
            parts: ["train", "valid", "test"].map(part),
            machines: records.iter().map(machine).collect(),
        })
    }

    /// The rows that can be compared: those with a rank, in that order.
    pub(super) fn ranked(&self) -> Vec<&Row> {
        let mut ranked: Vec<&Row> = self.rows.iter().filter(|row| row.rank.is_some()).collect();
        ranked.sort_by_key(|row| row.rank);
        ranked
    }
}

fn row(records: &[&RunRecord]) -> Row {
    let mean = |of: fn(&RunRecord) -> f64| {
        records.iter().map(|record| of(record)).sum::<f64>() / records.len() as f64
    };
    let method = records[0].method.clone();
    let auc = records.iter().filter(|record| record.test.auc.is_some());
    let has_auc = auc.count() == records.len();
    let has_interface = method.gated || method.is_backbone();
    let nll = records.iter().map(|record| record.calibration.nll);
    Row {
        seeds: records.len(),
        nll: estimate(&nll.collect::<Vec<f64>>()),
        auc: has_auc.then(|| mean(|record| record.test.auc.unwrap_or(f64::NAN))),
        ece: mean(|record| record.calibration.ece),
        ece_noise: mean(|record| record.calibration.ece_noise),
        accuracy: mean(|record| record.test.accuracy),
        active: has_interface.then(|| mean(|record| record.gate.active_fraction)),
        seconds: mean(|record| record.train_seconds),
        rank: None,
        warnings: records.iter().map(|record| record.warnings.len()).sum(),
        gap: largest(records.iter().map(|record| Some(record.selection?.gap()))),
        apart: largest(records.iter().map(|record| apart(record))),
        method,
    }
}

/// Distance between the expected and the deterministic active fraction; `None` without a gate.
fn apart(record: &RunRecord) -> Option<f64> {
    let gate = &record.gate;
    gate.kind?;
    let expected = gate.expected_l0 / gate.total_dims.max(1) as f64;
    Some((expected - gate.active_fraction).abs())
}

fn largest(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    values.flatten().max_by(f64::total_cmp)
}

fn estimate(values: &[f64]) -> Estimate {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Estimate {
        mean,
        std: (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()),
    }
}

/// Ranks by mean NLL. Means over other seeds are means over other rows and not compared; equal means share a place.
/// `seeds` are those of each row.
fn rank(rows: &mut [Row], seeds: &[BTreeSet<u64>]) {
    let most = seeds.iter().map(BTreeSet::len).max().unwrap_or(0);
    let Some(compared) = seeds.iter().find(|seeds| seeds.len() == most) else {
        return;
    };
    let mut rows: Vec<&mut Row> = rows
        .iter_mut()
        .zip(seeds)
        .filter_map(|(row, seeds)| (seeds == compared).then_some(row))
        .collect();
    let losses: Vec<f64> = rows.iter().map(|row| row.nll.mean).collect();
    for row in &mut rows {
        let better = losses.iter().filter(|loss| **loss < row.nll.mean).count();
        row.rank = Some(better + 1);
    }
}

fn machine(record: &RunRecord) -> String {
    let of = record.versions.get("machine").map_or("?", String::as_str);
    match record.device.as_str() {
        "cpu" => format!("{of}, {} threads", record.threads),
        device => format!("{of}, {device}"),
    }
}

/// Mean rank and number of blocks of every method, by modality and then by mean rank.
pub(super) fn mean_ranks<'a>(
    blocks: impl Iterator<Item = (&'static str, &'a Figures)>,
) -> Vec<(&'static str, String, f64, usize)> {
    let mut places: BTreeMap<(&'static str, String), Vec<usize>> = BTreeMap::new();
    for (modality, figures) in blocks {
        for row in &figures.rows {
            if let Some(rank) = row.rank {
                let key = (modality, row.method.name.to_string());
                places.entry(key).or_default().push(rank);
            }
        }
    }
    let mut means: Vec<(&'static str, String, f64, usize)> = places
        .into_iter()
        .map(|((modality, name), ranks)| {
            let mean = ranks.iter().sum::<usize>() as f64 / ranks.len() as f64;
            (modality, name, mean, ranks.len())
        })
        .collect();
    means.sort_by(|a, b| {
        (a.0, a.2)
            .partial_cmp(&(b.0, b.2))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    means
}

//! Label propagation (Zhu and Ghahramani 2002) in the form of Zhou et al. 2004: classes spread from the training nodes
//! along the edges, and no feature is read,
//!
//! ```text
//! Y ← α Â Y + (1 - α) Y⁽⁰⁾,   Â = D^-1/2 A D^-1/2
//! ```
//!
//! where a row of Y⁽⁰⁾ is the class of a training node, or 0. Iterations end where Y no longer changes. The row of a
//! node, divided by its sum, gives the probabilities of its classes.

use crate::settings::whole;
use crate::{Adjacency, Error, NodeId, Result};
use candle_core::{Device, Tensor};
use l0gm_ops::{Csr, SparseMatrix, csr_matmul};
use l0gm_train::StopFlag;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Shares of the training classes' frequencies that are mixed into every node's probabilities; validation chooses one. A
/// class that no label reaches would otherwise have the probability 0, and one such node an infinite loss.
const PRIORS: [f64; 5] = [0.3, 0.1, 0.03, 0.01, 0.003];

/// Settings of label propagation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LabelSettings {
    /// Values of α that are tried.
    pub(crate) alphas: Vec<f64>,
    /// Most iterations for each α.
    pub(crate) iterations: usize,
    /// Iterations end where no entry of Y changes by more than this.
    pub(crate) tolerance: f64,
}

impl Default for LabelSettings {
    fn default() -> Self {
        Self {
            alphas: vec![0.5, 0.8, 0.9, 0.95, 0.99],
            iterations: 200,
            tolerance: 1e-6,
        }
    }
}

impl LabelSettings {
    /// From the own settings of a method called `name`, checked.
    ///
    /// # Errors
    /// Names the setting, its value and what is allowed.
    pub(crate) fn from_value(name: &str, value: &Value) -> Result<Self> {
        let own: Self = serde_json::from_value(value.clone())
            .map_err(|e| Error::Setting(format!("settings of method {name}: {e}")))?;
        let inside = |alpha: &f64| *alpha > 0.0 && *alpha < 1.0;
        if own.alphas.is_empty() || !own.alphas.iter().all(inside) {
            return Err(Error::Setting(format!(
                "method.{name}.alphas is {:?}; expected at least one number, all between 0 and 1",
                own.alphas
            )));
        }
        let iterations = format!("method.{name}.iterations");
        whole(&iterations, own.iterations, 1, 1_000_000)?;
        if !(own.tolerance.is_finite() && own.tolerance >= 0.0) {
            return Err(Error::Setting(format!(
                "method.{name}.tolerance is {}; it must be finite and at least 0",
                own.tolerance
            )));
        }
        Ok(own)
    }
}

/// Some nodes and their classes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownNodes<'a> {
    pub(crate) nodes: &'a [u32],
    pub(crate) labels: &'a [u32],
}

/// The chosen α and what it predicts.
#[derive(Clone, Debug)]
pub(crate) struct Propagated {
    pub(crate) alpha: f64,
    /// Share of the class frequencies in every node's probabilities.
    pub(crate) prior: f64,
    /// Iterations that the chosen α took, and whether Y stopped changing in them.
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
    pub(crate) valid_nll: f64,
    /// Logarithms of the validation nodes' probabilities, and of the test nodes'.
    pub(crate) valid: Vec<f32>,
    pub(crate) test: Vec<f32>,
}

/// Spreads the training nodes' classes and chooses α and the share of the class frequencies by the validation loss.
///
/// # Errors
/// A tensor operation fails, or a stop was requested. There is nothing to choose by without validation nodes.
pub(crate) fn propagate_labels(
    adjacency: &Adjacency,
    classes: usize,
    (train, valid, test): (KnownNodes<'_>, KnownNodes<'_>, &[u32]),
    settings: &LabelSettings,
    mut heard: impl FnMut(usize),
    stop: &StopFlag,
) -> l0gm_train::Result<Propagated> {
    let matrix = symmetric_without_loops(adjacency)?;
    let seeds = seeds(adjacency.nodes(), classes, train)?;
    let frequencies = frequencies(classes, train.labels);
    let mut best: Option<Propagated> = None;
    for (trial, &alpha) in settings.alphas.iter().enumerate() {
        heard(trial);
        let spread = spread(&matrix, &seeds, alpha, settings, stop)?;
        let of_valid = spread.probabilities(valid.nodes, &frequencies)?;
        for prior in PRIORS {
            let logits = mixed(&of_valid, &frequencies, prior);
            let valid_nll = nll(&logits, valid.labels, classes);
            if best.as_ref().is_none_or(|best| valid_nll < best.valid_nll) {
                let of_test = spread.probabilities(test, &frequencies)?;
                best = Some(Propagated {
                    alpha,
                    prior,
                    iterations: spread.iterations,
                    converged: spread.converged,
                    valid_nll,
                    valid: logits,
                    test: mixed(&of_test, &frequencies, prior),
                });
            }
        }
    }
    best.ok_or_else(|| {
        l0gm_train::Error::Task("there are no validation nodes to choose alpha by".to_owned())
    })
}

/// D^-1/2 A D^-1/2. The row of a node without neighbours is empty.
pub(crate) fn symmetric_without_loops(adjacency: &Adjacency) -> Result<SparseMatrix> {
    let nodes = adjacency.nodes();
    let around = |node: u32| adjacency.neighbours(NodeId(node));
    let scale: Vec<f64> = (0..nodes as u32)
        .map(|node| 1.0 / (around(node).len().max(1) as f64).sqrt())
        .collect();
    let mut values = Vec::with_capacity(adjacency.indices().len());
    for node in 0..nodes as u32 {
        let of = |other: &u32| (scale[node as usize] * scale[*other as usize]) as f32;
        values.extend(around(node).iter().map(of));
    }
    let (indptr, indices) = (adjacency.indptr().to_vec(), adjacency.indices().to_vec());
    Ok(SparseMatrix::new(Csr::new(
        nodes, nodes, indptr, indices, values,
    )?))
}

/// Y⁽⁰⁾, nodes x classes: 1 at the class of each training node, 0 elsewhere.
fn seeds(nodes: usize, classes: usize, train: KnownNodes<'_>) -> Result<Tensor> {
    let mut values = vec![0f32; nodes * classes];
    for (&node, &label) in train.nodes.iter().zip(train.labels) {
        values[node as usize * classes + label as usize] = 1.0;
    }
    Ok(Tensor::from_vec(values, (nodes, classes), &Device::Cpu)?)
}

/// Shares of the classes among the training nodes. A class without any counts as half a node, so that its share is not 0.
fn frequencies(classes: usize, labels: &[u32]) -> Vec<f64> {
    let mut counts = vec![0f64; classes];
    labels.iter().for_each(|&l| counts[l as usize] += 1.0);
    counts.iter_mut().for_each(|count| *count = count.max(0.5));
    let all: f64 = counts.iter().sum();
    counts.iter().map(|count| count / all).collect()
}

/// Y where it no longer changes, or after the last iteration.
struct Spread {
    /// nodes x classes.
    y: Tensor,
    iterations: usize,
    converged: bool,
}

fn spread(
    matrix: &SparseMatrix,
    seeds: &Tensor,
    alpha: f64,
    settings: &LabelSettings,
    stop: &StopFlag,
) -> l0gm_train::Result<Spread> {
    let kept = (seeds * (1.0 - alpha))?; // (1 - α) Y⁽⁰⁾
    let mut y = seeds.clone();
    for iterations in 1..=settings.iterations {
        if stop.is_set() {
            return Err(l0gm_train::Error::Stopped);
        }
        let next = ((csr_matmul(matrix, &y)? * alpha)? + &kept)?;
        let change = (&next - &y)?.abs()?.max_all()?.to_scalar::<f32>()?;
        y = next;
        if f64::from(change) <= settings.tolerance {
            return Ok(Spread {
                y,
                iterations,
                converged: true,
            });
        }
    }
    Ok(Spread {
        y,
        iterations: settings.iterations,
        converged: false,
    })
}

impl Spread {
    /// Probabilities of some nodes' classes, row by row. Nodes that no label has reached get the frequencies.
    fn probabilities(&self, nodes: &[u32], frequencies: &[f64]) -> Result<Vec<f64>> {
        let ids = Tensor::new(nodes, &Device::Cpu)?;
        let rows: Vec<f32> = self.y.index_select(&ids, 0)?.flatten_all()?.to_vec1()?;
        let rows = rows.chunks_exact(frequencies.len());
        Ok(rows
            .flat_map(|row| {
                let sum: f64 = row.iter().map(|y| f64::from(*y)).sum();
                let shares = row.iter().zip(frequencies);
                let shares = shares.map(move |(y, frequency)| match sum > 0.0 {
                    true => f64::from(*y) / sum,
                    false => *frequency,
                });
                shares.collect::<Vec<f64>>()
            })
            .collect())
    }
}

/// Logarithms of probabilities into which a share of the frequencies is mixed.
fn mixed(probabilities: &[f64], frequencies: &[f64], prior: f64) -> Vec<f32> {
    let rows = probabilities.chunks_exact(frequencies.len());
    let of_row = |row: &[f64]| -> Vec<f32> {
        let cells = row.iter().zip(frequencies);
        let mix = |(p, frequency): (&f64, &f64)| ((1.0 - prior) * p + prior * frequency).ln();
        cells.map(|cell| mix(cell) as f32).collect()
    };
    rows.flat_map(of_row).collect()
}

/// Mean negative logarithm of the true classes' probabilities; infinite without rows, which is never the best.
fn nll(logits: &[f32], labels: &[u32], classes: usize) -> f64 {
    if labels.is_empty() {
        return f64::INFINITY;
    }
    let rows = logits.chunks_exact(classes).zip(labels);
    let sum: f64 = rows
        .map(|(row, &label)| -f64::from(row[label as usize]))
        .sum();
    sum / labels.len() as f64
}

#[cfg(test)]
#[path = "label_propagation_tests.rs"]
mod tests;

//! Feature selection before training: columns are ranked by a criterion on the training rows alone, and the backbone is
//! trained on the best ones, as many as the target's share of the interface allows.
//!
//! A field that is left out is closed by a gate that never moves ([`Gate::fixed`](l0gm_gate::Gate::fixed)), so no branch
//! reads it, its active fraction is counted as everywhere, and the compact model is really without it. The rule of the
//! target is the same for every criterion: whole fields, at most the target's share, at least one.

mod gain;
mod group_lasso;
mod levels;
mod mutual_information;
mod recursive;

use super::gated::GatedMethod;
use crate::cells::RowCells;
use crate::{EncodedTable, Encoding, Table, TableModel, TabularSettings};
use l0gm_gate::Target;
use l0gm_train::{Knob, MethodInfo, Result, Role, RunContext};
use std::borrow::Cow;

/// A filter: each column by itself.
pub(super) static MUTUAL_INFORMATION: GatedMethod = selection(
    "select-mutual-information",
    "selection, mutual information",
    "the backbone on the columns that say most about the label, each by itself (filter)",
    "Miller 1955; Battiti 1994",
    mutual_information::rank,
);

/// A wrapper: a model that loses one column after the other.
pub(super) static RECURSIVE: GatedMethod = selection(
    "select-recursive",
    "selection, recursive elimination",
    "the backbone on the columns left after eliminating the weakest one by one (wrapper)",
    "Guyon et al. 2002, doi:10.1023/A:1012487302797",
    recursive::rank,
);

/// Embedded in a logistic regression whose penalty closes whole columns.
pub(super) static GROUP_LASSO: GatedMethod = selection(
    "select-l1",
    "selection, group lasso",
    "the backbone on the columns that enter a group-penalised logistic regression first (embedded)",
    "Meier et al. 2008, doi:10.1111/j.1467-9868.2007.00627.x",
    group_lasso::rank,
);

/// Embedded in boosted trees.
pub(super) static GAIN: GatedMethod = selection(
    "select-gain",
    "selection, booster gain",
    "the backbone on the columns whose splits gain most in boosted trees (embedded)",
    "XGBoost: arXiv:1603.02754; crate forust-ml 0.8",
    gain::rank,
);

/// Ranks the fields: their numbers in the order of the interface, the best first. The criterion may stop ranking once the
/// wanted number of fields is decided.
pub(super) type Rank = fn(&TrainingRows<'_>, usize, &mut RunContext<'_>) -> Result<Vec<usize>>;

const fn selection(
    name: &'static str,
    label: &'static str,
    summary: &'static str,
    source: &'static str,
    rank: Rank,
) -> GatedMethod {
    GatedMethod {
        info: MethodInfo {
            name: Cow::Borrowed(name),
            label: Cow::Borrowed(label),
            summary: Cow::Borrowed(summary),
            source: Cow::Borrowed(source),
            role: Role::Rival,
            gated: true,
            knob: Knob::Target,
            rival_of: None,
            needs: None,
        },
        adapt: Some(without_bypass),
        rank: Some(rank),
    }
}

/// A branch that read raw inputs would read the columns that were left out.
fn without_bypass(settings: &mut TabularSettings) {
    settings.model.bypass = false;
}

/// What a criterion may see: the training rows and nothing else.
pub(super) struct TrainingRows<'a> {
    pub(super) encoding: &'a Encoding,
    pub(super) table: &'a Table,
    /// Numbers of the rows in the table.
    pub(super) numbers: Vec<u32>,
    pub(super) cells: Vec<RowCells>,
    pub(super) labels: Vec<u32>,
    pub(super) classes: usize,
    pub(super) seed: u64,
}

impl<'a> TrainingRows<'a> {
    fn of(table: &'a EncodedTable, settings: &TabularSettings, seed: u64) -> Result<Self> {
        let numbers = table.loaded.split(settings, seed)?.train;
        let labels = numbers.iter().map(|&row| table.loaded.labels[row as usize]);
        Ok(Self {
            encoding: &table.encoding,
            table: &table.loaded.table,
            cells: RowCells::of(&table.loaded.table, &table.encoding, &numbers)?,
            labels: labels.collect(),
            classes: table.classes(),
            seed,
            numbers,
        })
    }

    /// Places of the rows to fit on, and of the tenth of them on which a criterion may choose a setting of its own.
    fn parted(&self) -> (Vec<usize>, Vec<usize>) {
        let order = l0gm_ops::Generator::new(self.seed)
            .stream("selection", 0)
            .permutation(self.numbers.len());
        let mut order: Vec<usize> = order.into_iter().map(|at| at as usize).collect();
        let held = (order.len() / 10).max(1).min(order.len().saturating_sub(1));
        let rest = order.split_off(held);
        (rest, order)
    }
}

/// Closes all fields of a model with a fixed gate but the best ones. Returns a note for the record.
///
/// # Errors
/// The rows cannot be read, a criterion's model cannot be fitted, or a stop was requested.
pub(super) fn keep_best(
    rank: Rank,
    target: Target,
    model: &TableModel,
    table: &EncodedTable,
    settings: &TabularSettings,
    seed: u64,
    context: &mut RunContext<'_>,
) -> Result<String> {
    let names = table.encoding.fields();
    let wanted = wanted(target, names.len());
    let rows = TrainingRows::of(table, settings, seed)?;
    let mut kept = rank(&rows, wanted, context)?;
    kept.truncate(wanted);
    let open = (0..names.len()).flat_map(|field| {
        let kept = kept.contains(&field);
        std::iter::repeat_n(kept, settings.model.dim)
    });
    model.gate.set_open(&open.collect::<Vec<bool>>())?;
    let of_kept: Vec<&str> = kept.iter().map(|&field| names[field].0.as_str()).collect();
    Ok(format!(
        "kept {} of {} columns, {:.1}% of the interface for a target of {:.1}%, the best first: {}",
        kept.len(),
        names.len(),
        100.0 * kept.len() as f64 / names.len().max(1) as f64,
        100.0 * target.active(),
        of_kept.join(", ")
    ))
}

/// Number of whole fields in the target's share of the interface, at least one.
fn wanted(target: Target, fields: usize) -> usize {
    // Allow for rounding: a share of 1/4 of 12 fields is three of them.
    ((target.active() * fields as f64 + 1e-9) as usize).max(1)
}

/// Places of the scores, the largest first; equal ones in their order.
fn best_first(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

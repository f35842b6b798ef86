//! What each column is worth to a compact model: the rise in validation NLL when the column's cells are permuted.

use crate::{CompactTable, Error, LoadedTable, Result, Table, TabularModality, TabularSettings};
use candle_core::Device;
use l0gm_ops::Generator;
use l0gm_train::{Effect, Explanation, RunDir, RunSpec, finished_record};
use std::path::Path;

/// Most validation rows that are predicted.
const MOST_ROWS: usize = 20_000;

/// Explains the compact model of a finished run on its own validation rows.
///
/// # Errors
/// The run keeps no compact model, or its data are gone or have changed.
pub(crate) fn explain(
    modality: &TabularModality,
    spec: &RunSpec,
    dir: &Path,
    device: &Device,
    permutations: usize,
) -> l0gm_train::Result<Explanation> {
    let settings: TabularSettings = spec.modality_settings()?;
    let loaded = LoadedTable::load(modality.catalogue(), &spec.dataset, &settings.data)?;
    spec.check_twin(loaded.twin)?;
    if let Some(record) = finished_record(dir)? {
        record.check_data(dir, &loaded.checksums)?;
    }
    let model = CompactTable::load(RunDir::compact_in(dir), device)?;
    let split = loaded.split(&settings, spec.seed)?;
    let rows = &split.valid[..split.valid.len().min(MOST_ROWS)];
    let labels: Vec<u32> = rows
        .iter()
        .map(|row| loaded.labels[*row as usize])
        .collect();
    let table = loaded.table.select(rows);
    let dates = loaded.schema.spelling.dates.iter();
    let dates: Vec<&str> = dates.map(|date| date.name.as_str()).collect();
    let mut found = effects(&model, &table, &labels, &dates, permutations, spec.seed)?;
    for field in &loaded.schema.fields {
        let name = source(&field.name, &dates);
        let read = found.effects.iter().any(|effect| effect.name == name);
        if !read && !found.closed.iter().any(|closed| *closed == name) {
            found.closed.push(name.to_owned());
        }
    }
    Ok(found)
}

/// Permutes the cells of every column that the model reads, `permutations` times each. `dates` holds the columns that
/// became several fields.
///
/// # Errors
/// A column that the model reads is missing.
fn effects(
    model: &CompactTable,
    table: &Table,
    labels: &[u32],
    dates: &[&str],
    permutations: usize,
    seed: u64,
) -> Result<Explanation> {
    let before = losses(model, table.clone(), labels)?;
    let generator = Generator::new(seed);
    let mut effects = Vec::new();
    for (name, fields, open) in sources(model, dates) {
        let mut after = vec![0.0; labels.len()];
        for draw in 0..permutations.max(1) as u64 {
            let order = generator.stream(&name, draw).permutation(labels.len());
            let mut permuted = table.clone();
            for field in &fields {
                // The parts of a date move together.
                let cells = table.column(field)?.cells.select(&order);
                permuted.replace(field, cells);
            }
            for (sum, loss) in after.iter_mut().zip(losses(model, permuted, labels)?) {
                *sum += loss / permutations.max(1) as f64;
            }
        }
        effects.push(Effect::of(name, open, &before, &after));
    }
    effects.sort_by(|a, b| b.rise.total_cmp(&a.rise));
    Ok(Explanation {
        rows: labels.len(),
        nll: before.iter().sum::<f64>() / before.len().max(1) as f64,
        permutations,
        effects,
        closed: Vec::new(),
    })
}

/// The columns of the file that the model reads, each with its fields in the model and the number of their open
/// dimensions.
fn sources(model: &CompactTable, dates: &[&str]) -> Vec<(String, Vec<String>, usize)> {
    let mut found: Vec<(String, Vec<String>, usize)> = Vec::new();
    let columns = model.columns().into_iter().zip(model.model().open());
    for (field, &open) in columns.filter(|(_, open)| **open > 0) {
        let name = source(&field.name, dates);
        match found.iter_mut().find(|(other, ..)| other == name) {
            Some((_, fields, sum)) => {
                fields.push(field.name);
                *sum += open;
            }
            None => found.push((name.to_owned(), vec![field.name], open)),
        }
    }
    found
}

/// The column of the file that a field comes from: a date's part, such as "start.month", from the date's column.
fn source<'a>(field: &'a str, dates: &[&'a str]) -> &'a str {
    let of_date = |date: &&str| {
        field
            .strip_prefix(*date)
            .is_some_and(|part| part.starts_with('.'))
    };
    dates.iter().copied().find(of_date).unwrap_or(field)
}

/// The NLL of each row, after temperature scaling.
fn losses(model: &CompactTable, table: Table, labels: &[u32]) -> Result<Vec<f64>> {
    let found = model.predict(table)?;
    if found.rows() != labels.len() {
        return Err(Error::Setting(format!(
            "{} rows were predicted, and {} have labels",
            found.rows(),
            labels.len()
        )));
    }
    let rows = labels.iter().enumerate();
    Ok(rows
        .map(|(row, label)| -found.row(row)[*label as usize].max(SMALLEST).ln())
        .collect())
}

/// Smallest probability that has a logarithm here.
const SMALLEST: f64 = 1e-15;

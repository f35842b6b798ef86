//! Where the validation and test rows of a run stand in the user's file, so that other tools can predict the same rows.

use anyhow::Context;
use l0gm_data::rows::{self, ReadOptions, Source};
use l0gm_report::OutDir;
use l0gm_train::{RunRecord, Split};
use std::path::Path;

/// The judged rows of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    valid: Vec<RowPlace>,
    test: Vec<RowPlace>,
}

/// One judged row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RowPlace {
    /// The row's number in the file, counted from 1, or the id of a node.
    pub(super) key: String,
    /// Number of its class.
    pub(super) label: u32,
}

impl Places {
    /// Reads them from the predictions of a run.
    ///
    /// # Errors
    /// The predictions cannot be read or do not say where their rows stand.
    pub(super) fn of(run: &Path) -> anyhow::Result<Self> {
        let path = run.join("predictions.parquet");
        let options = ReadOptions {
            only: Some(["split", "label", "source_row"].map(str::to_owned).to_vec()),
            ..ReadOptions::default()
        };
        let table = rows::read(&Source::path(&path), &options)?;
        let (split, label) = (table.column("split")?, table.column("label")?);
        let key = table.column("source_row")?;
        let mut places = Self::default();
        for row in 0..table.rows() {
            let cell = |column: &rows::RawColumn| column.cell(row).unwrap_or_default().to_owned();
            let place = RowPlace {
                key: cell(key),
                label: cell(label)
                    .parse()
                    .with_context(|| format!("{}: row {row} has no label", path.display()))?,
            };
            match cell(split).as_str() {
                "valid" => places.valid.push(place),
                _ => places.test.push(place),
            }
        }
        Ok(places)
    }

    /// The rows of a split, in its order.
    pub(super) fn of_split(&self, split: Split) -> &[RowPlace] {
        match split {
            Split::Valid => &self.valid,
            _ => &self.test,
        }
    }
}

/// Writes `split.csv`: the validation and test rows of a run, by their numbers in the file. All other rows with a label
/// are for training.
///
/// # Errors
/// The predictions cannot be read or the file cannot be written.
pub(super) fn write_split(out: &OutDir, run: &RunRecord) -> anyhow::Result<()> {
    let places = Places::of(&out.run(&run.run_id))?;
    let mut text = String::from("source_row,split\n");
    for (name, part) in [("valid", &places.valid), ("test", &places.test)] {
        for place in part {
            let key = match place.key.contains([',', '"', '\n', '\r']) {
                true => format!("\"{}\"", place.key.replace('"', "\"\"")),
                false => place.key.clone(),
            };
            text.push_str(&format!("{key},{name}\n"));
        }
    }
    Ok(out.write("split.csv", text.as_bytes())?)
}

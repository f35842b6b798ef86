//! Turns run records into one table with a row for each run, written identically as `summary.json`, `summary.csv` and
//! `summary.parquet`. The order of the first columns is fixed; newer columns follow them.

mod columns;
mod frame;
mod frame_files;

pub use columns::{is_twin, selected_loss};
pub use frame::{Frame, Kind, Value};

use crate::Result;
use crate::out::OutDir;
use l0gm_train::RunRecord;

/// Summarises these runs, in the order given.
pub fn summary(records: &[RunRecord]) -> Frame {
    let mut frame = Frame::default();
    for column in columns::COLUMNS {
        let values = records.iter().map(|r| (column.value)(r)).collect();
        frame.push(column.name, column.kind, values);
    }
    frame
}

/// Writes the summary in its three formats.
pub fn write_summary(out: &OutDir, records: &[RunRecord]) -> Result<()> {
    let frame = summary(records);
    out.write("summary.json", &frame.to_json()?)?;
    out.write("summary.csv", &frame.to_csv()?)?;
    out.write("summary.parquet", &frame.to_parquet()?)
}

#[cfg(test)]
mod tests;

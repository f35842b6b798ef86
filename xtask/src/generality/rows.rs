//! The figures of the table with all digits, as CSV: a row a method of each block.

use super::figures::{Figures, Row};
use super::suite::Block;
use super::table::Table;
use l0gm_report::aggregate::{Frame, Kind, Value};

/// What stands between the names of machines in one cell.
pub(super) const BETWEEN_MACHINES: &str = "; ";

impl Table<'_> {
    /// The rows as CSV.
    ///
    /// # Errors
    /// The text cannot be made.
    pub(super) fn csv(&self) -> anyhow::Result<Vec<u8>> {
        let rows: Vec<(&Block, &Figures, &Row)> = self
            .measured()
            .flat_map(|(block, figures)| figures.rows.iter().map(move |row| (block, figures, row)))
            .collect();
        let mut frame = Frame::default();
        let mut column = |name, kind, of: &dyn Fn(&Block, &Figures, &Row) -> Value| {
            let cells = rows
                .iter()
                .map(|(block, figures, row)| of(block, figures, row));
            frame.push(name, kind, cells.collect());
        };
        column("member", Kind::Text, &|block, _, _| {
            Value::text(block.member.name)
        });
        column("modality", Kind::Text, &|block, _, _| {
            Value::text(block.member.kind.modality())
        });
        column("size", Kind::Text, &|block, _, _| {
            Value::text(block.size.name())
        });
        for (part, name) in ["train_rows", "valid_rows", "test_rows"]
            .into_iter()
            .enumerate()
        {
            column(name, Kind::Int, &|_, figures, _| {
                Value::count(figures.parts[part])
            });
        }
        column("method", Kind::Text, &|_, _, row| {
            Value::text(row.method.name.as_ref())
        });
        column("role", Kind::Text, &|_, _, row| {
            Value::text(row.method.role.name())
        });
        column("seeds", Kind::Int, &|_, _, row| Value::count(row.seeds));
        column("nll", Kind::Float, &|_, _, row| Value::float(row.nll.mean));
        column("nll_std", Kind::Float, &|_, _, row| {
            Value::maybe(row.nll.std)
        });
        column("auc", Kind::Float, &|_, _, row| Value::maybe(row.auc));
        column("ece", Kind::Float, &|_, _, row| Value::float(row.ece));
        column("ece_noise", Kind::Float, &|_, _, row| {
            Value::float(row.ece_noise)
        });
        column("accuracy", Kind::Float, &|_, _, row| {
            Value::float(row.accuracy)
        });
        column("active_fraction", Kind::Float, &|_, _, row| {
            Value::maybe(row.active)
        });
        column("train_seconds", Kind::Float, &|_, _, row| {
            Value::float(row.seconds)
        });
        column("rank", Kind::Int, &|_, _, row| {
            row.rank.map_or(Value::Null, Value::count)
        });
        column("warnings", Kind::Int, &|_, _, row| {
            Value::count(row.warnings)
        });
        column("selection_gap", Kind::Float, &|_, _, row| {
            Value::maybe(row.gap)
        });
        column("fractions_apart", Kind::Float, &|_, _, row| {
            Value::maybe(row.apart)
        });
        column("lambda_active_fraction", Kind::Float, &|_, figures, row| {
            Value::maybe(figures.by_lambda.filter(|_| row.method.is_subject()))
        });
        column("machines", Kind::Text, &|_, figures, _| {
            let machines: Vec<&str> = figures.machines.iter().map(String::as_str).collect();
            Value::text(machines.join(BETWEEN_MACHINES))
        });
        Ok(frame.to_csv()?)
    }
}

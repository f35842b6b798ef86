//! Tables for a closer look: open dimensions by field, bins of a reliability diagram.

use super::settings::flat;
use super::study::{Point, Study};
use super::table::{Cell, Table, numbers, words};
use super::{arms, format, gate_maps, tables};
use l0gm_gate::calibration::Bin;

/// Number of open dimensions in each field, by lambda or target; `None` if the interface has no fields.
pub(crate) fn fields(study: &Study<'_>) -> Option<Table> {
    let mut gated: Vec<&Point<'_>> = arms::by_sparsity(study);
    gated.retain(|p| !p.first().gate.fields.is_empty());
    let names: Vec<&String> = gated
        .first()?
        .first()
        .gate
        .fields
        .iter()
        .map(|f| &f.0)
        .collect();
    let width = gated.first()?.first().gate.total_dims / names.len().max(1);
    let seeds = gated.iter().map(|p| p.runs.len()).max()?;
    // One row for each field and one column for each lambda or target; the keys in the files also name the columns by it.
    let mut columns = vec![words("field", "field")];
    for point in &gated {
        let key = match point.lambda {
            Some(_) => point.sparsity(),
            None => point.sparsity_in_short(),
        };
        columns.push(numbers(format!("open_at_{key}"), point.sparsity_in_short()));
    }
    columns.push(numbers("dims", "of"));
    let mut table = Table::new(
        format!("fields-{}", study.slug()),
        format!("{}: open dimensions of each field", study.name()),
        format!(
            "{} What survives where few dimensions are open is what the gated branches cannot do without{}",
            if seeds > 1 {
                "Mean over seeds."
            } else {
                "One seed."
            },
            match flat(&gated.first()?.first().spec.settings).get("model.bypass") {
                Some(bypass) if bypass == "false" => ".",
                _ => {
                    "; a linear branch that reads raw inputs (eq. 20's bypass, see the notes) sees every field whatever \
                     is closed."
                }
            }
        ),
        columns,
    );
    for (index, name) in names.iter().enumerate() {
        let mut row = vec![Cell::text(name.as_str())];
        let open = gate_maps::open_in(&gated, index).into_iter();
        row.extend(open.map(|open| Cell::number(open, tables::few)));
        row.push(Cell::number(width as f64, |x| format!("{x}")));
        table.push(row);
    }
    Some(table)
}

/// The bins behind a reliability diagram.
pub(crate) fn bins(study: &Study<'_>, label: &str, id: &str, bins: &[Bin]) -> Table {
    let mut table = Table::new(
        format!("bins-{}-{id}", study.slug()),
        format!("{}: bins of the reliability diagram, {label}", study.name()),
        String::new(),
        vec![
            numbers("low", "above"),
            numbers("high", "up to"),
            numbers("count", "count"),
            numbers("confidence", "confidence"),
            numbers("accuracy", "accuracy"),
        ],
    );
    for bin in bins.iter().filter(|bin| bin.count > 0) {
        table.push(vec![
            Cell::number(bin.low, |x| format::decimals(x, 3)),
            Cell::number(bin.high, |x| format::decimals(x, 3)),
            Cell::number(bin.count as f64, |x| format::count(x as u64)),
            Cell::number(bin.confidence, format::fraction),
            Cell::number(bin.accuracy, format::fraction),
        ]);
    }
    table
}

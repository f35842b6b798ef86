//! Table 2: the datasets as the paper counts them and as our runs read them.

use super::Place;
use crate::format;
use crate::paper::Paper;
use crate::table::{Cell, Table, numbers, words};

/// Two rows for each place: the paper's counts and ours.
pub(super) fn table(places: &[Place<'_, '_>], paper: &Paper) -> Table {
    let mut table = Table::new(
        "paper-table-2",
        "Table 2: the data",
        "Ours: rows as read by the first run of the study; validation rows are taken from the training rows where \
         the paper names none.",
        vec![
            words("row", "data").on_the_page_only(),
            words("data", "data").in_files_only(),
            words("whose", "whose").in_files_only(),
            words("input", "input"),
            numbers("instances", "instances"),
            numbers("classes", "classes"),
            numbers("train", "train"),
            numbers("valid", "validation"),
            numbers("test", "test"),
            words("missing", "missing here"),
        ],
    );
    let count = |n: Option<u64>| Cell::maybe(n.map(|n| n as f64), |n| format::count(n as u64));
    let mut named = "";
    for place in places {
        let theirs = paper.dataset.iter().find(|d| d.name == place.dataset);
        // Show the paper's row once, even if several of our studies follow it.
        if let Some(data) = theirs.filter(|data| data.name != named) {
            named = &data.name;
            table.push(vec![
                Cell::text(format!("{}, paper", data.name)),
                Cell::text(data.name.as_str()),
                Cell::text("paper"),
                Cell::text(data.input.as_str()),
                count(Some(data.instances)),
                count(Some(data.classes)),
                count(Some(data.train)),
                count(data.valid),
                count(Some(data.test)),
                Cell::Empty,
            ]);
        }
        let Some(run) = place.study.and_then(|study| study.runs().next()) else {
            let mut row = vec![
                Cell::text(format!("{}, ours", place.dataset)),
                Cell::text(place.dataset),
                Cell::text("ours"),
            ];
            row.extend((0..6).map(|_| Cell::Empty));
            row.push(Cell::text("not run"));
            table.push(row);
            continue;
        };
        let split = |name: &str| run.data.rows.get(name).map(|n| *n as u64);
        let name = place.study.map_or_else(String::new, |study| study.tag());
        table.push(vec![
            Cell::text(format!("{name}, ours")),
            Cell::text(name),
            Cell::text("ours"),
            Cell::Empty,
            count(Some(run.data.rows.values().map(|n| *n as u64).sum())),
            count(Some(run.data.classes.len() as u64)),
            count(split("train")),
            count(split("valid")),
            count(split("test")),
            match (place.study, place.comparable) {
                (Some(study), _) if study.twin => {
                    Cell::text("the real data: a synthetic twin stood in")
                }
                (_, false) => Cell::text(format!("{}: another dataset stands in", place.dataset)),
                (_, true) => Cell::Empty,
            },
        ]);
    }
    table.without_empty_columns()
}

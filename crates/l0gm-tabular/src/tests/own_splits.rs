//! Splits that a column or a file decides.
#![allow(clippy::unwrap_used)]

use super::write;
use crate::settings::DataSettings;
use crate::{LoadedTable, SplitRows, TabularSettings};
use std::collections::HashSet;
use std::path::Path;

fn settings(change: impl FnOnce(&mut DataSettings)) -> TabularSettings {
    let mut settings = TabularSettings::default();
    settings.data.label = Some("y".into());
    change(&mut settings.data);
    settings
}

/// A table of 40 customers with five visits each, in an order in which neither customer nor day is sorted.
fn visits() -> String {
    let mut text = String::from("customer,day,x,y\n");
    for visit in 0..5 {
        for customer in 0..40 {
            let day = 1 + (visit * 7 + customer * 3) % 28;
            let y = if (customer + visit) % 3 == 0 {
                "yes"
            } else {
                "no"
            };
            text.push_str(&format!(
                "c{customer},2024-03-{day:02},{},{y}\n",
                customer * visit
            ));
        }
    }
    text
}

fn split(
    dir: &Path,
    text: &str,
    settings: &TabularSettings,
    seed: u64,
) -> crate::Result<SplitRows> {
    let path = write(dir, "visits.csv", text);
    LoadedTable::load_file(&path, &settings.data)?.split(settings, seed)
}

fn values(text: &str, column: usize, rows: &[u32]) -> Vec<String> {
    let lines: Vec<&str> = text.lines().skip(1).collect();
    rows.iter()
        .map(|row| {
            let mut cells = lines[*row as usize].split(',');
            cells.nth(column).unwrap_or_default().to_owned()
        })
        .collect()
}

#[test]
fn rows_of_a_group_stay_together_and_every_row_is_in_one_part() {
    let dir = tempfile::tempdir().unwrap();
    let text = visits();
    let settings = settings(|data| data.group = Some("customer".into()));
    let first = split(dir.path(), &text, &settings, 0).unwrap();
    let groups = |rows: &[u32]| values(&text, 0, rows).into_iter().collect::<HashSet<_>>();
    let parts = [
        groups(&first.train),
        groups(&first.valid),
        groups(&first.test),
    ];
    assert!(parts[0].is_disjoint(&parts[1]) && parts[0].is_disjoint(&parts[2]));
    assert!(parts[1].is_disjoint(&parts[2]));
    let mut all = [first.train.clone(), first.valid.clone(), first.test.clone()].concat();
    all.sort_unstable();
    assert_eq!(all, (0..200).collect::<Vec<u32>>());
    // A fifth of the rows is for test, in whole groups of five.
    assert_eq!(first.test.len(), 40);
    assert_eq!(first, split(dir.path(), &text, &settings, 0).unwrap());
    assert_ne!(first, split(dir.path(), &text, &settings, 1).unwrap());
}

#[test]
fn the_latest_rows_are_for_test_and_a_moment_is_never_divided() {
    let dir = tempfile::tempdir().unwrap();
    let text = visits();
    let settings = settings(|data| data.time = Some("day".into()));
    let parts = split(dir.path(), &text, &settings, 0).unwrap();
    let days = |rows: &[u32]| values(&text, 1, rows);
    let (train, valid, test) = (days(&parts.train), days(&parts.valid), days(&parts.test));
    assert!(train.iter().max() < valid.iter().min());
    assert!(valid.iter().max() < test.iter().min());
    assert!(test.len() >= 40);
    let path = write(dir.path(), "visits.csv", &text);
    let loaded = LoadedTable::load_file(&path, &settings.data).unwrap();
    let names: Vec<&str> = loaded
        .schema
        .fields
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert!(
        !names.iter().any(|name| name.starts_with("day")),
        "{names:?}"
    );
}

#[test]
fn a_split_that_cannot_be_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let text = visits();
    let refused = |settings: &TabularSettings, text: &str| {
        split(dir.path(), text, settings, 0)
            .unwrap_err()
            .to_string()
    };
    let by_time = |column: &str| settings(|data| data.time = Some(column.into()));
    let by_group = |column: &str| settings(|data| data.group = Some(column.into()));
    let told = refused(&by_time("customer"), &text);
    assert!(told.contains("expected dates or numbers"), "{told}");
    let told = refused(&by_time("days"), &text);
    assert!(told.contains("no column") && told.contains("day"), "{told}");
    let gap = text.replacen("2024-03-04", "", 1);
    let told = refused(&by_time("day"), &gap);
    assert!(told.contains("data.time"), "{told}");
    let told = refused(&by_group("y"), &text);
    assert!(told.contains("label's column"), "{told}");
    // A class that occurs in the latest rows alone cannot be learnt.
    let late: Vec<String> = text
        .lines()
        .map(|line| match line.contains("2024-03-28") {
            true => line.replace(",yes", ",new").replace(",no", ",new"),
            false => line.to_owned(),
        })
        .collect();
    let told = refused(&by_time("day"), &late.join("\n"));
    assert!(told.contains("class 'new' has no training rows"), "{told}");
    // With two groups one part would be empty.
    let two = text.replace("c7,", "a,");
    let two: Vec<&str> = two
        .lines()
        .filter(|l| l.starts_with("a,") || l.starts_with("c8,") || l.starts_with("cus"))
        .collect();
    let told = refused(&by_group("customer"), &two.join("\n"));
    assert!(told.contains("has 2 groups"), "{told}");
}

#[test]
fn validation_rows_may_be_a_file_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let rows = |count: usize| {
        let lines = (0..count).map(|i| format!("{i},{}\n", if i % 2 == 0 { "no" } else { "yes" }));
        format!("x,y\n{}", lines.collect::<String>())
    };
    let valid = write(dir.path(), "valid.csv", rows(6));
    let test = write(dir.path(), "test.csv", rows(10));
    let both = settings(|data| {
        data.valid_file = Some(valid.clone());
        data.test_file = Some(test);
        data.split = crate::SplitKind::Official;
    });
    let parts = split(dir.path(), &rows(40), &both, 0).unwrap();
    assert_eq!(parts.train, (0..40).collect::<Vec<u32>>());
    assert_eq!(parts.valid, (40..46).collect::<Vec<u32>>());
    assert_eq!(parts.test, (46..56).collect::<Vec<u32>>());
    // Small numbers repeat between the three files, and that is said.
    let path = write(dir.path(), "visits.csv", rows(40));
    let loaded = LoadedTable::load_file(&path, &both.data).unwrap();
    let notes = loaded.summary.notes.join("\n");
    assert!(
        notes.contains("16 of 16 rows for validation and test"),
        "{notes}"
    );
    let alone = settings(|data| data.valid_file = Some(valid));
    let parts = split(dir.path(), &rows(40), &alone, 0).unwrap();
    assert_eq!(parts.valid, (40..46).collect::<Vec<u32>>());
    assert_eq!((parts.train.len(), parts.test.len()), (32, 8));
}

//! Splits that a column decides: rows of one group stay together, or the latest rows are for test. Random rows would
//! tell too much where rows of one customer resemble each other, or where the future is to be predicted.

use super::kind::Kind;
use super::{Error, RawTable, Result, dates, number_column, shown};
use chrono::{Duration, NaiveDate};
use std::collections::HashMap;

/// Number of random splits by group among which the one is taken whose classes are shared out most evenly.
const DRAWS: u64 = 40;

/// The columns that may decide, at most one of which is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SplitBy<'a> {
    /// The column whose values group rows.
    pub group: Option<&'a str>,
    /// The column of dates or numbers by which the latest rows are for test.
    pub time: Option<&'a str>,
}

/// How large the test and validation parts shall be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SplitShares {
    /// Share of all rows for test.
    pub test: f64,
    /// Share of the other rows for validation.
    pub valid: f64,
}

/// Row numbers of each part in ascending order. The parts are disjoint and together contain every row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitParts {
    /// Rows for fitting.
    pub train: Vec<u32>,
    /// Rows for choosing.
    pub valid: Vec<u32>,
    /// Rows for the final evaluation.
    pub test: Vec<u32>,
}

/// The column that decides to which part a row belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitColumn {
    /// The column's name.
    pub name: String,
    /// The group or the time of each row.
    pub values: SplitValues,
    /// The file, for errors.
    file: String,
    /// What stands before the name of a setting, for errors.
    prefix: &'static str,
}

/// The values of a column that decides on the split.
#[derive(Clone, Debug, PartialEq)]
pub enum SplitValues {
    /// The number of each row's group, counted from 0 in the order in which groups occur.
    Groups(Vec<u32>),
    /// The time of each row, in any unit.
    Numbers(Vec<f64>),
    /// The time of each row in hours since the day before the first of January of the year 1.
    Dates(Vec<f64>),
}

impl SplitColumn {
    /// Reads the column that `by` names; `None` if it names none. `kind` tells the kind of a column by its position.
    ///
    /// # Errors
    /// Both columns are named, there is no such column, it is the label's, or a time does not parse; the error names
    /// the row.
    pub fn of(
        raw: &RawTable,
        by: SplitBy<'_>,
        label: &str,
        kind: impl Fn(usize) -> Result<Kind>,
    ) -> Result<Option<Self>> {
        let (file, prefix) = (raw.name(), raw.prefix());
        let (name, setting) = match (by.group, by.time) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(Error::file(
                    file,
                    format!(
                        "{prefix}group and {prefix}time both say how rows are split; leave one out"
                    ),
                ));
            }
            (Some(name), None) => (name, "group"),
            (None, Some(name)) => (name, "time"),
        };
        if label == name {
            return Err(Error::file(
                file,
                format!(
                    "{prefix}{setting} is {name}, which is the label's column; name another column"
                ),
            ));
        }
        let at = raw.position(name)?;
        let values = match by.time.is_some() {
            true => times(raw, at, kind(at)?)?,
            false => groups(raw, at)?,
        };
        Ok(Some(Self {
            name: name.to_owned(),
            values,
            file: file.to_owned(),
            prefix,
        }))
    }

    /// Divides rows into training, validation and test rows. `permutation(draw, count)` is a random order of the
    /// numbers below `count`, another one for each draw.
    ///
    /// # Errors
    /// A part would be empty, or a class would have no training rows.
    pub fn split(
        &self,
        labels: &[u32],
        classes: &[String],
        shares: SplitShares,
        permutation: impl Fn(u64, usize) -> Vec<u32>,
    ) -> Result<SplitParts> {
        let split = match &self.values {
            SplitValues::Groups(groups) => self.by_group(groups, labels, shares, permutation)?,
            SplitValues::Numbers(times) | SplitValues::Dates(times) => {
                let [train, valid, test] = by_time(times, shares);
                self.parts([&train, &valid, &test])?
            }
        };
        let mut seen = vec![false; classes.len()];
        for &row in &split.train {
            seen[labels[row as usize] as usize] = true;
        }
        match seen.iter().position(|seen| !seen) {
            None => Ok(split),
            Some(class) => Err(self.error(format!(
                "class {} has no training rows, for all of them are in {}; leave the class out, or split another way",
                shown(&classes[class]),
                match &self.values {
                    SplitValues::Groups(_) => "groups of the other parts",
                    SplitValues::Numbers(_) | SplitValues::Dates(_) => "the latest rows",
                }
            ))),
        }
    }

    /// What is said of the split before training, with the period of the test rows of a split by time.
    pub fn note(&self, labels: &[u32], shares: SplitShares) -> String {
        let name = shown(&self.name);
        let (times, as_date) = match &self.values {
            SplitValues::Groups(groups) => return group_note(&name, groups, labels),
            SplitValues::Numbers(times) => (times, false),
            SplitValues::Dates(times) => (times, true),
        };
        let [_, valid, test] = by_time(times, shares);
        format!(
            "split by time: the latest rows by column {name} are for test ({}), those before them for validation ({}); \
             the column itself is not used",
            period(times, &test, as_date),
            period(times, &valid, as_date)
        )
    }

    fn by_group(
        &self,
        groups: &[u32],
        labels: &[u32],
        shares: SplitShares,
        permutation: impl Fn(u64, usize) -> Vec<u32>,
    ) -> Result<SplitParts> {
        let count = groups.iter().max().map_or(0, |most| *most as usize + 1);
        if count < 3 {
            return Err(Error::file(
                &self.file,
                format!(
                    "{}group: column {} has {count} groups; training, validation and test need one each at least",
                    self.prefix,
                    shown(&self.name)
                ),
            ));
        }
        let rows = groups.len() as f64;
        let wanted_test = shares.test * rows;
        let wanted_valid = shares.valid * (rows - wanted_test);
        let mut sizes = vec![0usize; count];
        groups.iter().for_each(|group| sizes[*group as usize] += 1);
        let mut best: Option<(f64, Vec<u8>)> = None;
        for draw in 0..DRAWS {
            let order = permutation(draw, count);
            let part_of = share_out(&order, &sizes, [wanted_test, wanted_valid]);
            let uneven = unevenness(&part_of, groups, labels, [wanted_test, wanted_valid]);
            if best.as_ref().is_none_or(|(least, _)| uneven < *least) {
                best = Some((uneven, part_of));
            }
        }
        let part_of = best.map(|(_, part_of)| part_of).unwrap_or_default();
        let of_part = |part: u8| -> Vec<u32> {
            let rows = 0..groups.len() as u32;
            rows.filter(|row| part_of[groups[*row as usize] as usize] == part)
                .collect()
        };
        self.parts([&of_part(TRAIN), &of_part(VALID), &of_part(TEST)])
    }

    fn parts(&self, [train, valid, test]: [&[u32]; 3]) -> Result<SplitParts> {
        for (name, part) in [("training", train), ("validation", valid), ("test", test)] {
            if part.is_empty() {
                return Err(self.error(format!(
                    "the {name} part would be empty, because too many rows share one value"
                )));
            }
        }
        let sorted = |rows: &[u32]| {
            let mut rows = rows.to_vec();
            rows.sort_unstable();
            rows
        };
        Ok(SplitParts {
            train: sorted(train),
            valid: sorted(valid),
            test: sorted(test),
        })
    }

    fn error(&self, what: String) -> Error {
        let name = shown(&self.name);
        Error::file(&self.file, format!("split by column {name}: {what}"))
    }
}

const TRAIN: u8 = 0;
const VALID: u8 = 1;
const TEST: u8 = 2;

/// Training, validation and test rows in order of time.
fn by_time(times: &[f64], shares: SplitShares) -> [Vec<u32>; 3] {
    let mut order: Vec<u32> = (0..times.len() as u32).collect();
    order.sort_by(|a, b| times[*a as usize].total_cmp(&times[*b as usize]));
    // Rows of one moment stay together, in the later part.
    let boundary = |rows: &[u32], share: f64| {
        let wanted = (share * rows.len() as f64).ceil() as usize;
        let mut at = rows.len().saturating_sub(wanted);
        let time = |at: usize| times[rows[at] as usize];
        while at > 0 && at < rows.len() && time(at - 1) == time(at) {
            at -= 1;
        }
        at
    };
    let test = boundary(&order, shares.test);
    let valid = boundary(&order[..test], shares.valid);
    [
        order[..valid].to_vec(),
        order[valid..test].to_vec(),
        order[test..].to_vec(),
    ]
}

/// From when to when rows go that are sorted by time.
fn period(times: &[f64], rows: &[u32], as_date: bool) -> String {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return "none".to_owned();
    };
    let written = |row: &u32| {
        let time = times[*row as usize];
        let start = NaiveDate::from_num_days_from_ce_opt(0).filter(|_| as_date);
        let day = Duration::try_days((time / 24.0).floor() as i64);
        match start.zip(day).and_then(|(s, d)| s.checked_add_signed(d)) {
            Some(date) => date.to_string(),
            None => time.to_string(),
        }
    };
    match (written(first), written(last)) {
        (first, last) if first == last => first,
        (first, last) => format!("{first} to {last}"),
    }
}

fn group_note(name: &str, groups: &[u32], labels: &[u32]) -> String {
    let count = groups.iter().max().map_or(0, |most| *most as usize + 1);
    let mut first: Vec<Option<u32>> = vec![None; count];
    let mut mixed = vec![false; count];
    for (group, label) in groups.iter().zip(labels) {
        let group = *group as usize;
        mixed[group] |= *first[group].get_or_insert(*label) != *label;
    }
    let pure = mixed.iter().filter(|mixed| !**mixed).count();
    format!(
        "split by group: the rows of each of {count} groups in column {name} are in one part; the column itself is not \
         used ({pure} of the groups lie entirely in one class)"
    )
}

/// The part of each group: groups in this order fill first the test part, then the validation part.
fn share_out(order: &[u32], sizes: &[usize], wanted: [f64; 2]) -> Vec<u8> {
    let mut part_of = vec![TRAIN; sizes.len()];
    let mut filled = [0.0; 2];
    for &group in order {
        let size = sizes[group as usize] as f64;
        for (part, name) in [TEST, VALID].into_iter().enumerate() {
            // A group that overfills a part by more than it lacked stays out, unless the part is empty.
            let lacks = wanted[part] - filled[part];
            if lacks > 0.0 && (size <= 2.0 * lacks || filled[part] == 0.0) {
                filled[part] += size;
                part_of[group as usize] = name;
                break;
            }
        }
    }
    part_of
}

/// How far the parts are from the wanted sizes, and their classes' shares from those of all rows.
fn unevenness(part_of: &[u8], groups: &[u32], labels: &[u32], wanted: [f64; 2]) -> f64 {
    let classes = labels.iter().max().map_or(0, |most| *most as usize + 1);
    let mut counts = vec![[0.0f64; 3]; classes];
    for (group, label) in groups.iter().zip(labels) {
        counts[*label as usize][part_of[*group as usize] as usize] += 1.0;
    }
    let sum = |part: usize| counts.iter().map(|c| c[part]).sum::<f64>();
    let rows = groups.len() as f64;
    let mut uneven = 0.0;
    for (part, wanted) in [(TEST, wanted[0]), (VALID, wanted[1])] {
        let part = part as usize;
        let size = sum(part);
        uneven += (size - wanted).abs() / rows;
        for count in &counts {
            let all: f64 = count.iter().sum();
            uneven += (count[part] / size.max(1.0) - all / rows).abs();
        }
    }
    uneven
}

/// Numbers the groups of the rows in the order in which they occur; a row without a value is an error.
fn groups(raw: &RawTable, at: usize) -> Result<SplitValues> {
    let column = &raw.columns()[at];
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut groups = Vec::with_capacity(raw.rows());
    for row in 0..raw.rows() {
        let cell = column.cell(row).ok_or_else(|| {
            let expected = format!("a value, because {}group splits rows by it", raw.prefix());
            raw.cell_error(row, column, &expected)
        })?;
        let next = known.len() as u32;
        groups.push(*known.entry(cell).or_insert(next));
    }
    Ok(SplitValues::Groups(groups))
}

/// The time of each row: a number as it is, a date as hours.
fn times(raw: &RawTable, at: usize, kind: Kind) -> Result<SplitValues> {
    let column = &raw.columns()[at];
    let prefix = raw.prefix();
    let missing = |row| {
        let expected = format!("a date or number, because {prefix}time splits rows by it");
        raw.cell_error(row, column, &expected)
    };
    match kind {
        Kind::Number(decimal) => number_column::of_column_with(raw, column, decimal)?
            .into_iter()
            .enumerate()
            .map(|(row, value)| value.ok_or_else(|| missing(row)))
            .collect::<Result<Vec<f64>>>()
            .map(SplitValues::Numbers),
        Kind::Date(order) => (0..raw.rows())
            .map(|row| {
                let moment = column.cell(row).and_then(|cell| dates::parse(cell, order));
                let moment = moment.ok_or_else(|| missing(row))?;
                Ok(f64::from(moment.days()) * 24.0 + moment.hour.unwrap_or(0.0))
            })
            .collect::<Result<Vec<f64>>>()
            .map(SplitValues::Dates),
        other => Err(Error::file(
            raw.name(),
            format!(
                "{prefix}time: column {} is a column of kind {}, such as {}; expected dates or numbers",
                shown(&column.name),
                other.name(),
                column
                    .cells
                    .iter()
                    .flatten()
                    .next()
                    .map_or_else(|| "nothing".to_owned(), shown)
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rows::{ReadOptions, Source, read};

    const SHARES: SplitShares = SplitShares {
        test: 0.25,
        valid: 0.25,
    };

    fn table(text: &str) -> RawTable {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("visits.csv");
        std::fs::write(&path, text).unwrap();
        read(&Source::path(&path), &ReadOptions::default()).unwrap()
    }

    fn by_time(raw: &RawTable) -> SplitColumn {
        let by = SplitBy {
            time: Some("day"),
            ..SplitBy::default()
        };
        let kind = |at: usize| raw.kind(&raw.columns()[at]);
        SplitColumn::of(raw, by, "y", kind).unwrap().unwrap()
    }

    #[test]
    fn the_note_on_a_split_by_time_has_the_periods_in_the_columns_own_unit() {
        let dates: String = (1..=16)
            .map(|day| format!("2024-02-{day:02},{}\n", day % 2))
            .collect();
        let note = by_time(&table(&format!("day,y\n{dates}"))).note(&[], SHARES);
        assert!(
            note.contains("for test (2024-02-13 to 2024-02-16)"),
            "{note}"
        );
        assert!(
            note.contains("validation (2024-02-10 to 2024-02-12)"),
            "{note}"
        );
        let numbers: String = (1..=16)
            .map(|day| format!("{}.5,{}\n", day * 3, day % 2))
            .collect();
        let note = by_time(&table(&format!("day,y\n{numbers}"))).note(&[], SHARES);
        assert!(note.contains("for test (39.5 to 48.5)"), "{note}");
    }
}

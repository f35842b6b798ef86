//! Splits that a column decides: rows of one group stay together, or the latest rows are for test. Random rows would
//! tell too much where rows of one customer resemble each other, or where the future is to be predicted.

use crate::settings::DataSettings;
use crate::split::SplitRows;
use crate::{Error, Result};
use l0gm_data::rows::kind::Kind;
use l0gm_data::rows::{RawTable, dates, number_column, shown};
use l0gm_ops::Generator;
use std::collections::HashMap;

/// Number of random splits by group among which the one is taken whose classes are shared out most evenly.
const DRAWS: u64 = 40;

/// What decides to which part a row belongs, where a column does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SplitColumn {
    /// The column's name.
    pub name: String,
    /// The group or the time of each row.
    pub values: SplitValues,
}

/// The values of a column that decides on the split.
#[derive(Clone, Debug, PartialEq)]
pub enum SplitValues {
    /// The number of each row's group, counted from 0 in the order in which groups occur.
    Groups(Vec<u32>),
    /// The time of each row, in any unit.
    Times(Vec<f64>),
}

impl Default for SplitValues {
    fn default() -> Self {
        Self::Groups(Vec::new())
    }
}

impl SplitColumn {
    /// Reads the column that the settings name; `None` if they name none.
    ///
    /// # Errors
    /// Both columns are named, there is no such column, or a time does not parse; the error names the row.
    pub(crate) fn of(
        raw: &RawTable,
        kinds: &[Kind],
        settings: &DataSettings,
    ) -> Result<Option<Self>> {
        let (name, is_time) = match (&settings.group, &settings.time) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(Error::Setting(
                    "data.group and data.time both say how rows are split; leave one out".into(),
                ));
            }
            (Some(name), None) => (name, false),
            (None, Some(name)) => (name, true),
        };
        if settings.label.as_ref() == Some(name) {
            return Err(Error::Setting(format!(
                "data.{} is {name}, which is the label's column; name another column",
                if is_time { "time" } else { "group" }
            )));
        }
        let at = raw.position(name)?;
        let column = &raw.columns()[at];
        let values = match is_time {
            true => SplitValues::Times(times(raw, at, kinds[at])?),
            false => {
                let mut known: HashMap<&str, u32> = HashMap::new();
                let mut groups = Vec::with_capacity(raw.rows());
                for row in 0..raw.rows() {
                    let cell = column.cell(row).ok_or_else(|| {
                        raw.cell_error(row, column, "a value, because data.group splits rows by it")
                    })?;
                    let next = known.len() as u32;
                    groups.push(*known.entry(cell).or_insert(next));
                }
                SplitValues::Groups(groups)
            }
        };
        Ok(Some(Self {
            name: name.clone(),
            values,
        }))
    }

    /// Divides rows into training, validation and test rows.
    ///
    /// # Errors
    /// A part would be empty, or a class would have no training rows.
    pub(crate) fn split(
        &self,
        labels: &[u32],
        classes: &[String],
        settings: &DataSettings,
        seed: u64,
    ) -> Result<SplitRows> {
        let split = match &self.values {
            SplitValues::Groups(groups) => self.by_group(groups, labels, settings, seed)?,
            SplitValues::Times(times) => self.by_time(times, settings)?,
        };
        let mut seen = vec![false; classes.len()];
        for &row in &split.train {
            seen[labels[row as usize] as usize] = true;
        }
        match seen.iter().position(|seen| !seen) {
            None => Ok(split),
            Some(class) => Err(Error::Setting(format!(
                "split by column {}: class {} has no training rows, for all of them are in {}; leave the class out, or \
                 split another way",
                shown(&self.name),
                shown(&classes[class]),
                match &self.values {
                    SplitValues::Groups(_) => "groups of the other parts",
                    SplitValues::Times(_) => "the latest rows",
                }
            ))),
        }
    }

    /// What is said of the split before training.
    pub(crate) fn note(&self, labels: &[u32]) -> String {
        let name = shown(&self.name);
        match &self.values {
            SplitValues::Times(_) => format!(
                "split by time: the latest rows by column {name} are for test, those before them for validation; the \
                 column itself is not used"
            ),
            SplitValues::Groups(groups) => {
                let count = groups.iter().max().map_or(0, |most| *most as usize + 1);
                let mut first: Vec<Option<u32>> = vec![None; count];
                let mut mixed = vec![false; count];
                for (group, label) in groups.iter().zip(labels) {
                    let group = *group as usize;
                    mixed[group] |= *first[group].get_or_insert(*label) != *label;
                }
                let pure = mixed.iter().filter(|mixed| !**mixed).count();
                format!(
                    "split by group: the rows of each of {count} groups in column {name} are in one part; the column \
                     itself is not used ({pure} of the groups lie entirely in one class)"
                )
            }
        }
    }

    fn by_time(&self, times: &[f64], settings: &DataSettings) -> Result<SplitRows> {
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
        let test = boundary(&order, settings.test_fraction);
        let valid = boundary(&order[..test], settings.valid_fraction);
        self.parts([&order[..valid], &order[valid..test], &order[test..]])
    }

    fn by_group(
        &self,
        groups: &[u32],
        labels: &[u32],
        settings: &DataSettings,
        seed: u64,
    ) -> Result<SplitRows> {
        let count = groups.iter().max().map_or(0, |most| *most as usize + 1);
        if count < 3 {
            return Err(Error::Setting(format!(
                "data.group: column {} has {count} groups; training, validation and test need one each at least",
                shown(&self.name)
            )));
        }
        let rows = groups.len() as f64;
        let wanted_test = settings.test_fraction * rows;
        let wanted_valid = settings.valid_fraction * (rows - wanted_test);
        let mut sizes = vec![0usize; count];
        groups.iter().for_each(|group| sizes[*group as usize] += 1);
        let generator = Generator::new(seed);
        let mut best: Option<(f64, Vec<u8>)> = None;
        for draw in 0..DRAWS {
            let order = generator.stream("split by group", draw).permutation(count);
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

    fn parts(&self, [train, valid, test]: [&[u32]; 3]) -> Result<SplitRows> {
        for (name, part) in [("training", train), ("validation", valid), ("test", test)] {
            if part.is_empty() {
                return Err(Error::Setting(format!(
                    "split by column {}: the {name} part would be empty, because too many rows share one value",
                    shown(&self.name)
                )));
            }
        }
        let sorted = |rows: &[u32]| {
            let mut rows = rows.to_vec();
            rows.sort_unstable();
            rows
        };
        Ok(SplitRows {
            train: sorted(train),
            valid: sorted(valid),
            test: sorted(test),
        })
    }
}

const TRAIN: u8 = 0;
const VALID: u8 = 1;
const TEST: u8 = 2;

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

/// The time of each row: a number as it is, a date as hours.
fn times(raw: &RawTable, at: usize, kind: Kind) -> Result<Vec<f64>> {
    let column = &raw.columns()[at];
    let missing = |row| {
        raw.cell_error(
            row,
            column,
            "a date or number, because data.time splits rows by it",
        )
    };
    match kind {
        Kind::Number(decimal) => number_column::of_column_with(raw, column, decimal)?
            .into_iter()
            .enumerate()
            .map(|(row, value)| value.ok_or_else(|| missing(row).into()))
            .collect(),
        Kind::Date(order) => (0..raw.rows())
            .map(|row| {
                let moment = column.cell(row).and_then(|cell| dates::parse(cell, order));
                let moment = moment.ok_or_else(|| missing(row))?;
                Ok(f64::from(moment.days()) * 24.0 + moment.hour.unwrap_or(0.0))
            })
            .collect(),
        other => Err(Error::Setting(format!(
            "data.time: column {} is a column of kind {}, such as {}; expected dates or numbers",
            shown(&column.name),
            other.name(),
            column
                .cells
                .iter()
                .flatten()
                .next()
                .map_or_else(|| "nothing".to_owned(), shown)
        ))),
    }
}

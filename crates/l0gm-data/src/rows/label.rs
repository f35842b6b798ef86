//! The label's column: which classes there are, and which class each row has. A missing label is never a class; `1`,
//! `1.0` and `01.0` are the same class; numbers that rarely repeat are a regression target.

use super::kind::Kind;
use super::number::{Decimal, parse};
use super::table::{RawColumn, RawTable, Typed};
use super::{Place, Result, list, nearest_name, shown};
use std::collections::HashMap;

/// A column with more classes than this is an identifier.
const MOST_CLASSES: usize = 1_000;

/// How to treat rows without a label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unlabelled {
    /// The first one is an error.
    #[default]
    Refuse,
    /// They are left out; see [`Labels::labelled`].
    LeaveOut,
    /// They are kept without a class, as nodes of a graph.
    Keep,
}

/// How labels are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct LabelOptions<'a> {
    /// The classes in the order of their numbers; `None` means the sorted distinct labels. Given classes also mean
    /// that this is not a regression, whatever the labels look like.
    pub classes: Option<&'a [String]>,
    /// How to treat rows without a label.
    pub unlabelled: Unlabelled,
}

/// The labels of all rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// Names of the classes, in the order of their numbers.
    pub classes: Vec<String>,
    /// Class of each row; `None` if the label is missing.
    pub codes: Vec<Option<u32>>,
    /// Number of rows of each class.
    pub counts: Vec<usize>,
    /// Number of rows without a label.
    pub unlabelled: usize,
    /// Kind of the label's column.
    pub kind: Kind,
}

impl Labels {
    /// Whether each row has a label.
    pub fn labelled(&self) -> Vec<bool> {
        self.codes.iter().map(Option::is_some).collect()
    }

    /// The classes of the rows with a label.
    pub fn known(&self) -> Vec<u32> {
        self.codes.iter().copied().flatten().collect()
    }

    /// Remarks on how rows without a label were treated, if there are any, and on labels that look like amounts.
    pub fn note(&self, options: &LabelOptions<'_>) -> Option<String> {
        let count = self.unlabelled;
        let mut remarks = Vec::new();
        match options.unlabelled {
            _ if count == 0 => {}
            Unlabelled::Keep => remarks.push(format!(
                "{count} rows have no label: they stay, and take part in no loss"
            )),
            _ => remarks.push(format!("{count} rows without a label are left out")),
        }
        let classes = self.classes.len();
        let is_number = |class: &String| class.parse::<f64>().is_ok();
        if classes > MANY_NUMBERS && options.classes.is_none() && self.classes.iter().all(is_number)
        {
            remarks.push(format!(
                "the label has {classes} different numbers, and each is a class of its own: if they are amounts, put them \
                 into a few ranges first"
            ));
        }
        (!remarks.is_empty()).then(|| remarks.join("; "))
    }
}

/// More classes than this that are all named by numbers look like amounts.
const MANY_NUMBERS: usize = 20;

/// Reads the labels.
///
/// # Errors
/// Fails if there is no such column, a label is missing (unless the options allow it), there are fewer than two
/// classes, the numbers are a regression target, or a label is not among the given classes.
pub fn read(table: &RawTable, name: &str, options: &LabelOptions<'_>) -> Result<Labels> {
    let column = table.column(name)?;
    refuse_missing(table, column, options.unlabelled)?;
    // A word among numbers makes the numbers names.
    let kind = table.kind(column).unwrap_or(Kind::Category);
    // Distinct cells in order of appearance, and the number of the one in each row.
    let mut distinct: Vec<String> = Vec::new();
    let mut index: HashMap<String, u32> = HashMap::new();
    let mut cells: HashMap<&str, u32> = HashMap::new();
    let mut codes = Vec::with_capacity(table.rows());
    for cell in column.cells.iter() {
        codes.push(cell.map(|cell| {
            *cells.entry(cell).or_insert_with(|| {
                let text = kind.canonical(cell).into_owned();
                *index.entry(text.clone()).or_insert_with(|| {
                    distinct.push(text);
                    distinct.len() as u32 - 1
                })
            })
        }));
    }
    let labelled = codes.iter().flatten().count();
    let classes = match options.classes {
        Some(given) => given
            .iter()
            .map(|class| kind.canonical(class).into_owned())
            .collect::<Vec<_>>(),
        None => {
            refuse_regression(table, column, kind, &distinct, labelled)?;
            sorted(distinct.clone())
        }
    };
    if let Some(twice) = (1..classes.len()).find(|at| classes[..*at].contains(&classes[*at])) {
        return Err(super::Error::file(
            table.name(),
            format!(
                "{}classes names the class {} of column {} twice; name each class once",
                table.prefix(),
                shown(&classes[twice]),
                shown(name)
            ),
        ));
    }
    if classes.len() < 2 {
        return Err(super::Error::file(
            table.name(),
            format!(
                "label column {} has {} distinct value(s): {}; expected 2 to {MOST_CLASSES} classes",
                shown(name),
                classes.len(),
                list(classes.iter().map(String::as_str))
            ),
        ));
    }
    let numbers: Vec<Option<u32>> = distinct
        .iter()
        .map(|text| {
            classes
                .iter()
                .position(|class| class == text)
                .map(|at| at as u32)
        })
        .collect();
    for (row, code) in codes.iter().enumerate() {
        if code.is_some_and(|code| numbers[code as usize].is_none()) {
            let expected = format!(
                "one of the classes {}",
                list(classes.iter().map(String::as_str))
            );
            return Err(table.cell_error(
                row,
                column,
                &with_nearest(&expected, column, row, &classes),
            ));
        }
    }
    let codes: Vec<Option<u32>> = codes
        .into_iter()
        .map(|code| code.and_then(|code| numbers[code as usize]))
        .collect();
    let mut counts = vec![0; classes.len()];
    for code in codes.iter().flatten() {
        counts[*code as usize] += 1;
    }
    let unlabelled = codes.len() - labelled;
    Ok(Labels {
        classes,
        codes,
        counts,
        unlabelled,
        kind,
    })
}

fn with_nearest(expected: &str, column: &RawColumn, row: usize, classes: &[String]) -> String {
    let known = classes.iter().map(String::as_str);
    match nearest_name(column.cells.raw(row), known) {
        Some(class) => format!("{expected} (did you mean {}?)", shown(class)),
        None => expected.to_owned(),
    }
}

fn refuse_missing(table: &RawTable, column: &RawColumn, unlabelled: Unlabelled) -> Result<()> {
    let count = column.cells.missing();
    if count == column.cells.len() {
        return Err(super::Error::file(
            table.name(),
            format!(
                "label column {} has no label in any row",
                shown(&column.name)
            ),
        ));
    }
    if count == 0 || unlabelled != Unlabelled::Refuse {
        return Ok(());
    }
    let rows: Vec<usize> = (0..table.rows())
        .filter(|row| column.cell(*row).is_none())
        .take(6)
        .collect();
    let others: Vec<String> = rows[1..]
        .iter()
        .take(5)
        .map(|row| number_of(table.place(*row)))
        .collect();
    let more = match count {
        1 => String::new(),
        count => format!(
            "; {} more rows have none (at {}{})",
            count - 1,
            others.join(", "),
            if count > rows.len() { ", ..." } else { "" }
        ),
    };
    let expected = format!(
        "a label (write it, or leave rows without one out with {}drop-unlabelled{more})",
        table.prefix()
    );
    Err(table.cell_error(rows[0], column, &expected))
}

fn number_of(place: Place) -> String {
    match place {
        Place::Line(number) | Place::Row(number) => number.to_string(),
    }
}

/// Fractions and numbers that rarely repeat are measurements, not class names.
fn refuse_regression(
    table: &RawTable,
    column: &RawColumn,
    kind: Kind,
    distinct: &[String],
    rows: usize,
) -> Result<()> {
    let count = distinct.len();
    let refuse = |why: String| {
        let prefix = table.prefix();
        Err(super::Error::file(
            table.name(),
            format!(
                "label column {} {why}: this is regression, and only classification is done here; put the numbers \
                 into classes first, or name the classes with {prefix}classes",
                shown(&column.name)
            ),
        ))
    };
    let declared = column.typed == Typed::Category;
    if matches!(kind, Kind::Number(_)) && !declared {
        let fraction =
            |text: &&String| parse(text, Decimal::Point).is_some_and(|v| v.fract() != 0.0);
        if let Some(text) = distinct.iter().find(fraction) {
            return refuse(format!(
                "holds fractions such as {} ({count} distinct numbers)",
                shown(text)
            ));
        }
        if count > 20 && 5 * count > rows || count >= 10 && 2 * count > rows {
            return refuse(format!(
                "holds {count} distinct numbers in {rows} rows, hardly any of them twice"
            ));
        }
    } else if count >= 20 && 2 * count > rows && !declared {
        return refuse(format!(
            "holds {count} distinct values in {rows} rows: an identifier or free text, or, if they are amounts"
        ));
    }
    if count > MOST_CLASSES {
        return refuse(format!(
            "holds {count} distinct values, more than {MOST_CLASSES} classes: if they are amounts"
        ));
    }
    Ok(())
}

/// Sorts as numbers if all are numbers, else as text.
pub fn sorted(mut classes: Vec<String>) -> Vec<String> {
    let number = |class: &String| parse(class, Decimal::Point);
    match classes.iter().all(|class| number(class).is_some()) {
        true => classes.sort_by(|a, b| {
            let (a_value, b_value) = (number(a).unwrap_or(0.0), number(b).unwrap_or(0.0));
            a_value.total_cmp(&b_value).then_with(|| a.cmp(b))
        }),
        false => classes.sort(),
    }
    classes
}

/// The class of each probability column, if the columns are named by numbers: `p1, p2, p3` are the classes 1, 2, 3,
/// and `p_-1, p_0, p_1` the classes -1, 0, 1. `None` if a name does not end in a number or two names have the same
/// one. `labels` show whether a dash is a minus.
pub fn numbered_classes(columns: &[&str], labels: &[&str]) -> Option<Vec<String>> {
    let read = |signed: bool| -> Option<Vec<String>> {
        let classes: Vec<String> = columns
            .iter()
            .map(|name| number_in_name(name, signed))
            .collect::<Option<_>>()?;
        let mut distinct: Vec<&String> = classes.iter().collect();
        distinct.sort();
        distinct.dedup();
        (distinct.len() == classes.len()).then_some(classes)
    };
    let negative = labels.iter().any(|label| label.starts_with('-'));
    match negative {
        true => read(true).or_else(|| read(false)),
        false => read(false).or_else(|| read(true)),
    }
}

/// The number at the end of a name, in its canonical spelling.
fn number_in_name(name: &str, signed: bool) -> Option<String> {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (head, number) = name.split_at(name.len() - digits);
    let number: u64 = number.parse().ok()?;
    match signed && head.ends_with('-') && number > 0 {
        true => Some(format!("-{number}")),
        false => Some(number.to_string()),
    }
}

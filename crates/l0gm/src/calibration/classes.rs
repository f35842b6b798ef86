//! Matches the labels of a file with classes: by name, or by number if no name fits.

use super::cells::Cells;
use super::source::{Source, quoted};
use crate::usage::usage;
use l0gm_data::rows::label::numbered_classes;
use l0gm_data::rows::number::{self, Decimal};
use std::collections::BTreeSet;

/// Number of names that an error lists.
const LISTED: usize = 12;

/// The two classes of a file with a single score column.
pub(super) struct TwoClasses {
    pub(super) names: Vec<String>,
    /// The class of each row.
    pub(super) labels: Vec<u32>,
    /// Whether the column's name says that it holds P(y = 0) instead of P(y = 1), as `p_0` does.
    pub(super) is_zeros: bool,
}

/// The labels as the file writes them.
pub(super) struct Named<'a> {
    /// The file, for errors.
    pub(super) source: &'a Source,
    /// The file's cells, from which errors take the place of a row.
    pub(super) cells: &'a Cells,
    /// Name of the label's column.
    pub(super) column: &'a str,
    /// The label of each row, in the spelling of [`canonical`].
    pub(super) texts: &'a [String],
}

/// The classes of a file with one score column for each class.
pub(super) struct ManyClasses {
    pub(super) names: Vec<String>,
    /// The class of each row.
    pub(super) labels: Vec<u32>,
    /// A remark for the user about how labels and classes were matched.
    pub(super) note: Option<String>,
}

impl Named<'_> {
    /// Matches labels with score columns. Labels are names of classes; if none is, they are the numbers at the end of
    /// the columns' names, which may start anywhere; if those have no numbers either, they are the columns'
    /// positions. `columns` holds the names in the file, and `classes` their class names, or `None` for the entries
    /// of a list.
    pub(super) fn many_classes(
        &self,
        columns: &[String],
        classes: Option<&[String]>,
    ) -> anyhow::Result<ManyClasses> {
        let seen: BTreeSet<&str> = self.texts.iter().map(String::as_str).collect();
        let count = columns.len();
        let Some(classes) = classes else {
            return self.by_place(&seen, (0..count).map(|at| at.to_string()).collect());
        };
        let classes: Vec<String> = classes.iter().map(|name| canonical(name)).collect();
        let distinct = classes.iter().collect::<BTreeSet<_>>().len() == count;
        if distinct && classes.iter().any(|class| seen.contains(class.as_str())) {
            return self.by_name(classes);
        }
        let truths = ["false", "true"];
        if count == 2 && classes == ["0", "1"] && seen.iter().all(|text| truths.contains(text)) {
            return self.by_name(truths.map(str::to_owned).to_vec());
        }
        let labels: Vec<&str> = seen.iter().copied().collect();
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        match numbered_classes(&names, &labels) {
            Some(numbers) => self.by_name(numbers),
            None => self.by_place(&seen, classes),
        }
    }

    /// Every label must be the name of a class.
    fn by_name(&self, classes: Vec<String>) -> anyhow::Result<ManyClasses> {
        let mut labels = Vec::with_capacity(self.texts.len());
        for (row, text) in self.texts.iter().enumerate() {
            let class = classes.iter().position(|class| class == text);
            let expected = || format!("a class that has a column: {}", listed(names(&classes)));
            labels.push(class.ok_or_else(|| self.bad(row, &expected()))? as u32);
        }
        Ok(ManyClasses {
            names: classes,
            labels,
            note: None,
        })
    }

    /// Every label must be the position of a column, counted from 0, or from 1 if there is no 0 and the last column
    /// needs it.
    fn by_place(&self, seen: &BTreeSet<&str>, classes: Vec<String>) -> anyhow::Result<ManyClasses> {
        let count = classes.len();
        let first = usize::from(!seen.contains("0") && seen.contains(count.to_string().as_str()));
        let mut labels = Vec::with_capacity(self.texts.len());
        for (row, text) in self.texts.iter().enumerate() {
            let class = text.parse::<usize>().ok();
            let class = class.and_then(|number| number.checked_sub(first));
            let class = class.filter(|&class| class < count).ok_or_else(|| {
                let numbers = format!("{first} to {}", count - 1 + first);
                let names = listed(names(&classes));
                let expected = format!("a class: its name ({names}) or its number ({numbers})");
                self.bad(row, &expected)
            })?;
            labels.push(class as u32);
        }
        let note = format!(
            "labels are taken for the columns' places, counted from {first}: {first} is {}, {} is {}",
            quoted(&classes[0]),
            count - 1 + first,
            quoted(&classes[count - 1])
        );
        // The entries of a list have no names other than their numbers.
        let are_numbers = classes
            .iter()
            .zip(0..)
            .all(|(name, at)| *name == format!("{at}"));
        let classes = match are_numbers {
            true => (first..first + count)
                .map(|class| class.to_string())
                .collect(),
            false => classes,
        };
        Ok(ManyClasses {
            names: classes,
            labels,
            note: (!are_numbers || first > 0).then_some(note),
        })
    }

    /// Classes of a single column of P(y = 1). Labels are 0 and 1, false and true, or two names of which one is known
    /// to be positive.
    pub(super) fn two_classes(
        &self,
        column: &str,
        positive: Option<&str>,
    ) -> anyhow::Result<TwoClasses> {
        let seen: BTreeSet<&str> = self.texts.iter().map(String::as_str).collect();
        let names: Vec<String> = seen.iter().map(|text| (*text).to_owned()).collect();
        let column = canonical(column);
        let one = match positive.map(canonical) {
            Some(name) if !seen.contains(name.as_str()) => {
                return Err(usage(format!(
                    "--positive {name}: no row of {} has this label; its labels: {}",
                    self.source.path().display(),
                    listed(names.iter().map(String::as_str))
                )));
            }
            Some(name) => name,
            None if seen.iter().all(|text| ["0", "1"].contains(text)) => "1".to_owned(),
            None if seen.iter().all(|text| ["false", "true"].contains(text)) => "true".to_owned(),
            None if seen.len() == 2 && seen.contains(column.as_str()) => column.clone(),
            None => {
                let is_number = |text: &str| text.parse::<f64>().is_ok();
                // One other label among zeros and ones is a mistake; two other labels are names.
                let odd = self.texts.iter().position(|text| {
                    !["0", "1"].contains(&text.as_str())
                        && (seen.len() > 2 || seen.iter().any(|other| is_number(other)))
                });
                return Err(match odd {
                    Some(row) => self.bad(
                        row,
                        "0 or 1: there is one column of probabilities, P(y = 1) (more classes need a \
                         column each; another positive label: --positive LABEL)",
                    ),
                    None => usage(format!(
                        "{}: column `{}` holds {}: say with --positive LABEL which one the probability is of",
                        self.source.path().display(),
                        self.column,
                        listed(names.iter().map(String::as_str))
                    )),
                });
            }
        };
        let zero = match (one.as_str(), seen.iter().find(|text| **text != one)) {
            (_, Some(other)) if seen.len() <= 2 => (*other).to_owned(),
            ("1", None) => "0".to_owned(),
            ("true", None) => "false".to_owned(),
            _ => format!("not {one}"),
        };
        let labels = self.texts.iter().map(|text| u32::from(*text == one));
        Ok(TwoClasses {
            labels: labels.collect(),
            is_zeros: positive.is_none() && column == zero,
            names: vec![zero, one.clone()],
        })
    }

    fn bad(&self, row: usize, expected: &str) -> anyhow::Error {
        let what = format!("the label is {}", quoted(&self.texts[row]));
        self.source
            .bad_cell(self.cells, row, self.column, &what, expected)
    }
}

/// The labels of a column in one spelling. If true and false occur beside 1 and 0, the numbers are truth values too.
pub(super) fn spelled(texts: &[String]) -> Vec<String> {
    let mut texts: Vec<String> = texts.iter().map(|text| canonical(text)).collect();
    let is_truth = |text: &String| ["true", "false"].contains(&text.as_str());
    let is_digit = |text: &String| ["0", "1"].contains(&text.as_str());
    if texts.iter().any(is_truth) && texts.iter().all(|text| is_truth(text) || is_digit(text)) {
        for text in texts.iter_mut().filter(|text| is_digit(text)) {
            *text = if text == "1" { "true" } else { "false" }.to_owned();
        }
    }
    texts
}

/// One spelling for each label: numbers in their shortest form (`1.0` and `01` become `1`), truth values in lower
/// case, anything else unchanged.
pub(super) fn canonical(text: &str) -> String {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return text.to_lowercase();
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => number::canonical(text, Decimal::Point)
            .map_or_else(|| text.to_owned(), |text| text.into_owned()),
        _ => text.to_owned(),
    }
}

fn names(classes: &[String]) -> impl Iterator<Item = &str> {
    classes.iter().map(String::as_str)
}

/// Lists the first names.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(LISTED).map(|name| quoted(name));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(&format!(" and {} more", names.len() - LISTED));
    }
    text
}

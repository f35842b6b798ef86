//! From the labels as a file writes them to classes: by name, or by number where no name fits.

use super::cells::{Cells, bad_cell};
use super::source::Source;
use crate::usage::usage;
use std::collections::BTreeSet;

/// How many names an error lists.
const LISTED: usize = 12;

/// The classes of a lone column.
pub(super) struct TwoClasses {
    /// Names.
    pub(super) names: Vec<String>,
    /// A class a row.
    pub(super) labels: Vec<u32>,
    /// Whether the column's name says that it is the other class's: `p_0`, which is P(y = 0).
    pub(super) is_zeros: bool,
}

/// The labels as the file writes them.
pub(super) struct Named<'a> {
    /// Their file.
    pub(super) source: &'a Source,
    /// Its cells, for the places of rows.
    pub(super) cells: &'a Cells,
    /// The label's column.
    pub(super) column: &'a str,
    /// A label a row, in the form of [`canonical`].
    pub(super) texts: &'a [String],
}

impl Named<'_> {
    /// A column a class: labels are the classes' names or, where none is, their numbers from 0.
    pub(super) fn many_classes(
        &self,
        classes: &[String],
    ) -> anyhow::Result<(Vec<String>, Vec<u32>)> {
        let classes: Vec<String> = classes.iter().map(|name| canonical(name)).collect();
        let place = |text: &String| classes.iter().position(|class| class == text);
        let by_name = self.texts.iter().any(|text| place(text).is_some());
        let mut labels = Vec::with_capacity(self.texts.len());
        for (row, text) in self.texts.iter().enumerate() {
            let class = if by_name {
                place(text)
            } else {
                text.parse().ok().filter(|&class| class < classes.len())
            };
            labels.push(class.ok_or_else(|| {
                let numbers = format!("0 to {}", classes.len() - 1);
                let names = listed(&classes);
                let expected = match by_name {
                    true => format!("a class that has a column: {names}"),
                    false => format!("a class: its name ({names}) or its number ({numbers})"),
                };
                self.bad(row, &expected)
            })? as u32);
        }
        Ok((classes, labels))
    }

    /// One column of P(y = 1): labels are 0 and 1, false and true, or two names of which one is known
    /// to be the positive one.
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
                    listed(&names)
                )));
            }
            Some(name) => name,
            None if seen.iter().all(|text| ["0", "1"].contains(text)) => "1".to_owned(),
            None if seen.iter().all(|text| ["false", "true"].contains(text)) => "true".to_owned(),
            None if seen.len() == 2 && seen.contains(column.as_str()) => column.clone(),
            None => {
                let is_number = |text: &str| text.parse::<f64>().is_ok();
                // One odd label among zeros and ones is a mistake; two names are names.
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
                        listed(&names)
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
        let what = format!("the label is `{}`", self.texts[row]);
        let place = self.cells.place(row);
        bad_cell(self.source.path(), &place, self.column, &what, expected)
    }
}

/// Whole numbers without a fraction (`1.0` is `1`), truth values in small letters, the rest as it is.
pub(super) fn canonical(text: &str) -> String {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return text.to_lowercase();
    }
    match text.parse::<f64>() {
        Ok(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        _ => text.to_owned(),
    }
}

/// The first few names.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).map(|name| format!("`{name}`"));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(&format!(" and {} more", names.len() - LISTED));
    }
    text
}

//! From cells to checked predictions: labels become classes, by name or by number, and every number is
//! held to what a probability or a logit is. Errors name row and column.

use super::layout::{Layout, Scores};
use super::source::{Cells, Source, bad_cell};
use crate::usage::usage;
use anyhow::bail;
use l0gm_gate::calibration::Predictions;
use std::collections::BTreeSet;

/// How far a probability may lie outside [0, 1] and a row's sum from 1; what half precision needs, and
/// what `l0gm_gate::calibration::Predictions` allows.
pub(super) const TOLERANCE: f64 = 1e-3;
/// How many names an error lists.
const LISTED: usize = 12;

/// The file's rows, checked.
#[derive(Debug)]
pub(super) struct Labelled {
    /// Names of the classes.
    pub(super) classes: Vec<String>,
    /// A class a row.
    pub(super) labels: Vec<u32>,
    /// A split's name a row, where the file tells.
    pub(super) splits: Option<Vec<String>>,
    /// rows x classes.
    scores: Vec<f64>,
    /// Whether these are logits.
    pub(super) logits: bool,
    /// The columns they come from.
    pub(super) columns: Vec<String>,
    /// What the reader should know about the reading.
    pub(super) notes: Vec<String>,
}

impl Labelled {
    /// Checks the cells and finds each label's class. `positive`: the label that a lone column is the
    /// probability of.
    pub(super) fn new(
        source: &Source,
        layout: &Layout,
        cells: Cells,
        positive: Option<&str>,
    ) -> anyhow::Result<Self> {
        let mut columns = source_columns(source, layout, &cells)?;
        let label_name = &source.header[layout.label].name;
        let texts: Vec<String> = cells.texts[0].iter().map(|text| canonical(text)).collect();
        let named = Named {
            source,
            cells: &cells,
            label: label_name,
            texts: &texts,
        };
        let (classes, labels) = match columns.scores.len() {
            1 => named.two_classes(&columns.classes[0], positive)?,
            _ if positive.is_some() => {
                return Err(usage(
                    "--positive: only for a single column of P(y = 1); here every class has a column",
                ));
            }
            _ => named.many_classes(&columns.classes)?,
        };
        columns.check(source, &cells)?;
        let mut notes = Vec::new();
        let (scores, logits) = columns.as_rows(&cells);
        let mut labelled = Self {
            classes,
            labels,
            splits: layout.split.map(|_| cells.texts[1].clone()),
            scores,
            logits,
            columns: columns.names.clone(),
            notes: Vec::new(),
        };
        if let Some(beside) = columns.beside() {
            labelled.prefer_logits(beside, &cells, &mut notes);
        }
        labelled.notes = notes;
        Ok(labelled)
    }

    /// Rows in all.
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Some rows' predictions.
    pub(super) fn predictions(&self, rows: &[usize]) -> anyhow::Result<Predictions> {
        let (scores, labels) = (self.of(rows), self.labels_of(rows));
        let classes = self.classes.len();
        Ok(if self.logits {
            Predictions::from_logits(&scores, &labels, classes)?
        } else {
            Predictions::new(scores, labels, classes)?
        })
    }

    /// Some rows' labels.
    pub(super) fn labels_of(&self, rows: &[usize]) -> Vec<u32> {
        rows.iter().map(|&row| self.labels[row]).collect()
    }

    /// Some rows' logits; of probabilities their logarithms, `None` where one is 0.
    pub(super) fn logits_of(&self, rows: &[usize]) -> Option<Vec<f64>> {
        let scores = self.of(rows);
        if self.logits {
            return Some(scores);
        }
        scores
            .into_iter()
            .map(|p| (p > 0.0).then(|| p.ln()))
            .collect()
    }

    fn of(&self, rows: &[usize]) -> Vec<f64> {
        let classes = self.classes.len();
        rows.iter()
            .flat_map(|&row| &self.scores[row * classes..(row + 1) * classes])
            .copied()
            .collect()
    }

    /// Logits that stand beside the probabilities are scored where both are the same predictions: they
    /// have more digits.
    fn prefer_logits(&mut self, beside: Columns<'_>, cells: &Cells, notes: &mut Vec<String>) {
        let named = format!("`{}`...", beside.names[0]);
        let finite = beside.values(cells).all(f64::is_finite);
        let (logits, _) = beside.as_rows(cells);
        let classes = self.classes.len();
        let all: Vec<usize> = (0..self.len()).collect();
        let softmax = (finite && logits.len() == self.scores.len())
            .then(|| Predictions::from_logits(&logits, &self.labels, classes).ok())
            .flatten();
        let agree = softmax.is_some_and(|softmax| {
            all.iter().all(|&row| {
                let stated = &self.scores[row * classes..(row + 1) * classes];
                let pairs = softmax.row(row).iter().zip(stated);
                pairs.into_iter().all(|(a, b)| (a - b).abs() <= TOLERANCE)
            })
        });
        if agree {
            self.scores = logits;
            self.logits = true;
            self.columns = beside.names;
        } else {
            notes.push(format!(
                "the logits {named} are not these probabilities' (after calibration, perhaps); the probabilities are scored, --logits scores the logits"
            ));
        }
    }
}

/// Score columns of the cells, in the order of the classes.
struct Columns<'a> {
    /// Places within a row of `Cells::numbers`.
    scores: Vec<usize>,
    /// A name a class.
    classes: Vec<String>,
    /// A name a column, for errors and the report.
    names: Vec<String>,
    logits: bool,
    /// The rest of a row: the scores beside these.
    rest: Option<(&'a Scores, Vec<usize>)>,
    header: &'a Source,
}

fn source_columns<'a>(
    source: &'a Source,
    layout: &'a Layout,
    cells: &Cells,
) -> anyhow::Result<Columns<'a>> {
    let scores = &layout.scores;
    let name = |&column: &usize| source.header[column].name.clone();
    let beside = layout.beside.as_ref().map_or(0, |b| b.columns.len());
    let own = scores.columns.len();
    // More numbers than columns: one of them is a list.
    let width = if cells.width == own + beside {
        own
    } else if own + beside == 1 {
        cells.width
    } else {
        bail!(
            "{}: a column of lists beside other scores; say with --columns which one to read",
            source.path().display()
        );
    };
    let is_list = width != own;
    if width == 0 {
        bail!(
            "{}: column `{}`: the lists are empty; expected a number a class",
            source.path().display(),
            name(&scores.columns[0])
        );
    }
    Ok(Columns {
        scores: (0..width).collect(),
        classes: if is_list {
            (0..width).map(|class| class.to_string()).collect()
        } else {
            scores.classes.clone()
        },
        names: if is_list {
            vec![name(&scores.columns[0]); width]
        } else {
            scores.columns.iter().map(name).collect()
        },
        logits: scores.logits,
        rest: layout
            .beside
            .as_ref()
            .map(|other| (other, (width..cells.width).collect())),
        header: source,
    })
}

impl<'a> Columns<'a> {
    /// The logits beside the probabilities.
    fn beside(&mut self) -> Option<Columns<'a>> {
        let (scores, places) = self.rest.take()?;
        Some(Columns {
            scores: places,
            classes: scores.classes.clone(),
            names: scores
                .columns
                .iter()
                .map(|&column| self.header.header[column].name.clone())
                .collect(),
            logits: true,
            rest: None,
            header: self.header,
        })
    }

    fn row<'c>(&'c self, cells: &'c Cells, row: usize) -> impl Iterator<Item = f64> + 'c {
        let start = row * cells.width;
        self.scores
            .iter()
            .map(move |&place| cells.numbers[start + place])
    }

    fn values<'c>(&'c self, cells: &'c Cells) -> impl Iterator<Item = f64> + 'c {
        (0..cells.rows).flat_map(move |row| self.row(cells, row))
    }

    /// Every number is a logit, or a probability in a row that sums to 1.
    fn check(&self, source: &Source, cells: &Cells) -> anyhow::Result<()> {
        let path = source.path();
        for row in 0..cells.rows {
            let bad = |class: usize, value: f64, expected: &str| {
                let what = format!("the value is {value}");
                bad_cell(path, &cells.place(row), &self.names[class], &what, expected)
            };
            let mut sum = 0.0;
            for (class, value) in self.row(cells, row).enumerate() {
                if self.logits {
                    if !value.is_finite() {
                        return Err(bad(class, value, "a logit: a finite number"));
                    }
                } else if !(-TOLERANCE..=1.0 + TOLERANCE).contains(&value) {
                    return Err(bad(
                        class,
                        value,
                        "a probability: a number from 0 to 1 (if these are logits: --logits)",
                    ));
                }
                sum += value;
            }
            if !self.logits && self.scores.len() > 1 && (sum - 1.0).abs() > TOLERANCE {
                let last = self.names.len() - 1;
                bail!(
                    "{}: {}, columns `{}` to `{}`: the probabilities sum to {sum}; expected 1 within {TOLERANCE} (if \
                     these are logits: --logits; if columns are missing or do not belong: --columns)",
                    path.display(),
                    cells.place(row),
                    self.names[0],
                    self.names[last]
                );
            }
        }
        Ok(())
    }

    /// rows x classes, and whether these are logits. A lone column becomes two: of P(y = 1) the
    /// complement, of its logit a 0.
    fn as_rows(&self, cells: &Cells) -> (Vec<f64>, bool) {
        let rows = self.values(cells);
        let all = match (self.scores.len(), self.logits) {
            (1, true) => rows.flat_map(|x| [0.0, x]).collect(),
            (1, false) => rows
                .map(|p| p.clamp(0.0, 1.0))
                .flat_map(|p| [1.0 - p, p])
                .collect(),
            _ => rows.collect(),
        };
        (all, self.logits)
    }
}

/// The labels as the file writes them.
struct Named<'a> {
    source: &'a Source,
    cells: &'a Cells,
    label: &'a str,
    texts: &'a [String],
}

impl Named<'_> {
    /// A column a class: labels are the classes' names or, where none is, their numbers from 0.
    fn many_classes(&self, classes: &[String]) -> anyhow::Result<(Vec<String>, Vec<u32>)> {
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
    fn two_classes(
        &self,
        column: &str,
        positive: Option<&str>,
    ) -> anyhow::Result<(Vec<String>, Vec<u32>)> {
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
            None if seen.len() == 2 && seen.contains(column.as_str()) => column,
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
                        self.label,
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
        Ok((vec![zero, one.clone()], labels.collect()))
    }

    fn bad(&self, row: usize, expected: &str) -> anyhow::Error {
        let what = format!("the label is `{}`", self.texts[row]);
        let place = self.cells.place(row);
        bad_cell(self.source.path(), &place, self.label, &what, expected)
    }
}

/// Whole numbers without a fraction (`1.0` is `1`), truth values in small letters, the rest as it is.
fn canonical(text: &str) -> String {
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

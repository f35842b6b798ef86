//! The score columns: finds their numbers in a row, and checks that each can be a probability or a logit.

use super::cells::Cells;
use super::layout::{Layout, Scores};
use super::source::Source;
use anyhow::bail;

/// How far a probability may lie outside [0, 1], and a row's sum from 1. Half precision needs this much, and
/// `l0gm_gate::calibration::Predictions` allows it.
pub(super) const TOLERANCE: f64 = 1e-3;
/// The score columns, in the order of the classes.
pub(super) struct Columns<'a> {
    /// Their positions within a row of `Cells::numbers`.
    pub(super) scores: Vec<usize>,
    /// The classes in the columns' names; `None` for the entries of a list.
    pub(super) classes: Option<Vec<String>>,
    /// A name for each column, for errors and the report.
    pub(super) names: Vec<String>,
    logits: bool,
    /// For a single column, whether it holds P(y = 0) instead of P(y = 1).
    pub(super) is_zeros: bool,
    /// The other scores of a row, with their positions.
    rest: Option<(&'a Scores, Vec<usize>)>,
    header: &'a Source,
}

impl<'a> Columns<'a> {
    /// The score columns of a layout. The length of a list is known only from the cells.
    pub(super) fn new(
        source: &'a Source,
        layout: &'a Layout,
        cells: &Cells,
    ) -> anyhow::Result<Self> {
        let scores = &layout.scores;
        let name = |&column: &usize| source.header[column].name.clone();
        let beside = layout.beside.as_ref().map_or(0, |b| b.columns.len());
        let own = scores.columns.len();
        // There are more numbers than columns if one of them is a list.
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
        Ok(Self {
            scores: (0..width).collect(),
            classes: (!is_list).then(|| scores.classes.clone()),
            names: if is_list {
                vec![name(&scores.columns[0]); width]
            } else {
                scores.columns.iter().map(name).collect()
            },
            logits: scores.logits,
            is_zeros: false,
            rest: layout
                .beside
                .as_ref()
                .map(|other| (other, (width..cells.width).collect())),
            header: source,
        })
    }

    /// The logits beside the probabilities, if there are any.
    pub(super) fn beside(&mut self) -> Option<Columns<'a>> {
        let (scores, places) = self.rest.take()?;
        Some(Columns {
            scores: places,
            classes: Some(scores.classes.clone()),
            names: scores
                .columns
                .iter()
                .map(|&column| self.header.header[column].name.clone())
                .collect(),
            logits: true,
            is_zeros: self.is_zeros,
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

    pub(super) fn values<'c>(&'c self, cells: &'c Cells) -> impl Iterator<Item = f64> + 'c {
        (0..cells.rows).flat_map(move |row| self.row(cells, row))
    }

    /// Checks that the numbers are finite logits, or probabilities whose rows sum to 1.
    pub(super) fn check(&self, source: &Source, cells: &Cells) -> anyhow::Result<()> {
        let path = source.path();
        for row in 0..cells.rows {
            let bad = |class: usize, value: f64, expected: &str| {
                let what = format!("the value is {value}");
                source.bad_cell(cells, row, &self.names[class], &what, expected)
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
                        match self.scores.len() {
                            1 => {
                                "a probability: a number from 0 to 1 (if these are logits: --logits)"
                            }
                            _ => {
                                "a probability: a number from 0 to 1 (if these are logits: --logits; if they are shares \
                                  of another sum, such as percentages: --renormalise)"
                            }
                        },
                    ));
                }
                sum += value;
            }
            if !self.logits && self.scores.len() > 1 && (sum - 1.0).abs() > TOLERANCE {
                let last = self.names.len() - 1;
                bail!(
                    "{}: {}, columns `{}` to `{}`: the probabilities sum to {sum}; expected 1 within {TOLERANCE} (if \
                     they were rounded: --renormalise divides each row by its sum; if these are logits: --logits; if \
                     columns are missing or do not belong: --columns)",
                    path.display(),
                    cells.place(row),
                    self.names[0],
                    self.names[last]
                );
            }
        }
        Ok(())
    }

    /// Divides each row by its sum and returns a remark on how many rows changed. For probabilities with a column for
    /// each class.
    pub(super) fn renormalise(&self, source: &Source, cells: &mut Cells) -> anyhow::Result<String> {
        let (mut changed, mut farthest) = (0usize, 1.0f64);
        for row in 0..cells.rows {
            let mut sum = 0.0;
            for (class, value) in self.row(cells, row).enumerate() {
                if !(value.is_finite() && value >= 0.0) {
                    let what = format!("the value is {value}");
                    let expected = "a finite number that is not negative";
                    return Err(source.bad_cell(cells, row, &self.names[class], &what, expected));
                }
                sum += value;
            }
            if !(sum > 0.0 && sum.is_finite()) {
                bail!(
                    "{}: {}: the probabilities sum to {sum}; expected a sum that a row can be divided by",
                    source.path().display(),
                    cells.place(row)
                );
            }
            if (sum - 1.0).abs() > f64::EPSILON * self.scores.len() as f64 {
                changed += 1;
            }
            if (sum - 1.0).abs() > (farthest - 1.0).abs() {
                farthest = sum;
            }
            let start = row * cells.width;
            for &place in &self.scores {
                cells.numbers[start + place] /= sum;
            }
        }
        Ok(format!(
            "{changed} of {} rows did not sum to 1 (farthest from it: {farthest}) and were divided by their sum",
            cells.rows
        ))
    }

    /// The scores of shape (rows, classes), and whether they are logits. A single column becomes two: P(y = 1) gets
    /// its complement, and its logit gets a 0.
    pub(super) fn as_rows(&self, cells: &Cells) -> (Vec<f64>, bool) {
        let rows = self.values(cells);
        let pair = |(other, own)| {
            if self.is_zeros {
                [own, other]
            } else {
                [other, own]
            }
        };
        let all = match (self.scores.len(), self.logits) {
            (1, true) => rows.map(|x| (0.0, x)).flat_map(pair).collect(),
            (1, false) => rows
                .map(|p| p.clamp(0.0, 1.0))
                .map(|p| (1.0 - p, p))
                .flat_map(pair)
                .collect(),
            _ => rows.collect(),
        };
        (all, self.logits)
    }
}

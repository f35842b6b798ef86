//! Turns cells into checked predictions: a class and scores for each row. Errors name the row and the column.

use super::cells::Cells;
use super::classes::{Named, spelled};
use super::layout::{Layout, Told};
use super::scores::{Columns, TOLERANCE};
use super::source::Source;
use crate::usage::usage;
use l0gm_gate::calibration::Predictions;

/// Probabilities of 0 become this before the logarithm, here and in the NLL of the gate crate.
const LEAST: f64 = f64::MIN_POSITIVE;

/// The checked rows of a file.
#[derive(Debug)]
pub(super) struct Labelled {
    pub(super) classes: Vec<String>,
    /// The class of each row.
    pub(super) labels: Vec<u32>,
    /// The split of each row, if the file states it.
    pub(super) splits: Option<Vec<String>>,
    /// Scores in row order, of shape (rows, classes).
    scores: Vec<f64>,
    /// Whether the scores are logits.
    pub(super) logits: bool,
    /// Names of the columns that hold the scores.
    pub(super) columns: Vec<String>,
    /// Remarks for the user on how the file was read.
    pub(super) notes: Vec<String>,
}

impl Labelled {
    /// Checks the cells and finds the class of each label.
    pub(super) fn new(
        source: &Source,
        layout: &Layout,
        mut cells: Cells,
        told: &Told,
    ) -> anyhow::Result<Self> {
        let positive = told.positive.as_deref();
        let mut columns = Columns::new(source, layout, &cells)?;
        let label_name = &source.header[layout.label].name;
        let texts = spelled(&cells.texts[0]);
        let mut notes = cells.notes.clone();
        let named = Named {
            source,
            cells: &cells,
            column: label_name,
            texts: &texts,
        };
        let (classes, labels) = match columns.scores.len() {
            1 => {
                let class = columns.classes.as_ref().map_or("", |classes| &classes[0]);
                let two = named.two_classes(class, positive)?;
                columns.is_zeros = two.is_zeros;
                (two.names, two.labels)
            }
            _ if positive.is_some() => {
                return Err(usage(
                    "--positive: only for a single column of P(y = 1); here every class has a column",
                ));
            }
            _ => {
                let many = named.many_classes(&columns.names, columns.classes.as_deref())?;
                notes.extend(many.note);
                (many.names, many.labels)
            }
        };
        if told.renormalise {
            if columns.scores.len() == 1 || layout.scores.logits {
                return Err(usage(
                    "--renormalise: only where every class has a column of probabilities",
                ));
            }
            notes.push(columns.renormalise(source, &mut cells)?);
        }
        columns.check(source, &cells)?;
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

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// The predictions of these rows.
    pub(super) fn predictions(&self, rows: &[usize]) -> anyhow::Result<Predictions> {
        let (scores, labels) = (self.of(rows), self.labels_of(rows));
        let classes = self.classes.len();
        Ok(if self.logits {
            Predictions::from_logits(&scores, &labels, classes)?
        } else {
            Predictions::new(scores, labels, classes)?
        })
    }

    /// The labels of these rows.
    pub(super) fn labels_of(&self, rows: &[usize]) -> Vec<u32> {
        rows.iter().map(|&row| self.labels[row]).collect()
    }

    /// The logits of these rows. For probabilities, these are logarithms, none below that of [`LEAST`].
    pub(super) fn logits_of(&self, rows: &[usize]) -> Vec<f64> {
        let scores = self.of(rows);
        match self.logits {
            true => scores,
            false => scores.into_iter().map(|p| p.max(LEAST).ln()).collect(),
        }
    }

    /// A remark about probabilities of 0, if these rows have any.
    pub(super) fn zeros_note(&self, rows: &[usize]) -> Option<String> {
        let scores = match self.logits {
            true => Vec::new(),
            false => self.of(rows),
        };
        let zeros = scores.iter().filter(|p| **p <= 0.0).count();
        (zeros > 0).then(|| {
            format!(
                "{zeros} probabilities are 0: for NLL and for the temperature they are clipped to {LEAST:.1e}, so that \
                 one on the true class costs {:.1}",
                -LEAST.ln()
            )
        })
    }

    fn of(&self, rows: &[usize]) -> Vec<f64> {
        let classes = self.classes.len();
        rows.iter()
            .flat_map(|&row| &self.scores[row * classes..(row + 1) * classes])
            .copied()
            .collect()
    }

    /// If the file has logits beside the probabilities and both give the same predictions, scores the logits, which
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

//! From cells to checked predictions: a class and a row of scores each. Errors name row and column.

use super::cells::Cells;
use super::classes::{Named, spelled};
use super::layout::{Layout, Told};
use super::scores::{Columns, TOLERANCE};
use super::source::Source;
use crate::usage::usage;
use l0gm_gate::calibration::Predictions;

/// What a probability of 0 is clipped to before its logarithm is taken, here and in the gate crate's NLL.
const LEAST: f64 = f64::MIN_POSITIVE;

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
    /// Checks the cells and finds each label's class.
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

    /// Some rows' logits; of probabilities their logarithms, at least that of [`LEAST`].
    pub(super) fn logits_of(&self, rows: &[usize]) -> Vec<f64> {
        let scores = self.of(rows);
        match self.logits {
            true => scores,
            false => scores.into_iter().map(|p| p.max(LEAST).ln()).collect(),
        }
    }

    /// What is to be said of probabilities of 0, if these rows have any.
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

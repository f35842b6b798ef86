//! Rows as dense columns of numbers, which is what boosted trees split on.
//!
//! A number is a column of its own. A category field with few values becomes one column of zeros and ones for each
//! value that training met. A field with more values becomes one column for each class in question: the share of the
//! class among the training rows with the same value, drawn towards the share among all rows where the value is rare.
//! A training row's own label must not be in its share, so the training rows are dealt into folds and each reads the
//! shares of the other folds (out-of-fold target statistics; Micci-Barreca 2001).

use crate::cells::RowCells;
use crate::encoding::Encoding;
use std::ops::Range;

/// Folds that the training rows are dealt into for the shares.
const FOLDS: usize = 10;
/// Rows with the overall share that are added to each value's rows before its share is taken.
const PRIOR_ROWS: f64 = 10.0;

/// How the cells of a row become columns; fitted on the training rows.
#[derive(Clone, Debug)]
pub(crate) struct TreeColumns {
    categories: Vec<CategoryColumns>,
    /// What a missing cell of each number field reads; missing cells stay missing (NaN) where training had some.
    fills: Vec<f64>,
}

/// The columns of one category field.
#[derive(Clone, Debug)]
enum CategoryColumns {
    /// Rows of the category table that have a column of zeros and ones.
    OneHot(Vec<u32>),
    /// A column of shares for each class in question.
    Shares(Shares),
}

/// The share of each class in question among the training rows of each value of a field.
#[derive(Clone, Debug)]
struct Shares {
    /// First row of the field in the category table.
    offset: u32,
    /// For each class, one share a row of the field.
    of: Vec<Vec<f64>>,
}

impl TreeColumns {
    /// Fits the columns on training rows and returns them with the training rows' own columns, one after the other.
    /// Fields with more than `one_hot` known values have shares of the `targets`.
    pub(crate) fn fit(
        encoding: &Encoding,
        rows: &[RowCells],
        labels: &[u32],
        targets: Range<u32>,
        one_hot: usize,
    ) -> (Self, Vec<f64>) {
        let mut columns = Self {
            categories: Vec::new(),
            fills: Vec::new(),
        };
        let mut training = Vec::new();
        for (at, field) in encoding.categories.iter().enumerate() {
            let ids: Vec<u32> = rows.iter().map(|row| row.categories[at]).collect();
            let mut met = ids.clone();
            met.sort_unstable();
            met.dedup();
            let category = if met.len() <= one_hot {
                CategoryColumns::OneHot(met)
            } else {
                let (offset, width) = (field.offset, field.rows as usize);
                let counts = LabelledIds {
                    ids: &ids,
                    labels,
                    offset,
                    width,
                };
                training.extend(targets.clone().flat_map(|class| counts.out_of_fold(class)));
                CategoryColumns::Shares(Shares {
                    offset,
                    of: targets.clone().map(|class| counts.shares(class)).collect(),
                })
            };
            if matches!(category, CategoryColumns::OneHot(_)) {
                category.write(&ids, &mut training);
            }
            columns.categories.push(category);
        }
        for (at, field) in encoding.numbers.iter().enumerate() {
            let fill = field.fill.unwrap_or(f64::NAN);
            training.extend(rows.iter().map(|row| row.numbers[at].unwrap_or(fill)));
            columns.fills.push(fill);
        }
        (columns, training)
    }

    /// The field of each column, in the order of the interface.
    pub(crate) fn fields(&self) -> Vec<usize> {
        let mut fields = Vec::new();
        for (field, category) in self.categories.iter().enumerate() {
            let columns = match category {
                CategoryColumns::OneHot(met) => met.len(),
                CategoryColumns::Shares(shares) => shares.of.len(),
            };
            fields.extend(std::iter::repeat_n(field, columns));
        }
        let first = self.categories.len();
        fields.extend(first..first + self.fills.len());
        fields
    }

    /// The columns of some rows, one after the other; a missing number is NaN or the training median.
    pub(crate) fn matrix(&self, rows: &[RowCells]) -> Vec<f64> {
        let mut out = Vec::new();
        for (at, category) in self.categories.iter().enumerate() {
            let ids: Vec<u32> = rows.iter().map(|row| row.categories[at]).collect();
            category.write(&ids, &mut out);
        }
        for (at, &fill) in self.fills.iter().enumerate() {
            out.extend(rows.iter().map(|row| row.numbers[at].unwrap_or(fill)));
        }
        out
    }
}

impl CategoryColumns {
    /// Appends the columns of one field, whose cells have these rows of the category table.
    fn write(&self, ids: &[u32], out: &mut Vec<f64>) {
        match self {
            Self::OneHot(met) => {
                for value in met {
                    out.extend(ids.iter().map(|id| f64::from(u8::from(id == value))));
                }
            }
            Self::Shares(shares) => {
                for of in &shares.of {
                    out.extend(ids.iter().map(|id| of[(id - shares.offset) as usize]));
                }
            }
        }
    }
}

/// The training rows' values of one field, with their labels.
struct LabelledIds<'a> {
    ids: &'a [u32],
    labels: &'a [u32],
    /// First row of the field in the category table.
    offset: u32,
    /// Number of rows of the field.
    width: usize,
}

impl LabelledIds<'_> {
    /// (rows, rows of the class) of each value, over the rows that `keep` accepts by their number.
    fn count(&self, class: u32, keep: impl Fn(usize) -> bool) -> Vec<(f64, f64)> {
        let mut counts = vec![(0.0, 0.0); self.width];
        for (row, (id, label)) in self.ids.iter().zip(self.labels).enumerate() {
            if keep(row) {
                let count = &mut counts[(id - self.offset) as usize];
                count.0 += 1.0;
                count.1 += f64::from(u8::from(*label == class));
            }
        }
        counts
    }

    /// The share of the class among all training rows of each value.
    fn shares(&self, class: u32) -> Vec<f64> {
        shrunk(&self.count(class, |_| true))
    }

    /// For each training row, the share of the class among the rows of its value in the other folds.
    fn out_of_fold(&self, class: u32) -> Vec<f64> {
        let folds: Vec<Vec<f64>> = (0..FOLDS)
            .map(|fold| shrunk(&self.count(class, |row| row % FOLDS != fold)))
            .collect();
        let ids = self.ids.iter().enumerate();
        ids.map(|(row, id)| folds[row % FOLDS][(id - self.offset) as usize])
            .collect()
    }
}

/// Shares of (rows, rows of the class), each drawn towards the overall share by [`PRIOR_ROWS`].
fn shrunk(counts: &[(f64, f64)]) -> Vec<f64> {
    let rows: f64 = counts.iter().map(|(rows, _)| rows).sum();
    let of_class: f64 = counts.iter().map(|(_, of_class)| of_class).sum();
    let overall = of_class / rows.max(1.0);
    let share =
        |&(rows, of_class): &(f64, f64)| (of_class + PRIOR_ROWS * overall) / (rows + PRIOR_ROWS);
    counts.iter().map(share).collect()
}

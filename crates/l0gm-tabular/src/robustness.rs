//! The robustness protocol for tables. Test rows are perturbed in their cells before encoding: any field can be
//! missing, and a number can be noisy or rounded. Noise and rounding do not apply to categories.

use crate::Result;
use crate::cells::RowCells;
use crate::encoding::{EncodedRows, Encoding, MISSING};
use crate::input::TableInput;
use crate::split::SplitRows;
use crate::table::{Cells, Table};
use candle_core::Device;
use l0gm_train::{ConditionKind, FeatureScale, Perturbation};

/// The cells of the test rows, with what is needed to perturb and encode them again.
pub(crate) struct TestCells {
    encoding: Encoding,
    /// Number of each test row in the table; it determines the row's perturbation.
    rows: Vec<u32>,
    /// The fields in the order of the table, in which blocks of fields are occluded.
    fields: Vec<Place>,
    /// Numbers before encoding, (rows x number fields).
    numbers: Vec<Option<f64>>,
    /// Scales of each number field over the training rows.
    scales: Vec<FeatureScale>,
    /// The unperturbed rows.
    encoded: EncodedRows,
}

/// The position of a field in the encoding.
#[derive(Clone, Copy)]
enum Place {
    Category(usize),
    Number(usize),
}

impl TestCells {
    /// Keeps the numbers of the test rows; `encoded` holds the encoded test rows.
    pub(crate) fn new(
        table: &Table,
        encoding: &Encoding,
        split: &SplitRows,
        encoded: EncodedRows,
    ) -> Result<Self> {
        let fields = table.columns().iter().filter_map(|column| {
            let category = encoding.categories.iter();
            let number = encoding.numbers.iter();
            let category = category.map(|f| &f.name).position(|n| *n == column.name);
            let number = number.map(|f| &f.name).position(|n| *n == column.name);
            category.map(Place::Category).or(number.map(Place::Number))
        });
        let fields = fields.collect();
        let width = encoding.numbers.len();
        let mut numbers = vec![None; split.test.len() * width];
        let mut scales = Vec::with_capacity(width);
        for (at, field) in encoding.numbers.iter().enumerate() {
            let mut training = Vec::new();
            if let Cells::Numeric(cells) = &table.column(&field.name)?.cells {
                training.extend(split.train.iter().filter_map(|&row| cells[row as usize]));
                for (i, &row) in split.test.iter().enumerate() {
                    numbers[i * width + at] = cells[row as usize];
                }
            }
            scales.push(FeatureScale::of(training.iter().copied()));
        }
        Ok(Self {
            encoding: encoding.clone(),
            rows: split.test.clone(),
            fields,
            numbers,
            scales,
            encoded,
        })
    }

    /// Names what a condition of this kind changes; `None` if the table has no numbers to change.
    pub(crate) fn perturbs(&self, kind: ConditionKind) -> Option<String> {
        if kind.hides() {
            Some("fields".to_owned())
        } else if self.encoding.numbers.is_empty() {
            None
        } else {
            Some("numeric fields".to_owned())
        }
    }

    /// [`perturbs`](Self::perturbs), for methods without an interface to perturb instead.
    pub(crate) fn place(&self, kind: ConditionKind) -> String {
        self.perturbs(kind)
            .unwrap_or_else(|| "nothing: the table has no number".to_owned())
    }

    /// Some test rows, perturbed, as a model reads them.
    pub(crate) fn input(
        &self,
        rows: &[u32],
        perturbation: &Perturbation,
        device: &Device,
    ) -> Result<TableInput> {
        TableInput::new(&self.encoding, &self.perturbed(rows, perturbation), device)
    }

    /// Perturbs and encodes some test rows.
    pub(crate) fn perturbed(&self, rows: &[u32], perturbation: &Perturbation) -> EncodedRows {
        let mut out = EncodedRows {
            rows: rows.len(),
            ..EncodedRows::default()
        };
        let block = self.encoding.rows_per_number();
        for &row in rows {
            let cells = self.perturbed_cells(row, perturbation);
            out.categories.extend(cells.categories);
            for (at, (&value, field)) in
                cells.numbers.iter().zip(&self.encoding.numbers).enumerate()
            {
                let (knot, position) = self.encoding.place_in_table(at, block, field, value);
                out.knots.push(knot);
                out.positions.push(position);
            }
        }
        out
    }

    /// One test row's cells, perturbed but not encoded.
    pub(crate) fn perturbed_cells(&self, row: u32, perturbation: &Perturbation) -> RowCells {
        let RowCells {
            mut categories,
            mut numbers,
        } = self.cells(row);
        let example = u64::from(self.rows[row as usize]);
        if perturbation.condition.kind.hides() {
            let hidden = perturbation.hidden(example, self.fields.len());
            for (place, _) in self.fields.iter().zip(hidden).filter(|(_, hidden)| *hidden) {
                match *place {
                    Place::Category(at) => {
                        categories[at] = self.encoding.categories[at].offset + MISSING;
                    }
                    Place::Number(at) => numbers[at] = None,
                }
            }
        } else {
            let mut distortion = perturbation.distortion(example);
            for (value, scale) in numbers.iter_mut().zip(&self.scales) {
                let distorted = distortion.next(value.unwrap_or(0.0), scale);
                *value = value.map(|_| distorted);
            }
        }
        RowCells {
            categories,
            numbers,
        }
    }

    /// One test row's cells as they are.
    pub(crate) fn cells(&self, row: u32) -> RowCells {
        let row = row as usize;
        let (categories, numbers) = (self.encoding.categories.len(), self.encoding.numbers.len());
        RowCells {
            categories: self.encoded.categories[row * categories..(row + 1) * categories].to_vec(),
            numbers: self.numbers[row * numbers..(row + 1) * numbers].to_vec(),
        }
    }
}

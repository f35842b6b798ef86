//! A table that is ready for training: all rows are encoded once, and batches are gathered by row number.

use crate::encoding::{EncodedRows, Encoding};
use crate::robustness::TestCells;
use crate::split::SplitRows;
use crate::{Result, Table};
use candle_core::{Device, Tensor};
use l0gm_train::{Batch, ConditionKind, Perturbation, Split, Task};

/// The category fields of some rows.
#[derive(Clone, Debug)]
pub struct CategoryInput {
    /// Rows of the shared category table, (rows, category fields) u32.
    pub ids: Tensor,
}

/// The number fields of some rows.
#[derive(Clone, Debug)]
pub struct NumberInput {
    /// Rows of the shared number table at the lower ends of bins, (rows, number fields) u32.
    pub lower: Tensor,
    /// Rows of the shared number table at the upper ends of bins, (rows, number fields) u32.
    pub upper: Tensor,
    /// Position within the bin in [0, 1], or the scaled value, (rows, number fields, 1) f32.
    pub position: Tensor,
    /// The value 1 - position, (rows, number fields, 1) f32.
    pub rest: Tensor,
}

/// The model's input for some rows; a kind of field that the table lacks is `None`.
#[derive(Clone, Debug)]
pub struct TableInput {
    /// The category fields.
    pub categories: Option<CategoryInput>,
    /// The number fields.
    pub numbers: Option<NumberInput>,
}

impl TableInput {
    /// Moves encoded rows to a device.
    ///
    /// # Errors
    /// Fails if a tensor cannot be created.
    pub fn new(encoding: &Encoding, rows: &EncodedRows, device: &Device) -> Result<Self> {
        let (n, fc, fn_) = (rows.rows, encoding.categories.len(), encoding.numbers.len());
        let categories = if fc == 0 {
            None
        } else {
            let ids = Tensor::from_slice(&rows.categories, (n, fc), device)?;
            Some(CategoryInput { ids })
        };
        let numbers = if fn_ == 0 {
            None
        } else {
            // The upper end's row follows the lower end's. The row for missing cells is looked up with weight 0
            // there.
            let upper: Vec<u32> = rows.knots.iter().map(|knot| knot + 1).collect();
            let upper = match encoding.kind {
                crate::NumberEncoding::PiecewiseLinear => upper,
                _ => rows.knots.clone(),
            };
            let rest: Vec<f32> = rows.positions.iter().map(|p| 1.0 - p).collect();
            Some(NumberInput {
                lower: Tensor::from_slice(&rows.knots, (n, fn_), device)?,
                upper: Tensor::from_vec(upper, (n, fn_), device)?,
                position: Tensor::from_slice(&rows.positions, (n, fn_, 1), device)?,
                rest: Tensor::from_vec(rest, (n, fn_, 1), device)?,
            })
        };
        Ok(Self {
            categories,
            numbers,
        })
    }

    /// Selects the given rows (u32), in that order.
    ///
    /// # Errors
    /// Fails if a row does not exist.
    pub fn select(&self, rows: &Tensor) -> candle_core::Result<Self> {
        let categories = match &self.categories {
            Some(c) => Some(CategoryInput {
                ids: c.ids.index_select(rows, 0)?,
            }),
            None => None,
        };
        let numbers = match &self.numbers {
            Some(n) => Some(NumberInput {
                lower: n.lower.index_select(rows, 0)?,
                upper: n.upper.index_select(rows, 0)?,
                position: n.position.index_select(rows, 0)?,
                rest: n.rest.index_select(rows, 0)?,
            }),
            None => None,
        };
        Ok(Self {
            categories,
            numbers,
        })
    }
}

struct Part {
    input: TableInput,
    labels: Tensor,
    rows: usize,
}

/// A table with its three splits, ready for a model.
pub struct TableTask {
    classes: usize,
    parts: [Part; 3],
    test_cells: TestCells,
}

impl TableTask {
    /// Encodes every split once. `labels` holds the class of every row of the table.
    ///
    /// # Errors
    /// Fails if a fitted column is missing or a tensor cannot be created.
    pub fn new(
        table: &Table,
        labels: &[u32],
        classes: usize,
        encoding: &Encoding,
        split: &SplitRows,
        device: &Device,
    ) -> Result<Self> {
        let part = |rows: &[u32], encoded: &EncodedRows| -> Result<Part> {
            let labels: Vec<u32> = rows.iter().map(|&row| labels[row as usize]).collect();
            Ok(Part {
                input: TableInput::new(encoding, encoded, device)?,
                labels: Tensor::from_vec(labels, rows.len(), device)?,
                rows: rows.len(),
            })
        };
        let encode = |rows: &[u32]| encoding.encode(table, rows);
        let test = encode(&split.test)?;
        Ok(Self {
            classes,
            parts: [
                part(&split.train, &encode(&split.train)?)?,
                part(&split.valid, &encode(&split.valid)?)?,
                part(&split.test, &test)?,
            ],
            test_cells: TestCells::new(table, encoding, split, test)?,
        })
    }

    /// The model's input for a whole split.
    pub fn input(&self, split: Split) -> &TableInput {
        &self.part(split).input
    }

    fn part(&self, split: Split) -> &Part {
        match split {
            Split::Train => &self.parts[0],
            Split::Valid => &self.parts[1],
            Split::Test => &self.parts[2],
        }
    }
}

impl Task for TableTask {
    type Input = TableInput;

    fn classes(&self) -> usize {
        self.classes
    }

    fn rows(&self, split: Split) -> usize {
        self.part(split).rows
    }

    fn batch(
        &self,
        split: Split,
        rows: &[u32],
        _device: &Device,
    ) -> l0gm_train::Result<Batch<TableInput>> {
        let part = self.part(split);
        let index = Tensor::from_slice(rows, rows.len(), part.labels.device())?;
        Ok(Batch {
            input: part.input.select(&index)?,
            labels: part.labels.index_select(&index, 0)?,
            rows: rows.to_vec(),
        })
    }

    fn perturbs(&self, kind: ConditionKind) -> Option<String> {
        self.test_cells.perturbs(kind)
    }

    fn perturbed_batch(
        &self,
        rows: &[u32],
        perturbation: &Perturbation,
        device: &Device,
    ) -> l0gm_train::Result<Batch<TableInput>> {
        let labels = &self.part(Split::Test).labels;
        let index = Tensor::from_slice(rows, rows.len(), labels.device())?;
        Ok(Batch {
            input: self.test_cells.input(rows, perturbation, device)?,
            labels: labels.index_select(&index, 0)?,
            rows: rows.to_vec(),
        })
    }
}

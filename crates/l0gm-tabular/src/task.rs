//! A table that is ready for training: all rows are encoded once, and batches are gathered by row number.

use crate::encoding::{EncodedRows, Encoding};
use crate::input::TableInput;
use crate::robustness::TestCells;
use crate::split::SplitRows;
use crate::{Result, Table};
use candle_core::{Device, Tensor};
use l0gm_train::{Batch, ConditionKind, Perturbation, Split, Task, Teacher};

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
    teacher: Option<Teacher>,
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
            teacher: None,
        })
    }

    /// Trains on a teacher's probabilities as well, given for every training row.
    pub fn set_teacher(&mut self, teacher: Option<Teacher>) {
        self.teacher = teacher;
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

    fn teacher(&self) -> Option<&Teacher> {
        self.teacher.as_ref()
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

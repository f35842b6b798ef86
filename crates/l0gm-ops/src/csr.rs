//! Sparse matrices and their product with dense ones, on several threads and without intermediates of the size of the
//! edges.
use crate::composed;
use crate::csr_copies::Copies;
use crate::device::{Call, Fresh, OnDevice};
use crate::kernel::{apply1, by_dtype, fused, owned, read, slice, tensor};
use crate::spmm::multiply;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::sync::Arc;
/// A compressed-sparse-row matrix of f32 on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) indptr: Vec<u32>,
    pub(crate) indices: Vec<u32>,
    pub(crate) values: Vec<f32>,
}
impl Csr {
    /// Checks and wraps the three arrays. `indptr` must have rows + 1 non-decreasing entries from 0 to
    /// `indices.len()`, and every index must be below `columns`.
    pub fn new(
        rows: usize,
        columns: usize,
        indptr: Vec<u32>,
        indices: Vec<u32>,
        values: Vec<f32>,
    ) -> Result<Self> {
        if indptr.len() != rows + 1 || indptr[0] != 0 {
            bail!(
                "Csr: indptr has {} entries and starts with {:?}, expected {} entries from 0",
                indptr.len(),
                indptr.first(),
                rows + 1
            );
        }
        if let Some(row) = (0..rows).find(|&row| indptr[row] > indptr[row + 1]) {
            bail!(
                "Csr: indptr falls from {} to {} at row {row}",
                indptr[row],
                indptr[row + 1]
            );
        }
        if indptr[rows] as usize != indices.len() || indices.len() != values.len() {
            bail!(
                "Csr: indptr ends at {}, but there are {} indices and {} values",
                indptr[rows],
                indices.len(),
                values.len()
            );
        }
        if let Some(entry) = indices
            .iter()
            .position(|&column| column as usize >= columns)
        {
            bail!(
                "Csr: entry {entry} is in column {}, but there are {columns} columns",
                indices[entry]
            );
        }
        Ok(Self {
            rows,
            columns,
            indptr,
            indices,
            values,
        })
    }
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }
    /// The row offsets, rows + 1 entries.
    pub fn indptr(&self) -> &[u32] {
        &self.indptr
    }
    /// The column of each stored entry.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }
    /// The value of each stored entry.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
    /// The values of the stored entries, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
    /// The same entries with averaging values: each is 1 over the number of entries in its row. [`csr_matmul`] then
    /// gives the mean of a row's neighbours (0 for a row without neighbours).
    pub fn averaging(mut self) -> Self {
        for row in 0..self.rows {
            let entries = self.indptr[row] as usize..self.indptr[row + 1] as usize;
            let share = 1.0 / entries.len().max(1) as f32;
            self.values[entries].fill(share);
        }
        self
    }
    /// For each entry of the transpose, in its order, the number of that entry in this matrix.
    pub(crate) fn entries_by_column(&self) -> Vec<u32> {
        self.by_column().1
    }
    /// The row offsets of the transpose, and its entries given by their numbers in this matrix.
    fn by_column(&self) -> (Vec<u32>, Vec<u32>) {
        // A counting sort. Entries are visited in order, so each new row is sorted.
        let mut indptr = vec![0u32; self.columns + 1];
        for &column in &self.indices {
            indptr[column as usize + 1] += 1;
        }
        for column in 0..self.columns {
            indptr[column + 1] += indptr[column];
        }
        let mut next = indptr.clone();
        let mut entries = vec![0u32; self.indices.len()];
        for (entry, &column) in self.indices.iter().enumerate() {
            let slot = &mut next[column as usize];
            entries[*slot as usize] = entry as u32;
            *slot += 1;
        }
        (indptr, entries)
    }
    /// The row of each stored entry.
    pub(crate) fn rows_of_entries(&self) -> Vec<u32> {
        let entries = |row: usize| (self.indptr[row + 1] - self.indptr[row]) as usize;
        (0..self.rows)
            .flat_map(|row| std::iter::repeat_n(row as u32, entries(row)))
            .collect()
    }
    /// The transposed matrix.
    pub fn transpose(&self) -> Self {
        let (indptr, entries) = self.by_column();
        let rows = self.rows_of_entries();
        Self {
            rows: self.columns,
            columns: self.rows,
            indptr,
            indices: entries.iter().map(|&entry| rows[entry as usize]).collect(),
            values: entries
                .iter()
                .map(|&entry| self.values[entry as usize])
                .collect(),
        }
    }
}
/// A matrix together with its transpose, which the backward pass needs. A symmetric matrix is its own transpose.
#[derive(Clone, Debug)]
pub struct SparseMatrix {
    forward: Arc<Csr>,
    transposed: Arc<Csr>,
    pub(crate) copies: Arc<Copies>,
}
impl SparseMatrix {
    /// Stores the transpose with the matrix. A symmetric matrix is stored only once.
    pub fn new(matrix: Csr) -> Self {
        let transposed = matrix.transpose();
        let same = transposed.rows == matrix.rows
            && transposed.indptr == matrix.indptr
            && transposed.indices == matrix.indices
            && transposed.values == matrix.values;
        let forward = Arc::new(matrix);
        let transposed = if same {
            forward.clone()
        } else {
            Arc::new(transposed)
        };
        Self {
            forward,
            transposed,
            copies: Arc::default(),
        }
    }
    /// The matrix itself.
    pub fn matrix(&self) -> &Csr {
        &self.forward
    }
    /// The transpose of the matrix.
    pub fn transposed(&self) -> &Csr {
        &self.transposed
    }
    /// The transpose as a matrix that shares its storage with this one.
    pub fn t(&self) -> Self {
        Self {
            forward: self.transposed.clone(),
            transposed: self.forward.clone(),
            copies: Arc::default(),
        }
    }
    /// A matrix with the same stored entries and the values that `value(row, column, before)` gives them.
    pub fn map_values(&self, value: impl Fn(u32, u32, f32) -> f32 + Sync) -> Self {
        let mapped = |matrix: &Csr, transposed: bool| {
            let mut matrix = matrix.clone();
            let indptr = &matrix.indptr;
            let mut rows = Vec::with_capacity(matrix.rows);
            let mut rest = matrix.values.as_mut_slice();
            for span in indptr.windows(2) {
                let (row, after) = rest.split_at_mut((span[1] - span[0]) as usize);
                rows.push(row);
                rest = after;
            }
            let indices = &matrix.indices;
            rows.into_par_iter().enumerate().for_each(|(row, values)| {
                let columns = &indices[indptr[row] as usize..];
                for (before, &column) in values.iter_mut().zip(columns) {
                    *before = match transposed {
                        false => value(row as u32, column, *before),
                        true => value(column, row as u32, *before),
                    };
                }
            });
            Arc::new(matrix)
        };
        Self {
            forward: mapped(&self.forward, false),
            transposed: mapped(&self.transposed, true),
            copies: Arc::default(),
        }
    }
    /// Whether the matrix equals its transpose, so that both share their storage.
    pub fn is_symmetric(&self) -> bool {
        Arc::ptr_eq(&self.forward, &self.transposed)
    }
}
/// The product A X for `dense` X of shape (columns, width), f32 or f64. Returns (rows, width). The gradient of X is
/// A^T times the gradient of the result. It is an error if the shapes do not fit.
pub fn csr_matmul(matrix: &SparseMatrix, dense: &Tensor) -> Result<Tensor> {
    let (rows, columns) = (matrix.forward.rows, matrix.forward.columns);
    if dense.rank() != 2 || dense.dims()[0] != columns {
        bail!(
            "csr_matmul: dense {:?} does not fit a sparse ({rows}, {columns}), expected ({columns}, width)",
            dense.dims()
        );
    }
    if !fused(dense) {
        return composed::csr_matmul(&matrix.forward, &dense.contiguous()?);
    }
    apply1(&dense.contiguous()?, matrix.clone())
}

impl CustomOp1 for SparseMatrix {
    fn name(&self) -> &'static str {
        "csr_matmul"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        by_dtype!("csr_matmul", storage.dtype(), T => {
            let out = multiply(&self.forward, slice::<T>(storage, layout)?, width);
            Ok(owned(out, (self.forward.rows, width)))
        })
    }

    fn bwd(&self, dense: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (_, width) = dense.dims2()?;
        let grad = grad.contiguous()?;
        by_dtype!("csr_matmul", grad.dtype(), T => {
            read!(dy: T = grad);
            tensor(multiply(&self.transposed, dy, width), dense.shape())
        })
    }
}

/// Multiplies the matrix, or its transpose, by `x` on a device with kernels.
fn on_device(matrix: &SparseMatrix, transposed: bool, x: &Tensor) -> Result<Fresh> {
    let (_, width) = x.dims2()?;
    let arrays = matrix.on_device(transposed, x.device())?;
    let rows = match transposed {
        true => matrix.matrix().columns(),
        false => matrix.matrix().rows(),
    };
    let call = Call::new("csr_matmul", x).read(&arrays.indptr);
    let call = call.read(&arrays.indices).read(&arrays.values).read(x);
    let call = call.write((rows, width)).size(width).size(rows * width);
    let [y] = call.each(rows * width)?;
    Ok(y)
}

impl OnDevice for SparseMatrix {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        on_device(self, false, &x[0])
    }

    fn backward(&self, _x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(on_device(self, true, dy)?.tensor())])
    }
}

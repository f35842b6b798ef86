//! Sparse times dense, multi-threaded, no edge-sized intermediates.
use crate::composed;
use crate::kernel::{apply1, by_dtype, fused, owned, read, slice, tensor};
use crate::spmm::multiply;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use std::sync::Arc;
/// A compressed-sparse-row matrix of f32 on the host.
#[derive(Clone, Debug)]
pub struct Csr {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) indptr: Vec<u32>,
    pub(crate) indices: Vec<u32>,
    pub(crate) values: Vec<f32>,
}
impl Csr {
    /// Checks and wraps the three arrays: `indptr` has rows + 1 non-decreasing entries from 0 to
    /// `indices.len()`, every index is below `columns`.
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
    /// Row offsets, rows + 1 entries.
    pub fn indptr(&self) -> &[u32] {
        &self.indptr
    }
    /// Column of each stored entry.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }
    /// Value of each stored entry.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
    /// The transpose.
    pub fn transpose(&self) -> Self {
        // A counting sort by column; rows are visited in order, so each new row comes out sorted.
        let mut indptr = vec![0u32; self.columns + 1];
        for &column in &self.indices {
            indptr[column as usize + 1] += 1;
        }
        for column in 0..self.columns {
            indptr[column + 1] += indptr[column];
        }
        let mut next = indptr.clone();
        let mut indices = vec![0u32; self.indices.len()];
        let mut values = vec![0f32; self.values.len()];
        for row in 0..self.rows {
            for entry in self.indptr[row] as usize..self.indptr[row + 1] as usize {
                let slot = &mut next[self.indices[entry] as usize];
                indices[*slot as usize] = row as u32;
                values[*slot as usize] = self.values[entry];
                *slot += 1;
            }
        }
        Self {
            rows: self.columns,
            columns: self.rows,
            indptr,
            indices,
            values,
        }
    }
}
/// A matrix together with what its backward needs: its transpose, which is itself if symmetric.
#[derive(Clone, Debug)]
pub struct SparseMatrix {
    forward: Arc<Csr>,
    transposed: Arc<Csr>,
}
impl SparseMatrix {
    /// Keeps the transpose beside the matrix; a symmetric matrix is stored once.
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
        }
    }
    /// The matrix itself.
    pub fn matrix(&self) -> &Csr {
        &self.forward
    }
    /// Whether forward and transpose share storage.
    pub fn is_symmetric(&self) -> bool {
        Arc::ptr_eq(&self.forward, &self.transposed)
    }
}
/// A X for `dense` of shape (columns, width), f32 or f64. Returns (rows, width); the gradient is A^T
/// times the result's. An error if the shapes do not fit.
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

//! Sparse times dense, multi-threaded, no edge-sized intermediates.
use candle_core::{Result, Tensor};
use std::sync::Arc;
/// A compressed-sparse-row matrix of f32 on the host.
#[derive(Clone, Debug)]
pub struct Csr {
    rows: usize,
    columns: usize,
    indptr: Vec<u32>,
    indices: Vec<u32>,
    values: Vec<f32>,
}
impl Csr {
    /// Checks and wraps the three arrays: `indptr` has rows + 1 non-decreasing entries from 0 to
    /// `indices.len()`, every index is below `columns`.
    pub fn new(_rows: usize, _columns: usize, _indptr: Vec<u32>, _indices: Vec<u32>, _values: Vec<f32>) -> Result<Self> {
        todo!()
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
        todo!()
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
    pub fn new(_matrix: Csr) -> Self {
        todo!()
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
/// A X for `dense` of shape (columns, width). Returns (rows, width).
pub fn csr_matmul(_matrix: &SparseMatrix, _dense: &Tensor) -> Result<Tensor> {
    todo!()
}

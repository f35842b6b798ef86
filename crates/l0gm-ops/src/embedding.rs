//! Row lookup with a gradient that touches only the rows used.
use candle_core::{Result, Tensor};

/// `table`: (rows, dim); `ids`: u32 of any shape. Returns ids' shape + (dim,). An id out of range is
/// an error that names it.
pub fn embedding(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    crate::composed::embedding(table, ids)
}

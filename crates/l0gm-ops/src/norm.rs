//! The squared Euclidean norm of a tensor, for clipping gradients by their global norm.
use candle_core::{DType, Result, Tensor};

/// Sum of the squares of all entries, accumulated in f64 in a fixed order, so that the result does
/// not depend on the number of threads. `x`: f32 or f64, any shape.
pub fn squared_norm(x: &Tensor) -> Result<f64> {
    let values = x.detach().to_dtype(DType::F64)?.flatten_all()?;
    values.sqr()?.sum_all()?.to_scalar::<f64>()
}

//! Views a tensor's entries in another shape. Its gradient is such a view as well.

use crate::tape;
use candle_core::{Result, Shape, Tensor};

/// Like candle's own `reshape`, but while a [`Tape`](crate::Tape) records, the gradient does not pass through
/// candle's graph. It is an error if the numbers of entries differ.
pub fn reshape(x: &Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
    let y = x.reshape(shape.into())?;
    // If x is not contiguous, the result is a copy and not a view of x.
    if x.is_contiguous() && x.track_op() {
        tape::record_view(x, &y);
    }
    Ok(y)
}

//! A tensor's entries in another shape, with a gradient that is such a view too.

use crate::tape;
use candle_core::{Result, Shape, Tensor};

/// As candle's own `reshape`; while a [`Tape`](crate::Tape) records, the gradient takes no detour
/// through candle's graph. An error if the numbers of entries differ.
pub fn reshape(x: &Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
    let y = x.reshape(shape.into())?;
    // A copy (of what was not contiguous) is not a view of x.
    if x.is_contiguous() && x.track_op() {
        tape::record_view(x, &y);
    }
    Ok(y)
}

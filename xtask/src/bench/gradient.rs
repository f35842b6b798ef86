//! A root for `backward` that hands a given gradient on, as `y.backward(dy)` does in PyTorch, so that a
//! benchmark times an op and not the sum that would have to follow it.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use l0gm_ops::Tape;

struct Seed(Tensor);

impl CustomOp1 for Seed {
    fn name(&self) -> &'static str {
        "seed"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}

/// Backward from `dy`, of y's shape. What stock candle did on the tape's thread was not recorded, and is
/// differentiated by candle.
pub(crate) fn backward_from(tape: Tape, y: &Tensor, dy: &Tensor) -> Result<()> {
    tape.backward(&y.apply_op1(Seed(dy.clone()))?).map(drop)
}

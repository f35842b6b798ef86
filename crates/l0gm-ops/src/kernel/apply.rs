//! Applies our ops to tensors: on the kernels of their device, or on the CPU's through candle's graph or, while a
//! [tape](crate::Tape) records, through the tape.

use crate::device::{self, OnDevice};
use crate::tape;
use candle_core::op::BackpropOp;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor, bail,
};

/// A result that candle treats as a variable, so that candle knows nothing before it.
fn leaf((storage, shape): (CpuStorage, Shape)) -> Tensor {
    Tensor::from_storage(Storage::Cpu(storage), shape, BackpropOp::none(), true)
}

/// Lends the CPU storage behind a tensor to `inner`.
fn with_cpu<R>(x: &Tensor, inner: impl FnOnce(&CpuStorage, &Layout) -> Result<R>) -> Result<R> {
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => inner(storage, layout),
        _ => bail!("a CPU kernel was given a tensor on another device"),
    }
}

/// Whether the op must be recorded on the tape.
fn noted(arguments: &[&Tensor]) -> bool {
    arguments.iter().any(|x| x.track_op()) && tape::recording()
}

pub(crate) fn apply1(x: &Tensor, op: impl CustomOp1 + OnDevice) -> Result<Tensor> {
    if device::has_kernels(x) {
        return device::apply(op.name(), &[x], op);
    }
    if !noted(&[x]) {
        return tape::aside(|| x.apply_op1(op));
    }
    let y = leaf(tape::aside(|| with_cpu(x, |x, l| op.cpu_fwd(x, l)))?);
    let backward: tape::Backward = Box::new(move |x, y, dy| Ok(vec![op.bwd(&x[0], y, dy)?]));
    tape::record(vec![x.clone()], &y, backward);
    Ok(y)
}

pub(crate) fn apply2(x1: &Tensor, x2: &Tensor, op: impl CustomOp2 + OnDevice) -> Result<Tensor> {
    if device::has_kernels(x1) {
        return device::apply(op.name(), &[x1, x2], op);
    }
    if !noted(&[x1, x2]) {
        return tape::aside(|| x1.apply_op2(x2, op));
    }
    let y = tape::aside(|| with_cpu(x1, |a, l| with_cpu(x2, |b, m| op.cpu_fwd(a, l, b, m))));
    let y = leaf(y?);
    let backward: tape::Backward = Box::new(move |x, y, dy| {
        let (a, b) = op.bwd(&x[0], &x[1], y, dy)?;
        Ok(vec![a, b])
    });
    tape::record(vec![x1.clone(), x2.clone()], &y, backward);
    Ok(y)
}

pub(crate) fn apply3(
    x1: &Tensor,
    x2: &Tensor,
    x3: &Tensor,
    op: impl CustomOp3 + OnDevice,
) -> Result<Tensor> {
    if device::has_kernels(x1) {
        return device::apply(op.name(), &[x1, x2, x3], op);
    }
    if !noted(&[x1, x2, x3]) {
        return tape::aside(|| x1.apply_op3(x2, x3, op));
    }
    let y = tape::aside(|| {
        with_cpu(x1, |a, l| {
            with_cpu(x2, |b, m| with_cpu(x3, |c, n| op.cpu_fwd(a, l, b, m, c, n)))
        })
    });
    let y = leaf(y?);
    let backward: tape::Backward = Box::new(move |x, y, dy| {
        let (a, b, c) = op.bwd(&x[0], &x[1], &x[2], y, dy)?;
        Ok(vec![a, b, c])
    });
    tape::record(vec![x1.clone(), x2.clone(), x3.clone()], &y, backward);
    Ok(y)
}

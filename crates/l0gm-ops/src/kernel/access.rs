//! Access to the slice behind a tensor, and tensors from values.

use super::Real;
use crate::device;
use candle_core::{
    CpuStorage, DType, Device, Layout, Result, Shape, Storage, Tensor, WithDType, bail,
};

/// Whether an op on `x` runs on our kernels. Otherwise it is composed of candle's operations.
pub(crate) fn fused(x: &Tensor) -> bool {
    let known = matches!(x.dtype(), DType::F32 | DType::F64);
    known && (x.device().is_cpu() || device::has_kernels(x))
}

/// The contiguous values of a CPU storage.
pub(crate) fn slice<'a, T: WithDType>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    let values = T::cpu_storage_as_slice(storage)?;
    // A view without entries may begin after the end of its storage.
    if layout.shape().elem_count() == 0 {
        return Ok(&[]);
    }
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("a kernel was given a tensor that is not contiguous: {layout:?}"),
    }
}

/// The contiguous values of a tensor's storage; see [`read`].
pub(crate) fn storage_slice<'a, T: WithDType>(
    storage: &'a Storage,
    layout: &Layout,
) -> Result<&'a [T]> {
    match storage {
        Storage::Cpu(storage) => slice(storage, layout),
        _ => bail!("a CPU kernel was given a tensor on another device"),
    }
}

/// `read!(values: f32 = tensor)` binds `values` to the slice behind a contiguous CPU tensor.
macro_rules! read {
    ($name:ident: $T:ty = $tensor:expr) => {
        let guard = $tensor.storage_and_layout();
        let $name = $crate::kernel::access::storage_slice::<$T>(&guard.0, guard.1)?;
    };
}
pub(crate) use read;

/// `by_dtype!(dtype, T => expression)` evaluates the expression with `T` as f32 or f64.
macro_rules! by_dtype {
    ($op:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $T = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            other => candle_core::bail!("{}: dtype {other:?}, expected f32 or f64", $op),
        }
    };
}
pub(crate) use by_dtype;

/// Wraps values in what a forward kernel returns to candle.
pub(crate) fn owned<T: Real>(values: Vec<T>, shape: impl Into<Shape>) -> (CpuStorage, Shape) {
    (T::to_cpu_storage_owned(values), shape.into())
}

/// Wraps values in what a backward kernel returns to candle.
pub(crate) fn tensor<T: Real>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Option<Tensor>> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu).map(Some)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_view_of_nothing_is_an_empty_slice_wherever_it_begins() {
        let nothing = CpuStorage::F32(Vec::new());
        let layout = Layout::contiguous_with_offset((0, 3), 2);
        assert!(slice::<f32>(&nothing, &layout).unwrap().is_empty());
        // The dtype is checked even though there are no values.
        assert!(slice::<f64>(&nothing, &layout).is_err());
    }
}

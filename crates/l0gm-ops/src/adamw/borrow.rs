//! Borrows the values of many variables at once, so that they can be changed in place.

use crate::kernel::Real;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, InplaceOp1, Layout, Result, Tensor, Var, bail};
use std::sync::Mutex;

/// The address of a tensor's storage. Tensors that share a storage have the same address.
pub(super) fn place(x: &Tensor) -> usize {
    std::ptr::from_ref(&*x.storage_and_layout().0).addr()
}

/// Runs `inner` with the values of contiguous CPU variables. No two of them may share a storage.
///
/// candle lends a variable's values only for the duration of a call, so each variable is borrowed inside the call for
/// the previous one. This takes about a kilobyte of stack per variable.
pub(super) fn with_values<T: Real>(
    variables: &[&Var],
    inner: &mut dyn FnMut(Vec<&mut [T]>),
) -> Result<()> {
    let values = variables.iter().map(|_| <&mut [T]>::default()).collect();
    // Borrow them by ascending address, in which candle also takes its locks. So two concurrent calls with the same
    // variables cannot wait for each other.
    let mut order: Vec<_> = variables.iter().copied().enumerate().collect();
    order.sort_by_cached_key(|(_, var)| place(var));
    hold(&order, values, inner)
}

/// Borrows the variables one after the other, and puts the values of each at its own place in `values`.
fn hold<T: Real>(
    variables: &[(usize, &Var)],
    values: Vec<&mut [T]>,
    inner: &mut dyn FnMut(Vec<&mut [T]>),
) -> Result<()> {
    let Some(((i, var), rest)) = variables.split_first() else {
        inner(values);
        return Ok(());
    };
    with_one(var, |one| {
        let mut values: Vec<&mut [T]> = values;
        values[*i] = one;
        hold(rest, values, inner)
    })
}

/// Runs `inner` with the values of one variable.
fn with_one<T: Real>(var: &Var, inner: impl FnOnce(&mut [T]) -> Result<()>) -> Result<()> {
    struct InPlace<F>(Mutex<Option<F>>);
    impl<F: FnOnce(&mut CpuStorage, &Layout) -> Result<()>> InplaceOp1 for InPlace<F> {
        fn name(&self) -> &'static str {
            "adamw"
        }
        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
            let inner = self.0.lock().ok().and_then(|mut inner| inner.take());
            match inner {
                Some(inner) => inner(storage, layout),
                None => bail!("adamw: an update was applied twice"),
            }
        }
    }
    let inner = |storage: &mut CpuStorage, layout: &Layout| {
        let (start, end) = range(layout)?;
        inner(&mut T::values_mut(storage)?[start..end])
    };
    var.inplace_op1(&InPlace(Mutex::new(Some(inner))))
}

/// Where the values of a contiguous variable begin and end within its storage.
fn range(layout: &Layout) -> Result<(usize, usize)> {
    match layout.contiguous_offsets() {
        Some(range) => Ok(range),
        None => bail!("adamw: a variable {layout:?} is not contiguous"),
    }
}

/// Runs `inner` with the addresses of contiguous variables on a device with kernels. No two of them may share a
/// storage. Until `inner` returns, nobody else uses the addresses.
pub(super) fn with_addresses(
    variables: &[&Var],
    inner: &mut dyn FnMut(&[u64]) -> Result<()>,
) -> Result<()> {
    let mut order: Vec<_> = variables.iter().copied().enumerate().collect();
    order.sort_by_cached_key(|(_, var)| place(var));
    hold_addresses(&order, &mut vec![0; variables.len()], inner)
}

/// What [`hold_addresses`] does with the address of a variable.
struct Address<F>(Mutex<F>);

impl<F: FnMut(u64) -> Result<()>> Address<F> {
    fn give(&self, at: u64) -> Result<()> {
        match self.0.lock() {
            Ok(mut inner) => inner(at),
            Err(_) => bail!("adamw: an update failed before"),
        }
    }
}

impl<F: FnMut(u64) -> Result<()>> InplaceOp1 for Address<F> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (start, end) = range(layout)?;
        let at = match storage.dtype() {
            DType::F32 => f32::values_mut(storage)?[start..end].as_mut_ptr().addr(),
            _ => f64::values_mut(storage)?[start..end].as_mut_ptr().addr(),
        };
        self.give(at as u64)
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, storage: &mut candle_core::CudaStorage, layout: &Layout) -> Result<()> {
        let (start, _) = range(layout)?;
        let stream = storage.device().cuda_stream();
        let (at, _until_done) = crate::device::address_mut(storage, start, &stream)?;
        self.give(at)
    }
}

fn hold_addresses(
    variables: &[(usize, &Var)],
    addresses: &mut Vec<u64>,
    inner: &mut dyn FnMut(&[u64]) -> Result<()>,
) -> Result<()> {
    let Some(((i, var), rest)) = variables.split_first() else {
        return inner(addresses);
    };
    var.inplace_op1(&Address(Mutex::new(|at| {
        addresses[*i] = at;
        hold_addresses(rest, addresses, inner)
    })))
}

//! The ops on a device other than the CPU: kernels in CUDA C, one `.cu` file beside each op, compiled at run
//! time.
//!
//! An op describes a launch as a [`Call`]; a [`Launcher`] carries it out. With the feature `cuda` there is one
//! for candle's CUDA device. Another one can stand in for the length of a closure ([`with_launcher`]): the
//! tests run the very same sources and calls on the host, so that both are proved where there is no GPU.
//!
//! No kernel uses atomics: every value is written by one thread, and sums are added in an order that depends
//! on the shapes alone, so the bits are the same in every run.

mod apply;
mod call;
#[cfg(feature = "cuda")]
mod cuda;
mod source;
mod sums;

pub(crate) use apply::{OnDevice, apply};
pub use call::{Argument, Call, Fresh, Grid, Launcher, THREADS};
#[cfg(feature = "cuda")]
pub(crate) use cuda::address_mut;
pub use source::source;
pub(crate) use sums::{column_sums, mean, sums};

use candle_core::{Device, Result, Tensor, WithDType};
use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    /// What runs kernels for tensors on the CPU, if anything does.
    static STAND_IN: RefCell<Option<Rc<dyn Launcher>>> = const { RefCell::new(None) };
}

/// Runs `inner` with the device kernels launched by `launcher` for tensors on the CPU, in place of the CPU's
/// own kernels. For tests.
pub fn with_launcher<R>(launcher: Rc<dyn Launcher>, inner: impl FnOnce() -> R) -> R {
    struct Back(Option<Rc<dyn Launcher>>);
    impl Drop for Back {
        fn drop(&mut self) {
            STAND_IN.set(self.0.take());
        }
    }
    let _back = Back(STAND_IN.replace(Some(launcher)));
    inner()
}

/// What runs kernels on the device of `x`; none for the CPU and for devices without kernels.
pub(crate) fn launcher(x: &Tensor) -> Option<Rc<dyn Launcher>> {
    if x.device().is_cpu() {
        return STAND_IN.with_borrow(Clone::clone);
    }
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return Some(Rc::new(cuda::Cuda));
    }
    None
}

/// Whether an op on `x` runs on device kernels.
pub(crate) fn has_kernels(x: &Tensor) -> bool {
    launcher(x).is_some()
}

/// A gradient that is computed only where `argument` asks for one.
pub(crate) fn if_tracked(
    argument: &Tensor,
    gradient: impl FnOnce() -> Result<Tensor>,
) -> Result<Option<Tensor>> {
    argument.track_op().then(gradient).transpose()
}

/// Values as a tensor on `device`, in one dimension. Where there are none, one entry that nothing reads: a GPU
/// allocates no empty memory.
pub(crate) fn upload<T: WithDType>(values: &[T], device: &Device) -> Result<Tensor> {
    match values.is_empty() {
        true => Tensor::zeros(1, T::DTYPE, device),
        false => Tensor::from_slice(values, values.len(), device),
    }
}

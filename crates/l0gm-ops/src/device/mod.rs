//! Runs the ops on devices other than the CPU. Each op has its kernels in CUDA C in a `.cu` file beside it, and they
//! are compiled at run time.
//!
//! An op describes a launch as a [`Call`], and a [`Launcher`] carries it out. With the feature `cuda` there is a
//! launcher for candle's CUDA device. Another one can replace it for the duration of a closure ([`with_launcher`]):
//! the tests run the same sources and calls on the host, so that they are also tested where there is no GPU.
//!
//! No kernel uses atomics. Every value is written by one thread, and sums are added in an order that depends only on
//! the shapes, so the result has the same bits in every run.

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
    /// The launcher that runs kernels for tensors on the CPU, if a test has set one.
    static STAND_IN: RefCell<Option<Rc<dyn Launcher>>> = const { RefCell::new(None) };
}

/// Runs `inner` with device kernels instead of the CPU's own for tensors on the CPU; `launcher` launches them. For
/// tests.
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

/// The launcher for the device of `x`. `None` for the CPU and for devices without kernels.
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

/// Computes a gradient only if `argument` needs one.
pub(crate) fn if_tracked(
    argument: &Tensor,
    gradient: impl FnOnce() -> Result<Tensor>,
) -> Result<Option<Tensor>> {
    argument.track_op().then(gradient).transpose()
}

/// Copies values to `device` as a tensor of one dimension. If there are no values, it has one entry that nothing
/// reads, because a GPU cannot allocate empty memory.
pub(crate) fn upload<T: WithDType>(values: &[T], device: &Device) -> Result<Tensor> {
    match values.is_empty() {
        true => Tensor::zeros(1, T::DTYPE, device),
        false => Tensor::from_slice(values, values.len(), device),
    }
}

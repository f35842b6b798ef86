//! Applies an op's device kernels to tensors, either through candle's graph or recorded on the tape.

use super::Fresh;
use crate::tape;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor, bail,
};
use std::sync::Mutex;

/// The device kernels of an op. They receive contiguous tensors, and no graph records what they compute.
pub(crate) trait OnDevice: Send + Sync + 'static {
    /// Computes the result for the arguments `x`.
    fn forward(&self, x: &[Tensor]) -> Result<Fresh>;

    /// Computes the gradient of each argument that is tracked.
    fn backward(&self, x: &[Tensor], y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>>;
}

/// Applies `op` to one to three arguments, and keeps what its backward pass needs.
pub(crate) fn apply(name: &'static str, x: &[&Tensor], op: impl OnDevice) -> Result<Tensor> {
    let detached: Vec<Tensor> = x.iter().map(|x| x.detach()).collect();
    let fresh = op.forward(&detached)?;
    if !x.iter().any(|x| x.track_op()) {
        return Ok(fresh.tensor());
    }
    if tape::recording() {
        let y = fresh.into_tensor(true);
        let backward: tape::Backward =
            Box::new(move |x, y, dy| op.backward(x, y, &dy.detach().contiguous()?));
        tape::record(x.iter().map(|&x| x.clone()).collect(), &y, backward);
        return Ok(y);
    }
    let ready = Ready {
        name,
        op,
        result: Mutex::new(Some(fresh)),
    };
    match x {
        [x] => x.apply_op1(ready),
        [x, y] => x.apply_op2(y, ready),
        [x, y, z] => x.apply_op3(y, z, ready),
        _ => bail!("{name}: {} arguments, expected one to three", x.len()),
    }
}

/// An op for candle's graph whose result has been computed already.
struct Ready<O> {
    name: &'static str,
    op: O,
    result: Mutex<Option<Fresh>>,
}

impl<O: OnDevice> Ready<O> {
    fn take(&self) -> Result<(Storage, Shape)> {
        let fresh = self.result.lock().ok().and_then(|mut fresh| fresh.take());
        match fresh {
            Some(Fresh { storage, shape }) => Ok((storage, shape)),
            None => bail!("{}: a result was taken twice", self.name),
        }
    }

    fn on_cpu(&self) -> Result<(CpuStorage, Shape)> {
        match self.take()? {
            (Storage::Cpu(storage), shape) => Ok((storage, shape)),
            _ => bail!("{}: a result of another device", self.name),
        }
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self) -> Result<(candle_core::CudaStorage, Shape)> {
        match self.take()? {
            (Storage::Cuda(storage), shape) => Ok((storage, shape)),
            _ => bail!("{}: a result of another device", self.name),
        }
    }

    fn gradients<const N: usize>(
        &self,
        x: [&Tensor; N],
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<[Option<Tensor>; N]> {
        let dy = dy.detach().contiguous()?;
        let found = self.op.backward(&x.map(Clone::clone), y, &dy)?;
        let count = found.len();
        <[Option<Tensor>; N]>::try_from(found).map_err(|_| {
            let name = self.name;
            candle_core::Error::Msg(format!("{name}: {count} gradients for {N} arguments"))
        })
    }
}

impl<O: OnDevice> CustomOp1 for Ready<O> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.on_cpu()
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        _: &candle_core::CudaStorage,
        _: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        self.on_cuda()
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let [dx] = self.gradients([x], y, dy)?;
        Ok(dx)
    }
}

impl<O: OnDevice> CustomOp2 for Ready<O> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.on_cpu()
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        _: &candle_core::CudaStorage,
        _: &Layout,
        _: &candle_core::CudaStorage,
        _: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        self.on_cuda()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [da, db] = self.gradients([a, b], y, dy)?;
        Ok((da, db))
    }
}

impl<O: OnDevice> CustomOp3 for Ready<O> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.on_cpu()
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        _: &candle_core::CudaStorage,
        _: &Layout,
        _: &candle_core::CudaStorage,
        _: &Layout,
        _: &candle_core::CudaStorage,
        _: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        self.on_cuda()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [da, db, dc] = self.gradients([a, b, c], y, dy)?;
        Ok((da, db, dc))
    }
}

//! Sums over consecutive segments of rows, for pooling in samplers and over the graphs of a batch.
//!
//! Y[s] is the sum of the rows offsets[s]..offsets[s + 1] of X. Each of these rows gets the segment's gradient.

use crate::composed;
use crate::device::{Call, Fresh, OnDevice, upload};
use crate::kernel::{apply1, by_dtype, fused, owned, read, rows, slice, tensor};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

/// Sums each segment of rows. `x`: (rows, width); `offsets`: segments + 1 non-decreasing numbers from 0 to rows.
/// Returns (segments, width). It is an error if the offsets do not fit.
pub fn segment_sum(x: &Tensor, offsets: &[u32]) -> Result<Tensor> {
    let &[rows, _] = x.dims() else {
        bail!("segment_sum: x {:?}, expected (rows, width)", x.dims());
    };
    if offsets.first() != Some(&0) || offsets.last().map(|&last| last as usize) != Some(rows) {
        bail!(
            "segment_sum: offsets go from {:?} to {:?}, expected from 0 to the {rows} rows of x",
            offsets.first(),
            offsets.last()
        );
    }
    if let Some(at) = (1..offsets.len()).find(|&at| offsets[at] < offsets[at - 1]) {
        bail!(
            "segment_sum: offset {} at {at} is below the one before",
            offsets[at]
        );
    }
    if !fused(x) {
        return composed::segment_sum(x, offsets);
    }
    apply1(
        &x.contiguous()?,
        SegmentSum {
            offsets: offsets.to_vec(),
        },
    )
}

struct SegmentSum {
    offsets: Vec<u32>,
}

impl CustomOp1 for SegmentSum {
    fn name(&self) -> &'static str {
        "segment_sum"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        let segments = self.offsets.len() - 1;
        by_dtype!("segment_sum", storage.dtype(), T => {
            let x = slice::<T>(storage, layout)?;
            let y = rows::build(segments * width, width.max(1), |first, y| {
                for (at, y) in y.chunks_exact_mut(width).enumerate() {
                    let [start, end] = [first + at, first + at + 1].map(|s| self.offsets[s] as usize);
                    rows::add_rows(y, &x[start * width..end * width]);
                }
            });
            Ok(owned(y, (segments, width)))
        })
    }

    fn bwd(&self, x: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (rows, width) = x.dims2()?;
        let grad = grad.contiguous()?;
        by_dtype!("segment_sum", grad.dtype(), T => {
            read!(dy: T = grad);
            let dx = rows::build(rows * width, width.max(1), |first, dx| {
                // Find the last segment that begins at or before this row.
                let mut segment = self.offsets.partition_point(|&o| o as usize <= first) - 1;
                for (at, dx) in dx.chunks_exact_mut(width).enumerate() {
                    while self.offsets[segment + 1] as usize <= first + at {
                        segment += 1;
                    }
                    dx.copy_from_slice(&dy[segment * width..][..width]);
                }
            });
            tensor(dx, x.shape())
        })
    }
}

impl OnDevice for SegmentSum {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let (_, width) = x[0].dims2()?;
        let segments = self.offsets.len() - 1;
        let n = segments * width;
        let call =
            Call::new("segment_sum_forward", &x[0]).read(&upload(&self.offsets, x[0].device())?);
        let call = call.read(&x[0]).write((segments, width)).size(width);
        let [y] = call.size(n).each(n)?;
        Ok(y)
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (rows, width) = x[0].dims2()?;
        let n = rows * width;
        let call = Call::new("segment_sum_backward", dy).read(&upload(&self.offsets, dy.device())?);
        let call = call
            .read(dy)
            .write((rows, width))
            .size(self.offsets.len() - 1);
        let [dx] = call.size(width).size(n).each(n)?;
        Ok(vec![Some(dx.tensor())])
    }
}

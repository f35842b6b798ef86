//! The squared Euclidean norm of a tensor, for clipping gradients by their global norm.

use crate::device::{self, Call};
use crate::kernel::{Real, by_dtype, fused, multiversion, read, rows};
use candle_core::{DType, Result, Tensor};
use rayon::prelude::*;

/// Sum of the squares of all entries, accumulated in f64 in a fixed order, so that the result does
/// not depend on the number of threads. `x`: f32 or f64, any shape.
pub fn squared_norm(x: &Tensor) -> Result<f64> {
    if !fused(x) {
        let values = x.detach().to_dtype(DType::F64)?.flatten_all()?;
        return values.sqr()?.sum_all()?.to_scalar::<f64>();
    }
    let x = x.detach().contiguous()?;
    if device::has_kernels(&x) {
        return on_device(&x);
    }
    by_dtype!("squared_norm", x.dtype(), T => {
        read!(values: T = x);
        let chunk = |values: &[T]| {
            let mut total = 0.0;
            sum_squares(values, &mut total);
            total
        };
        if values.len() <= rows::CHUNK {
            return Ok(chunk(values));
        }
        let partial: Vec<f64> = values.par_chunks(rows::CHUNK).map(chunk).collect();
        Ok(partial.iter().sum())
    })
}

multiversion! {
    fn sum_squares<T: Real>(x: &[T], total: &mut f64) {
        let mut lanes = [0f64; 16];
        let (blocks, rest) = x.as_chunks::<16>();
        for block in blocks {
            for lane in 0..16 {
                lanes[lane] += block[lane].wide() * block[lane].wide();
            }
        }
        for (lane, value) in lanes.iter_mut().zip(rest) {
            *lane += value.wide() * value.wide();
        }
        *total = lanes.iter().sum();
    }
}

/// The same on a device with kernels: the sums of stretches, added up here.
fn on_device(x: &Tensor) -> Result<f64> {
    let n = x.elem_count();
    let stretch = rows::CHUNK;
    let parts = n.div_ceil(stretch);
    let call = Call::new("squared_parts", x)
        .read(x)
        .write_as(parts, DType::F64);
    let [sums] = call.size(stretch).size(n).blocks(parts)?;
    Ok(sums.tensor().to_vec1::<f64>()?.iter().sum())
}

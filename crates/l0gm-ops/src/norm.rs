//! Squared Euclidean norms of tensors, for clipping gradients by their global norm.

use crate::device::{self, Call};
use crate::kernel::access::storage_slice;
use crate::kernel::{Real, fused, multiversion, rows};
use candle_core::{DType, Device, Result, Tensor};
use rayon::prelude::*;

/// The sum of the squares of all entries. It is accumulated in f64 in a fixed order, so that it does not depend on
/// the number of threads. `x`: f32 or f64, any shape.
pub fn squared_norm(x: &Tensor) -> Result<f64> {
    squared_norms(&[x]).map(|norms| norms[0])
}

/// The [`squared_norm`] of each tensor, with the same bits, in one pass whose chunks are distributed among the
/// threads.
pub fn squared_norms(tensors: &[&Tensor]) -> Result<Vec<f64>> {
    let contiguous = tensors
        .iter()
        .map(
            |x| match fused(x) && x.elem_count() > 0 && !device::has_kernels(x) {
                true => x.detach().contiguous().map(Some),
                false => Ok(None),
            },
        )
        .collect::<Result<Vec<_>>>()?;
    let guards: Vec<_> = contiguous
        .iter()
        .map(|x| x.as_ref().map(Tensor::storage_and_layout))
        .collect();
    // Each chunk is stored with the number of its tensor.
    let mut tasks: Vec<(usize, Chunk<'_>)> = Vec::new();
    let mut on_device: Vec<(usize, &Tensor)> = Vec::new();
    let mut norms = vec![0.0; tensors.len()];
    for (i, (x, guard)) in tensors.iter().zip(&guards).enumerate() {
        match (guard, x.dtype()) {
            (None, _) if x.elem_count() == 0 => {}
            (None, _) if fused(x) => on_device.push((i, *x)),
            (None, _) => norms[i] = composed(x)?,
            (Some((storage, layout)), DType::F32) => {
                let chunks = storage_slice::<f32>(storage, layout)?.chunks(rows::CHUNK);
                tasks.extend(chunks.map(|chunk| (i, Chunk::Single(chunk))));
            }
            (Some((storage, layout)), _) => {
                let chunks = storage_slice::<f64>(storage, layout)?.chunks(rows::CHUNK);
                tasks.extend(chunks.map(|chunk| (i, Chunk::Double(chunk))));
            }
        }
    }
    let total: usize = tasks.iter().map(|(_, chunk)| chunk.len()).sum();
    let partial: Vec<f64> = match total <= rows::CHUNK {
        true => tasks.iter().map(|(_, chunk)| chunk.squares()).collect(),
        false => tasks.par_iter().map(|(_, chunk)| chunk.squares()).collect(),
    };
    // Add the partial sums in the order of the chunks.
    for ((i, _), partial) in tasks.iter().zip(partial) {
        norms[*i] += partial;
    }
    add_from_device(&on_device, &mut norms)?;
    Ok(norms)
}

/// Adds the norms of tensors on a device with kernels. Every stretch is summed there. The sums of all tensors come
/// back in one copy, because each copy waits for the device.
fn add_from_device(tensors: &[(usize, &Tensor)], norms: &mut [f64]) -> Result<()> {
    let mut sums = Vec::new();
    let mut of = Vec::new();
    for (i, x) in tensors {
        let x = x.detach().contiguous()?;
        let n = x.elem_count();
        let parts = n.div_ceil(rows::CHUNK);
        let call = Call::new("squared_parts", &x)
            .read(&x)
            .write_as(parts, DType::F64);
        let [parts_sums] = call.size(rows::CHUNK).size(n).blocks(parts)?;
        sums.push(parts_sums.tensor());
        of.extend(std::iter::repeat_n(*i, parts));
    }
    if sums.is_empty() {
        return Ok(());
    }
    for (i, sum) in of.into_iter().zip(Tensor::cat(&sums, 0)?.to_vec1::<f64>()?) {
        norms[i] += sum;
    }
    Ok(())
}

/// Computes the norm with candle's own operations, for other devices and dtypes.
fn composed(x: &Tensor) -> Result<f64> {
    let x = match x.device() {
        // Metal has no f64.
        Device::Metal(_) => x.to_device(&Device::Cpu)?,
        _ => x.clone(),
    };
    let values = x.detach().to_dtype(DType::F64)?.flatten_all()?;
    values.sqr()?.sum_all()?.to_scalar::<f64>()
}

/// Consecutive values of one tensor, in its precision.
enum Chunk<'a> {
    Single(&'a [f32]),
    Double(&'a [f64]),
}

impl Chunk<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Double(values) => values.len(),
        }
    }

    fn squares(&self) -> f64 {
        let mut total = 0.0;
        match self {
            Self::Single(values) => sum_squares(values, &mut total),
            Self::Double(values) => sum_squares(values, &mut total),
        }
        total
    }
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

//! Row lookup with a gradient that touches only the rows that were used.
//!
//! y_p = table[id_p]. The gradient of row r is the sum of dy_p over the positions p with id_p = r, added in the order
//! of the positions.

use crate::device::{Call, Fresh, OnDevice, upload};
use crate::kernel::{
    Real, apply1, by_dtype, fused, multiversion, owned, read, rows, slice, tensor,
};
use crate::{check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// Looks up rows of a table. `table`: (rows, dim); `ids`: u32 of any shape. Returns the shape of `ids` followed by
/// dim. It is an error if an id is out of range; the error names the id.
pub fn embedding(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    let (rows, _) = match table.dims() {
        &[rows, dim] => (rows, dim),
        other => bail!("embedding: table {other:?}, expected (rows, dim)"),
    };
    check::last_dim("embedding", table)?;
    if ids.dtype() != DType::U32 {
        bail!("embedding: ids are {:?}, expected u32", ids.dtype());
    }
    let values = ids.flatten_all()?.to_vec1::<u32>()?;
    if let Some(position) = values.iter().position(|&id| id as usize >= rows) {
        bail!(
            "embedding: id {} at position {position} of {:?} is not a row of the table {:?}",
            values[position],
            ids.dims(),
            table.dims()
        );
    }
    if !fused(table) {
        return composed::embedding(table, ids);
    }
    apply1(
        &table.contiguous()?,
        Embedding {
            ids: values,
            tensor: ids.contiguous()?,
        },
    )
}

struct Embedding {
    ids: Vec<u32>,
    /// The ids on the table's device.
    tensor: Tensor,
}

multiversion! {
    /// Adds the rows of `x` at these positions to `total`.
    fn gather_add<T: Real>(total: &mut [T], x: &[T], positions: &[u32]) {
        let width = total.len();
        for &position in positions {
            let row = &x[position as usize * width..][..width];
            for (total, x) in total.iter_mut().zip(row) {
                *total += *x;
            }
        }
    }
}

/// The positions ordered by id. Positions with equal ids keep their order.
fn by_id(ids: &[u32], rows: usize) -> Vec<u32> {
    if rows > 16 * ids.len() {
        let mut order: Vec<u32> = (0..ids.len() as u32).collect();
        order.sort_unstable_by_key(|&position| (ids[position as usize], position));
        return order;
    }
    // A counting sort, with one pass to count and one to place.
    let mut next = vec![0u32; rows + 1];
    for &id in ids {
        next[id as usize + 1] += 1;
    }
    for row in 0..rows {
        next[row + 1] += next[row];
    }
    let mut order = vec![0u32; ids.len()];
    for (position, &id) in ids.iter().enumerate() {
        let slot = &mut next[id as usize];
        order[*slot as usize] = position as u32;
        *slot += 1;
    }
    order
}

/// Adds row p of `dy` to row ids[p] of `table`, in parallel over the rows that are used.
fn scatter<T: Real>(table: &mut [T], dy: &[T], ids: &[u32], width: usize) {
    let order = by_id(ids, table.len() / width);
    let mut groups = Vec::new();
    let mut rest = table;
    let mut skipped = 0;
    for group in order.chunk_by(|&a, &b| ids[a as usize] == ids[b as usize]) {
        let row = ids[group[0] as usize] as usize;
        let (row_values, after) =
            std::mem::take(&mut rest).split_at_mut((row + 1 - skipped) * width);
        let start = row_values.len() - width;
        groups.push((&mut row_values[start..], group));
        skipped = row + 1;
        rest = after;
    }
    let add = |(total, positions): (&mut [T], &[u32])| gather_add(total, dy, positions);
    if dy.len() <= rows::CHUNK {
        groups.into_iter().for_each(add);
    } else {
        groups.into_par_iter().with_min_len(8).for_each(add);
    }
}

impl CustomOp1 for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        let mut shape = self.tensor.dims().to_vec();
        shape.push(width);
        by_dtype!("embedding", storage.dtype(), T => {
            let table = slice::<T>(storage, layout)?;
            let y = rows::build(self.ids.len() * width, width, |first, y| {
                for (y, &id) in y.chunks_exact_mut(width).zip(&self.ids[first..]) {
                    y.copy_from_slice(&table[id as usize * width..][..width]);
                }
            });
            Ok(owned(y, shape))
        })
    }

    fn bwd(&self, table: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (_, width) = table.dims2()?;
        let grad = grad.contiguous()?;
        by_dtype!("embedding", grad.dtype(), T => {
            read!(dy: T = grad);
            let mut gradient = vec![T::NIL; table.elem_count()];
            scatter(&mut gradient, dy, &self.ids, width);
            tensor(gradient, table.shape())
        })
    }
}

impl OnDevice for Embedding {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let (_, width) = x[0].dims2()?;
        let mut shape = self.tensor.dims().to_vec();
        shape.push(width);
        let n = self.ids.len() * width;
        let call = Call::new("embedding_forward", &x[0])
            .read(&x[0])
            .read(&self.tensor);
        let [y] = call.write(shape).size(width).size(n).each(n)?;
        Ok(y)
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (table_rows, width) = x[0].dims2()?;
        let order = by_id(&self.ids, table_rows);
        let (mut starts, mut rows) = (vec![0u32], Vec::new());
        for group in order.chunk_by(|&a, &b| self.ids[a as usize] == self.ids[b as usize]) {
            starts.push(starts[rows.len()] + group.len() as u32);
            rows.push(self.ids[group[0] as usize]);
        }
        let n = rows.len() * width;
        let on_device = |values: &[u32]| upload(values, dy.device());
        let call = Call::new("embedding_backward", dy)
            .read(dy)
            .read(&on_device(&order)?);
        let call = call.read(&on_device(&starts)?).read(&on_device(&rows)?);
        let call = call.write_on_zeros(x[0].shape()).size(width).size(n);
        let [gradient] = call.each(n)?;
        Ok(vec![Some(gradient.tensor())])
    }
}

//! Copies of a sparse matrix's arrays on the devices where it has been multiplied. Each is copied only once.

use crate::device::upload;
use crate::{Csr, SparseMatrix};
use candle_core::{Device, DeviceLocation, Result, Tensor};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The arrays that are copied together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Matrix,
    Transposed,
    Edges,
}

/// All copies made so far.
#[derive(Debug, Default)]
pub(crate) struct Copies(Mutex<HashMap<(DeviceLocation, Part), Vec<Tensor>>>);

/// The arrays of a matrix on a device.
pub(crate) struct Arrays {
    /// Row offsets, u32.
    pub(crate) indptr: Tensor,
    /// Column of each entry, u32.
    pub(crate) indices: Tensor,
    /// Value of each entry, f32.
    pub(crate) values: Tensor,
}

fn matrix_parts(matrix: &Csr, device: &Device) -> Result<Vec<Tensor>> {
    Ok(vec![
        upload(&matrix.indptr, device)?,
        upload(&matrix.indices, device)?,
        upload(&matrix.values, device)?,
    ])
}

impl SparseMatrix {
    fn copied(
        &self,
        part: Part,
        device: &Device,
        make: impl FnOnce() -> Result<Vec<Tensor>>,
    ) -> Result<Vec<Tensor>> {
        let mut copies = self.copies.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (device.location(), part);
        if let Some(found) = copies.get(&key) {
            return Ok(found.clone());
        }
        let made = make()?;
        copies.insert(key, made.clone());
        Ok(made)
    }

    /// Returns the arrays of the matrix, or of its transpose, on `device`.
    pub(crate) fn on_device(&self, transposed: bool, device: &Device) -> Result<Arrays> {
        let (part, matrix) = match transposed && !self.is_symmetric() {
            true => (Part::Transposed, self.transposed()),
            false => (Part::Matrix, self.matrix()),
        };
        let mut found = self
            .copied(part, device, || matrix_parts(matrix, device))?
            .into_iter();
        match (found.next(), found.next(), found.next()) {
            (Some(indptr), Some(indices), Some(values)) => Ok(Arrays {
                indptr,
                indices,
                values,
            }),
            _ => candle_core::bail!("a sparse matrix's copy on {device:?} is incomplete"),
        }
    }

    /// The row and the column of every stored entry, (entries,) u32 each, on `device`. Made once for each device.
    ///
    /// # Errors
    /// The device has no room for them.
    pub fn entry_ids(&self, device: &Device) -> Result<(Tensor, Tensor)> {
        let (rows, _) = self.edges_on_device(device)?;
        Ok((rows, self.on_device(false, device)?.indices))
    }

    /// For `device`: the row of each entry, and for each entry of the transpose its number in this matrix.
    pub(crate) fn edges_on_device(&self, device: &Device) -> Result<(Tensor, Tensor)> {
        let mut found = self
            .copied(Part::Edges, device, || {
                Ok(vec![
                    upload(&self.matrix().rows_of_entries(), device)?,
                    upload(&self.matrix().entries_by_column(), device)?,
                ])
            })?
            .into_iter();
        match (found.next(), found.next()) {
            (Some(rows), Some(entries)) => Ok((rows, entries)),
            _ => candle_core::bail!("a sparse matrix's copy on {device:?} is incomplete"),
        }
    }
}

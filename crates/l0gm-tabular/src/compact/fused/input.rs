//! The input of a sweep as slices, from tensors or from encoded rows.

use crate::encoding::EncodedRows;
use crate::input::TableInput;
use candle_core::{CpuStorage, Result, Storage, Tensor, bail};

/// The input of a sweep.
pub(super) struct Input<'a> {
    /// Table rows of the categories, and how many there are in each row.
    pub(super) ids: Option<(&'a [u32], usize)>,
    pub(super) numbers: Option<Numbers<'a>>,
}

/// Number columns, stored row by row. The table row at the upper end of a bin follows that at the lower end.
pub(super) struct Numbers<'a> {
    pub(super) lower: &'a [u32],
    pub(super) position: &'a [f32],
    /// Number of columns.
    pub(super) count: usize,
}

impl<'a> Input<'a> {
    /// Encoded rows as they are.
    pub(super) fn of(rows: &'a EncodedRows) -> Self {
        let all = rows.rows.max(1);
        let (ids, numbers) = (rows.categories.len() / all, rows.knots.len() / all);
        Self {
            ids: (ids > 0).then_some((rows.categories.as_slice(), ids)),
            numbers: (numbers > 0).then_some(Numbers {
                lower: &rows.knots,
                position: &rows.positions,
                count: numbers,
            }),
        }
    }
}

/// Borrows an input's tensors as slices.
pub(super) fn with_input(
    input: &TableInput,
    work: impl FnOnce(&Input<'_>) -> Result<()>,
) -> Result<()> {
    let ids = input
        .categories
        .as_ref()
        .map(|c| c.ids.contiguous())
        .transpose()?;
    let numbers = match &input.numbers {
        Some(n) => Some([n.lower.contiguous()?, n.position.contiguous()?]),
        None => None,
    };
    let ids_held = ids
        .as_ref()
        .map(|ids| (ids.storage_and_layout(), ids.dims()));
    let ids = match &ids_held {
        Some(((storage, layout), dims)) => Some((cpu::<u32>(storage, layout)?, dims[1])),
        None => None,
    };
    let held = numbers.as_ref().map(|all| {
        (
            all.each_ref().map(Tensor::storage_and_layout),
            all[0].dims(),
        )
    });
    let numbers = match &held {
        Some(([lower, position], dims)) => Some(Numbers {
            lower: cpu(&lower.0, lower.1)?,
            position: cpu(&position.0, position.1)?,
            count: dims[1],
        }),
        None => None,
    };
    work(&Input { ids, numbers })
}

fn cpu<'a, T: candle_core::WithDType>(
    storage: &'a Storage,
    layout: &candle_core::Layout,
) -> Result<&'a [T]> {
    let Storage::Cpu(storage) = storage else {
        bail!("the sweep is for the CPU");
    };
    let values: &[T] = CpuStorage::as_slice(storage)?;
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&values[from..to]),
        None => bail!("the input is not contiguous"),
    }
}

//! Checks that several ops share, so that their error messages agree.

use candle_core::{DType, Result, Tensor, bail};

/// Checks that two inputs have the same dtype and are on the same device.
pub(crate) fn alike(op: &str, a_name: &str, a: &Tensor, b_name: &str, b: &Tensor) -> Result<()> {
    if a.dtype() != b.dtype() {
        bail!(
            "{op}: {a_name} {:?} is {:?} but {b_name} {:?} is {:?}",
            a.dims(),
            a.dtype(),
            b.dims(),
            b.dtype()
        );
    }
    if !a.device().same_device(b.device()) {
        bail!(
            "{op}: {a_name} {:?} is on {:?} but {b_name} {:?} is on {:?}",
            a.dims(),
            a.device().location(),
            b.dims(),
            b.device().location()
        );
    }
    Ok(())
}

/// The size of the last dimension. It is an error if there is none or it is 0.
pub(crate) fn last_dim(op: &str, x: &Tensor) -> Result<usize> {
    match x.dims().last() {
        Some(&dim) if dim > 0 => Ok(dim),
        _ => bail!(
            "{op}: x {:?} has no entries in its last dimension",
            x.dims()
        ),
    }
}

/// Checks that the input is of floats, for which the op is defined.
pub(crate) fn floats(op: &str, x: &Tensor) -> Result<()> {
    match x.dtype().is_float() {
        true => Ok(()),
        false => bail!("{op}: x {:?} is {:?}, expected floats", x.dims(), x.dtype()),
    }
}

/// Checks a mask over x's last dimension: u8, of x's shape or one row that is used for all rows.
pub(crate) fn mask(op: &str, x: &Tensor, mask: &Tensor) -> Result<()> {
    let width = last_dim(op, x)?;
    let fits = mask.dims() == x.dims() || mask.dims() == [width];
    if !fits || mask.dtype() != DType::U8 {
        bail!(
            "{op}: mask {:?} is {:?}, expected u8 of x's shape {:?} or ({width},)",
            mask.dims(),
            mask.dtype(),
            x.dims()
        );
    }
    Ok(())
}

//! Checks that a tensor's values are all finite. Without the check, bad weights would only show in a prediction.

use crate::Result;
use candle_core::{DType, Tensor};

/// Whether no value is NaN or infinite. Integers are always finite.
///
/// # Errors
/// A tensor operation fails.
pub fn all_finite(tensor: &Tensor) -> Result<bool> {
    if tensor.elem_count() == 0 || !tensor.dtype().is_float() {
        return Ok(true);
    }
    // A sum of finite values can overflow; a sum of their magnitudes divided by their number cannot.
    let scaled = (tensor.flatten_all()?.to_dtype(DType::F32)?.abs()? / tensor.elem_count() as f64)?;
    Ok(scaled.sum_all()?.to_scalar::<f32>()?.is_finite())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn large_values_are_finite_and_a_single_nan_or_infinity_is_not() {
        let of = |values: &[f32]| all_finite(&Tensor::new(values, &Device::Cpu).unwrap()).unwrap();
        assert!(of(&[]) && of(&[f32::MAX; 9]) && of(&[f32::MIN, 0.0]));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!of(&[0.0, bad, 1.0]));
        }
        assert!(all_finite(&Tensor::new(&[u32::MAX], &Device::Cpu).unwrap()).unwrap());
    }
}

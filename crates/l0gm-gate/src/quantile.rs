//! The one quantile rule of this project: linear interpolation between order statistics, which is numpy's default
//! (type 7 of Hyndman and Fan, 1996). Calibration, significance and latency all use it.

/// The quantile at `share`, in [0, 1], of ascending values. It is the value at place `share * (n - 1)`, counted from
/// 0 and interpolated linearly between neighbours. NaN if there are no values.
///
/// ```
/// use l0gm_gate::quantile;
/// assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.5), 2.0);
/// assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
/// ```
pub fn quantile(ascending: &[f64], share: f64) -> f64 {
    let Some(last) = ascending.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let (below, rest) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(last);
    ascending[below] * (1.0 - rest) + ascending[above] * rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_linear_between_neighbours_as_numpys_are() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 0.25), 1.5);
        // numpy.quantile([1, 2, 3, 10], .9) gives 7.9.
        assert!((quantile(&[1.0, 2.0, 3.0, 10.0], 0.9) - 7.9).abs() < 1e-12);
    }

    #[test]
    fn the_ends_are_the_least_and_the_greatest_value() {
        let values = [1.0, 2.0, 7.0];
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 1.0), 7.0);
        assert_eq!(quantile(&[4.0], 0.975), 4.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}

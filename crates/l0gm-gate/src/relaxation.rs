//! The gate's formulas on tensors (Algorithm 1, lines 6 to 10 and 16). They are differentiable with respect to
//! `log_alpha` in any float precision, and do not overflow for any value of it.

use crate::{GateConfig, GateDistribution, GateKind, InferenceGate, Result, Temperature, gaussian};
use candle_core::Tensor;
use l0gm_ops::{Generator, Stretch, hard_concrete};

/// Noise keeps this distance from 0 and 1. With 1e-8, f32 would round 1 - u to 1, whose logit is infinite.
pub(crate) const NOISE_MARGIN: f64 = 1e-6;

/// Samples z of shape (rows, gates), with separate noise for each row. `log_alpha`: (gates,), or (rows, gates) if
/// each row has its own.
pub(crate) fn sample(
    log_alpha: &Tensor,
    config: &GateConfig,
    tau: Temperature,
    rows: usize,
    generator: &mut Generator,
) -> Result<Tensor> {
    if config.distribution == GateDistribution::Gaussian {
        return gaussian::sample_tensor(log_alpha, config.sigma, rows, generator);
    }
    let shape = (rows, log_alpha.dims().last().copied().unwrap_or(0));
    // u ~ U(ε, 1 - ε): line 6.
    let noise = generator.uniform_tensor(
        shape,
        NOISE_MARGIN,
        1.0 - NOISE_MARGIN,
        log_alpha.dtype(),
        log_alpha.device(),
    )?;
    // s = σ((log u - log(1 - u) + log α) / τ), z = clip(s (ζ - γ) + γ, 0, 1): lines 7 and 8.
    Ok(hard_concrete(log_alpha, &noise, tau.0, config.stretch())?)
}

/// Repeats one row of z, (1, gates), for every example of a batch. Returns z unchanged if it has a row per example.
///
/// Computed as a product with a column of ones, because candle sums the gradient of a broadcast over leading
/// dimensions serially, with a division per element. The gradient of the product is itself a product.
pub(crate) fn repeat_rows(z: &Tensor, batch: usize) -> Result<Tensor> {
    if z.dim(0)? == batch {
        return Ok(z.clone());
    }
    let ones = Tensor::ones((batch, 1), z.dtype(), z.device())?;
    Ok(ones.matmul(z)?)
}

/// Repeats the z of each example, (batch, 1, channels), at every position: (batch, length, channels). A product with
/// ones, for the reason given at [`repeat_rows`].
pub(crate) fn repeat_positions(z: &Tensor, length: usize) -> Result<Tensor> {
    let ones = Tensor::ones((z.dim(0)?, length, 1), z.dtype(), z.device())?;
    Ok(ones.matmul(z)?)
}

/// The z of evaluation, in the shape of log_alpha and without gradient.
pub(crate) fn deterministic(
    log_alpha: &Tensor,
    config: &GateConfig,
    tau: Temperature,
) -> Result<Tensor> {
    let log_alpha = log_alpha.detach();
    if config.kind == GateKind::Fixed {
        let open = log_alpha.gt(config.closing_point(tau))?;
        return Ok(open.to_dtype(log_alpha.dtype())?);
    }
    if config.distribution == GateDistribution::Gaussian {
        return gaussian::deterministic(&log_alpha);
    }
    let Stretch { gamma, zeta } = config.stretch();
    let stretched =
        |s: Tensor| -> Result<Tensor> { Ok(s.affine(zeta - gamma, gamma)?.clamp(0.0, 1.0)?) };
    match config.inference {
        // z = clip(σ(log α / τ) (ζ - γ) + γ, 0, 1)
        InferenceGate::Median => stretched(sigmoid(&(log_alpha / tau.0)?)?),
        // z = clip(σ(log α) (ζ - γ) + γ, 0, 1)
        InferenceGate::HardSigmoid => stretched(sigmoid(&log_alpha)?),
        InferenceGate::Threshold => {
            // z = 1[σ(log α) > π]: line 10. Comparing log_alpha itself is exact at π = .5.
            let open = log_alpha.gt(config.closing_point(tau))?;
            Ok(open.to_dtype(log_alpha.dtype())?)
        }
    }
}

/// P(z != 0) under these settings in the shape of log_alpha, with gradient.
pub(crate) fn penalised(
    log_alpha: &Tensor,
    config: &GateConfig,
    tau: Temperature,
) -> Result<Tensor> {
    match config.distribution {
        GateDistribution::HardConcrete => open_probability(log_alpha, tau, config.stretch()),
        GateDistribution::Gaussian => gaussian::open_probability_tensor(log_alpha, config.sigma),
    }
}

/// P(z != 0) of a hard-concrete gate in the shape of log_alpha, with gradient.
fn open_probability(log_alpha: &Tensor, tau: Temperature, stretch: Stretch) -> Result<Tensor> {
    // P(z != 0) = σ(log α - τ log(-γ/ζ)): line 16.
    Ok(l0gm_ops::open_probability(log_alpha, tau.0, stretch)?)
}

/// 1 / (1 + exp(-x)), computed as exp(min(x, 0)) / (1 + exp(-|x|)). No exponential of a positive number occurs, so
/// neither the value nor its gradient overflows. min(x, 0) is computed as (x - |x|) / 2, whose gradient at 0 is
/// consistent with candle's gradient of |x| there.
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    let size = x.abs()?;
    let numerator = ((x - &size)? * 0.5)?.exp()?;
    let denominator = (size.neg()?.exp()? + 1.0)?;
    Ok((numerator / denominator)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::distribution;
    use candle_core::{DType, Device, Var};

    const TAUS: [f64; 3] = [0.1, 2.0 / 3.0, 2.0];

    fn grid() -> Vec<f64> {
        (-40..=40).map(|i| f64::from(i) * 0.5).collect()
    }

    /// The gradient of the sum of `value` with respect to its argument, at `at`.
    fn gradient(at: &[f64], value: impl Fn(&Tensor) -> Tensor) -> Vec<f64> {
        let variable = Var::new(at, &Device::Cpu).unwrap();
        let grads = value(variable.as_tensor())
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
        grads.get(variable.as_tensor()).unwrap().to_vec1().unwrap()
    }

    fn assert_close(got: f64, expected: f64, what: &str) {
        assert!(got.is_finite(), "{what}: {got}");
        let tolerance = 1e-7 + 1e-5 * expected.abs();
        assert!(
            (got - expected).abs() < tolerance,
            "{what}: {got}, expected {expected}"
        );
    }

    #[test]
    fn gradient_of_the_penalty_equals_finite_differences() {
        let h = 1e-5;
        for tau in TAUS.map(Temperature) {
            let grads = gradient(&grid(), |x| {
                open_probability(x, tau, Stretch::default()).unwrap()
            });
            for (x, got) in grid().into_iter().zip(grads) {
                let p = |x| distribution::open_probability(x, tau, Stretch::default());
                assert_close(
                    got,
                    (p(x + h) - p(x - h)) / (2.0 * h),
                    &format!("tau {tau:?}, log_alpha {x}"),
                );
            }
        }
    }

    #[test]
    fn gradient_of_the_penalty_is_right_where_its_argument_is_zero() {
        let tau = Temperature(2.0 / 3.0);
        let zero = distribution::log_alpha_for_open_probability(0.5, tau, Stretch::default());
        let got = gradient(&[zero], |x| {
            open_probability(x, tau, Stretch::default()).unwrap()
        });
        assert_close(got[0], 0.25, "at the half-open point");
    }

    #[test]
    fn gradient_of_z_equals_finite_differences() {
        let h = 1e-6;
        let noises = [
            1e-12,
            NOISE_MARGIN,
            0.01,
            0.3,
            0.5,
            0.8,
            0.99,
            1.0 - NOISE_MARGIN,
            1.0 - 1e-12,
        ];
        for tau in TAUS.map(Temperature) {
            for u in noises {
                let noise = Tensor::full(u, grid().len(), &Device::Cpu).unwrap();
                let grads = gradient(&grid(), |x| {
                    hard_concrete(x, &noise, tau.0, Stretch::default()).unwrap()
                });
                for (x, got) in grid().into_iter().zip(grads) {
                    let z = |x| distribution::sample(x, u, tau, Stretch::default());
                    let (low, high) = (z(x - h), z(x + h));
                    // At the two kinks of the clip, the slope may be that of either side.
                    if (low == 0.0) != (high == 0.0) || (low == 1.0) != (high == 1.0) {
                        assert!(got.is_finite());
                        continue;
                    }
                    assert_close(
                        got,
                        (high - low) / (2.0 * h),
                        &format!("tau {tau:?}, u {u}, log_alpha {x}"),
                    );
                }
            }
        }
    }

    #[test]
    fn sampled_z_equals_the_scalar_formula() {
        let tau = Temperature(2.0 / 3.0);
        let log_alpha = Tensor::new(grid(), &Device::Cpu).unwrap();
        for u in [NOISE_MARGIN, 0.2, 0.5, 0.9, 1.0 - NOISE_MARGIN] {
            let noise = Tensor::full(u, (2, grid().len()), &Device::Cpu).unwrap();
            let z = hard_concrete(&log_alpha, &noise, tau.0, Stretch::default()).unwrap();
            for row in z.to_vec2::<f64>().unwrap() {
                for (x, got) in grid().into_iter().zip(row) {
                    assert_close(
                        got,
                        distribution::sample(x, u, tau, Stretch::default()),
                        "z",
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_overflows_in_single_precision_at_any_log_alpha() {
        let extreme = [-1e30f32, -1e4, -100.0, -50.0, 0.0, 50.0, 100.0, 1e4, 1e30];
        let variable = Var::new(&extreme, &Device::Cpu).unwrap();
        let noise = Tensor::full(NOISE_MARGIN as f32, extreme.len(), &Device::Cpu).unwrap();
        let tau = Temperature(0.05);
        let open = open_probability(variable.as_tensor(), tau, Stretch::default()).unwrap();
        let z = hard_concrete(variable.as_tensor(), &noise, tau.0, Stretch::default()).unwrap();
        let sum = (open.sum_all().unwrap() + z.sum_all().unwrap()).unwrap();
        let grads = sum.backward().unwrap();
        let grad: Vec<f32> = grads.get(variable.as_tensor()).unwrap().to_vec1().unwrap();
        assert!(sum.to_scalar::<f32>().unwrap().is_finite());
        assert!(grad.iter().all(|g| g.is_finite()), "{grad:?}");
    }

    #[test]
    fn noise_stays_inside_its_margin() {
        let mut generator = Generator::new(3);
        let (low, high) = (NOISE_MARGIN, 1.0 - NOISE_MARGIN);
        let noise = generator
            .uniform_tensor(200_000, low, high, DType::F32, &Device::Cpu)
            .unwrap();
        let noise: Vec<f32> = noise.to_vec1().unwrap();
        // Half a unit in the last place of f32 at 1 is 3e-8.
        assert!(
            noise
                .iter()
                .all(|&u| f64::from(u) >= low - 1e-7 && f64::from(u) <= high + 1e-7 && u < 1.0)
        );
    }

    #[test]
    fn repeated_rows_have_the_summed_gradient() {
        let row = Var::new(&[[1.0f32, 2.0, 3.0]], &Device::Cpu).unwrap();
        let weights = Tensor::new(&[[1.0f32, 0.0, 2.0], [3.0, 0.0, -1.0]], &Device::Cpu).unwrap();
        let rows = repeat_rows(row.as_tensor(), 2).unwrap();
        assert_eq!(rows.to_vec2::<f32>().unwrap(), vec![vec![1.0, 2.0, 3.0]; 2]);
        let grads = (rows * weights)
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
        let grad: Vec<Vec<f32>> = grads.get(row.as_tensor()).unwrap().to_vec2().unwrap();
        assert_eq!(grad, vec![vec![4.0, 0.0, 1.0]]);
    }
}

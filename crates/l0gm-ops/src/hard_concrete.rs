//! A hard-concrete sample (Louizos et al. 2018; Algorithm 1 of the paper), computed as one op.
//!
//! With a = (log(u / (1 - u)) + log_alpha) / tau, s = sigmoid(a) and t = s (zeta - gamma) + gamma:
//! z = clip(t, 0, 1), and dz/dlog_alpha = (zeta - gamma) s (1 - s) / tau where 0 < t < 1, else 0.
//! Both factors of s (1 - s) are computed from exp(-|a|), so that both ends keep their digits.

use crate::device::{self, Call, Fresh, OnDevice};
use crate::kernel::{
    Real, apply2, by_dtype, fused, multiversion, owned, read, rows, slice, tensor,
};
use crate::{check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

/// The stretch interval (gamma, zeta), with gamma < 0 < 1 < zeta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// Lower end, below 0.
    pub gamma: f64,
    /// Upper end, above 1.
    pub zeta: f64,
}

impl Default for Stretch {
    fn default() -> Self {
        Self {
            gamma: -0.1,
            zeta: 1.1,
        }
    }
}

impl Stretch {
    /// Checks that the stretch contains \[0, 1\] in its interior and that the temperature is positive.
    pub(crate) fn check(&self, op: &str, temperature: f64) -> Result<()> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            bail!("{op}: temperature {temperature} must be positive and finite");
        }
        let Stretch { gamma, zeta } = self;
        if !(*gamma < 0.0 && *zeta > 1.0 && gamma.is_finite() && zeta.is_finite()) {
            bail!("{op}: stretch ({gamma}, {zeta}) must satisfy gamma < 0 and zeta > 1");
        }
        Ok(())
    }
}

/// z = clip(sigmoid((log u - log(1 - u) + log_alpha) / tau) * (zeta - gamma) + gamma, 0, 1).
/// `noise` holds u in (0, 1) and has shape (.., gates). `log_alpha` has shape (gates,) and is broadcast over the
/// leading dimensions, or it has noise's shape. Returns noise's shape. The gradient reaches `log_alpha` only. It is
/// an error if the shapes do not fit, `temperature` is not positive, or the stretch does not contain \[0, 1\] in its
/// interior.
pub fn hard_concrete(
    log_alpha: &Tensor,
    noise: &Tensor,
    temperature: f64,
    stretch: Stretch,
) -> Result<Tensor> {
    let gates = check::last_dim("hard_concrete: noise", noise)?;
    if log_alpha.dims() != [gates] && log_alpha.dims() != noise.dims() {
        bail!(
            "hard_concrete: log_alpha {:?} does not fit noise {:?}, expected ({gates},) or noise's shape",
            log_alpha.dims(),
            noise.dims()
        );
    }
    check::alike("hard_concrete", "log_alpha", log_alpha, "noise", noise)?;
    stretch.check("hard_concrete", temperature)?;
    let noise = noise.detach();
    if !fused(&noise) {
        return composed::hard_concrete(log_alpha, &noise, temperature, stretch);
    }
    let op = HardConcrete {
        temperature,
        stretch,
    };
    apply2(&log_alpha.contiguous()?, &noise.contiguous()?, op)
}

struct HardConcrete {
    temperature: f64,
    stretch: Stretch,
}

/// Returns s and s (1 - s).
#[inline(always)]
fn sigmoid<T: Real, const FMA: bool>(u: T, log_alpha: T, inverse_temperature: T) -> (T, T) {
    // Take two logarithms, because the quotient of u next to 1 could overflow.
    let logistic = u.ln_positive::<FMA>() - (T::UNIT - u).ln_positive::<FMA>();
    ((logistic + log_alpha) * inverse_temperature).sigmoid::<FMA>()
}

multiversion! {
    fn forward<T: Real>(log_alpha: &[T], u: &[T], z: &mut [T], inverse: T, gamma: T, zeta: T) {
        for ((z, &u), &log_alpha) in z.iter_mut().zip(u).zip(log_alpha) {
            let t = sigmoid::<T, FMA>(u, log_alpha, inverse).0 * (zeta - gamma) + gamma;
            let t = if t < T::NIL { T::NIL } else { t };
            *z = if t > T::UNIT { T::UNIT } else { t };
        }
    }
}

multiversion! {
    /// Adds dz dz/dlog_alpha to `out`.
    fn backward<T: Real>(
        log_alpha: &[T],
        u: &[T],
        dz: &[T],
        out: &mut [T],
        inverse: T,
        gamma: T,
        zeta: T,
    ) {
        for (((out, &u), &log_alpha), &dz) in out.iter_mut().zip(u).zip(log_alpha).zip(dz) {
            let (s, slope) = sigmoid::<T, FMA>(u, log_alpha, inverse);
            let t = s * (zeta - gamma) + gamma;
            let inside = t > T::NIL && t < T::UNIT;
            let slope = if inside { (zeta - gamma) * slope * inverse } else { T::NIL };
            *out += dz * slope;
        }
    }
}

impl HardConcrete {
    /// Returns 1 / tau, gamma, zeta.
    fn constants<T: Real>(&self) -> (T, T, T) {
        let Stretch { gamma, zeta } = self.stretch;
        (T::of(1.0 / self.temperature), T::of(gamma), T::of(zeta))
    }
}

impl CustomOp2 for HardConcrete {
    fn name(&self) -> &'static str {
        "hard_concrete"
    }

    fn cpu_fwd(
        &self,
        log_alpha: &CpuStorage,
        log_alpha_layout: &Layout,
        noise: &CpuStorage,
        noise_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!("hard_concrete", noise.dtype(), T => {
            let log_alpha = slice::<T>(log_alpha, log_alpha_layout)?;
            let u = slice::<T>(noise, noise_layout)?;
            let (inverse, gamma, zeta) = self.constants::<T>();
            // log_alpha repeats every `width` values. If it has noise's shape, it occurs once.
            let width = log_alpha.len();
            let z = if width == u.len() {
                rows::build(u.len(), 1, |first, z: &mut [T]| {
                    let range = first..first + z.len();
                    forward(&log_alpha[range.clone()], &u[range], z, inverse, gamma, zeta);
                })
            } else {
                rows::build(u.len(), width, |row, z: &mut [T]| {
                    let u = &u[row * width..][..z.len()];
                    for (z, u) in z.chunks_exact_mut(width).zip(u.chunks_exact(width)) {
                        forward(log_alpha, u, z, inverse, gamma, zeta);
                    }
                })
            };
            Ok(owned(z, noise_layout.shape()))
        })
    }

    fn bwd(
        &self,
        log_alpha: &Tensor,
        noise: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        by_dtype!("hard_concrete", noise.dtype(), T => {
            read!(log_alphas: T = log_alpha);
            read!(u: T = noise);
            read!(dz: T = grad);
            let (inverse, gamma, zeta) = self.constants::<T>();
            let width = log_alphas.len();
            let gradient = if width == u.len() {
                rows::build(width, 1, |first, out: &mut [T]| {
                    let range = first..first + out.len();
                    let (u, dz) = (&u[range.clone()], &dz[range.clone()]);
                    backward(&log_alphas[range], u, dz, out, inverse, gamma, zeta);
                })
            } else {
                rows::sum_rows(u.len() / width, width, |rows, out| {
                    for row in rows {
                        let range = row * width..(row + 1) * width;
                        let (u, dz) = (&u[range.clone()], &dz[range]);
                        backward(log_alphas, u, dz, out, inverse, gamma, zeta);
                    }
                })
            };
            Ok((tensor(gradient, log_alpha.shape())?, None))
        })
    }
}

impl HardConcrete {
    fn constants_of(&self, call: Call) -> Call {
        let (inverse, gamma, zeta) = self.constants::<f64>();
        call.real(inverse).real(gamma).real(zeta)
    }
}

impl OnDevice for HardConcrete {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let (width, n) = (x[0].elem_count(), x[1].elem_count());
        let call = Call::new("hard_concrete_forward", &x[1])
            .read(&x[0])
            .read(&x[1]);
        let call = self.constants_of(call.write(x[1].shape()));
        let [z] = call.size(width).size(n).each(n)?;
        Ok(z)
    }

    fn backward(&self, x: &[Tensor], _z: &Tensor, dz: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (width, n) = (x[0].elem_count(), x[1].elem_count());
        let call = Call::new("hard_concrete_backward", dz)
            .read(&x[0])
            .read(&x[1])
            .read(dz);
        let call = self.constants_of(call.write(dz.shape()));
        let [gradient] = call.size(width).size(n).each(n)?;
        let gradient = gradient.tensor();
        let gradient = match width == n {
            true => gradient,
            false => device::column_sums(&gradient, width)?,
        };
        Ok(vec![Some(gradient.reshape(x[0].shape())?), None])
    }
}

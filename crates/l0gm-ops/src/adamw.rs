//! One AdamW step in place (Loshchilov and Hutter 2019): one pass over parameter, gradient and moments.
//!
//! With g the scaled gradient: m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2 and
//! p = p (1 - rate decay) - rate (m / c1) / (sqrt(v / c2) + epsilon), c = 1 - beta^step.

use crate::check;
use crate::composed;
use crate::kernel::{Real, fused, multiversion, read};
use candle_core::{CpuStorage, DType, InplaceOp1, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;
use std::sync::Mutex;

/// Values one task updates. Four arrays of this length fit into a core's first two caches; longer
/// tasks were slower.
const CHUNK: usize = 1 << 12;

/// The coefficients of one step.
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// 1-based number of this step, for the bias correction.
    pub step: usize,
    /// Factor the gradient is multiplied with first (1 unless clipped by global norm).
    pub gradient_scale: f64,
}

impl AdamWStep {
    /// 1 - beta^step of both moments.
    pub(crate) fn corrections(&self) -> (f64, f64) {
        let power = |beta: f64| 1.0 - beta.powf(self.step as f64);
        (power(self.beta1), power(self.beta2))
    }

    fn check(&self) -> Result<()> {
        let decays = [self.beta1, self.beta2];
        if decays.iter().any(|beta| !(0.0..1.0).contains(beta)) || self.step == 0 {
            bail!(
                "adamw_step: beta1 and beta2 must be in [0, 1) and step at least 1, got {self:?}"
            );
        }
        let others = [self.learning_rate, self.epsilon, self.weight_decay];
        if others.iter().any(|x| !(x.is_finite() && *x >= 0.0)) || !self.gradient_scale.is_finite()
        {
            bail!(
                "adamw_step: rates, epsilon and scale must be finite and not negative, got {self:?}"
            );
        }
        Ok(())
    }
}

/// Updates `parameter` and its two moments in place. All four have the same shape and dtype, and the
/// three variables are different ones. An error, and nothing changed, if not.
pub fn adamw_step(
    parameter: &Var,
    gradient: &Tensor,
    first: &Var,
    second: &Var,
    step: &AdamWStep,
) -> Result<()> {
    step.check()?;
    let others = [("gradient", gradient), ("first", first), ("second", second)];
    for (name, other) in others {
        if other.dims() != parameter.dims() {
            bail!(
                "adamw_step: {name} {:?} does not fit parameter {:?}",
                other.dims(),
                parameter.dims()
            );
        }
        check::alike("adamw_step", "parameter", parameter, name, other)?;
        if other.id() == parameter.id() || (name == "first" && other.id() == second.id()) {
            bail!("adamw_step: {name} is the same tensor as another argument");
        }
    }
    if !fused(parameter) {
        return composed::adamw_step(parameter, gradient, first, second, step);
    }
    let gradient = gradient.contiguous()?;
    match parameter.dtype() {
        DType::F32 => step_cpu::<f32>(parameter, &gradient, first, second, step),
        _ => step_cpu::<f64>(parameter, &gradient, first, second, step),
    }
}

/// Runs `inner` with the values of a contiguous variable, to be changed in place.
fn with_values<T: Real>(var: &Var, inner: impl FnOnce(&mut [T]) -> Result<()>) -> Result<()> {
    struct InPlace<F>(Mutex<Option<F>>);
    impl<F: FnOnce(&mut CpuStorage, &Layout) -> Result<()>> InplaceOp1 for InPlace<F> {
        fn name(&self) -> &'static str {
            "adamw_step"
        }
        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
            let inner = self.0.lock().ok().and_then(|mut inner| inner.take());
            match inner {
                Some(inner) => inner(storage, layout),
                None => bail!("adamw_step: an update was applied twice"),
            }
        }
    }
    let inner = |storage: &mut CpuStorage, layout: &Layout| match layout.contiguous_offsets() {
        Some((start, end)) => inner(&mut T::values_mut(storage)?[start..end]),
        None => bail!("adamw_step: a variable {layout:?} is not contiguous"),
    };
    var.inplace_op1(&InPlace(Mutex::new(Some(inner))))
}

fn step_cpu<T: Real>(
    parameter: &Var,
    gradient: &Tensor,
    first: &Var,
    second: &Var,
    step: &AdamWStep,
) -> Result<()> {
    let coefficients = Coefficients::<T>::of(step);
    read!(g: T = gradient);
    // Three variables are written in one pass, so their storages are borrowed inside each other.
    with_values::<T>(parameter, |p| {
        with_values::<T>(first, |m| {
            with_values::<T>(second, |v| {
                if p.len() <= CHUNK {
                    update(p, g, m, v, coefficients);
                } else {
                    p.par_chunks_mut(CHUNK)
                        .zip(g.par_chunks(CHUNK))
                        .zip(m.par_chunks_mut(CHUNK))
                        .zip(v.par_chunks_mut(CHUNK))
                        .for_each(|(((p, g), m), v)| update(p, g, m, v, coefficients));
                }
                Ok(())
            })
        })
    })
}

/// [`AdamWStep`] in the parameter's precision, combined as far as possible.
#[derive(Clone, Copy)]
struct Coefficients<T> {
    scale: T,
    beta1: T,
    rest1: T,
    beta2: T,
    rest2: T,
    keep: T,
    rate: T,
    inverse_correction2: T,
    epsilon: T,
}

impl<T: Real> Coefficients<T> {
    fn of(step: &AdamWStep) -> Self {
        let (correction1, correction2) = step.corrections();
        Self {
            scale: T::of(step.gradient_scale),
            beta1: T::of(step.beta1),
            rest1: T::of(1.0 - step.beta1),
            beta2: T::of(step.beta2),
            rest2: T::of(1.0 - step.beta2),
            keep: T::of(1.0 - step.learning_rate * step.weight_decay),
            rate: T::of(step.learning_rate / correction1),
            inverse_correction2: T::of(1.0 / correction2),
            epsilon: T::of(step.epsilon),
        }
    }
}

multiversion! {
    fn update<T: Real>(p: &mut [T], g: &[T], m: &mut [T], v: &mut [T], c: Coefficients<T>) {
        for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            let g = g * c.scale;
            *m = *m * c.beta1 + g * c.rest1;
            *v = *v * c.beta2 + g * g * c.rest2;
            let root = (*v * c.inverse_correction2).root() + c.epsilon;
            *p = *p * c.keep - c.rate * *m / root;
        }
    }
}

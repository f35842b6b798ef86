//! One AdamW step in place (Loshchilov and Hutter 2019), in one pass over parameters, gradients and moments.
//!
//! With g the scaled gradient:
//! m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2 and
//! p = p (1 - rate decay) - rate (m / c1) / (sqrt(v / c2) + epsilon), where
//! c1 = 1 - beta1^step and c2 = 1 - beta2^step.
//!
//! Most parameters of a model are biases and norms, which are too short to be updated one by one efficiently. So
//! [`adamw_steps`] takes all parameters and distributes the chunks of all of them among the threads at once.

mod borrow;

use crate::check;
use crate::composed;
use crate::device::{self, Call};
use crate::kernel::access::storage_slice;
use crate::kernel::{Real, fused, multiversion};
use borrow::place;
use candle_core::{DType, Result, Tensor, Var, bail};
use rayon::prelude::*;

/// Number of values that one task updates. Four arrays of this length fit into the first two caches of a core; longer
/// tasks were slower.
const CHUNK: usize = 1 << 12;

/// Largest number of parameters that are updated together. Borrowing their variables takes stack (see `borrow`), and
/// a thread of rayon's pool has two MiB of it.
const TOGETHER: usize = 128;

/// The coefficients of one step.
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay rate of the first moment.
    pub beta1: f64,
    /// Decay rate of the second moment.
    pub beta2: f64,
    /// Added to the square root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Number of this step, counted from 1, for the bias correction.
    pub step: usize,
    /// Factor by which the gradient is multiplied first; 1 unless it is clipped by its global norm.
    pub gradient_scale: f64,
}

impl AdamWStep {
    /// 1 - beta^step for both moments.
    pub(crate) fn corrections(&self) -> (f64, f64) {
        let power = |beta: f64| 1.0 - beta.powf(self.step as f64);
        (power(self.beta1), power(self.beta2))
    }

    fn check(&self) -> Result<()> {
        let decays = [self.beta1, self.beta2];
        if decays.iter().any(|beta| !(0.0..1.0).contains(beta)) || self.step == 0 {
            bail!("adamw: beta1 and beta2 must be in [0, 1) and step at least 1, got {self:?}");
        }
        let others = [self.learning_rate, self.epsilon, self.weight_decay];
        if others.iter().any(|x| !(x.is_finite() && *x >= 0.0)) || !self.gradient_scale.is_finite()
        {
            bail!("adamw: rates, epsilon and scale must be finite and not negative, got {self:?}");
        }
        Ok(())
    }
}

/// The part of a step that concerns one parameter. [`adamw_steps`] takes a list of these.
#[derive(Clone, Copy, Debug)]
pub struct AdamWSlot<'a> {
    /// The parameter, f32 or f64 of any shape. It is changed in place.
    pub parameter: &'a Var,
    /// Gradient, with the parameter's shape, dtype and device.
    pub gradient: &'a Tensor,
    /// First moment, with the same shape, dtype and device. It is changed in place.
    pub first: &'a Var,
    /// Second moment, with the same shape, dtype and device. It is changed in place.
    pub second: &'a Var,
    /// The coefficients of this step for this parameter.
    pub step: AdamWStep,
}

impl<'a> AdamWSlot<'a> {
    fn variables(&self) -> [(&'static str, &'a Var); 3] {
        let (parameter, first, second) = (self.parameter, self.first, self.second);
        [
            ("parameter", parameter),
            ("first", first),
            ("second", second),
        ]
    }

    fn check(&self) -> Result<()> {
        self.step.check()?;
        let (first, second) = (self.first.as_tensor(), self.second.as_tensor());
        for (name, other) in [
            ("gradient", self.gradient),
            ("first", first),
            ("second", second),
        ] {
            if other.dims() != self.parameter.dims() {
                bail!(
                    "adamw: {name} {:?} does not fit parameter {:?}",
                    other.dims(),
                    self.parameter.dims()
                );
            }
            check::alike("adamw", "parameter", self.parameter, name, other)?;
        }
        Ok(())
    }

    /// Updates a parameter that is on another device or has another dtype, in a call of its own.
    fn apart(&self) -> Result<()> {
        if fused(self.parameter) {
            return self.on_device();
        }
        composed::adamw_step(
            self.parameter,
            self.gradient,
            self.first,
            self.second,
            &self.step,
        )
    }

    /// Updates the parameter on a device with kernels, in one launch.
    fn on_device(&self) -> Result<()> {
        let gradient = self.gradient.detach().contiguous()?;
        let c = Coefficients::<f64>::of(&self.step);
        let n = gradient.elem_count();
        borrow::with_addresses(&self.variables().map(|(_, var)| var), &mut |at| {
            let call = Call::new("adamw_update", &gradient)
                .address(at[0])
                .read(&gradient);
            let call = call.address(at[1]).address(at[2]);
            let call = call.real(c.scale).real(c.beta1).real(c.rest1);
            let call = call.real(c.beta2).real(c.rest2).real(c.keep);
            let call = call
                .real(c.rate)
                .real(c.inverse_correction2)
                .real(c.epsilon);
            let [] = call.size(n).each(n)?;
            Ok(())
        })
    }
}

/// Updates `parameter` and its two moments in place. This is [`adamw_steps`] for one parameter.
pub fn adamw_step(
    parameter: &Var,
    gradient: &Tensor,
    first: &Var,
    second: &Var,
    step: &AdamWStep,
) -> Result<()> {
    adamw_steps(&[AdamWSlot {
        parameter,
        gradient,
        first,
        second,
        step: *step,
    }])
}

/// Updates every parameter and its two moments in place, in one pass whose chunks are distributed among the threads.
/// The result is bit for bit that of calling [`adamw_step`] for one parameter after the other.
///
/// It is an error, and nothing is changed, if the shapes, dtypes or devices of a slot do not fit, a coefficient is
/// out of range, a variable occurs in two places, or a gradient is a view of a variable.
pub fn adamw_steps(slots: &[AdamWSlot<'_>]) -> Result<()> {
    for slot in slots {
        slot.check()?;
    }
    check_distinct(slots)?;
    let (fused, others): (Vec<&AdamWSlot<'_>>, Vec<_>) = slots
        .iter()
        .filter(|slot| slot.parameter.elem_count() > 0)
        .partition(|slot| fused(slot.parameter) && !device::has_kernels(slot.parameter));
    let (single, double): (Vec<_>, Vec<_>) = fused
        .into_iter()
        .partition(|slot| slot.parameter.dtype() == DType::F32);
    together::<f32>(&single)?;
    together::<f64>(&double)?;
    others.into_iter().try_for_each(AdamWSlot::apart)
}

/// Checks that every variable has its own storage and that no gradient is part of one. Otherwise candle would wait
/// forever for the lock on a storage that it already holds.
fn check_distinct(slots: &[AdamWSlot<'_>]) -> Result<()> {
    let mut variables: Vec<(usize, usize, &str)> = slots
        .iter()
        .enumerate()
        .flat_map(|(i, slot)| slot.variables().map(|(name, var)| (place(var), i, name)))
        .collect();
    variables.sort_unstable();
    let refuse = |(_, i, name): (usize, usize, &str), (_, j, other): (usize, usize, &str)| {
        bail!(
            "adamw: {name} {:?} of slot {i} is the same tensor as {other} of slot {j}, or a view of it; \
             give it a copy",
            slots[i].parameter.dims()
        )
    };
    if let Some(pair) = variables.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return refuse(pair[0], pair[1]);
    }
    for (i, slot) in slots.iter().enumerate() {
        let place = place(slot.gradient);
        if let Ok(at) = variables.binary_search_by_key(&place, |variable| variable.0) {
            return refuse((place, i, "gradient"), variables[at]);
        }
    }
    Ok(())
}

/// Updates all slots in as few passes as the stack allows.
fn together<T: Real>(slots: &[&AdamWSlot<'_>]) -> Result<()> {
    for slots in slots.chunks(TOGETHER) {
        let gradients = slots.iter().map(|slot| slot.gradient.contiguous());
        let gradients = gradients.collect::<Result<Vec<_>>>()?;
        let guards: Vec<_> = gradients.iter().map(Tensor::storage_and_layout).collect();
        let read = slots
            .iter()
            .zip(&guards)
            .map(|(slot, (storage, layout))| {
                let gradient = storage_slice::<T>(storage, layout)?;
                Ok((gradient, Coefficients::of(&slot.step)))
            })
            .collect::<Result<Vec<_>>>()?;
        let variables: Vec<&Var> = slots
            .iter()
            .flat_map(|slot| slot.variables().map(|(_, var)| var))
            .collect();
        borrow::with_values(&variables, &mut |values| update_all(values, &read))?;
    }
    Ok(())
}

/// Updates all slots, one chunk per task. `variables`: parameter, first and second moment of each slot; `read`: its
/// gradient and coefficients.
fn update_all<T: Real>(mut variables: Vec<&mut [T]>, read: &[(&[T], Coefficients<T>)]) {
    let chunks = |(gradient, _): &(&[T], _)| gradient.len().div_ceil(CHUNK);
    let mut tasks = Vec::with_capacity(read.iter().map(chunks).sum());
    let (of_slots, _) = variables.as_chunks_mut::<3>();
    for ([p, m, v], (gradient, coefficients)) in of_slots.iter_mut().zip(read) {
        let chunks = p
            .chunks_mut(CHUNK)
            .zip(gradient.chunks(CHUNK))
            .zip(m.chunks_mut(CHUNK))
            .zip(v.chunks_mut(CHUNK));
        tasks.extend(chunks.map(|(((p, g), m), v)| (p, g, m, v, *coefficients)));
    }
    let run = |(p, g, m, v, coefficients): (&mut [T], &[T], &mut [T], &mut [T], _)| {
        update(p, g, m, v, coefficients);
    };
    if read
        .iter()
        .map(|(gradient, _)| gradient.len())
        .sum::<usize>()
        <= CHUNK
    {
        tasks.into_iter().for_each(run);
    } else {
        tasks.into_par_iter().for_each(run);
    }
}

/// The coefficients of an [`AdamWStep`] in the parameter's precision, combined as far as possible.
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

/// Number of values in one block of the loop: one or two cache lines of each array.
const BLOCK: usize = 16;
/// How many values ahead of the loop are requested from memory. The processor's own prefetching stops at every page
/// and starts late for four arrays at once; requesting 2 KiB ahead saves a tenth of the time.
const AHEAD: usize = 512;

/// Requests the cache line that is [`AHEAD`] values after a block's first. It reads nothing, so the address may be
/// anywhere.
#[inline(always)]
fn ask_ahead<T>(block: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: this is a hint about an address, which is not accessed.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().wrapping_add(AHEAD).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = block;
}

#[inline(always)]
fn update_block<T: Real>(p: &mut [T], g: &[T], m: &mut [T], v: &mut [T], c: Coefficients<T>) {
    for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        let g = g * c.scale;
        *m = *m * c.beta1 + g * c.rest1;
        *v = *v * c.beta2 + g * g * c.rest2;
        let root = (*v * c.inverse_correction2).root() + c.epsilon;
        *p = *p * c.keep - c.rate * *m / root;
    }
}

multiversion! {
    fn update<T: Real>(p: &mut [T], g: &[T], m: &mut [T], v: &mut [T], c: Coefficients<T>) {
        let ((p, p_rest), (g, g_rest)) = (p.as_chunks_mut::<BLOCK>(), g.as_chunks::<BLOCK>());
        let ((m, m_rest), (v, v_rest)) = (m.as_chunks_mut::<BLOCK>(), v.as_chunks_mut::<BLOCK>());
        for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            ask_ahead(p);
            ask_ahead(g);
            ask_ahead(m);
            ask_ahead(v);
            update_block(p, g, m, v, c);
        }
        update_block(p_rest, g_rest, m_rest, v_rest, c);
    }
}

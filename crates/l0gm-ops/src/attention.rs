//! Scaled dot-product attention with a padding mask (Vaswani et al. 2017) and an exact backward pass.
//!
//! For one example and head: S = Q K^T / sqrt(head_dim), P = softmax(S) over the open keys,
//! W = P keep / (1 - p), O = W V. Backward, with P recomputed: dV = W^T dO, dP = dO V^T keep / (1 - p),
//! dS = P (dP - rowsum(dP P)), dQ = dS K / sqrt(head_dim), dK = dS^T Q / sqrt(head_dim).
//! A task's scratch memory holds the scores of one head at a time, so nothing of size length^2 is kept.

use crate::kernel::product::product_into;
use crate::kernel::{
    Operand, Real, apply3, by_dtype, fused, lanes, multiversion, owned, product, read, slice,
    tensor,
};
use crate::rng::{draw, drop_threshold};
use crate::softmax::masked_in_place;
use crate::{Generator, Mode, check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// Computes softmax(Q K^T / sqrt(head_dim) + mask) V for every head. `q`: (batch, length, heads * head_dim); `k`,
/// `v`: the same, or with another length; `mask`: (batch, length of k) u8, 1 = attend, 0 = padding. `dropout` in
/// [0, 1) is the probability of dropping an attention weight in training (one draw per weight). A row whose keys are
/// all masked gives zeros. Returns q's shape. It is an error if shapes, dtypes or devices do not fit.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    mask: Option<&Tensor>,
    heads: usize,
    dropout: f64,
    mode: &mut Mode<'_>,
) -> Result<Tensor> {
    let sizes = Sizes::of(q, k, v, heads)?;
    if let Some(mask) = mask
        && (mask.dims() != [sizes.batch, sizes.keys] || mask.dtype() != DType::U8)
    {
        bail!(
            "attention: mask {:?} is {:?}, expected ({}, {}) of u8 for k {:?}",
            mask.dims(),
            mask.dtype(),
            sizes.batch,
            sizes.keys,
            k.dims()
        );
    }
    if !(0.0..1.0).contains(&dropout) {
        bail!("attention: dropout {dropout} is outside [0, 1)");
    }
    let noise = match mode {
        Mode::Train(generator) if dropout > 0.0 => {
            let weights = sizes.batch * heads * sizes.length * sizes.keys;
            Some((dropout, generator.reserve(weights)))
        }
        _ => None,
    };
    if !fused(q) {
        let noise = noise.as_ref().map(|(p, noise)| (*p, noise));
        return composed::attention(q, k, v, mask, heads, noise);
    }
    let mask = mask.map(Tensor::contiguous).transpose()?;
    let (q, k, v) = (q.contiguous()?, k.contiguous()?, v.contiguous()?);
    apply3(&q, &k, &v, Attention { sizes, mask, noise })
}

/// The sizes of an attention, with `length` queries and `keys` keys per example.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) batch: usize,
    pub(crate) length: usize,
    pub(crate) keys: usize,
    pub(crate) heads: usize,
    pub(crate) dim: usize,
}

impl Sizes {
    fn of(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> Result<Self> {
        let fits = q.rank() == 3
            && k.rank() == 3
            && k.dims() == v.dims()
            && q.dims()[0] == k.dims()[0]
            && q.dims()[2] == k.dims()[2];
        if !fits {
            bail!(
                "attention: q {:?}, k {:?} and v {:?} do not fit, expected (batch, length, width) with one batch and width",
                q.dims(),
                k.dims(),
                v.dims()
            );
        }
        check::alike("attention", "q", q, "k", k)?;
        check::alike("attention", "q", q, "v", v)?;
        let (batch, length, width) = q.dims3()?;
        if heads == 0 || width == 0 || width % heads != 0 {
            bail!(
                "attention: width {width} of q {:?} does not divide into {heads} heads",
                q.dims()
            );
        }
        Ok(Self {
            batch,
            length,
            keys: k.dim(1)?,
            heads,
            dim: width / heads,
        })
    }

    fn width(&self) -> usize {
        self.heads * self.dim
    }

    /// The offset at which the values of (example, head) begin in a (batch, length, width) tensor.
    fn start(&self, task: usize, length: usize) -> usize {
        (task / self.heads) * length * self.width() + (task % self.heads) * self.dim
    }

    /// 1 / sqrt(head_dim), the factor on the scores.
    pub(crate) fn scale<T: Real>(&self) -> T {
        T::of(1.0 / (self.dim as f64).sqrt())
    }
}

/// The op without its arguments.
pub(crate) struct Attention {
    pub(crate) sizes: Sizes,
    /// Mask, (batch, keys) u8: 1 = attend.
    pub(crate) mask: Option<Tensor>,
    /// The probability of dropping a weight, and the random draws that decide which.
    pub(crate) noise: Option<(f64, Generator)>,
}

/// A tensor that different tasks write, each its own part.
struct Shared<T>(*mut T);
// SAFETY: each task writes only the rows of its own (example, head), which no other task touches.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// The address of entry `offset`. This is a method, so that closures capture the whole wrapper.
    fn at(&self, offset: usize) -> *mut T {
        self.0.wrapping_add(offset)
    }
}

multiversion! {
    /// Computes x = x keep scale, as in dropout.
    fn drop_in_place<T: Real>(x: &mut [T], key: u64, first: u64, threshold: u64, scale: T) {
        for (index, x) in x.iter_mut().enumerate() {
            let bits = draw(key, first.wrapping_add(index as u64));
            let factor = if bits >= threshold { scale } else { T::NIL };
            *x *= factor;
        }
    }
}

multiversion! {
    /// Turns dP into dS = P (dP - rowsum(dP P)).
    fn softmax_backward<T: Real>(weights: &[T], gradient: &mut [T], keys: usize) {
        for (p, dp) in weights.chunks_exact(keys).zip(gradient.chunks_exact_mut(keys)) {
            let mean = lanes::dot(p, dp);
            for (dp, &p) in dp.iter_mut().zip(p) {
                *dp = p * (*dp - mean);
            }
        }
    }
}

impl Attention {
    /// Computes P of one (example, head).
    fn weights<T: Real>(&self, task: usize, q: &[T], k: &[T], open: &[u8], scores: &mut [T]) {
        let s = &self.sizes;
        // SAFETY: `scores` is borrowed mutably and holds the (length, keys) products.
        unsafe {
            product_into(
                (s.length, s.dim, s.keys),
                scores.as_mut_ptr(),
                s.keys,
                false,
                Operand::rows(&q[s.start(task, s.length)..], s.width()),
                Operand::rows(&k[s.start(task, s.keys)..], s.width()).t(),
                s.scale(),
                false,
            );
        }
        let open = match open.is_empty() {
            true => open,
            false => &open[(task / s.heads) * s.keys..][..s.keys],
        };
        masked_in_place(scores, s.keys, open);
    }

    /// Runs `inner` with the values of the mask; without a mask they are empty.
    fn with_open<R>(&self, inner: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let Some(mask) = &self.mask else {
            return Ok(inner(&[]));
        };
        read!(open: u8 = mask);
        Ok(inner(open))
    }

    /// Applies the dropout mask of one (example, head), if there is dropout.
    fn drop<T: Real>(&self, task: usize, values: &mut [T]) {
        if let Some((p, noise)) = &self.noise {
            let (key, counter) = noise.state();
            let first = counter.wrapping_add((task * values.len()) as u64);
            drop_in_place(
                values,
                key,
                first,
                drop_threshold(*p),
                T::of(1.0 / (1.0 - p)),
            );
        }
    }

    fn forward<T: Real>(&self, q: &[T], k: &[T], v: &[T], open: &[u8]) -> Vec<T> {
        let s = &self.sizes;
        let mut out = vec![T::NIL; q.len()];
        if out.is_empty() || s.keys == 0 {
            return out;
        }
        let target = Shared(out.as_mut_ptr());
        let scratch = || vec![T::NIL; s.length * s.keys];
        (0..s.batch * s.heads)
            .into_par_iter()
            .for_each_init(scratch, |scores, task| {
                self.weights(task, q, k, open, scores);
                self.drop(task, scores);
                // SAFETY: the task writes the `dim` columns of its head in the rows of its example,
                // all within `out`, which lives until every task is done.
                unsafe {
                    product_into(
                        (s.length, s.keys, s.dim),
                        target.at(s.start(task, s.length)),
                        s.width(),
                        false,
                        Operand::rows(scores, s.keys),
                        Operand::rows(&v[s.start(task, s.keys)..], s.width()),
                        T::UNIT,
                        false,
                    );
                }
            });
        out
    }

    /// Computes dQ, dK and dV. `open` has the values of the mask; without a mask it is empty.
    fn backward<T: Real>(&self, q: &[T], k: &[T], v: &[T], open: &[u8], grad: &[T]) -> [Vec<T>; 3] {
        let s = &self.sizes;
        let mut gradients = [q.len(), k.len(), v.len()].map(|len| vec![T::NIL; len]);
        if q.is_empty() || s.keys == 0 {
            return gradients;
        }
        let [dq, dk, dv] = gradients.each_mut().map(|x| Shared(x.as_mut_ptr()));
        let (dq, dk, dv) = (&dq, &dk, &dv);
        let scratch = || [(); 3].map(|()| vec![T::NIL; s.length * s.keys]);
        (0..s.batch * s.heads)
            .into_par_iter()
            .for_each_init(scratch, |[p, dp, dropped], task| {
                let (row, column) = (s.start(task, s.length), s.start(task, s.keys));
                let view = |x, start| Operand::rows(slice_from(x, start), s.width());
                self.weights(task, q, k, open, p);
                let used: &[T] = if self.noise.is_some() {
                    dropped.copy_from_slice(p);
                    self.drop(task, dropped);
                    dropped
                } else {
                    p
                };
                let (grad, scale) = (view(grad, row), s.scale());
                let out_of = |target: &Shared<T>, start: usize| target.at(start);
                // SAFETY: as in `forward`: each task writes its own head's columns of its own
                // example in dV, dQ and dK, which live until every task is done.
                unsafe {
                    let sizes = (s.keys, s.length, s.dim);
                    let to = out_of(dv, column);
                    let a = Operand::rows(used, s.keys).t();
                    product_into(sizes, to, s.width(), false, a, grad, T::UNIT, false);
                }
                let values = view(v, column).t();
                product((s.length, s.dim, s.keys), dp, false, grad, values, false);
                self.drop(task, dp);
                softmax_backward(p, dp, s.keys);
                let ds = Operand::rows(dp, s.keys);
                // SAFETY: as above.
                unsafe {
                    let sizes = (s.length, s.keys, s.dim);
                    let to = out_of(dq, row);
                    product_into(
                        sizes,
                        to,
                        s.width(),
                        false,
                        ds,
                        view(k, column),
                        scale,
                        false,
                    );
                    let sizes = (s.keys, s.length, s.dim);
                    let to = out_of(dk, column);
                    product_into(
                        sizes,
                        to,
                        s.width(),
                        false,
                        ds.t(),
                        view(q, row),
                        scale,
                        false,
                    );
                }
            });
        gradients
    }
}

/// The slice from `start` on. This is a function and not a closure, so that the result has the lifetime of its
/// argument.
fn slice_from<T>(x: &[T], start: usize) -> &[T] {
    &x[start..]
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!("attention", q.dtype(), T => {
            let q = slice::<T>(q, q_layout)?;
            let (k, v) = (slice(k, k_layout)?, slice(v, v_layout)?);
            let out = self.with_open(|open| self.forward(q, k, v, open))?;
            Ok(owned(out, q_layout.shape()))
        })
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        by_dtype!("attention", q.dtype(), T => {
            read!(q_values: T = q);
            read!(k_values: T = k);
            read!(v_values: T = v);
            read!(dy: T = grad);
            let [dq, dk, dv] =
                self.with_open(|open| self.backward(q_values, k_values, v_values, open, dy))?;
            let tracked = |x: &Tensor, gradient| {
                if x.track_op() { tensor::<T>(gradient, x.shape()) } else { Ok(None) }
            };
            Ok((tracked(q, dq)?, tracked(k, dk)?, tracked(v, dv)?))
        })
    }
}

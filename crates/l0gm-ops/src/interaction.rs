//! Weighted pairwise products of two stacks of vectors, the kernel of a compressed interaction network (eq. 10 of the
//! paper).
//!
//! For a group of examples, the products P[ij, bd] = x[b, i, d] y[b, j, d] are laid out as one matrix, and out = W P
//! with W the (maps, m n) weights. Backward, with G the gradient in the same layout: dW = G P^T, dP = W^T G,
//! dx[b, i, d] = sum_j dP[ij, bd] y[b, j, d], and dy likewise. P is computed again.

use crate::device::{Call, Fresh, OnDevice, if_tracked};
use crate::kernel::{
    Operand, Real, apply3, by_dtype, fused, multiversion, owned, product, read, rows, slice, tensor,
};
use crate::{check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// Number of columns of P in one product: wide enough for the matrix kernels.
const COLUMNS: usize = 256;
/// Number of parts of a batch whose weight gradients are summed separately and then added in order.
const PARTS: usize = 16;

/// out[b, h, d] = sum_ij weight[h, i, j] * x[b, i, d] * y[b, j, d]. `x`: (batch, m, dim); `y`: (batch, n, dim);
/// `weight`: (maps, m, n). Returns (batch, maps, dim). `x` and `y` may be the same tensor. It is an error if shapes,
/// dtypes or devices do not fit.
pub fn pairwise_interaction(x: &Tensor, y: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let fits = match (x.dims(), y.dims(), weight.dims()) {
        (&[batch, m, dim], &[batch_y, n, dim_y], &[_, m_w, n_w]) => {
            batch == batch_y && dim == dim_y && m == m_w && n == n_w
        }
        _ => false,
    };
    if !fits {
        bail!(
            "pairwise_interaction: x {:?}, y {:?} and weight {:?} do not fit, expected (batch, m, dim), (batch, n, dim) and (maps, m, n)",
            x.dims(),
            y.dims(),
            weight.dims()
        );
    }
    check::alike("pairwise_interaction", "x", x, "y", y)?;
    check::alike("pairwise_interaction", "x", x, "weight", weight)?;
    if !fused(x) {
        return composed::pairwise_interaction(x, y, weight);
    }
    let (x, y, weight) = (x.contiguous()?, y.contiguous()?, weight.contiguous()?);
    apply3(&x, &y, &weight, Interaction)
}

struct Interaction;

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    m: usize,
    n: usize,
    dim: usize,
    maps: usize,
}

impl Sizes {
    fn of(x: &[usize], y: &[usize], weight: &[usize]) -> Self {
        Self {
            batch: x[0],
            m: x[1],
            n: y[1],
            dim: x[2],
            maps: weight[0],
        }
    }

    fn is_empty(&self) -> bool {
        self.batch * self.m * self.n * self.dim * self.maps == 0
    }

    /// Number of examples whose products form one matrix.
    fn group(&self) -> usize {
        (COLUMNS / self.dim).max(1)
    }
}

multiversion! {
    /// Computes P for consecutive examples. `sizes` is (m, n, dim).
    fn outer<T: Real>(x: &[T], y: &[T], sizes: (usize, usize, usize), products: &mut [T]) {
        let (m, n, dim) = sizes;
        let columns = x.len() / m;
        for (ij, products) in products.chunks_exact_mut(columns).take(m * n).enumerate() {
            let (i, j) = (ij / n, ij % n);
            for (b, products) in products.chunks_exact_mut(dim).enumerate() {
                let x = &x[(b * m + i) * dim..][..dim];
                let y = &y[(b * n + j) * dim..][..dim];
                for ((p, &x), &y) in products.iter_mut().zip(x).zip(y) {
                    *p = x * y;
                }
            }
        }
    }
}

multiversion! {
    /// Adds to dx and dy what follows from dP of consecutive examples.
    fn outer_backward<T: Real>(
        x: &[T],
        y: &[T],
        sizes: (usize, usize, usize),
        products: &[T],
        dx: &mut [T],
        dy: &mut [T],
    ) {
        let (m, n, dim) = sizes;
        let columns = x.len() / m;
        for (ij, products) in products.chunks_exact(columns).take(m * n).enumerate() {
            let (i, j) = (ij / n, ij % n);
            for (b, products) in products.chunks_exact(dim).enumerate() {
                let (at_x, at_y) = ((b * m + i) * dim, (b * n + j) * dim);
                let (x, y) = (&x[at_x..][..dim], &y[at_y..][..dim]);
                let (dx, dy) = (&mut dx[at_x..][..dim], &mut dy[at_y..][..dim]);
                for ((((dx, dy), &p), &x), &y) in dx.iter_mut().zip(dy).zip(products).zip(x).zip(y) {
                    *dx += p * y;
                    *dy += p * x;
                }
            }
        }
    }
}

/// Rearranges (maps, examples * dim) into (examples, maps, dim).
fn scatter<T: Real>(columns: &[T], rows: &mut [T], maps: usize, dim: usize) {
    let width = columns.len() / maps;
    for (map, columns) in columns.chunks_exact(width).enumerate() {
        for (b, columns) in columns.chunks_exact(dim).enumerate() {
            rows[(b * maps + map) * dim..][..dim].copy_from_slice(columns);
        }
    }
}

/// Rearranges (examples, maps, dim) into (maps, examples * dim).
fn gather<T: Real>(rows: &[T], columns: &mut [T], maps: usize, dim: usize) {
    let width = columns.len() / maps;
    for (map, columns) in columns.chunks_exact_mut(width).enumerate() {
        for (b, columns) in columns.chunks_exact_mut(dim).enumerate() {
            columns.copy_from_slice(&rows[(b * maps + map) * dim..][..dim]);
        }
    }
}

fn forward<T: Real>(s: Sizes, x: &[T], y: &[T], weight: &[T]) -> Vec<T> {
    let mut out = vec![T::NIL; s.batch * s.maps * s.dim];
    if s.is_empty() {
        return out;
    }
    let pairs = s.m * s.n;
    let columns = s.group() * s.dim;
    let scratch = || {
        (
            vec![T::NIL; pairs * columns],
            vec![T::NIL; s.maps * columns],
        )
    };
    out.par_chunks_mut(s.maps * columns)
        .zip(x.par_chunks(s.m * columns))
        .zip(y.par_chunks(s.n * columns))
        .for_each_init(scratch, |(products, sums), ((out, x), y)| {
            let columns = out.len() / s.maps;
            outer(x, y, (s.m, s.n, s.dim), products);
            let sums = &mut sums[..s.maps * columns];
            let (w, p) = (
                Operand::rows(weight, pairs),
                Operand::rows(products, columns),
            );
            product((s.maps, pairs, columns), sums, false, w, p, false);
            scatter(sums, out, s.maps, s.dim);
        });
    out
}

/// Computes dx, dy and dW.
fn backward<T: Real>(s: Sizes, x: &[T], y: &[T], weight: &[T], grad: &[T]) -> [Vec<T>; 3] {
    let pairs = s.m * s.n;
    let mut dx = vec![T::NIL; x.len()];
    let mut dy = vec![T::NIL; y.len()];
    let mut dw = vec![T::NIL; s.maps * pairs];
    if s.is_empty() {
        return [dx, dy, dw];
    }
    let group = s.group();
    // Use at most PARTS parts, each with a whole number of groups.
    let part = s.batch.div_ceil(group).div_ceil(PARTS) * group;
    let partial: Vec<Vec<T>> = dx
        .par_chunks_mut(part * s.m * s.dim)
        .zip(dy.par_chunks_mut(part * s.n * s.dim))
        .enumerate()
        .map(|(index, (dx, dy))| {
            let mut dw = vec![T::NIL; s.maps * pairs];
            let mut products = vec![T::NIL; pairs * group * s.dim];
            let mut sums = vec![T::NIL; s.maps * group * s.dim];
            let chunks = dx
                .chunks_mut(group * s.m * s.dim)
                .zip(dy.chunks_mut(group * s.n * s.dim));
            for (step, (dx, dy)) in chunks.enumerate() {
                let first = index * part + step * group;
                let columns = dx.len() / s.m;
                let x = &x[first * s.m * s.dim..][..dx.len()];
                let y = &y[first * s.n * s.dim..][..dy.len()];
                let sums = &mut sums[..s.maps * columns];
                let grad = &grad[first * s.maps * s.dim..][..sums.len()];
                gather(grad, sums, s.maps, s.dim);
                let products = &mut products[..pairs * columns];
                outer(x, y, (s.m, s.n, s.dim), products);
                let g = Operand::rows(sums, columns);
                let p = Operand::rows(products, columns).t();
                product((s.maps, columns, pairs), &mut dw, true, g, p, false);
                let w = Operand::rows(weight, pairs).t();
                product((pairs, s.maps, columns), products, false, w, g, false);
                outer_backward(x, y, (s.m, s.n, s.dim), products, dx, dy);
            }
            dw
        })
        .collect();
    for partial in &partial {
        rows::add(&mut dw, partial);
    }
    [dx, dy, dw]
}

impl CustomOp3 for Interaction {
    fn name(&self) -> &'static str {
        "pairwise_interaction"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let s = Sizes::of(x_layout.dims(), y_layout.dims(), weight_layout.dims());
        by_dtype!("pairwise_interaction", x.dtype(), T => {
            let (x, y) = (slice::<T>(x, x_layout)?, slice(y, y_layout)?);
            let out = forward(s, x, y, slice(weight, weight_layout)?);
            Ok(owned(out, (s.batch, s.maps, s.dim)))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        weight: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let s = Sizes::of(x.dims(), y.dims(), weight.dims());
        by_dtype!("pairwise_interaction", x.dtype(), T => {
            read!(x_values: T = x);
            read!(y_values: T = y);
            read!(weights: T = weight);
            read!(g: T = grad);
            let [dx, dy, dw] = backward(s, x_values, y_values, weights, g);
            let tracked = |x: &Tensor, gradient| {
                if x.track_op() { tensor::<T>(gradient, x.shape()) } else { Ok(None) }
            };
            Ok((tracked(x, dx)?, tracked(y, dy)?, tracked(weight, dw)?))
        })
    }
}

impl Sizes {
    fn of_tensors(x: &[Tensor]) -> Self {
        Self::of(x[0].dims(), x[1].dims(), x[2].dims())
    }

    /// Passes the sizes m, n, dim and maps.
    fn pass(&self, call: Call) -> Call {
        call.size(self.m)
            .size(self.n)
            .size(self.dim)
            .size(self.maps)
    }
}

impl OnDevice for Interaction {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let s = Sizes::of_tensors(x);
        let items = s.batch * s.maps * s.dim;
        let call = Call::new("interaction_forward", &x[0])
            .read(&x[0])
            .read(&x[1])
            .read(&x[2]);
        let call = s.pass(call.write((s.batch, s.maps, s.dim)));
        let [out] = call.size(items).each(items)?;
        Ok(out)
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, g: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let s = Sizes::of_tensors(x);
        let side = |kernel, of: &Tensor, other: &Tensor| {
            if_tracked(of, || {
                let items = of.elem_count();
                let call = Call::new(kernel, g).read(other).read(&x[2]).read(g);
                let call = s.pass(call.write(of.shape()));
                let [gradient] = call.size(items).each(items)?;
                Ok(gradient.tensor())
            })
        };
        let dw = if_tracked(&x[2], || {
            let call = Call::new("interaction_backward_weight", g)
                .read(&x[0])
                .read(&x[1]);
            let call = call.read(g).write(x[2].shape()).size(s.batch);
            let [dw] = s.pass(call).blocks(x[2].elem_count())?;
            Ok(dw.tensor())
        })?;
        Ok(vec![
            side("interaction_backward_x", &x[0], &x[1])?,
            side("interaction_backward_y", &x[1], &x[0])?,
            dw,
        ])
    }
}

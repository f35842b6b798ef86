//! Scales the columns of a matrix with a vector of its own for each member of an ensemble, as models whose members share
//! their weights do (BatchEnsemble, arXiv:2002.06715).
//!
//! candle's broadcast product would need the input once for each member, and sums its gradients in several passes. Here
//! the input is read where it is, and each gradient takes one pass in a fixed order.

use crate::device::{self, Call, Fresh, OnDevice, if_tracked};
use crate::kernel::{
    Real, apply2, by_dtype, fused, multiversion, owned, read, rows, slice, tensor,
};
use crate::{check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

/// y[row, m, :] = x[row, :] scale[m, :], entry by entry. `x` is (rows, width), shared by all members, or (rows, members,
/// width); `scale` is (members, width). Returns (rows, members, width). It is an error if shapes, dtypes or devices do
/// not fit.
pub fn scale_members(x: &Tensor, scale: &Tensor) -> Result<Tensor> {
    let fits = match (x.dims(), scale.dims()) {
        ([_, width], [_, of_scale]) => width == of_scale,
        ([_, members, width], [of_members, of_scale]) => (members, width) == (of_members, of_scale),
        _ => false,
    };
    if !fits || scale.elem_count() == 0 {
        bail!(
            "scale_members: x {:?} and scale {:?}; expected (rows, width) or (rows, members, width), and (members, \
             width) with at least one member and column",
            x.dims(),
            scale.dims()
        );
    }
    check::alike("scale_members", "x", x, "scale", scale)?;
    if !fused(x) {
        return composed::scale_members(x, scale);
    }
    apply2(&x.contiguous()?, &scale.contiguous()?, ScaleMembers)
}

struct ScaleMembers;

/// Numbers of rows, members and columns in one call of the op.
#[derive(Clone, Copy)]
struct Sizes {
    rows: usize,
    members: usize,
    width: usize,
    /// Whether all members read the same input.
    shared: bool,
}

impl Sizes {
    fn of(x: &[usize], scale: &[usize]) -> Self {
        Self {
            rows: x[0],
            members: scale[0],
            width: scale[1],
            shared: x.len() == 2,
        }
    }

    /// Number of values of a row of the result.
    fn all(self) -> usize {
        self.members * self.width
    }

    /// Number of values of a row of the input.
    fn of_input(self) -> usize {
        if self.shared { self.width } else { self.all() }
    }

    fn shape(self) -> (usize, usize, usize) {
        (self.rows, self.members, self.width)
    }
}

multiversion! {
    /// y = x scale for rows of `all` values; x has `width` values a row, or as many as y.
    fn scaled<T: Real>(x: &[T], scale: &[T], y: &mut [T], of_input: usize) {
        for (x, y) in x.chunks_exact(of_input).zip(y.chunks_exact_mut(scale.len())) {
            for (y, scale) in y.chunks_exact_mut(of_input).zip(scale.chunks_exact(of_input)) {
                for ((y, &x), &s) in y.iter_mut().zip(x).zip(scale) {
                    *y = x * s;
                }
            }
        }
    }
}

multiversion! {
    /// dx += the sum over members of dy scale; dx holds zeros, and has `of_input` values a row.
    fn back<T: Real>(dy: &[T], scale: &[T], dx: &mut [T], of_input: usize) {
        for (dy, dx) in dy.chunks_exact(scale.len()).zip(dx.chunks_exact_mut(of_input)) {
            for (dy, scale) in dy.chunks_exact(of_input).zip(scale.chunks_exact(of_input)) {
                for ((dx, &dy), &s) in dx.iter_mut().zip(dy).zip(scale) {
                    *dx += dy * s;
                }
            }
        }
    }
}

multiversion! {
    /// total += dy x, summed over rows; `total` has as many values as a row of dy.
    fn add_products<T: Real>(dy: &[T], x: &[T], total: &mut [T], of_input: usize) {
        for (dy, x) in dy.chunks_exact(total.len()).zip(x.chunks_exact(of_input)) {
            for (dy, total) in dy.chunks_exact(of_input).zip(total.chunks_exact_mut(of_input)) {
                for ((total, &dy), &x) in total.iter_mut().zip(dy).zip(x) {
                    *total += dy * x;
                }
            }
        }
    }
}

impl CustomOp2 for ScaleMembers {
    fn name(&self) -> &'static str {
        "scale_members"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let sizes = Sizes::of(x_layout.dims(), scale_layout.dims());
        let (all, of_input) = (sizes.all(), sizes.of_input());
        by_dtype!("scale_members", x.dtype(), T => {
            let (x, scale) = (slice::<T>(x, x_layout)?, slice::<T>(scale, scale_layout)?);
            let y = rows::build(sizes.rows * all, all, |row, y| {
                let x = &x[row * of_input..][..y.len() / all * of_input];
                scaled(x, scale, y, of_input);
            });
            Ok(owned(y, sizes.shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        scale: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let sizes = Sizes::of(x.dims(), scale.dims());
        let (all, of_input) = (sizes.all(), sizes.of_input());
        by_dtype!("scale_members", grad.dtype(), T => {
            read!(dy: T = grad);
            read!(of_x: T = x);
            read!(of_scale: T = scale);
            let dx = match x.track_op() {
                true => {
                    let dx = rows::build(sizes.rows * of_input, of_input, |row, dx| {
                        let dy = &dy[row * all..][..dx.len() / of_input * all];
                        back(dy, of_scale, dx, of_input);
                    });
                    tensor(dx, x.shape())?
                }
                false => None,
            };
            let dscale = match scale.track_op() {
                true => {
                    let dscale = rows::sum_rows(sizes.rows, all, |rows, total| {
                        let dy = &dy[rows.start * all..rows.end * all];
                        add_products(dy, &of_x[rows.start * of_input..], total, of_input);
                    });
                    tensor(dscale, scale.shape())?
                }
                false => None,
            };
            Ok((dx, dscale))
        })
    }
}

/// Adds the sizes to a call of a kernel that runs once for each of `n` values.
fn sized(call: Call, sizes: Sizes, n: usize) -> Result<Fresh> {
    let call = call.size(sizes.members).size(sizes.width);
    let [y] = call.size(usize::from(sizes.shared)).size(n).each(n)?;
    Ok(y)
}

impl OnDevice for ScaleMembers {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let sizes = Sizes::of(x[0].dims(), x[1].dims());
        let call = Call::new("members_scale", &x[0]).read(&x[0]).read(&x[1]);
        sized(call.write(sizes.shape()), sizes, sizes.rows * sizes.all())
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let sizes = Sizes::of(x[0].dims(), x[1].dims());
        let dx = if_tracked(&x[0], || {
            if !sizes.shared {
                let call = Call::new("members_scale", dy).read(dy).read(&x[1]);
                let n = sizes.rows * sizes.all();
                return Ok(sized(call.write(sizes.shape()), sizes, n)?.tensor());
            }
            let n = sizes.rows * sizes.width;
            let call = Call::new("members_sum", dy).read(dy).read(&x[1]);
            let call = call.write((sizes.rows, sizes.width));
            let [dx] = call.size(sizes.members).size(sizes.width).size(n).each(n)?;
            Ok(dx.tensor())
        })?;
        let dscale = if_tracked(&x[1], || {
            let call = Call::new("members_product", dy).read(&x[0]).read(dy);
            let n = sizes.rows * sizes.all();
            let product = sized(call.write(sizes.shape()), sizes, n)?.tensor();
            device::column_sums(&product, sizes.all())?.reshape(x[1].shape())
        })?;
        Ok(vec![dx, dscale])
    }
}

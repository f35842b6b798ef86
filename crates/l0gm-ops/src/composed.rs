//! Every op of this crate, composed of candle's own differentiable operations. Devices without our kernels run these,
//! and the tests and `examples/speed.rs` use them as the plain reference for the fused kernels. The shapes are those
//! of the op of the same name at the crate root. Nothing is checked here except what candle checks itself.

use crate::{AdamWStep, Csr, Generator, Stretch};
use candle_core::{D, DType, Result, Tensor, Var};

/// See [`crate::linear`].
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (out, inner) = weight.dims2()?;
    let rows = x.elem_count() / inner.max(1);
    let mut shape = x.dims().to_vec();
    // cuBLAS accepts a whole matrix or its transpose, but not some of its columns.
    let weight = weight.contiguous()?;
    let y = x.reshape((rows, inner))?.matmul(&weight.t()?)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    };
    if let Some(last) = shape.last_mut() {
        *last = out;
    }
    y.reshape(shape)
}

/// See [`crate::softmax`].
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    // The shift by the largest entry cancels, so it needs no gradient.
    let shift = x.detach().max_keepdim(D::Minus1)?;
    let exp = x.broadcast_sub(&shift)?.exp()?;
    exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
}

/// See [`crate::masked_softmax`].
pub fn masked_softmax(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let open = mask.broadcast_as(x.shape())?;
    let shut = shut(x)?;
    // The product makes a row without an open entry zero instead of uniform.
    softmax(&open.where_cond(x, &shut)?)?.mul(&open.to_dtype(x.dtype())?)
}

/// A value in x's shape that is finite but far below all others of x's dtype.
fn shut(x: &Tensor) -> Result<Tensor> {
    let lowest = if x.dtype() == DType::F16 { -6e4 } else { -1e30 };
    Tensor::full(lowest, x.shape(), x.device())?.to_dtype(x.dtype())
}

/// See [`crate::log_softmax`].
pub fn log_softmax(x: &Tensor) -> Result<Tensor> {
    let shifted = x.broadcast_sub(&x.detach().max_keepdim(D::Minus1)?)?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
}

/// See [`crate::masked_log_softmax`].
pub fn masked_log_softmax(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let open = mask.broadcast_as(x.shape())?;
    log_softmax(&open.where_cond(x, &shut(x)?)?)?.mul(&open.to_dtype(x.dtype())?)
}

/// See [`crate::rms_norm`].
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    let square = x.sqr()?.mean_keepdim(D::Minus1)?;
    x.broadcast_div(&(square + epsilon)?.sqrt()?)?
        .broadcast_mul(weight)
}

/// See [`crate::binary_cross_entropy`].
pub fn binary_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let size = logits.abs()?;
    let soft = (size.neg()?.exp()? + 1.0)?.log()?;
    // The factor on |x| that depends on the label: 1 - t where x >= 0, and t below. An infinity times 0 must give 0.
    let zeros = logits.zeros_like()?.detach();
    let above = logits.detach().ge(&zeros)?.to_dtype(logits.dtype())?;
    let share = (above - targets)?.abs()?;
    let linear = share.eq(&zeros)?.where_cond(&zeros, &size.mul(&share)?)?;
    (linear + soft)?.mean_all()
}

/// sigmoid(x - shift), for [`crate::open_probability`].
pub(crate) fn shifted_sigmoid(x: &Tensor, shift: f64) -> Result<Tensor> {
    sigmoid(&(x - shift)?)
}

/// See [`crate::layer_norm`].
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    centred
        .broadcast_div(&(variance + epsilon)?.sqrt()?)?
        .broadcast_mul(weight)?
        .broadcast_add(bias)
}

/// See [`crate::gelu`].
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    let cdf = ((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()? + 1.0)?;
    (x * 0.5)?.mul(&cdf)
}

/// See [`crate::gelu_tanh`].
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    let cube = (x.sqr()?.mul(x)? * 0.044_715)?;
    let inner = ((x + cube)? * std::f64::consts::FRAC_2_PI.sqrt())?;
    (x * 0.5)?.mul(&(inner.tanh()? + 1.0)?)
}

/// See [`crate::relu`].
pub fn relu(x: &Tensor) -> Result<Tensor> {
    x.relu()
}

/// See [`crate::silu`].
pub fn silu(x: &Tensor) -> Result<Tensor> {
    x.mul(&sigmoid(x)?)
}

/// See [`crate::add`].
pub fn add(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    x + y
}

/// See [`crate::mul`].
pub fn mul(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    x * y
}

/// See [`crate::add_bias`].
pub fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.broadcast_add(bias)
}

/// See [`crate::scale_members`].
pub fn scale_members(x: &Tensor, scale: &Tensor) -> Result<Tensor> {
    let x = match x.rank() {
        2 => x.unsqueeze(1)?,
        _ => x.clone(),
    };
    x.broadcast_mul(scale)
}

/// See [`crate::sum`].
pub fn sum(x: &Tensor, dim: usize) -> Result<Tensor> {
    x.sum(dim)
}

/// See [`crate::cross_entropy`].
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let shift = logits.detach().max_keepdim(D::Minus1)?;
    let shifted = logits.broadcast_sub(&shift)?;
    let norm = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    shifted
        .broadcast_sub(&norm)?
        .gather(&labels.unsqueeze(1)?, 1)?
        .mean_all()?
        .neg()
}

/// See [`crate::dropout`]. The mask is made from the draws at which `noise` stands.
pub fn dropout(x: &Tensor, p: f64, noise: &Generator) -> Result<Tensor> {
    x.mul(&noise.keep_mask(x.shape(), p, x.dtype(), x.device())?)
}

/// See [`crate::embedding`].
pub fn embedding(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    let mut shape = ids.dims().to_vec();
    shape.push(table.dim(1)?);
    table.index_select(&ids.flatten_all()?, 0)?.reshape(shape)
}

/// 1 / (1 + exp(-x)), without overflow at either end.
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    ((x * 0.5)?.tanh()? * 0.5)? + 0.5
}

/// See [`crate::hard_concrete`].
pub fn hard_concrete(
    log_alpha: &Tensor,
    noise: &Tensor,
    temperature: f64,
    stretch: Stretch,
) -> Result<Tensor> {
    let logistic = (noise.log()? - noise.affine(-1.0, 1.0)?.log()?)?;
    let s = sigmoid(&(logistic.broadcast_add(log_alpha)? / temperature)?)?;
    s.affine(stretch.zeta - stretch.gamma, stretch.gamma)?
        .clamp(0f64, 1f64)
}

/// See [`crate::pairwise_interaction`].
pub fn pairwise_interaction(x: &Tensor, y: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (batch, m, dim) = x.dims3()?;
    let (n, maps) = (y.dim(1)?, weight.dim(0)?);
    let products = x
        .unsqueeze(2)?
        .broadcast_mul(&y.unsqueeze(1)?)?
        .reshape((batch, m * n, dim))?;
    weight
        .reshape((maps, m * n))?
        .broadcast_left(batch)?
        .contiguous()?
        .matmul(&products)
}

/// See [`crate::attention`]. `dropout` holds the probability and the draws of the mask.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    mask: Option<&Tensor>,
    heads: usize,
    dropout: Option<(f64, &Generator)>,
) -> Result<Tensor> {
    let (batch, length, width) = q.dims3()?;
    let keys = k.dim(1)?;
    let dim = width / heads;
    let split = |t: &Tensor, length: usize| -> Result<Tensor> {
        t.reshape((batch, length, heads, dim))?
            .transpose(1, 2)?
            .contiguous()
    };
    let (q, k, v) = (split(q, length)?, split(k, keys)?, split(v, keys)?);
    let scores = (q.matmul(&k.t()?)? / (dim as f64).sqrt())?;
    let weights = match mask {
        Some(mask) => masked_softmax(&scores, &mask.reshape((batch, 1, 1, keys))?)?,
        None => softmax(&scores)?,
    };
    let weights = match dropout {
        Some((p, noise)) => self::dropout(&weights, p, noise)?,
        None => weights,
    };
    weights
        .matmul(&v)?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((batch, length, width))
}

/// See [`crate::csr_matmul`].
pub fn csr_matmul(matrix: &Csr, dense: &Tensor) -> Result<Tensor> {
    let (entries, device) = (matrix.indices().len(), dense.device());
    let width = dense.dim(1)?;
    let zeros = Tensor::zeros((matrix.rows(), width), dense.dtype(), device)?;
    if entries == 0 {
        return Ok(zeros);
    }
    let row_of = Tensor::from_vec(matrix.rows_of_entries(), entries, device)?;
    let columns = Tensor::from_slice(matrix.indices(), entries, device)?;
    let values =
        Tensor::from_slice(matrix.values(), (entries, 1), device)?.to_dtype(dense.dtype())?;
    let messages = dense.index_select(&columns, 0)?.broadcast_mul(&values)?;
    zeros.index_add(&row_of, &messages, 0)
}

/// See [`crate::edge_softmax`].
pub fn edge_softmax(matrix: &Csr, scores: &Tensor) -> Result<Tensor> {
    let parts = (0..matrix.rows()).map(|row| {
        let [start, end] = [row, row + 1].map(|r| matrix.indptr()[r] as usize);
        let row = scores.narrow(0, start, end - start)?;
        softmax(&row.t()?.contiguous()?)?.t()?.contiguous()
    });
    let full = |row: &usize| matrix.indptr()[*row] < matrix.indptr()[row + 1];
    let numbered: Vec<_> = (0..matrix.rows())
        .zip(parts)
        .filter(|(row, _)| full(row))
        .collect();
    let parts = numbered
        .into_iter()
        .map(|(_, part)| part)
        .collect::<Result<Vec<_>>>()?;
    match parts.is_empty() {
        true => Ok(scores.clone()),
        false => Tensor::cat(&parts, 0),
    }
}

/// See [`crate::edge_sum`].
pub fn edge_sum(matrix: &Csr, weights: &Tensor, dense: &Tensor) -> Result<Tensor> {
    let (entries, heads) = weights.dims2()?;
    let (device, width) = (dense.device(), dense.dim(1)?);
    let zeros = Tensor::zeros((matrix.rows(), width), dense.dtype(), device)?;
    if entries == 0 {
        return Ok(zeros);
    }
    let columns = Tensor::from_slice(matrix.indices(), entries, device)?;
    let messages = dense
        .index_select(&columns, 0)?
        .reshape((entries, heads, width / heads))?
        .broadcast_mul(&weights.unsqueeze(2)?)?
        .reshape((entries, width))?;
    zeros.index_add(
        &Tensor::from_vec(matrix.rows_of_entries(), entries, device)?,
        &messages,
        0,
    )
}

/// See [`crate::csr_max`]. Computed one row at a time.
pub fn csr_max(matrix: &Csr, dense: &Tensor) -> Result<Tensor> {
    let width = dense.dim(1)?;
    let rows = (0..matrix.rows()).map(|row| {
        let entries = matrix.indptr()[row] as usize..matrix.indptr()[row + 1] as usize;
        if entries.is_empty() {
            return Tensor::zeros((1, width), dense.dtype(), dense.device());
        }
        // candle gives the whole gradient to each of several equal entries, so every neighbour must occur only once.
        let mut columns = matrix.indices()[entries].to_vec();
        columns.sort_unstable();
        columns.dedup();
        let count = columns.len();
        let columns = Tensor::from_vec(columns, count, dense.device())?;
        dense.index_select(&columns, 0)?.max_keepdim(0)
    });
    Tensor::cat(&rows.collect::<Result<Vec<_>>>()?, 0)
}

/// See [`crate::segment_sum`]. Computed one segment at a time.
pub fn segment_sum(x: &Tensor, offsets: &[u32]) -> Result<Tensor> {
    let sums = offsets.windows(2).map(|pair| {
        x.narrow(0, pair[0] as usize, (pair[1] - pair[0]) as usize)?
            .sum_keepdim(0)
    });
    Tensor::cat(&sums.collect::<Result<Vec<_>>>()?, 0)
}

/// See [`crate::adamw_step`].
pub fn adamw_step(
    parameter: &Var,
    gradient: &Tensor,
    first: &Var,
    second: &Var,
    step: &AdamWStep,
) -> Result<()> {
    let gradient = (gradient.detach() * step.gradient_scale)?;
    let m = ((first.as_tensor().detach() * step.beta1)? + (&gradient * (1.0 - step.beta1))?)?;
    let v =
        ((second.as_tensor().detach() * step.beta2)? + (gradient.sqr()? * (1.0 - step.beta2))?)?;
    let (correct1, correct2) = step.corrections();
    let update = ((&m / correct1)? / ((&v / correct2)?.sqrt()? + step.epsilon)?)?;
    let decayed =
        (parameter.as_tensor().detach() * (1.0 - step.learning_rate * step.weight_decay))?;
    parameter.set(&(decayed - (update * step.learning_rate)?)?)?;
    first.set(&m)?;
    second.set(&v)
}

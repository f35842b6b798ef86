//! Makes a trained gated model really smaller: z is folded into the next layer, its closed columns are dropped, and
//! so are the rows of the previous layer that fed them. This delivers what the paper's "active fraction" promises: no
//! gate is left, and the logits are those of the gated model.
//!
//! [`compact_linear`] works on the tensors of linear layers, and [`compact`] on candle-nn's own layers, convolutions
//! among them.

mod layers;

pub use layers::{Compact, Flattened, FoldInputs, KeepOutputs, compact};

use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};

/// The tensors of a linear layer.
#[derive(Clone, Debug)]
pub struct LinearLayer {
    /// Weight, (out, in).
    pub weight: Tensor,
    /// Bias, (out,), if the layer has one.
    pub bias: Option<Tensor>,
}

impl LinearLayer {
    /// The sizes (out, in), after checking that weight and bias fit each other. Errors call the layer `name`.
    fn dims(&self, name: &str) -> Result<(usize, usize)> {
        let dims = self.weight.dims();
        let &[out, input] = dims else {
            return Err(Error::input(format!(
                "the weight of the layer {name} the gate has shape {dims:?}, expected (out, in)"
            )));
        };
        match &self.bias {
            Some(bias) if bias.dims() != [out] => Err(Error::input(format!(
                "the bias of the layer {name} the gate has shape {:?}, expected ({out},) for a weight of shape {dims:?}",
                bias.dims()
            ))),
            _ => Ok((out, input)),
        }
    }

    /// Number of weights and biases.
    pub fn parameters(&self) -> usize {
        self.weight.elem_count() + self.bias.as_ref().map_or(0, Tensor::elem_count)
    }
}

/// Folds `z` into the layers around a gate. `z` has one value per output of `before` (if that is given) and per input
/// of `after`. Closed rows of `before` and closed columns of `after` are dropped, and the open z are folded into the
/// columns of `after`. Returns (before, after, kept dimensions).
///
/// Give `before` only if everything between it and the gate works on each channel separately (an activation does, a
/// LayerNorm does not). If every gate is closed, `after` has no columns left, and its logits are its bias.
///
/// # Errors
/// z does not fit the layers, or is not finite and in [0, 1].
pub fn compact_linear(
    before: Option<&LinearLayer>,
    z: &[f32],
    after: &LinearLayer,
) -> Result<(Option<LinearLayer>, LinearLayer, Vec<u32>)> {
    let width = z.len();
    let (_, inputs) = after.dims("after")?;
    if inputs != width {
        return Err(Error::input(format!(
            "the layer after the gate has {inputs} inputs, but z has {width} values: one for each is needed"
        )));
    }
    if let Some(before) = before {
        let (outputs, _) = before.dims("before")?;
        if outputs != width {
            return Err(Error::input(format!(
                "the layer before the gate has {outputs} outputs, but z has {width} values: one for each is needed"
            )));
        }
    }
    check_z(z)?;
    let kept: Vec<u32> = (0..width as u32)
        .filter(|&i| z[i as usize] != 0.0)
        .collect();
    let open: Vec<f32> = kept.iter().map(|&i| z[i as usize]).collect();
    let before = before.map(|layer| keep_outputs(layer, &kept)).transpose()?;
    let after = LinearLayer {
        weight: scale(&select(&after.weight, 1, &kept)?, &open)?,
        bias: after.bias.as_ref().map(own).transpose()?,
    };
    Ok((before, after, kept))
}

/// The layer with these outputs only.
fn keep_outputs(layer: &LinearLayer, kept: &[u32]) -> Result<LinearLayer> {
    let bias = layer
        .bias
        .as_ref()
        .map(|bias| select(bias, 0, kept))
        .transpose()?;
    Ok(LinearLayer {
        weight: select(&layer.weight, 0, kept)?,
        bias,
    })
}

/// Selects places along one dimension of `tensor`; the result is (.., 0, ..) if there are none.
fn select(tensor: &Tensor, dimension: usize, kept: &[u32]) -> Result<Tensor> {
    let tensor = tensor.detach();
    if kept.is_empty() {
        let mut dims = tensor.dims().to_vec();
        dims[dimension] = 0;
        return Ok(Tensor::zeros(dims, tensor.dtype(), tensor.device())?);
    }
    let ids = Tensor::new(kept, &Device::Cpu)?.to_device(tensor.device())?;
    Ok(tensor.contiguous()?.index_select(&ids, dimension)?)
}

/// A copy of a parameter that stays as it is. A clone would share the variable's memory and change when training goes on.
fn own(parameter: &Tensor) -> Result<Tensor> {
    Ok(parameter.detach().copy()?)
}

/// Multiplies a weight of shape (out, kept, ...) with one z for each of its inputs, in f32 or a wider type.
fn scale(weight: &Tensor, z: &[f32]) -> Result<Tensor> {
    if z.is_empty() {
        return Ok(weight.clone());
    }
    let dtype = match weight.dtype() {
        DType::F64 => DType::F64,
        _ => DType::F32,
    };
    let mut shape = vec![1; weight.rank()];
    shape[1] = z.len();
    let z = Tensor::from_slice(z, shape, &Device::Cpu)?
        .to_device(weight.device())?
        .to_dtype(dtype)?;
    Ok(weight
        .to_dtype(dtype)?
        .broadcast_mul(&z)?
        .to_dtype(weight.dtype())?)
}

/// Refuses a z that is not finite or not in [0, 1].
fn check_z(z: &[f32]) -> Result<()> {
    match z.iter().position(|z| !(0.0..=1.0).contains(z)) {
        Some(at) => Err(Error::input(format!(
            "z[{at}] is {}, but must be in [0, 1]",
            z[at]
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "linear_tests.rs"]
mod tests;

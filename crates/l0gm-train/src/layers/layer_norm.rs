//! Layer normalisation whose gradient reaches every layer before it, unlike that of candle's fused op.

use super::owned;
use crate::{Parameter, ParameterKind, Part};
use candle_core::{DType, Device, Result, Tensor, Var};

/// Layer normalisation over the last dimension.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    name: String,
    part: Part,
    weight: Var,
    bias: Var,
    epsilon: f64,
}

impl LayerNorm {
    /// A layer whose weights are 1 and whose biases are 0.
    pub fn new(name: &str, part: Part, dim: usize, epsilon: f64, device: &Device) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            part,
            weight: Var::ones(dim, DType::F32, device)?,
            bias: Var::zeros(dim, DType::F32, device)?,
            epsilon,
        })
    }

    /// A layer with copies of the given tensors, such as pretrained weights. The error names the layer if their
    /// shapes do not fit each other.
    pub fn from_tensors(
        name: &str,
        part: Part,
        weight: &Tensor,
        bias: &Tensor,
        epsilon: f64,
    ) -> Result<Self> {
        if weight.dims() != [weight.elem_count()] || bias.dims() != weight.dims() {
            candle_core::bail!(
                "{name}: weight {:?} and bias {:?} must be vectors of one length",
                weight.dims(),
                bias.dims()
            );
        }
        Ok(Self {
            name: name.to_owned(),
            part,
            weight: owned(weight)?,
            bias: owned(bias)?,
            epsilon,
        })
    }

    /// Normalises over the last dimension and keeps the shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        l0gm_ops::layer_norm(x, &self.weight, &self.bias, self.epsilon)
    }

    /// The parameters "NAME.weight" and "NAME.bias", both of the kind NoDecay.
    pub fn parameters(&self) -> Vec<Parameter> {
        [("weight", &self.weight), ("bias", &self.bias)]
            .into_iter()
            .map(|(suffix, var)| Parameter {
                name: format!("{}.{suffix}", self.name),
                var: var.clone(),
                kind: ParameterKind::NoDecay,
                part: self.part,
            })
            .collect()
    }
}

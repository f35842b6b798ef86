//! Layer normalisation whose gradient reaches everything before it.

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
    /// Weight 1, bias 0.
    pub fn new(name: &str, part: Part, dim: usize, epsilon: f64, device: &Device) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            part,
            weight: Var::ones(dim, DType::F32, device)?,
            bias: Var::zeros(dim, DType::F32, device)?,
            epsilon,
        })
    }

    /// From given tensors (pretrained weights), which are copied. An error names the layer if the
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

    /// Same shape out.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        l0gm_ops::layer_norm(x, &self.weight, &self.bias, self.epsilon)
    }

    /// "NAME.weight" and "NAME.bias", both NoDecay.
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

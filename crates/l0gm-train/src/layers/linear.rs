//! A linear layer with PyTorch's initialisation.

use super::owned;
use crate::{Parameter, ParameterKind, Part};
use candle_core::{DType, Device, Result, Tensor, Var};
use l0gm_ops::Generator;

/// The linear layer y = x W^T + b.
#[derive(Clone, Debug)]
pub struct Linear {
    name: String,
    part: Part,
    weight: Var,
    bias: Option<Var>,
}

impl Linear {
    /// Kaiming-uniform weight (out, in) and uniform bias, as PyTorch's `nn.Linear` initialises them:
    /// both uniform in (-1/sqrt(in), 1/sqrt(in)).
    pub fn new(
        name: &str,
        part: Part,
        inputs: usize,
        outputs: usize,
        bias: bool,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self> {
        let bound = 1.0 / (inputs.max(1) as f64).sqrt();
        let weight =
            generator.uniform_tensor((outputs, inputs), -bound, bound, DType::F32, device)?;
        let bias = match bias {
            true => Some(generator.uniform_tensor(outputs, -bound, bound, DType::F32, device)?),
            false => None,
        };
        Self::from_tensors(name, part, &weight, bias.as_ref())
    }

    /// A layer with copies of the given tensors, such as pretrained weights. The error names the layer if their
    /// shapes do not fit each other.
    pub fn from_tensors(
        name: &str,
        part: Part,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Self> {
        let (outputs, _) = weight.dims2()?;
        if let Some(bias) = bias
            && bias.dims() != [outputs]
        {
            candle_core::bail!(
                "{name}: bias has shape {:?}, expected [{outputs}] for a weight of {:?}",
                bias.dims(),
                weight.dims()
            );
        }
        Ok(Self {
            name: name.to_owned(),
            part,
            weight: owned(weight)?,
            bias: bias.map(owned).transpose()?,
        })
    }

    /// The weight, (out, in).
    pub fn weight(&self) -> &Var {
        &self.weight
    }

    /// The bias, (out,), if the layer has one.
    pub fn bias(&self) -> Option<&Var> {
        self.bias.as_ref()
    }

    /// Applies the layer: (.., in) becomes (.., out).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        l0gm_ops::linear(x, &self.weight, self.bias.as_ref().map(Var::as_tensor))
    }

    /// The parameters "NAME.weight" (of the kind Weight) and "NAME.bias" (NoDecay).
    pub fn parameters(&self) -> Vec<Parameter> {
        let parameter = |suffix: &str, var: &Var, kind| Parameter {
            name: format!("{}.{suffix}", self.name),
            var: var.clone(),
            kind,
            part: self.part,
        };
        let mut all = vec![parameter("weight", &self.weight, ParameterKind::Weight)];
        all.extend(
            self.bias
                .as_ref()
                .map(|bias| parameter("bias", bias, ParameterKind::NoDecay)),
        );
        all
    }
}

//! Small trainable layers on `l0gm-ops`, initialised from the seeded generator.
use crate::{Parameter, Part};
use candle_core::{Device, Result, Tensor, Var};
use l0gm_ops::Generator;
/// y = x W^T + b.
#[derive(Clone, Debug)]
pub struct Linear {
    name: String,
    part: Part,
    weight: Var,
    bias: Option<Var>,
}
impl Linear {
    /// Kaiming-uniform weight (out, in) and uniform bias, as PyTorch's `nn.Linear` initialises them.
    pub fn new(_name: &str, _part: Part, _inputs: usize, _outputs: usize, _bias: bool, _generator: &mut Generator, _device: &Device) -> Result<Self> {
        todo!()
    }
    /// From given tensors (pretrained weights).
    pub fn from_tensors(_name: &str, _part: Part, _weight: &Tensor, _bias: Option<&Tensor>) -> Result<Self> {
        todo!()
    }
    /// (out, in).
    pub fn weight(&self) -> &Var {
        &self.weight
    }
    /// (out,).
    pub fn bias(&self) -> Option<&Var> {
        self.bias.as_ref()
    }
    /// (.., in) to (.., out).
    pub fn forward(&self, _x: &Tensor) -> Result<Tensor> {
        todo!()
    }
    /// "NAME.weight" (Weight) and "NAME.bias" (NoDecay).
    pub fn parameters(&self) -> Vec<Parameter> {
        todo!()
    }
}
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
    pub fn new(_name: &str, _part: Part, _dim: usize, _epsilon: f64, _device: &Device) -> Result<Self> {
        todo!()
    }
    /// From given tensors.
    pub fn from_tensors(_name: &str, _part: Part, _weight: &Tensor, _bias: &Tensor, _epsilon: f64) -> Result<Self> {
        todo!()
    }
    /// Same shape out.
    pub fn forward(&self, _x: &Tensor) -> Result<Tensor> {
        todo!()
    }
    /// "NAME.weight" and "NAME.bias", both NoDecay.
    pub fn parameters(&self) -> Vec<Parameter> {
        todo!()
    }
}
/// A table of row vectors.
#[derive(Clone, Debug)]
pub struct Embedding {
    name: String,
    part: Part,
    weight: Var,
}
impl Embedding {
    /// Normal(0, std) rows.
    pub fn new(_name: &str, _part: Part, _rows: usize, _dim: usize, _std: f64, _generator: &mut Generator, _device: &Device) -> Result<Self> {
        todo!()
    }
    /// From a given table.
    pub fn from_tensor(_name: &str, _part: Part, _weight: &Tensor) -> Result<Self> {
        todo!()
    }
    /// (rows, dim).
    pub fn weight(&self) -> &Var {
        &self.weight
    }
    /// ids (u32, any shape) to ids' shape + (dim,).
    pub fn forward(&self, _ids: &Tensor) -> Result<Tensor> {
        todo!()
    }
    /// "NAME.weight" (Weight).
    pub fn parameters(&self) -> Vec<Parameter> {
        todo!()
    }
}

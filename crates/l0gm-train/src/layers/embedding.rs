//! A lookup table whose gradient touches only the rows used.

use super::owned;
use crate::{Parameter, ParameterKind, Part};
use candle_core::{DType, Device, Result, Tensor, Var};
use l0gm_ops::Generator;

/// A table of row vectors.
#[derive(Clone, Debug)]
pub struct Embedding {
    name: String,
    part: Part,
    weight: Var,
}

impl Embedding {
    /// A table with rows drawn from Normal(0, std).
    pub fn new(
        name: &str,
        part: Part,
        rows: usize,
        dim: usize,
        std: f64,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self> {
        let weight = generator.normal_tensor((rows, dim), 0.0, std, DType::F32, device)?;
        Self::from_tensor(name, part, &weight)
    }

    /// An embedding with a copy of the given table, (rows, dim).
    pub fn from_tensor(name: &str, part: Part, weight: &Tensor) -> Result<Self> {
        weight.dims2()?;
        Ok(Self {
            name: name.to_owned(),
            part,
            weight: owned(weight)?,
        })
    }

    /// The table, (rows, dim).
    pub fn weight(&self) -> &Var {
        &self.weight
    }

    /// Looks up `ids` (u32, any shape); the result has the shape of `ids` followed by dim.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        l0gm_ops::embedding(&self.weight, ids)
    }

    /// The table as "NAME.weight", of the kind Weight.
    pub fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter {
            name: format!("{}.weight", self.name),
            var: self.weight.clone(),
            kind: ParameterKind::Weight,
            part: self.part,
        }]
    }
}

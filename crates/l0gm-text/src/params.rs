//! The encoder's tensors under their hub names. Trained ones are variables, frozen ones plain tensors. In evaluation
//! both are detached, so that a forward pass builds no graph and keeps no activations.
use crate::Result;
use candle_core::{Tensor, Var};
use l0gm_train::{Parameter, ParameterKind, Part};

/// A source of a model's tensors: a checkpoint or a random generator.
pub trait WeightSource {
    /// The f32 tensor with this name and shape.
    ///
    /// # Errors
    /// Fails if there is no such tensor or it has another shape.
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor>;
}

/// One tensor.
#[derive(Clone, Debug)]
pub(crate) struct Param {
    name: String,
    tensor: Tensor,
    var: Option<Var>,
    kind: ParameterKind,
}

impl Param {
    pub(crate) fn new(
        source: &mut dyn WeightSource,
        name: String,
        shape: &[usize],
        kind: ParameterKind,
        trainable: bool,
    ) -> Result<Self> {
        let tensor = source.tensor(&name, shape)?;
        let var = trainable.then(|| Var::from_tensor(&tensor)).transpose()?;
        let tensor = var.as_ref().map_or(tensor, |v| v.as_tensor().clone());
        Ok(Self {
            name,
            tensor,
            var,
            kind,
        })
    }

    /// The tensor. It is part of a graph only if `track` is set and it is trained.
    pub(crate) fn read(&self, track: bool) -> Tensor {
        if track {
            self.tensor.clone()
        } else {
            self.tensor.detach()
        }
    }

    /// The name and a detached copy of the tensor.
    pub(crate) fn named(&self) -> Result<(String, Tensor)> {
        Ok((self.name.clone(), self.tensor.detach().copy()?))
    }

    pub(crate) fn elements(&self) -> usize {
        self.tensor.elem_count()
    }

    pub(crate) fn append(&self, into: &mut Vec<Parameter>) {
        if let Some(var) = &self.var {
            into.push(Parameter {
                name: self.name.clone(),
                var: var.clone(),
                kind: self.kind,
                part: Part::Encoder,
            });
        }
    }
}

/// A linear layer: x W^T + b.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    pub(crate) weight: Param,
    pub(crate) bias: Param,
}

impl Dense {
    pub(crate) fn new(
        source: &mut dyn WeightSource,
        name: &str,
        inputs: usize,
        outputs: usize,
        trainable: bool,
    ) -> Result<Self> {
        Ok(Self {
            weight: Param::new(
                source,
                format!("{name}.weight"),
                &[outputs, inputs],
                ParameterKind::Weight,
                trainable,
            )?,
            bias: Param::new(
                source,
                format!("{name}.bias"),
                &[outputs],
                ParameterKind::NoDecay,
                trainable,
            )?,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor, track: bool) -> candle_core::Result<Tensor> {
        l0gm_ops::linear(x, &self.weight.read(track), Some(&self.bias.read(track)))
    }

    pub(crate) fn params(&self) -> [&Param; 2] {
        [&self.weight, &self.bias]
    }
}

/// Layer normalisation.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    weight: Param,
    bias: Param,
    epsilon: f64,
}

impl Norm {
    pub(crate) fn new(
        source: &mut dyn WeightSource,
        name: &str,
        dim: usize,
        epsilon: f64,
        trainable: bool,
    ) -> Result<Self> {
        let mut param = |suffix: &str| {
            Param::new(
                source,
                format!("{name}.{suffix}"),
                &[dim],
                ParameterKind::NoDecay,
                trainable,
            )
        };
        Ok(Self {
            weight: param("weight")?,
            bias: param("bias")?,
            epsilon,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor, track: bool) -> candle_core::Result<Tensor> {
        l0gm_ops::layer_norm(
            x,
            &self.weight.read(track),
            &self.bias.read(track),
            self.epsilon,
        )
    }

    pub(crate) fn params(&self) -> [&Param; 2] {
        [&self.weight, &self.bias]
    }
}

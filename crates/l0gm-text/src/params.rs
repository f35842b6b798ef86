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

    /// Whether there is a tensor with this name. A source that can make any tensor says yes.
    fn holds(&self, _name: &str) -> bool {
        true
    }
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

/// A linear layer: x W^T + b, or without the bias.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    pub(crate) weight: Param,
    pub(crate) bias: Option<Param>,
}

impl Dense {
    pub(crate) fn new(
        source: &mut dyn WeightSource,
        name: &str,
        inputs: usize,
        outputs: usize,
        trainable: bool,
    ) -> Result<Self> {
        let mut dense = Self::without_bias(source, name, inputs, outputs, trainable)?;
        dense.bias = Some(Param::new(
            source,
            format!("{name}.bias"),
            &[outputs],
            ParameterKind::NoDecay,
            trainable,
        )?);
        Ok(dense)
    }

    pub(crate) fn without_bias(
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
            bias: None,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor, track: bool) -> candle_core::Result<Tensor> {
        let bias = self.bias.as_ref().map(|bias| bias.read(track));
        l0gm_ops::linear(x, &self.weight.read(track), bias.as_ref())
    }

    pub(crate) fn params(&self) -> impl Iterator<Item = &Param> {
        std::iter::once(&self.weight).chain(&self.bias)
    }
}

/// Layer normalisation, which may be without a bias.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    weight: Param,
    bias: Option<Param>,
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
        let mut norm = Self::without_bias(source, name, dim, epsilon, trainable)?;
        norm.bias = Some(Param::new(
            source,
            format!("{name}.bias"),
            &[dim],
            ParameterKind::NoDecay,
            trainable,
        )?);
        Ok(norm)
    }

    pub(crate) fn without_bias(
        source: &mut dyn WeightSource,
        name: &str,
        dim: usize,
        epsilon: f64,
        trainable: bool,
    ) -> Result<Self> {
        Ok(Self {
            weight: Param::new(
                source,
                format!("{name}.weight"),
                &[dim],
                ParameterKind::NoDecay,
                trainable,
            )?,
            bias: None,
            epsilon,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor, track: bool) -> candle_core::Result<Tensor> {
        let weight = self.weight.read(track);
        let bias = match &self.bias {
            Some(bias) => bias.read(track),
            None => self.weight.read(false).zeros_like()?,
        };
        l0gm_ops::layer_norm(x, &weight, &bias, self.epsilon)
    }

    pub(crate) fn params(&self) -> impl Iterator<Item = &Param> {
        std::iter::once(&self.weight).chain(&self.bias)
    }
}

//! The deep branch: hidden layers with ReLU and dropout, and an output layer.
//!
//! With several members it is a parameter-efficient ensemble (TabM-mini, arXiv:2410.24210): each member scales the
//! gated embeddings by a vector of its own, all members share the hidden layers, and each has an output layer of its
//! own. One gate stands before all of them.

use crate::settings::ModelSettings;
use candle_core::{DType, Device, Result, Tensor, Var};
use l0gm_ops::{Generator, Mode, add_bias, dropout, relu, reshape, scale_members, sum};
use l0gm_train::layers::Linear;
use l0gm_train::{Parameter, ParameterKind, Part};

/// Hidden layers and output layer.
#[derive(Clone, Debug)]
pub(crate) struct Deep {
    pub(crate) hidden: Vec<Linear>,
    pub(crate) output: Output,
    dropout: f64,
    input_dropout: f64,
}

/// The layers that a member has for itself.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// There is one member.
    Single(Linear),
    /// There are several.
    Members(Members),
}

/// What the members do not share.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    /// Factors on the input, (members, width).
    pub(crate) adapter: Var,
    /// Weights of the output layers, one tensor (members, units) for each output.
    pub(crate) weights: Vec<Var>,
    /// Biases of the output layers, (members * outputs,).
    pub(crate) bias: Var,
}

impl Deep {
    /// A new branch from `width` inputs. `None` if the settings have no hidden layers.
    pub(crate) fn new(
        width: usize,
        outputs: usize,
        settings: &ModelSettings,
        stream: &mut Generator,
        device: &Device,
    ) -> Result<Option<Self>> {
        if settings.deep.is_empty() {
            return Ok(None);
        }
        let mut inputs = width;
        let mut hidden = Vec::new();
        for (layer, &units) in settings.deep.iter().enumerate() {
            let name = format!("deep.{layer}");
            hidden.push(Linear::new(
                &name,
                Part::Head,
                inputs,
                units,
                true,
                stream,
                device,
            )?);
            inputs = units;
        }
        let output = match settings.members {
            1 => Output::Single(Linear::new(
                "deep.output",
                Part::Head,
                inputs,
                outputs,
                false,
                stream,
                device,
            )?),
            members => Output::Members(Members::new(
                members,
                (width, inputs, outputs),
                stream,
                device,
            )?),
        };
        Ok(Some(Self {
            hidden,
            output,
            dropout: settings.dropout,
            input_dropout: settings.embedding_dropout,
        }))
    }

    /// From (rows, width) to (rows, outputs), or to (rows, members, outputs) with several members.
    pub(crate) fn forward(&self, flat: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let mut x = flat.clone();
        if self.input_dropout > 0.0 {
            x = dropout(&x, self.input_dropout, &mut mode.reborrow())?;
        }
        if let Output::Members(members) = &self.output {
            x = members.inputs(&x)?; // (rows * members, width)
        }
        for layer in &self.hidden {
            x = relu(&layer.forward(&x)?)?; // xᵏ⁺¹ = relu(W xᵏ + b)
            if self.dropout > 0.0 {
                x = dropout(&x, self.dropout, &mut mode.reborrow())?;
            }
        }
        match &self.output {
            Output::Single(linear) => linear.forward(&x),
            Output::Members(members) => members.outputs(&x),
        }
    }

    /// Number of members, at least 1.
    pub(crate) fn members(&self) -> usize {
        match &self.output {
            Output::Single(_) => 1,
            Output::Members(members) => members.adapter.dims()[0],
        }
    }

    /// Multiplies the weights of the output layer.
    pub(crate) fn scale_output(&self, factor: f64) -> Result<()> {
        let weights: Vec<&Var> = match &self.output {
            Output::Single(linear) => vec![linear.weight()],
            Output::Members(members) => members.weights.iter().collect(),
        };
        for weight in weights {
            weight.set(&(weight.as_tensor() * factor)?)?;
        }
        Ok(())
    }

    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        let mut all: Vec<Parameter> = self.hidden.iter().flat_map(Linear::parameters).collect();
        match &self.output {
            Output::Single(linear) => all.extend(linear.parameters()),
            Output::Members(members) => all.extend(members.parameters()),
        }
        all
    }
}

impl Members {
    /// Factors drawn from the standard normal distribution, and output layers as PyTorch initialises them.
    fn new(
        members: usize,
        (width, units, outputs): (usize, usize, usize),
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self> {
        let f32 = DType::F32;
        let adapter = generator.normal_tensor((members, width), 0.0, 1.0, f32, device)?;
        let bound = 1.0 / (units.max(1) as f64).sqrt();
        let weights = (0..outputs)
            .map(|_| {
                let shape = (members, units);
                Var::from_tensor(&generator.uniform_tensor(shape, -bound, bound, f32, device)?)
            })
            .collect::<Result<_>>()?;
        let bias = generator.uniform_tensor(members * outputs, -bound, bound, f32, device)?;
        Ok(Self {
            adapter: Var::from_tensor(&adapter)?,
            weights,
            bias: Var::from_tensor(&bias)?,
        })
    }

    /// From (rows, width) to each member's own input, (rows * members, width).
    fn inputs(&self, x: &Tensor) -> Result<Tensor> {
        let scaled = scale_members(x, self.adapter.as_tensor())?;
        let (rows, members, width) = scaled.dims3()?;
        reshape(&scaled, (rows * members, width))
    }

    /// From the last hidden layer, (rows * members, units), to (rows, members, outputs).
    fn outputs(&self, x: &Tensor) -> Result<Tensor> {
        let weights = self.weights.iter().map(Var::as_tensor);
        outputs_of_members(x, weights, self.bias.as_tensor())
    }

    fn parameters(&self) -> Vec<Parameter> {
        let parameter = |name: String, var: &Var, kind| Parameter {
            name,
            var: var.clone(),
            kind,
            part: Part::Head,
        };
        let mut all = vec![parameter(
            "deep.adapter".into(),
            &self.adapter,
            ParameterKind::NoDecay,
        )];
        for (output, weight) in self.weights.iter().enumerate() {
            let name = format!("deep.output.{output}");
            all.push(parameter(name, weight, ParameterKind::Weight));
        }
        let bias = "deep.output.bias".into();
        all.push(parameter(bias, &self.bias, ParameterKind::NoDecay));
        all
    }
}

/// Each member's own output layer: from (rows * members, units) to (rows, members, outputs). `weights` has a tensor
/// (members, units) for each output; `bias` is (members * outputs,).
pub(crate) fn outputs_of_members<'a>(
    x: &Tensor,
    weights: impl ExactSizeIterator<Item = &'a Tensor>,
    bias: &Tensor,
) -> Result<Tensor> {
    let (all, units) = x.dims2()?;
    let outputs = weights.len();
    let members = bias.elem_count() / outputs;
    let rows = all / members;
    let x = reshape(x, (rows, members, units))?;
    let mut columns = Vec::with_capacity(outputs);
    for weight in weights {
        let column = sum(&scale_members(&x, weight)?, 2)?; // (rows, members)
        columns.push(reshape(&column, (rows, members, 1))?);
    }
    let joined = match columns.as_slice() {
        [one] => one.clone(),
        columns => Tensor::cat(columns, 2)?,
    };
    let flat = reshape(&joined, (rows, members * outputs))?;
    reshape(&add_bias(&flat, bias)?, (rows, members, outputs))
}

//! One round of message passing in training: a convolution with what the settings add to it.

use crate::Result;
use crate::convolution::Convolution;
use crate::input::DTYPE;
use crate::norm::{Norm, NormKind};
use crate::propagation::{Messages, Receivers};
use crate::settings::{EncoderKind, GcnSettings};
use candle_core::{Device, Tensor, Var};
use l0gm_ops::{Generator, Mode, add, relu};
use l0gm_train::{Parameter, ParameterKind, Part};

/// The place and the widths of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerShape {
    /// From 0.
    pub(crate) number: usize,
    pub(crate) inputs: usize,
    pub(crate) width: usize,
    pub(crate) norm: NormKind,
}

/// One round of message passing.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) name: String,
    pub(crate) convolution: Convolution,
    /// Wᵀ: (out, in), initialised Glorot-uniform as in Kipf and Welling's code.
    pub(crate) weight: Var,
    /// The weight for the node's own representation, (out, in), initialised like the other one.
    pub(crate) own: Option<Var>,
    /// Bias, (out,).
    pub(crate) bias: Var,
    pub(crate) norm: Option<Norm>,
    pub(crate) residual: bool,
}

/// A layer's weights as one pass uses them: with gates on the input folded in, if there are any.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    /// (out, in).
    weight: Tensor,
    /// (out, in), for the node's own representation.
    own: Option<Tensor>,
}

impl Layer {
    /// A layer initialised from `generator`.
    pub(crate) fn new(
        shape: LayerShape,
        kind: EncoderKind,
        settings: &GcnSettings,
        generator: &Generator,
        device: &Device,
    ) -> Result<Self> {
        let LayerShape {
            number,
            inputs,
            width,
            norm,
        } = shape;
        let bound = (6.0 / (inputs + width) as f64).sqrt();
        let weight = |stream: &str| -> Result<Var> {
            let mut own = generator.stream(stream, number as u64);
            let values = own.uniform_tensor((width, inputs), -bound, bound, DTYPE, device)?;
            Ok(Var::from_tensor(&values)?)
        };
        let of_kind = (settings.heads, width);
        Ok(Self {
            name: format!("encoder.{}.{number}", kind.name()),
            convolution: Convolution::new(kind, of_kind, number, generator, device)?,
            weight: weight("gcn")?,
            own: match kind.own_weight(settings.own_weight) {
                true => Some(weight("gcn.own")?),
                false => None,
            },
            bias: Var::zeros(width, DTYPE, device)?,
            norm: Norm::new(norm, width, device)?,
            residual: settings.residual && inputs == width,
        })
    }

    /// The weights as they are.
    pub(crate) fn weights(&self) -> Weights {
        Weights {
            weight: self.weight.as_tensor().clone(),
            own: self.own.as_ref().map(|own| own.as_tensor().clone()),
        }
    }

    /// The weights of a layer whose input is multiplied by z, the same for every node: H diag(z) Wᵀ = H (W diag(z))ᵀ. `gate`
    /// multiplies the rows of a (rows, in) tensor by one z.
    pub(crate) fn gated_weights<E: From<candle_core::Error>>(
        &self,
        gate: impl FnOnce(&Tensor) -> std::result::Result<Tensor, E>,
    ) -> std::result::Result<Weights, E> {
        let weight = self.weight.as_tensor();
        let Some(own) = &self.own else {
            return Ok(Weights {
                weight: gate(weight)?,
                own: None,
            });
        };
        let out = weight.dim(0)?;
        let both = gate(&Tensor::cat(&[weight, own.as_tensor()], 0)?)?;
        Ok(Weights {
            weight: both.narrow(0, 0, out)?.contiguous()?,
            own: Some(both.narrow(0, out, out)?.contiguous()?),
        })
    }

    /// Computes σ(norm(conv(H, W) + H V + b)) + H for the receivers: (receivers, out).
    pub(crate) fn forward(
        &self,
        h: &Messages,
        to: &Receivers<'_>,
        weights: &Weights,
        mode: &Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let convolution = &self.convolution;
        let out = convolution.forward(h, to, &weights.weight, &self.bias)?; // conv(H, W) + b
        let out = match &weights.own {
            Some(own) => add(&out, &h.own_times(to, own)?)?, // + H V
            None => out,
        };
        let out = match &self.norm {
            Some(norm) => norm.forward(&out, mode)?,
            None => out,
        };
        let out = relu(&out)?; // σ
        match self.residual {
            true => add(&out, &h.own(to)?),
            false => Ok(out),
        }
    }

    /// Floating-point operations for all nodes; a multiply-add counts as two. The first layer of all finds what it gathers
    /// computed already.
    pub(crate) fn flops(&self, nodes: usize, entries: usize, first: bool) -> u64 {
        let (out, inputs) = self.weight.dims2().unwrap_or_default();
        let product = nodes * inputs * out * (1 + usize::from(self.own.is_some()));
        let gathering = self.convolution.cost(nodes, entries, (out, inputs), first);
        2 * (product + gathering) as u64
    }

    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        let mut add = |name: &str, var: &Var, kind| {
            parameters.push(Parameter {
                name: format!("{}.{name}", self.name),
                var: var.clone(),
                kind,
                part: Part::Encoder,
            });
        };
        add("weight", &self.weight, ParameterKind::Weight);
        if let Some(own) = &self.own {
            add("own", own, ParameterKind::Weight);
        }
        for (name, var) in self.convolution.parameters() {
            add(name, var, ParameterKind::Weight);
        }
        add("bias", &self.bias, ParameterKind::NoDecay);
        for (name, var, kind) in self.norm.iter().flat_map(Norm::parameters) {
            add(name, var, kind);
        }
        parameters
    }
}

//! One round of message passing in training: eq. 2 with what the settings add to it.

use crate::Result;
use crate::input::DTYPE;
use crate::propagation::{Messages, Receivers};
use crate::settings::GcnSettings;
use candle_core::{Device, Tensor, Var};
use l0gm_ops::{Generator, add, layer_norm, relu};
use l0gm_train::{Parameter, ParameterKind, Part};

/// Added to the variance in layer normalisation.
pub(crate) const EPSILON: f64 = 1e-5;

/// The place and the widths of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerShape {
    /// From 0.
    pub(crate) number: usize,
    pub(crate) inputs: usize,
    pub(crate) width: usize,
    /// Whether the layer normalises its channels.
    pub(crate) norm: bool,
}

/// One round of message passing.
#[derive(Clone, Debug)]
pub(crate) struct GcnLayer {
    pub(crate) name: String,
    /// Wᵀ: (out, in), initialised Glorot-uniform as in Kipf and Welling's code.
    pub(crate) weight: Var,
    /// The weight for the node's own representation, (out, in), initialised like the other one.
    pub(crate) own: Option<Var>,
    /// Bias, (out,).
    pub(crate) bias: Var,
    /// Scale and shift of the normalisation over channels, (out,) each.
    pub(crate) norm: Option<(Var, Var)>,
    pub(crate) residual: bool,
}

impl GcnLayer {
    /// A layer initialised from `generator`.
    pub(crate) fn new(
        shape: LayerShape,
        settings: &GcnSettings,
        generator: &Generator,
        device: &Device,
    ) -> Result<Self> {
        let LayerShape {
            number,
            inputs,
            width,
            ..
        } = shape;
        let bound = (6.0 / (inputs + width) as f64).sqrt();
        let weight = |stream: &str| -> Result<Var> {
            let mut own = generator.stream(stream, number as u64);
            let values = own.uniform_tensor((width, inputs), -bound, bound, DTYPE, device)?;
            Ok(Var::from_tensor(&values)?)
        };
        Ok(Self {
            name: format!("encoder.gcn.{number}"),
            weight: weight("gcn")?,
            own: match settings.own_weight {
                true => Some(weight("gcn.own")?),
                false => None,
            },
            bias: Var::zeros(width, DTYPE, device)?,
            norm: match shape.norm {
                true => Some((
                    Var::ones(width, DTYPE, device)?,
                    Var::zeros(width, DTYPE, device)?,
                )),
                false => None,
            },
            residual: settings.residual && inputs == width,
        })
    }

    /// Computes σ(norm(Â H W + H V + b)) + H for the receivers: (receivers, out).
    pub(crate) fn forward(&self, h: &Messages, to: &Receivers<'_>) -> candle_core::Result<Tensor> {
        let out = h.convolve(to, &self.weight, &self.bias)?; // Â H W + b
        let out = match &self.own {
            Some(own) => add(&out, &h.own_times(to, own)?)?, // + H V
            None => out,
        };
        let out = match &self.norm {
            Some((scale, shift)) => layer_norm(&out, scale, shift, EPSILON)?,
            None => out,
        };
        let out = relu(&out)?; // σ
        match self.residual {
            true => add(&out, &h.own(to)?),
            false => Ok(out),
        }
    }

    /// Floating-point operations for all nodes; a multiply-add counts as two. The first layer of all finds Â X computed
    /// already.
    pub(crate) fn flops(&self, nodes: usize, entries: usize, first: bool) -> u64 {
        let (out, inputs) = self.weight.dims2().unwrap_or_default();
        let product = nodes * inputs * out * (1 + usize::from(self.own.is_some()));
        let propagation = if first { 0 } else { entries * inputs.min(out) };
        2 * (product + propagation) as u64
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
        add("bias", &self.bias, ParameterKind::NoDecay);
        if let Some((scale, shift)) = &self.norm {
            add("norm.weight", scale, ParameterKind::NoDecay);
            add("norm.bias", shift, ParameterKind::NoDecay);
        }
        parameters
    }
}

//! One layer of a compact GCN: the weights of a trained layer without the channels that the gate closed. It differs
//! from [`GcnLayer`], which trains eq. 2, in its normalisation: the mean and variance over dropped channels are
//! computed from the layer's input ([`Spread`]).

use super::spread::{Spread, separate};
use crate::layer::{EPSILON, GcnLayer};
use crate::propagation::{Messages, Receivers};
use candle_core::{Result, Tensor, Var};
use l0gm_gate::{LinearLayer, compact_linear};
use l0gm_ops::{add, add_bias, layer_norm, linear, relu};

/// One layer of message passing, for inference.
#[derive(Clone, Debug)]
pub(super) struct CompactLayer {
    /// Weight, (out, in); centred and scaled if the layer has a spread.
    pub(super) weight: Tensor,
    /// The weight for the node's own representation, (out, in), if the layer has one.
    pub(super) own: Option<Tensor>,
    /// Bias, (out,).
    pub(super) bias: Tensor,
    pub(super) norm: CompactNorm,
    pub(super) residual: bool,
    /// The channels of the residual's input that are kept; `None` if all are.
    pub(super) kept: Option<Tensor>,
}

/// Normalisation over a layer's channels.
#[derive(Clone, Debug)]
pub(super) enum CompactNorm {
    /// No normalisation.
    None,
    /// Normalisation over the channels that are present. Scale and shift are (out,) each.
    Layer { scale: Tensor, shift: Tensor },
    /// Normalisation over the original channels, computed from the layer's input. The shift is (out,).
    Spread { spread: Spread, shift: Tensor },
}

/// The last layer and the classifier behind it, after they were shrunk together.
pub(super) struct Shrunk {
    pub(super) layer: CompactLayer,
    pub(super) classifier: LinearLayer,
    /// The interface's channels that are kept.
    pub(super) kept: Vec<u32>,
}

impl CompactLayer {
    /// A trained layer with all of its channels.
    pub(super) fn whole(layer: &GcnLayer) -> Result<Self> {
        let norm = match &layer.norm {
            None => CompactNorm::None,
            Some((scale, shift)) => CompactNorm::Layer {
                scale: own(scale)?,
                shift: own(shift)?,
            },
        };
        Ok(Self {
            weight: own(&layer.weight)?,
            own: layer.own.as_ref().map(own).transpose()?,
            bias: own(&layer.bias)?,
            norm,
            residual: layer.residual,
            kept: None,
        })
    }

    /// Folds `z` into the classifier's columns and drops the last layer's closed channels if that makes it faster.
    /// Without a normalisation they are always dropped. With one, the mean and variance over all channels are still
    /// needed: if few channels are kept, both come from the layer's input; if many are kept, or the layer has a second
    /// weight, that would cost more than it saves, so every channel stays.
    pub(super) fn shrunk(
        last: &GcnLayer,
        z: &[f32],
        classifier: &LinearLayer,
    ) -> crate::Result<Shrunk> {
        let whole = Self::whole(last)?;
        let before = LinearLayer {
            weight: whole.weight.clone(),
            bias: Some(whole.bias.clone()),
        };
        let open = z.iter().filter(|&&z| z != 0.0).count();
        let (channels, inputs) = whole.weight.dims2()?;
        match &whole.norm {
            CompactNorm::Layer { scale, shift }
                if open + inputs < channels && !whole.residual && whole.own.is_none() =>
            {
                let (separated, spread) = separate(&before, scale)?;
                let shift = shift.clone();
                let mut shrunk = whole.without_closed(&separated, z, classifier)?;
                let kept = Tensor::new(shrunk.kept.as_slice(), shift.device())?;
                shrunk.layer.norm = CompactNorm::Spread {
                    spread,
                    shift: shift.index_select(&kept, 0)?,
                };
                Ok(shrunk)
            }
            CompactNorm::None => whole.without_closed(&before, z, classifier),
            CompactNorm::Layer { .. } | CompactNorm::Spread { .. } => {
                let z = Tensor::new(z, classifier.weight.device())?;
                let weight = classifier
                    .weight
                    .broadcast_mul(&z.to_dtype(classifier.weight.dtype())?)?;
                Ok(Shrunk {
                    layer: whole,
                    classifier: LinearLayer {
                        weight,
                        bias: classifier.bias.clone(),
                    },
                    kept: (0..channels as u32).collect(),
                })
            }
        }
    }

    /// The layer without its closed channels; `before` is its linear part.
    fn without_closed(
        self,
        before: &LinearLayer,
        z: &[f32],
        classifier: &LinearLayer,
    ) -> crate::Result<Shrunk> {
        let (before, classifier, kept) = compact_linear(Some(before), z, classifier)?;
        let mut layer = self;
        let indices = Tensor::new(kept.as_slice(), layer.weight.device())?;
        if let Some(own) = &layer.own {
            layer.own = Some(own.index_select(&indices, 0)?);
        }
        layer.kept = Some(indices);
        if let Some(before) = before {
            layer.weight = before.weight;
            if let Some(bias) = before.bias {
                layer.bias = bias;
            }
        }
        Ok(Shrunk {
            layer,
            classifier,
            kept,
        })
    }

    /// Computes the layer for the receivers: (receivers, out).
    pub(super) fn forward(&self, h: &Messages, to: &Receivers<'_>) -> Result<Tensor> {
        let out = match &self.norm {
            CompactNorm::Spread { spread, shift } => {
                let aggregated = h.aggregate(to)?; // Â H
                let deviation = (spread.variance(&aggregated)? + EPSILON)?.sqrt()?; // (receivers, 1)
                let out = linear(&aggregated, &self.weight, Some(&self.bias))?;
                add_bias(&out.broadcast_div(&deviation)?, shift)?
            }
            CompactNorm::Layer { scale, shift } => {
                layer_norm(&self.combined(h, to)?, scale, shift, EPSILON)?
            }
            CompactNorm::None => self.combined(h, to)?,
        };
        let out = relu(&out)?;
        match (self.residual, &self.kept) {
            (false, _) => Ok(out),
            (true, None) => add(&out, &h.own(to)?),
            (true, Some(kept)) => out + h.own(to)?.index_select(kept, 1)?,
        }
    }

    /// Â H W + H V + b for the receivers.
    fn combined(&self, h: &Messages, to: &Receivers<'_>) -> Result<Tensor> {
        let out = h.convolve(to, &self.weight, &self.bias)?;
        match &self.own {
            Some(own) => add(&out, &h.own_times(to, own)?),
            None => Ok(out),
        }
    }

    /// Number of stored values.
    pub(super) fn parameters(&self) -> usize {
        let norm = match &self.norm {
            CompactNorm::None => 0,
            CompactNorm::Layer { scale, shift } => scale.elem_count() + shift.elem_count(),
            CompactNorm::Spread { spread, shift } => spread.parameters() + shift.elem_count(),
        };
        let own = self.own.as_ref().map_or(0, Tensor::elem_count);
        self.weight.elem_count() + own + self.bias.elem_count() + norm
    }

    /// Floating-point operations of a pass over a graph; a multiply-add counts as two. `given` means that Â H has
    /// been computed already.
    pub(super) fn flops(&self, nodes: usize, entries: usize, given: bool) -> u64 {
        let (out, inputs) = self.weight.dims2().unwrap_or_default();
        // A layer with a spread also multiplies by the deviation's factor, and its sparse product is on the inputs.
        let (rows, wide) = match &self.norm {
            CompactNorm::Spread { .. } => (out + inputs, inputs),
            _ => (out, inputs.min(out)),
        };
        let rows = rows + if self.own.is_some() { out } else { 0 };
        let propagation = if given { 0 } else { entries * wide };
        2 * (nodes * inputs * rows + propagation) as u64
    }
}

/// A copy without gradients, so that a compact model shares no memory with the trained one.
fn own(var: &Var) -> Result<Tensor> {
    var.as_detached_tensor().copy()
}

//! One layer of a compact network: the weights of a trained layer without the channels that gates closed, before it and
//! behind it. It differs from [`Layer`], which trains, in its normalisation: that over nodes is part of the weights,
//! and the mean and variance over dropped channels are computed from the layer's input ([`Spread`]).

use super::convolution::CompactConvolution;
use super::spread::{Spread, separate};
use crate::gathering::Gathering;
use crate::layer::Layer;
use crate::norm::{EPSILON, Norm};
use crate::propagation::{Messages, Receivers};
use candle_core::{Result, Tensor, Var};
use l0gm_gate::LinearLayer;
use l0gm_ops::{add, add_bias, layer_norm, linear, relu};

/// One layer of message passing, for inference.
#[derive(Clone, Debug)]
pub(crate) struct CompactLayer {
    pub(super) convolution: CompactConvolution,
    /// Weight, (out, in); centred and scaled if the layer has a spread.
    pub(crate) weight: Tensor,
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

impl CompactLayer {
    /// A trained layer with all of its channels.
    pub(super) fn whole(layer: &Layer) -> Result<Self> {
        let weight = own(&layer.weight)?;
        let mut whole = Self {
            convolution: CompactConvolution::of(&layer.convolution, &weight)?,
            weight,
            own: layer.own.as_ref().map(own).transpose()?,
            bias: own(&layer.bias)?,
            norm: CompactNorm::None,
            residual: layer.residual,
            kept: None,
        };
        match &layer.norm {
            None => {}
            Some(Norm::Layer { scale, shift }) => {
                whole.norm = CompactNorm::Layer {
                    scale: own(scale)?,
                    shift: own(shift)?,
                };
            }
            Some(norm @ Norm::Batch { .. }) => {
                let (factor, offset) = norm.affine()?;
                let column = factor.unsqueeze(1)?;
                whole.weight = whole.weight.broadcast_mul(&column)?;
                if let Some(own) = &mut whole.own {
                    *own = own.broadcast_mul(&column)?;
                }
                whole.bias = ((whole.bias * factor)? + offset)?;
            }
        }
        Ok(whole)
    }

    /// The same layer for an input that has only the channels `kept`, and is not multiplied by `z`, (all channels,), any
    /// more. A residual connection could not take z.
    pub(super) fn reading(mut self, kept: &[u32], z: &[f32]) -> Result<Self> {
        let device = self.weight.device();
        let factors: Vec<f32> = kept.iter().map(|&at| z[at as usize]).collect();
        let factors = Tensor::new(factors, device)?.unsqueeze(0)?;
        let kept = Tensor::new(kept, device)?;
        let columns = |weight: &Tensor| -> Result<Tensor> {
            let some = weight.index_select(&kept, 1)?;
            some.broadcast_mul(&factors.to_dtype(weight.dtype())?)
        };
        self.convolution = self.convolution.reading(columns)?;
        self.weight = columns(&self.weight)?;
        self.own = self.own.as_ref().map(columns).transpose()?;
        Ok(self)
    }

    /// Drops the channels that are closed in `z` if that makes the layer faster, and returns the channels that stay.
    /// Without a normalisation over channels they are always dropped. With one, the mean and variance over all
    /// channels are still needed: if few channels are kept, both come from the layer's input; if many are kept, or the
    /// layer has a second weight or attention, that would cost more than it saves, so every channel stays.
    pub(super) fn shrunk(self, z: &[f32]) -> crate::Result<(Self, Vec<u32>)> {
        let open = open_channels(z);
        let (channels, inputs) = self.weight.dims2()?;
        if open.len() == channels {
            return Ok((self, open));
        }
        match &self.norm {
            CompactNorm::None => Ok((self.with_rows(&open)?, open)),
            CompactNorm::Layer { scale, shift }
                if open.len() + inputs < channels
                    && !self.residual
                    && self.own.is_none()
                    && self.convolution.gathering().is_some() =>
            {
                let before = LinearLayer {
                    weight: self.weight.clone(),
                    bias: Some(self.bias.clone()),
                };
                let (separated, spread) = separate(&before, scale)?;
                let kept = Tensor::new(open.as_slice(), shift.device())?;
                let shift = shift.index_select(&kept, 0)?;
                let bias = separated.bias.unwrap_or_else(|| self.bias.clone());
                let whole = Self {
                    weight: separated.weight,
                    bias,
                    norm: CompactNorm::None,
                    ..self
                };
                let mut small = whole.with_rows(&open)?;
                small.norm = CompactNorm::Spread { spread, shift };
                Ok((small, open))
            }
            CompactNorm::Layer { .. } | CompactNorm::Spread { .. } => {
                Ok((self, (0..channels as u32).collect()))
            }
        }
    }

    /// The layer with these of its channels alone. It has no normalisation over channels.
    fn with_rows(mut self, kept: &[u32]) -> Result<Self> {
        let rows = Tensor::new(kept, self.weight.device())?;
        self.convolution = self.convolution.with_rows(kept)?;
        self.weight = self.weight.index_select(&rows, 0)?;
        if let Some(own) = &mut self.own {
            *own = own.index_select(&rows, 0)?;
        }
        self.bias = self.bias.index_select(&rows, 0)?;
        self.kept = self.residual.then_some(rows);
        Ok(self)
    }

    /// Computes the layer for the receivers: (receivers, out).
    pub(super) fn forward(&self, h: &Messages, to: &Receivers<'_>) -> Result<Tensor> {
        let out = match (&self.norm, self.convolution.gathering()) {
            (CompactNorm::Spread { spread, shift }, Some(by)) => {
                let h = h.written_out(self.weight.dim(1)?, self.weight.device())?;
                let gathered = h.gather(by, to)?; // such as Â H
                let deviation = (spread.variance(&gathered)? + EPSILON)?.sqrt()?; // (receivers, 1)
                let out = linear(&gathered, &self.weight, Some(&self.bias))?;
                add_bias(&out.broadcast_div(&deviation)?, shift)?
            }
            (CompactNorm::Spread { .. }, None) => {
                candle_core::bail!("a layer with attention cannot have a spread")
            }
            (CompactNorm::Layer { scale, shift }, _) => {
                layer_norm(&self.combined(h, to)?, scale, shift, EPSILON)?
            }
            (CompactNorm::None, _) => self.combined(h, to)?,
        };
        let out = relu(&out)?;
        match (self.residual, &self.kept) {
            (false, _) => Ok(out),
            (true, None) => add(&out, &h.own(to)?),
            (true, Some(kept)) => out + h.own(to)?.index_select(kept, 1)?,
        }
    }

    /// conv(H, W) + H V + b for the receivers.
    fn combined(&self, h: &Messages, to: &Receivers<'_>) -> Result<Tensor> {
        let out = self.convolution.forward(h, to, &self.weight, &self.bias)?;
        match &self.own {
            Some(own) => add(&out, &h.own_times(to, own)?),
            None => Ok(out),
        }
    }

    /// What the layer gathers of its input before its weight is applied; `None` for attention.
    pub(super) fn gathering(&self) -> Option<Gathering> {
        self.convolution.gathering()
    }

    /// Number of stored values.
    pub(super) fn parameters(&self) -> usize {
        let norm = match &self.norm {
            CompactNorm::None => 0,
            CompactNorm::Layer { scale, shift } => scale.elem_count() + shift.elem_count(),
            CompactNorm::Spread { spread, shift } => spread.parameters() + shift.elem_count(),
        };
        let own = self.own.as_ref().map_or(0, Tensor::elem_count);
        let attention = self.convolution.parameters();
        self.weight.elem_count() + own + attention + self.bias.elem_count() + norm
    }

    /// Floating-point operations of a pass over a graph; a multiply-add counts as two. `given` means that what the layer
    /// gathers has been computed already.
    pub(super) fn flops(&self, nodes: usize, entries: usize, given: bool) -> u64 {
        let (out, inputs) = self.weight.dims2().unwrap_or_default();
        // A layer with a spread also multiplies by the deviation's factor, and its sparse product is on the inputs.
        let (rows, wide) = match &self.norm {
            CompactNorm::Spread { .. } => (out + inputs, inputs),
            _ => (out, out),
        };
        let rows = rows + if self.own.is_some() { out } else { 0 };
        let gathering = self.convolution.cost(nodes, entries, (wide, inputs), given);
        2 * (nodes * inputs * rows + gathering) as u64
    }
}

/// The channels that z leaves open, or the first one if it leaves none: a product needs at least one column, which z
/// then makes 0.
pub(super) fn open_channels(z: &[f32]) -> Vec<u32> {
    let open = (0u32..).zip(z).filter(|(_, z)| **z != 0.0);
    let open: Vec<u32> = open.map(|(at, _)| at).collect();
    match open.is_empty() {
        true => vec![0],
        false => open,
    }
}

/// A copy without gradients, so that a compact model shares no memory with the trained one.
fn own(var: &Var) -> Result<Tensor> {
    var.as_detached_tensor().copy()
}

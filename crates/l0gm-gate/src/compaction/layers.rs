//! Compaction of candle-nn's own layers on both sides of a gate: linear layers, convolutions, and batch
//! normalisation between a convolution and the gate.
//!
//! A closed channel is exactly 0 at every position, so it adds exactly 0 to whatever the next layer computes, at the
//! padded border too. Dropping it changes nothing but the order of sums. The z of an open channel is one number for
//! all positions, so it can be multiplied into the next layer's weights.

use super::{check_z, own, scale, select};
use crate::{Error, Result};
use candle_core::Tensor;
use candle_nn::{BatchNorm, Conv1d, Conv2d, Linear};

/// A layer that can give up some of its output channels.
pub trait KeepOutputs: Sized {
    /// Number of output channels; `None` if any number is fine.
    fn outputs(&self) -> Result<Option<usize>>;

    /// The layer with these output channels only, in this order.
    ///
    /// # Errors
    /// The layer's parameters do not fit each other, or it mixes channels in groups.
    fn keep_outputs(&self, kept: &[u32]) -> Result<Self>;
}

/// A layer that can give up some of its input channels, and multiply the others with a number.
pub trait FoldInputs: Sized {
    /// Number of input channels.
    fn inputs(&self) -> Result<usize>;

    /// The layer with these input channels only. Input `kept[i]` is multiplied with `z[i]`, and then the layer is
    /// applied.
    ///
    /// # Errors
    /// The layer mixes channels in groups.
    fn fold_inputs(&self, kept: &[u32], z: &[f32]) -> Result<Self>;
}

/// The result of [`compact`].
#[derive(Clone, Debug)]
pub struct Compact<B, A> {
    /// What makes the channels, with the kept ones only.
    pub before: B,
    /// What reads the channels, with the kept ones only and with z multiplied in.
    pub after: A,
    /// The kept channels, in ascending order.
    pub kept: Vec<u32>,
}

/// Builds smaller layers around a gate with this deterministic z ([`Gate::deterministic`](crate::Gate::deterministic)),
/// one number per channel. `before` followed by the gate and `after` gives the same outputs as the two results without
/// a gate.
///
/// `before` is a [`Linear`], [`Conv1d`] or [`Conv2d`], a pair such as `(convolution, batch_norm)` that is applied in
/// this order, or `()` if what makes the channels stays as it is; then select the kept channels before `after`.
/// `after` is a [`Linear`], [`Conv1d`], [`Conv2d`] or, where channels are flattened first, a [`Flattened`] layer.
///
/// Between `before` and the gate there may be anything that treats every channel by itself: an activation, pooling, and
/// batch normalisation, which then belongs into `before`. A LayerNorm mixes channels. Between the gate and `after` there
/// may be pooling, a ReLU, a mean over positions and flattening. What adds a constant to a channel, as a normalisation
/// does, must stand before the gate.
///
/// If every gate is closed, the first channel stays, with weights 0 in `after`, because candle's layers cannot compute
/// without an input.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use candle_nn::{Conv2d, Conv2dConfig};
/// use l0gm_gate::{Generator, compact};
///
/// let mut generator = Generator::new(0);
/// let mut draw = |shape| generator.normal_tensor(shape, 0.0, 1.0, DType::F32, &Device::Cpu);
/// let padded = Conv2dConfig { padding: 1, ..Conv2dConfig::default() };
/// let first = Conv2d::new(draw((4, 3, 3, 3))?, None, padded);
/// let second = Conv2d::new(draw((5, 4, 3, 3))?, None, padded);
/// let x = draw((2, 3, 8, 8))?;
///
/// let small = compact(&first, &[1.0, 0.0, 0.5, 0.0], &second)?;
/// assert_eq!(small.kept, [0, 2]);
/// assert_eq!(small.before.weight().dims(), [2, 3, 3, 3]);
/// assert_eq!(small.after.weight().dims(), [5, 2, 3, 3]);
/// let y = small.after.forward(&small.before.forward(&x)?.relu()?)?;
/// assert_eq!(y.dims(), [2, 5, 8, 8]);
/// # Ok::<(), l0gm_gate::Error>(())
/// ```
///
/// # Errors
/// z does not fit the layers, or is not finite and in [0, 1]; a layer mixes channels in groups.
pub fn compact<B: KeepOutputs, A: FoldInputs>(
    before: &B,
    z: &[f32],
    after: &A,
) -> Result<Compact<B, A>> {
    check_z(z)?;
    for (which, ends, found) in [
        ("before", "outputs", before.outputs()?),
        ("after", "inputs", Some(after.inputs()?)),
    ] {
        if let Some(found) = found.filter(|&found| found != z.len()) {
            return Err(Error::input(format!(
                "the layer {which} the gate has {found} {ends}, but z has {} values: one for each channel is needed",
                z.len()
            )));
        }
    }
    let mut kept: Vec<u32> = (0..z.len() as u32)
        .filter(|&channel| z[channel as usize] != 0.0)
        .collect();
    if kept.is_empty() && !z.is_empty() {
        kept.push(0);
    }
    let open: Vec<f32> = kept.iter().map(|&channel| z[channel as usize]).collect();
    Ok(Compact {
        before: before.keep_outputs(&kept)?,
        after: after.fold_inputs(&kept, &open)?,
        kept,
    })
}

/// A linear layer that reads flattened channels: each channel is as many of its inputs as there are positions.
#[derive(Clone, Debug)]
pub struct Flattened {
    /// The layer.
    pub layer: Linear,
    /// Number of positions: height times width, or the length.
    pub positions: usize,
    /// Whether the flattened shape is (length, channels) and not (channels, height, width).
    pub channels_last: bool,
}

impl Flattened {
    /// The inputs of the layer that belong to these channels, each with its channel's place in `kept`.
    fn places(&self, kept: &[u32], channels: usize) -> (Vec<u32>, Vec<usize>) {
        let (positions, channels) = (self.positions as u32, channels as u32);
        let each = kept.iter().enumerate();
        if self.channels_last {
            return (0..positions)
                .flat_map(|position| {
                    let each = each.clone();
                    each.map(move |(place, channel)| (position * channels + channel, place))
                })
                .unzip();
        }
        each.flat_map(|(place, channel)| {
            (0..positions).map(move |position| (channel * positions + position, place))
        })
        .unzip()
    }
}

impl FoldInputs for Flattened {
    fn inputs(&self) -> Result<usize> {
        let width = self.layer.inputs()?;
        if self.positions == 0 || !width.is_multiple_of(self.positions) {
            return Err(Error::input(format!(
                "the flattened layer has {width} inputs, which are not the same number at each of {} positions",
                self.positions
            )));
        }
        Ok(width / self.positions)
    }

    fn fold_inputs(&self, kept: &[u32], z: &[f32]) -> Result<Self> {
        let (inputs, places) = self.places(kept, self.inputs()?);
        let z: Vec<f32> = places.into_iter().map(|place| z[place]).collect();
        Ok(Self {
            layer: self.layer.fold_inputs(&inputs, &z)?,
            ..self.clone()
        })
    }
}

impl FoldInputs for Linear {
    fn inputs(&self) -> Result<usize> {
        Ok(self.weight().dims2()?.1)
    }

    fn fold_inputs(&self, kept: &[u32], z: &[f32]) -> Result<Self> {
        let weight = scale(&select(self.weight(), 1, kept)?, z)?;
        Ok(Linear::new(weight, self.bias().map(own).transpose()?))
    }
}

impl KeepOutputs for Linear {
    fn outputs(&self) -> Result<Option<usize>> {
        outputs("linear", self.weight(), self.bias())
    }

    fn keep_outputs(&self, kept: &[u32]) -> Result<Self> {
        let bias = self.bias().map(|bias| select(bias, 0, kept)).transpose()?;
        Ok(Linear::new(select(self.weight(), 0, kept)?, bias))
    }
}

/// The two traits for a kind of convolution. They differ in nothing but the name.
macro_rules! convolution {
    ($layer:ident) => {
        impl FoldInputs for $layer {
            fn inputs(&self) -> Result<usize> {
                ungrouped(self.config().groups)?;
                Ok(self.weight().dim(1)?)
            }

            fn fold_inputs(&self, kept: &[u32], z: &[f32]) -> Result<Self> {
                ungrouped(self.config().groups)?;
                let weight = scale(&select(self.weight(), 1, kept)?, z)?;
                let bias = self.bias().map(own).transpose()?;
                Ok($layer::new(weight, bias, *self.config()))
            }
        }

        impl KeepOutputs for $layer {
            fn outputs(&self) -> Result<Option<usize>> {
                ungrouped(self.config().groups)?;
                outputs("convolution", self.weight(), self.bias())
            }

            fn keep_outputs(&self, kept: &[u32]) -> Result<Self> {
                ungrouped(self.config().groups)?;
                let bias = self.bias().map(|bias| select(bias, 0, kept)).transpose()?;
                let weight = select(self.weight(), 0, kept)?;
                Ok($layer::new(weight, bias, *self.config()))
            }
        }
    };
}
convolution!(Conv1d);
convolution!(Conv2d);

/// Batch normalisation in evaluation mode is a scale and a shift of each channel.
impl KeepOutputs for BatchNorm {
    fn outputs(&self) -> Result<Option<usize>> {
        Ok(Some(self.running_mean().elem_count()))
    }

    fn keep_outputs(&self, kept: &[u32]) -> Result<Self> {
        let (mean, variance) = (
            select(self.running_mean(), 0, kept)?,
            select(self.running_var(), 0, kept)?,
        );
        let (eps, momentum) = (self.eps(), self.momentum());
        Ok(match self.weight_and_bias() {
            Some((weight, bias)) => BatchNorm::new_with_momentum(
                kept.len(),
                mean,
                variance,
                select(weight, 0, kept)?,
                select(bias, 0, kept)?,
                eps,
                momentum,
            )?,
            None => {
                BatchNorm::new_no_bias_with_momentum(kept.len(), mean, variance, eps, momentum)?
            }
        })
    }
}

/// One layer after the other, the second of which treats every channel by itself.
impl<First: KeepOutputs, Second: KeepOutputs> KeepOutputs for (First, Second) {
    fn outputs(&self) -> Result<Option<usize>> {
        match (self.0.outputs()?, self.1.outputs()?) {
            (Some(first), Some(second)) if first != second => Err(Error::input(format!(
                "the layers before the gate have {first} and {second} channels"
            ))),
            (first, second) => Ok(first.or(second)),
        }
    }

    fn keep_outputs(&self, kept: &[u32]) -> Result<Self> {
        Ok((self.0.keep_outputs(kept)?, self.1.keep_outputs(kept)?))
    }
}

/// What makes the channels stays as it is.
impl KeepOutputs for () {
    fn outputs(&self) -> Result<Option<usize>> {
        Ok(None)
    }

    fn keep_outputs(&self, _: &[u32]) -> Result<Self> {
        Ok(())
    }
}

/// The number of outputs, after checking that weight and bias fit each other.
fn outputs(layer: &str, weight: &Tensor, bias: Option<&Tensor>) -> Result<Option<usize>> {
    let outputs = weight.dim(0)?;
    match bias {
        Some(bias) if bias.dims() != [outputs] => Err(Error::input(format!(
            "the bias of the {layer} layer before the gate has shape {:?}, expected ({outputs},) for a weight of \
             shape {:?}",
            bias.dims(),
            weight.dims()
        ))),
        _ => Ok(Some(outputs)),
    }
}

/// Refuses a convolution in groups: a dropped channel would leave groups of different sizes.
fn ungrouped(groups: usize) -> Result<()> {
    match groups {
        1 => Ok(()),
        _ => Err(Error::input(format!(
            "a convolution next to a gate has {groups} groups; only one of 1 group can lose single channels"
        ))),
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;

//! A classifier made of parts: the network's logits and those of each regression whose class scores stand in the
//! interface, added up with one weight a part.
//!
//! Every part learns to predict alone: the training loss is a sum of the parts' losses. What they count for is
//! fitted on the validation rows, not below zero. On training rows the regressions are surer than they may be, so that
//! weights fitted there, or a network trained behind their scores, would trust them too much.

mod weights;

use crate::layers::Linear;
use crate::{LossTerm, Parameter, ParameterKind, Part};
use candle_core::{DType, Device, Result, Tensor, Var};
use l0gm_ops::linear;
use std::ops::Range;

/// The parts of a classifier behind an interface of network channels followed by scores.
#[derive(Clone, Debug)]
pub struct Blend {
    /// Number of the network's channels, which come first.
    channels: usize,
    /// The channels of each regression's scores.
    scores: Vec<Range<usize>>,
    /// What each regression adds to its scores, (regressions, classes).
    intercepts: Var,
    /// What each part counts for, the network first; (1 + regressions,).
    weights: Var,
    /// What each part's loss counts for in training.
    shares: Vec<f64>,
}

impl Blend {
    /// Parts that count equally, for a network of so many channels and regressions of `outputs` scores each. Only the
    /// network learns, which is all that a model without gates has to learn.
    ///
    /// # Errors
    /// A tensor cannot be created.
    pub fn new(
        channels: usize,
        outputs: &[usize],
        classes: usize,
        device: &Device,
    ) -> Result<Self> {
        let mut scores = Vec::with_capacity(outputs.len());
        let mut first = channels;
        for width in outputs {
            scores.push(first..first + width);
            first += width;
        }
        let parts = 1 + outputs.len();
        let equal = Tensor::full(1.0 / parts as f32, parts, device)?;
        Ok(Self {
            channels,
            scores,
            intercepts: Var::zeros((outputs.len(), classes), DType::F32, device)?,
            weights: Var::from_tensor(&equal)?,
            shares: (0..parts).map(|part| f64::from(part == 0)).collect(),
        })
    }

    /// Makes the parts' losses count as much as the parts themselves are expected to, but the network's at least a
    /// quarter, so that the gates on scores that count for nothing may close. Parts of unknown `weights` count equally.
    pub fn share_losses(&mut self, weights: &[f32]) {
        let parts = self.shares.len();
        let sum: f32 = weights.iter().sum();
        self.shares = match weights.len() == parts && sum > 0.0 {
            true => weights.iter().map(|w| f64::from(w / sum)).collect(),
            false => vec![1.0 / parts as f64; parts],
        };
        self.shares[0] = self.shares[0].max(0.25);
    }

    /// What each part counts for, the network first.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn weights(&self) -> Result<Vec<f32>> {
        self.weights.to_vec1()
    }

    /// Sets what the regressions add to their scores, one row of (classes,) for each.
    ///
    /// # Errors
    /// The shapes differ.
    pub fn set_intercepts(&self, rows: &[Tensor]) -> Result<()> {
        self.intercepts.set(&Tensor::stack(rows, 0)?)
    }

    /// The network's channels of the gated interface: (rows, channels).
    ///
    /// # Errors
    /// The interface is narrower.
    pub fn of_network(&self, gated: &Tensor) -> Result<Tensor> {
        gated.narrow(1, 0, self.channels)?.contiguous()
    }

    /// The logits of each regression, (rows, classes), from the gated interface, (rows, width).
    fn of_scores(&self, gated: &Tensor) -> Result<Vec<Tensor>> {
        let one = |(number, range): (usize, &Range<usize>)| {
            let own = gated.narrow(1, range.start, range.len())?.contiguous()?;
            let intercept = self.intercepts.as_detached_tensor().get(number)?;
            let weight = spread(range.len(), intercept.dim(0)?, gated.device())?;
            linear(&own, &weight, Some(&intercept))
        };
        self.scores.iter().enumerate().map(one).collect()
    }

    /// The weight (classes, width) and bias (classes,) of the one linear layer that all parts together are.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn folded(&self, network: &Linear) -> Result<(Tensor, Tensor)> {
        let device = self.weights.device();
        let weights = self.weights.as_detached_tensor();
        let share = |part: usize| weights.narrow(0, part, 1);
        let classes = network.weight().dim(0)?;
        let own = network.weight().as_detached_tensor();
        let mut columns = vec![own.broadcast_mul(&share(0)?)?];
        let mut bias = match network.bias() {
            Some(bias) => bias.as_detached_tensor().broadcast_mul(&share(0)?)?,
            None => Tensor::zeros(classes, DType::F32, device)?,
        };
        for (number, range) in self.scores.iter().enumerate() {
            let share = share(1 + number)?;
            columns.push(spread(range.len(), classes, device)?.broadcast_mul(&share)?);
            let intercept = self.intercepts.as_detached_tensor().get(number)?;
            bias = (bias + intercept.broadcast_mul(&share)?)?;
        }
        Ok((Tensor::cat(&columns, 1)?, bias))
    }

    /// The parts that learn, each with what its loss counts for, from the network's own logits, (rows, classes), and the
    /// gated interface that the regressions are read from. Together they are the task loss.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn loss_terms(&self, network: &Tensor, gated: &Tensor) -> Result<Vec<LossTerm>> {
        let term = |logits, share: &f64| LossTerm {
            logits,
            share: *share,
        };
        let mut terms = vec![term(network.clone(), &self.shares[0])];
        if self.shares[1..].iter().any(|share| *share > 0.0) {
            let parts = self.of_scores(gated)?.into_iter().zip(&self.shares[1..]);
            terms.extend(
                parts
                    .filter(|(_, share)| **share > 0.0)
                    .map(|(part, share)| term(part, share)),
            );
        }
        Ok(terms)
    }

    /// Fits what each part counts for on the validation rows' gated interface.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn fit(&self, network: &Linear, gated: &Tensor, labels: &[u32]) -> Result<()> {
        let mut parts = vec![network.forward(&self.of_network(gated)?)?];
        parts.extend(self.of_scores(gated)?);
        let parts: Vec<Vec<f32>> = parts
            .iter()
            .map(|part| part.flatten_all()?.to_vec1())
            .collect::<Result<_>>()?;
        let fitted = weights::weights(&parts, labels);
        let fitted: Vec<f32> = fitted.iter().map(|w| *w as f32).collect();
        self.weights
            .set(&Tensor::new(fitted.as_slice(), self.weights.device())?)
    }

    /// The parts' numbers, which the optimiser leaves alone.
    pub fn parameters(&self) -> Vec<Parameter> {
        let named = |name: &str, var: &Var| Parameter {
            name: format!("head.{name}"),
            var: var.clone(),
            kind: ParameterKind::Fixed,
            part: Part::Head,
        };
        vec![
            named("intercepts", &self.intercepts),
            named("blend", &self.weights),
        ]
    }
}

/// (classes, outputs): the scores are the logits of the last classes. Of two classes one score is enough, the logit of
/// the second.
fn spread(outputs: usize, classes: usize, device: &Device) -> Result<Tensor> {
    let mut values = vec![0f32; classes * outputs];
    for output in 0..outputs {
        values[(classes - outputs + output) * outputs + output] = 1.0;
    }
    Tensor::from_vec(values, (classes, outputs), device)
}

#[cfg(test)]
mod tests;

//! A classifier made of parts: the network's logits and those of each regression whose scores stand in the interface,
//! added up with one weight a part.
//!
//! Every part learns to predict alone: the training loss is a sum of the parts' losses. What they count for is
//! fitted on the validation nodes, not below zero. On training nodes the regressions are surer than they may be, so that
//! weights fitted there, or a network trained behind their scores, would trust them too much.

use crate::input::DTYPE;
use candle_core::{Device, Result, Tensor, Var};
use l0gm_ops::{add, cross_entropy, linear};
use l0gm_train::layers::Linear;
use l0gm_train::{Parameter, ParameterKind, Part};
use std::ops::Range;

/// Weights are fitted as if one more validation node drew each of them towards an equal share. It matters only where
/// there are few nodes, all of which may be predicted without a mistake.
const PRIOR: f64 = 1.0;
/// Most steps of Newton's method; a handful suffices.
const STEPS: usize = 50;

/// The parts of a classifier behind an interface of network channels followed by scores.
#[derive(Clone, Debug)]
pub(crate) struct Blend {
    /// The channels of each regression's scores.
    scores: Vec<Range<usize>>,
    /// What each regression adds to its scores, (regressions, classes).
    pub(crate) intercepts: Var,
    /// What each part counts for, the network first; (1 + regressions,).
    pub(crate) weights: Var,
    /// What each part's loss counts for in training.
    shares: Vec<f64>,
}

impl Blend {
    /// Parts that count equally, for a network of so many channels and regressions of `outputs` scores each. Only the
    /// network learns, which is all that a model without gates has to learn.
    pub(crate) fn new(
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
            scores,
            intercepts: Var::zeros((outputs.len(), classes), DTYPE, device)?,
            weights: Var::from_tensor(&equal)?,
            shares: (0..parts).map(|part| f64::from(part == 0)).collect(),
        })
    }

    /// Makes the parts' losses count as much as the parts themselves are expected to, but the network's at least a
    /// quarter, so that the gates on scores that count for nothing may close. Parts of unknown `weights` count equally.
    pub(crate) fn share_losses(&mut self, weights: &[f32]) {
        let parts = self.shares.len();
        let sum: f32 = weights.iter().sum();
        self.shares = match weights.len() == parts && sum > 0.0 {
            true => weights.iter().map(|w| f64::from(w / sum)).collect(),
            false => vec![1.0 / parts as f64; parts],
        };
        self.shares[0] = self.shares[0].max(0.25);
    }

    /// The logits of each part, (nodes, classes), from the gated interface, (nodes, width).
    pub(crate) fn parts(&self, network: &Linear, gated: &Tensor) -> Result<Vec<Tensor>> {
        let channels = network.weight().dim(1)?;
        let own = gated.narrow(1, 0, channels)?.contiguous()?;
        let mut parts = vec![network.forward(&own)?];
        for (number, range) in self.scores.iter().enumerate() {
            let own = gated.narrow(1, range.start, range.len())?.contiguous()?;
            let intercept = self.intercepts.as_detached_tensor().get(number)?;
            let weight = spread(range.len(), intercept.dim(0)?, gated.device())?;
            parts.push(linear(&own, &weight, Some(&intercept))?);
        }
        Ok(parts)
    }

    /// The weight (classes, width) and bias (classes,) of the one linear layer that all parts together are.
    pub(crate) fn folded(&self, network: &Linear) -> Result<(Tensor, Tensor)> {
        let device = self.weights.device();
        let weights = self.weights.as_detached_tensor();
        let share = |part: usize| weights.narrow(0, part, 1);
        let classes = network.weight().dim(0)?;
        let own = network.weight().as_detached_tensor();
        let mut columns = vec![own.broadcast_mul(&share(0)?)?];
        let mut bias = match network.bias() {
            Some(bias) => bias.as_detached_tensor().broadcast_mul(&share(0)?)?,
            None => Tensor::zeros(classes, DTYPE, device)?,
        };
        for (number, range) in self.scores.iter().enumerate() {
            let share = share(1 + number)?;
            columns.push(spread(range.len(), classes, device)?.broadcast_mul(&share)?);
            let intercept = self.intercepts.as_detached_tensor().get(number)?;
            bias = (bias + intercept.broadcast_mul(&share)?)?;
        }
        Ok((Tensor::cat(&columns, 1)?, bias))
    }

    /// The sum of the parts' losses.
    pub(crate) fn loss(&self, network: &Linear, gated: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        let parts = self.parts(network, gated)?;
        for (part, share) in parts.iter().zip(&self.shares).filter(|(_, s)| **s > 0.0) {
            let loss = (cross_entropy(part, labels)? * *share)?;
            sum = Some(match sum {
                Some(sum) => add(&sum, &loss)?,
                None => loss,
            });
        }
        sum.ok_or_else(|| candle_core::Error::Msg("a classifier without a part".to_owned()))
    }

    /// Fits what each part counts for.
    pub(crate) fn fit(&self, network: &Linear, gated: &Tensor, labels: &[u32]) -> Result<()> {
        let parts = self.parts(network, gated)?;
        let parts: Vec<Vec<f32>> = parts
            .iter()
            .map(|part| part.flatten_all()?.to_vec1())
            .collect::<Result<_>>()?;
        let fitted: Vec<f32> = weights(&parts, labels).iter().map(|w| *w as f32).collect();
        self.weights
            .set(&Tensor::new(fitted.as_slice(), self.weights.device())?)
    }

    pub(crate) fn parameters(&self) -> Vec<Parameter> {
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

/// The weights, none below 0, with which the sum of the parts' logits has the lowest loss. Each part is
/// nodes x classes. The loss is convex in the weights; Newton's method is used on those that are above 0 or want to be.
fn weights(parts: &[Vec<f32>], labels: &[u32]) -> Vec<f64> {
    let equal = 1.0 / parts.len() as f64;
    let mut at = vec![equal; parts.len()];
    let mut here = Slope::at(&at, parts, labels, equal);
    for _ in 0..STEPS {
        let free: Vec<usize> = (0..at.len())
            .filter(|&i| at[i] > 0.0 || here.gradient[i] < 0.0)
            .collect();
        let step = here.newton(&free);
        let mut length = 1.0;
        let better = loop {
            let mut there = at.clone();
            for (&i, step) in free.iter().zip(&step) {
                there[i] = (at[i] - length * step).max(0.0);
            }
            let slope = Slope::at(&there, parts, labels, equal);
            if slope.loss < here.loss {
                break Some((there, slope));
            }
            length *= 0.5;
            if length < 1e-4 {
                break None;
            }
        };
        let Some((there, slope)) = better else { break };
        let gain = here.loss - slope.loss;
        (at, here) = (there, slope);
        if gain < 1e-9 {
            break;
        }
    }
    at
}

/// The mean loss at some weights, with its first and second derivatives.
struct Slope {
    loss: f64,
    gradient: Vec<f64>,
    /// weights x weights, row by row.
    curvature: Vec<f64>,
}

impl Slope {
    fn at(weights: &[f64], parts: &[Vec<f32>], labels: &[u32], equal: f64) -> Self {
        let (k, n) = (weights.len(), labels.len().max(1));
        let classes = parts.first().map_or(0, |part| part.len() / n);
        let mut loss = 0.0;
        let (mut gradient, mut curvature) = (vec![0.0; k], vec![0.0; k * k]);
        let mut p = vec![0.0; classes];
        let mut mean = vec![0.0; k];
        for (node, &label) in labels.iter().enumerate() {
            let of = |part: usize, class: usize| f64::from(parts[part][node * classes + class]);
            for (class, p) in p.iter_mut().enumerate() {
                *p = (0..k).map(|part| weights[part] * of(part, class)).sum();
            }
            let top = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let true_logit = p[label as usize] - top;
            p.iter_mut().for_each(|p| *p = (*p - top).exp());
            let sum: f64 = p.iter().sum();
            p.iter_mut().for_each(|p| *p /= sum);
            loss += sum.ln() - true_logit;
            for (part, mean) in mean.iter_mut().enumerate() {
                *mean = (0..classes).map(|class| p[class] * of(part, class)).sum();
                gradient[part] += *mean - of(part, label as usize);
            }
            for a in 0..k {
                for b in a..k {
                    let product = |class: usize| p[class] * of(a, class) * of(b, class);
                    let both: f64 = (0..classes).map(product).sum();
                    curvature[a * k + b] += both - mean[a] * mean[b];
                }
            }
        }
        let n = n as f64;
        for a in 0..k {
            let away = weights[a] - equal;
            loss += 0.5 * PRIOR * away * away;
            gradient[a] = (gradient[a] + PRIOR * away) / n;
            curvature[a * k + a] += PRIOR;
            for b in a..k {
                curvature[a * k + b] /= n;
                curvature[b * k + a] = curvature[a * k + b];
            }
        }
        Self {
            loss: loss / n,
            gradient,
            curvature,
        }
    }

    /// H⁻¹ g over the `free` weights, by elimination. The prior makes H positive definite.
    fn newton(&self, free: &[usize]) -> Vec<f64> {
        let k = self.gradient.len();
        let mut rows: Vec<Vec<f64>> = free
            .iter()
            .map(|&a| {
                let row = free.iter().map(|&b| self.curvature[a * k + b]);
                row.chain([self.gradient[a]]).collect()
            })
            .collect();
        let size = free.len();
        for i in 0..size {
            let (done, below) = rows.split_at_mut(i + 1);
            let row = &done[i];
            for other in below {
                let factor = other[i] / row[i];
                for (value, pivot) in other[i..].iter_mut().zip(&row[i..]) {
                    *value -= factor * pivot;
                }
            }
        }
        let mut step = vec![0.0; size];
        for i in (0..size).rev() {
            let known: f64 = (i + 1..size).map(|j| rows[i][j] * step[j]).sum();
            step[i] = (rows[i][size] - known) / rows[i][i];
        }
        step
    }
}

#[cfg(test)]
#[path = "blend_tests.rs"]
mod tests;

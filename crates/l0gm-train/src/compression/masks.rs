//! Masks on the single weights of a model: 1 where a weight is left and 0 where it was removed.

use super::ranking::{Ranking, keep_largest};
use super::{Ingredients, Kept, Unit};
use crate::{Error, Optimiser, Parameter, ParameterKind, Part, Result};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use std::collections::BTreeMap;

/// The weights of layers and tables with a mask each. Biases, norms and gates are not among them: they are few, and
/// removing them saves nothing.
#[derive(Debug)]
pub(crate) struct Masks {
    pub(crate) weights: Vec<Parameter>,
    /// One f32 mask for each weight, with its shape.
    masks: Vec<Parameter>,
    pub(crate) kept: usize,
    pub(crate) of: usize,
}

impl Masks {
    /// Masks that leave everything.
    ///
    /// # Errors
    /// The model has no weights.
    pub(crate) fn new(model: &Ingredients<'_>) -> Result<Self> {
        let weights: Vec<Parameter> = model
            .parameters
            .iter()
            .filter(|p| p.kind == ParameterKind::Weight && p.part != Part::Gate)
            .cloned()
            .collect();
        if weights.is_empty() {
            return Err(Error::Task(
                "the model has no weights of layers or tables that could be removed".to_owned(),
            ));
        }
        let masks = weights
            .iter()
            .map(|weight| companion("mask", weight, &weight.var.ones_like()?))
            .collect::<Result<_>>()?;
        let of = weights.iter().map(|weight| weight.var.elem_count()).sum();
        Ok(Self {
            weights,
            masks,
            kept: of,
            of,
        })
    }

    /// The masks, as checkpoints keep them.
    pub(crate) fn state(&self) -> Vec<Parameter> {
        self.masks.clone()
    }

    /// How many are kept, and of how many.
    pub(crate) fn kept(&self) -> Kept {
        Kept {
            unit: Unit::Weights,
            kept: self.kept,
            of: self.of,
        }
    }

    /// Takes over what a checkpoint says of the counts; the masks themselves are among its tensors.
    pub(crate) fn restored(&mut self, kept: Kept) {
        self.kept = kept.kept;
        self.of = kept.of;
    }

    /// Leaves the `keep` weights with the largest scores, one for each entry of every weight.
    pub(crate) fn keep(&mut self, scores: &[Vec<f32>], keep: usize) -> Result<()> {
        self.set(keep_largest(scores, keep))
    }

    /// Sets the masks, one for each entry of every weight.
    pub(crate) fn set(&mut self, masks: Vec<Vec<f32>>) -> Result<()> {
        self.kept = masks.iter().flatten().filter(|m| **m != 0.0).count();
        for (parameter, mask) in self.masks.iter().zip(masks) {
            let var = &parameter.var;
            let mask = Tensor::from_vec(mask, var.shape(), var.device())?;
            var.set(&mask)?;
        }
        Ok(())
    }

    /// The masks' values, one vector for each weight.
    pub(crate) fn values(&self) -> Result<Vec<Vec<f32>>> {
        self.masks.iter().map(|mask| flat(&mask.var)).collect()
    }

    /// Which entries of each weight some training row has reached with a gradient. The others are rows of tables for
    /// values that training rows do not have, or padding: removing them would be no merit.
    pub(crate) fn reached(&self, optimiser: &Optimiser) -> Result<Vec<Vec<bool>>> {
        let moments = optimiser.moments();
        self.weights
            .iter()
            .map(|weight| {
                let own = moments.iter().find(|(name, ..)| *name == weight.name);
                match own {
                    Some((_, _, second)) => {
                        Ok(flat(second)?.into_iter().map(|v| v > 0.0).collect())
                    }
                    None => Ok(vec![false; weight.var.elem_count()]),
                }
            })
            .collect()
    }

    /// The sums of gradients over the batches that the start of a training looks at, one for each entry of every weight: 0
    /// where no row of these batches reaches it.
    pub(crate) fn probed(&self, gradients: &BTreeMap<String, Tensor>) -> Result<Vec<Vec<f32>>> {
        let of = |weight: &Parameter| match gradients.get(&weight.name) {
            Some(gradient) => flat(gradient),
            None => Ok(vec![0.0; weight.var.elem_count()]),
        };
        self.weights.iter().map(of).collect()
    }

    /// Sets the number of which a share is kept: the weights that training reaches.
    pub(crate) fn count(&mut self, reached: &[Vec<bool>]) -> usize {
        self.of = reached.iter().flatten().filter(|reached| **reached).count();
        self.of
    }

    /// The score of every weight by its magnitude. Weights that were removed are never kept again, and those that
    /// training does not reach only after all others.
    pub(crate) fn magnitudes(
        &self,
        reached: &[Vec<bool>],
        ranking: Ranking,
    ) -> Result<Vec<Vec<f32>>> {
        let mut scores = Vec::with_capacity(self.weights.len());
        for ((weight, mask), reached) in self.weights.iter().zip(self.values()?).zip(reached) {
            let values = flat(&weight.var)?.into_iter().zip(mask).zip(reached);
            let score = values.map(|((value, mask), reached)| match (mask != 0.0, reached) {
                (false, _) => f32::NEG_INFINITY,
                (true, false) => -1.0,
                (true, true) => value.abs(),
            });
            scores.push(ranking.scores(score.collect()));
        }
        Ok(scores)
    }

    /// Takes the gradients of removed weights away, so that they neither move nor count in clipping.
    pub(crate) fn mask_gradients(&self, gradients: &mut GradStore) -> Result<()> {
        for (weight, mask) in self.weights.iter().zip(&self.masks) {
            let tensor = weight.var.as_tensor();
            if let Some(gradient) = gradients.remove(tensor) {
                let masked = gradient.detach().mul(&mask.var.as_detached_tensor())?;
                gradients.insert(tensor, masked);
            }
        }
        Ok(())
    }

    /// Makes removed weights 0, also in the running mean of the weights. AdamW's momentum and a mean of earlier steps
    /// would leave something of them.
    pub(crate) fn mask_weights(
        &self,
        parameters: &[Parameter],
        average: &mut Option<Vec<Tensor>>,
    ) -> Result<()> {
        let masks = self.masks.iter().map(|mask| mask.var.as_detached_tensor());
        self.scale_weights(&masks.collect::<Vec<_>>(), parameters, average)
    }

    /// Multiplies the weights with these factors, one tensor for each weight, and their running mean too.
    pub(crate) fn scale_weights(
        &self,
        factors: &[Tensor],
        parameters: &[Parameter],
        average: &mut Option<Vec<Tensor>>,
    ) -> Result<()> {
        for (weight, factors) in self.weights.iter().zip(factors) {
            let scaled = weight.var.as_detached_tensor().mul(factors)?;
            weight.var.set(&scaled)?;
            if let Some(average) = average
                && let Some(place) = parameters.iter().position(|p| p.name == weight.name)
            {
                average[place] = average[place].mul(factors)?.detach();
            }
        }
        Ok(())
    }

    /// Forgets the optimiser's moments of every weight that is not left, or was not left `before`.
    pub(crate) fn mask_moments(&self, optimiser: &Optimiser, before: &[Vec<f32>]) -> Result<()> {
        for ((weight, mask), before) in self.weights.iter().zip(&self.masks).zip(before) {
            let mask = mask.var.as_detached_tensor();
            let before = Tensor::from_slice(before, mask.shape(), mask.device())?;
            optimiser.mask_moments(&weight.name, &mask.mul(&before)?)?;
        }
        Ok(())
    }
}

/// A tensor of a compressor's own that belongs to a parameter, with a copy of `value`. Checkpoints keep it.
pub(crate) fn companion(what: &str, of: &Parameter, value: &Tensor) -> Result<Parameter> {
    Ok(Parameter {
        name: format!("compression.{what}.{}", of.name),
        var: Var::from_tensor(&value.detach().copy()?)?,
        kind: ParameterKind::Fixed,
        part: of.part,
    })
}

/// Scores that a compressor keeps in tensors of the weights' shapes. Weights that training does not reach come after all
/// others.
pub(crate) fn scores_of(tensors: &[Parameter], reached: &[Vec<bool>]) -> Result<Vec<Vec<f32>>> {
    let mut scores = Vec::with_capacity(tensors.len());
    for (tensor, reached) in tensors.iter().zip(reached) {
        let of = |(score, reached): (f32, &bool)| match reached {
            true => score,
            false => f32::MIN,
        };
        scores.push(
            flat(&tensor.var)?
                .into_iter()
                .zip(reached)
                .map(of)
                .collect(),
        );
    }
    Ok(scores)
}

/// Which entries have a gradient that is not 0.
pub(crate) fn reached_by(gradients: &[Vec<f32>]) -> Vec<Vec<bool>> {
    let of = |gradient: &Vec<f32>| gradient.iter().map(|g| *g != 0.0).collect();
    gradients.iter().map(of).collect()
}

/// The values of a tensor, in f32.
pub(crate) fn flat(tensor: &Tensor) -> Result<Vec<f32>> {
    let tensor = tensor.detach().to_dtype(candle_core::DType::F32)?;
    Ok(tensor.flatten_all()?.to_vec1()?)
}

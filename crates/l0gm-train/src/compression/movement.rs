//! Movement pruning (Sanh et al. 2020): a weight is kept for moving away from 0 and not for being large.
//!
//! Each weight has a score S = -Σ_t (∂L/∂W)_t W_t: it grows while a step would push the weight further from 0. The forward
//! pass uses W ⊙ M, where M keeps the largest scores of the whole model; a removed weight gets no gradient
//! and goes on collecting score, so that it may come back. The share kept follows the cubic schedule, and at
//! `controller.settle` M is final.

use super::masks::{Masks, companion, scores_of};
use super::ranking::count;
use super::technique::{Interior, Technique, no_settings, one, rival};
use super::{Compression, Compressor, Ingredients, Kept, Stage};
use crate::{Parameter, Result};
use candle_core::Tensor;
use candle_core::backprop::GradStore;

/// How often M changes until it is final.
const UPDATES: usize = 50;

pub(super) const TECHNIQUE: Technique = Technique {
    info: rival(
        "movement",
        "movement pruning",
        "single weights that move towards 0 are removed step by step, and the others trained on",
        "arXiv:2005.07683",
    ),
    interior: Interior::Dense,
    settings: no_settings,
    members: one,
    apply: |_, train| {
        train.compression = Some(Compression::Movement);
        Ok(())
    },
};

/// Movement pruning in progress.
#[derive(Debug)]
pub(super) struct Movement {
    masks: Masks,
    /// S of each weight.
    scores: Vec<Parameter>,
    /// The weights without the mask, while the masked ones are in use.
    whole: Option<Vec<Tensor>>,
    /// Whether M is final. Removed weights are then 0.
    done: bool,
}

impl Movement {
    pub(super) fn new(model: &Ingredients<'_>) -> Result<Self> {
        let masks = Masks::new(model)?;
        let scores = masks.weights.iter();
        let scores = scores.map(|weight| companion("score", weight, &weight.var.zeros_like()?));
        Ok(Self {
            scores: scores.collect::<Result<_>>()?,
            masks,
            whole: None,
            done: false,
        })
    }

    fn rank(&mut self, stage: &Stage<'_>, share: f64) -> Result<()> {
        let reached = self.masks.reached(stage.optimiser)?;
        let keep = count(share, self.masks.count(&reached));
        self.masks.keep(&scores_of(&self.scores, &reached)?, keep)
    }

    /// Puts W ⊙ M in the place of W.
    fn put_masks_on(&mut self) -> Result<()> {
        if self.done || self.whole.is_some() {
            return Ok(());
        }
        let weights = self.masks.weights.iter();
        let whole: Vec<Tensor> = weights
            .map(|weight| Ok(weight.var.as_detached_tensor().copy()?))
            .collect::<Result<_>>()?;
        self.masks.mask_weights(&[], &mut None)?;
        self.whole = Some(whole);
        Ok(())
    }

    /// Puts W back.
    fn take_masks_off(&mut self) -> Result<()> {
        for (weight, whole) in self
            .masks
            .weights
            .iter()
            .zip(self.whole.take().into_iter().flatten())
        {
            weight.var.set(&whole)?;
        }
        Ok(())
    }
}

/// The score after one step: S - (∂L/∂W) W.
fn moved_on(score: &Tensor, gradient: &Tensor, weight: &Tensor) -> candle_core::Result<Tensor> {
    score - gradient.detach().mul(weight)?
}

impl Compressor for Movement {
    fn state(&self) -> Vec<Parameter> {
        [self.masks.state(), self.scores.clone()].concat()
    }

    fn kept(&self) -> Kept {
        self.masks.kept()
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn restored(&mut self, kept: Kept, done: Option<bool>) {
        self.masks.restored(kept);
        // Weights are removed before the last choice too. Scores do not change after it, so making it once more gives
        // the same M.
        self.done = done.unwrap_or(false);
    }

    fn update(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        if self.done {
            return Ok(());
        }
        if stage.settled() {
            self.rank(stage, stage.target())?;
            self.masks.mask_weights(stage.parameters, stage.average)?;
            self.done = true;
            return Ok(());
        }
        let wanted = stage.wanted();
        if wanted < 1.0 && stage.due(UPDATES, stage.config.controller.settle) {
            self.rank(stage, wanted)?;
        }
        Ok(())
    }

    fn before_pass(&mut self, _: &mut Stage<'_>) -> Result<()> {
        self.put_masks_on()
    }

    fn after_backward(
        &mut self,
        _: &mut Stage<'_>,
        gradients: &mut GradStore,
        _: &Tensor,
    ) -> Result<()> {
        if !self.done {
            self.take_masks_off()?;
            for (weight, score) in self.masks.weights.iter().zip(&self.scores) {
                if let Some(gradient) = gradients.get(weight.var.as_tensor()) {
                    let now = score.var.as_detached_tensor();
                    let next = moved_on(&now, gradient, &weight.var.as_detached_tensor())?;
                    score.var.set(&next)?;
                }
            }
        }
        self.masks.mask_gradients(gradients)
    }

    fn after_step(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        match self.done {
            true => self.masks.mask_weights(stage.parameters, &mut None),
            false => Ok(()),
        }
    }

    fn enter_use(&mut self, _: &mut Stage<'_>) -> Result<()> {
        self.put_masks_on()
    }

    fn leave_use(&mut self, _: &mut Stage<'_>) -> Result<()> {
        self.take_masks_off()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{ParameterKind, Part};
    use candle_core::{Device, Var};
    use l0gm_gate::{Gate, Interface};

    #[test]
    fn a_checkpoint_that_does_not_say_so_leaves_the_last_choice_to_be_made() {
        let weight = Parameter {
            name: "layer.weight".to_owned(),
            var: Var::new(&[[1f32, -2.0], [3.0, 0.5]], &Device::Cpu).unwrap(),
            kind: ParameterKind::Weight,
            part: Part::Head,
        };
        let mut movement = Movement::new(&Ingredients {
            parameters: &[weight],
            gate: &Gate::identity(Interface::Flat { dim: 2 }),
            readers: Vec::new(),
        })
        .unwrap();
        let half = Kept {
            kept: 2,
            ..movement.kept()
        };
        for (said, expected) in [(None, false), (Some(true), true)] {
            movement.restored(half, said);
            assert_eq!(movement.is_done(), expected);
        }
    }

    #[test]
    fn a_weight_that_is_pushed_away_from_0_gains_score() {
        let of = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
        // A negative gradient pushes a positive weight up, and a positive one pushes it towards 0.
        let found = moved_on(
            &of(&[0.0, 1.0, 0.0, 0.0]),
            &of(&[-2.0, 2.0, 0.5, 0.5]),
            &of(&[1.0, 1.0, -4.0, 0.0]),
        );
        assert_eq!(
            found.unwrap().to_vec1::<f32>().unwrap(),
            [2.0, -1.0, 2.0, 0.0]
        );
    }
}

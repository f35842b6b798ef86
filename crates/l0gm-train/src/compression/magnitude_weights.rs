//! Magnitude pruning of single weights (Han et al. 2015), gradually along a cubic schedule (Zhu and Gupta 2017): after a
//! dense warm-up the weights that are smallest over the whole model are removed, at first many and then fewer and fewer
//! at a time, and the others are trained on.

use super::masks::Masks;
use super::ranking::count;
use super::technique::{Interior, Technique, no_settings, one, rival};
use super::{Compression, Compressor, Ingredients, Kept, Stage};
use crate::{Parameter, Result};
use candle_core::Tensor;
use candle_core::backprop::GradStore;

pub(super) const TECHNIQUE: Technique = Technique {
    info: rival(
        "magnitude-weights",
        "magnitude pruning",
        "single weights of small magnitude are removed step by step, and the others trained on",
        "arXiv:1710.01878",
    ),
    interior: Interior::Dense,
    settings: no_settings,
    members: one,
    apply: |_, train| {
        train.compression = Some(Compression::MagnitudeWeights);
        Ok(())
    },
};

/// Gradual magnitude pruning in progress.
#[derive(Debug)]
pub(super) struct Pruning(Masks);

impl Pruning {
    pub(super) fn new(model: &Ingredients<'_>) -> Result<Self> {
        Ok(Self(Masks::new(model)?))
    }
}

impl Compressor for Pruning {
    fn state(&self) -> Vec<Parameter> {
        self.0.state()
    }

    fn kept(&self) -> Kept {
        self.0.kept()
    }

    fn restored(&mut self, kept: Kept, _: bool) {
        self.0.restored(kept);
    }

    fn update(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        let wanted = stage.wanted();
        if wanted >= 1.0 || self.0.kept <= count(wanted, self.0.of) {
            return Ok(());
        }
        let reached = self.0.reached(stage.optimiser)?;
        let keep = count(wanted, self.0.count(&reached));
        let scores = self.0.magnitudes(&reached)?;
        self.0.keep(&scores, keep)?;
        self.0.mask_weights(stage.parameters, stage.average)
    }

    fn after_backward(
        &mut self,
        _: &mut Stage<'_>,
        gradients: &mut GradStore,
        _: &Tensor,
    ) -> Result<()> {
        self.0.mask_gradients(gradients)
    }

    fn after_step(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        self.0.mask_weights(stage.parameters, stage.average)
    }
}

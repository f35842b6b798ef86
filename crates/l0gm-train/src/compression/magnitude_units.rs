//! Magnitude pruning of whole dimensions of the interface, as filters of convolutions are pruned by their norm (Li et al.
//! 2017), gradually along the cubic schedule of Zhu and Gupta (2017).
//!
//! A dimension's score is ‖W_j‖ rms(r_j): the norm of the weights that read it times the root mean square of what it
//! passes to them. The norm alone says nothing where the encoder may choose the scale of each dimension, as the embeddings
//! of a table do.

use super::dimensions::{Dimensions, MeanSquare};
use super::ranking::count;
use super::technique::{Interior, Technique, dimension_rival, no_settings, one};
use super::{Compression, Compressor, Ingredients, Kept, Stage};
use crate::{Parameter, Result};
use candle_core::Tensor;
use candle_core::backprop::GradStore;

const NAME: &str = "magnitude-units";

pub(super) const TECHNIQUE: Technique = Technique {
    info: dimension_rival(
        NAME,
        "magnitude pruning of units",
        "dimensions of the interface of small norm are removed step by step, and the rest trained on",
        "arXiv:1608.08710",
    ),
    interior: Interior::Fixed,
    settings: no_settings,
    members: one,
    apply: |_, train| {
        train.compression = Some(Compression::MagnitudeUnits);
        Ok(())
    },
};

/// Gradual pruning of dimensions in progress.
#[derive(Debug)]
pub(super) struct Pruning {
    dimensions: Dimensions,
    mean_square: MeanSquare,
}

impl Pruning {
    pub(super) fn new(model: &Ingredients<'_>) -> Result<Self> {
        Ok(Self {
            dimensions: Dimensions::new(NAME, model)?,
            mean_square: MeanSquare::new(model)?,
        })
    }
}

impl Compressor for Pruning {
    fn state(&self) -> Vec<Parameter> {
        self.mean_square.state()
    }

    fn kept(&self) -> Kept {
        self.dimensions.kept()
    }

    fn restored(&mut self, kept: Kept, _: Option<bool>) {
        self.dimensions.restored(kept);
    }

    fn update(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        let keep = count(stage.wanted(), self.dimensions.of);
        if self.dimensions.kept <= keep {
            return Ok(());
        }
        let roots = self.mean_square.roots()?;
        let norms = self.dimensions.norms()?;
        let scores = norms.iter().zip(roots).map(|(norm, root)| norm * root);
        self.dimensions.keep(scores.collect(), keep)
    }

    fn after_backward(
        &mut self,
        _: &mut Stage<'_>,
        _: &mut GradStore,
        interface: &Tensor,
    ) -> Result<()> {
        self.mean_square.add(interface)
    }

    fn after_step(&mut self, _: &mut Stage<'_>) -> Result<()> {
        Ok(())
    }
}

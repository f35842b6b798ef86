//! Group lasso on the interface's dimensions (Yuan and Lin 2006; for networks Wen et al. 2016): the penalty
//! λ Σ_j ‖W_j‖ on the norm of all weights that read a dimension makes whole columns 0.
//!
//! After each step every column shrinks by the proximal map of the penalty, W_j ← max(0, 1 - η λ / ‖W_j‖) W_j, where η
//! is the learning rate; like AdamW's decay, it stands apart from the gradient. At `controller.settle` the dimensions
//! with the largest norms stay, and the model is trained on without the penalty.

use super::dimensions::Dimensions;
use super::ranking::count;
use super::technique::{Interior, Technique, check, dimension_rival, one, read, written};
use super::{Compression, Compressor, Ingredients, Kept, Stage};
use crate::{Parameter, Result};
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use serde::{Deserialize, Serialize};

const NAME: &str = "group-lasso";

pub(super) const TECHNIQUE: Technique = Technique {
    info: dimension_rival(
        NAME,
        "group lasso",
        "a penalty on the norm of the weights that read each dimension of the interface",
        "arXiv:1608.03665",
    ),
    interior: Interior::Fixed,
    settings: written::<Settings>,
    members: one,
    apply: |settings, train| {
        let own: Settings = read(settings, NAME)?;
        let allowed = own.strength > 0.0 && own.strength <= 1e6;
        check(
            allowed,
            NAME,
            "strength",
            own.strength,
            "above 0 and at most 1000000",
        )?;
        train.compression = Some(Compression::GroupLasso(own));
        Ok(())
    },
};

/// The technique's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// λ: by how many learning rates the norm of a dimension's weights shrinks in a step.
    pub strength: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { strength: 0.3 }
    }
}

/// A training with the penalty, and without it once dimensions were chosen.
#[derive(Debug)]
pub(super) struct GroupLasso {
    dimensions: Dimensions,
    strength: f64,
}

impl GroupLasso {
    pub(super) fn new(settings: &Settings, model: &Ingredients<'_>) -> Result<Self> {
        Ok(Self {
            dimensions: Dimensions::new(NAME, model)?,
            strength: settings.strength,
        })
    }
}

/// max(0, 1 - step / norm) for every norm.
fn shrinkage(norms: &[f32], step: f64) -> Vec<f32> {
    let factor = |norm: &f32| (1.0 - step / f64::from(norm.max(1e-12))).max(0.0) as f32;
    norms.iter().map(factor).collect()
}

impl Compressor for GroupLasso {
    fn state(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn kept(&self) -> Kept {
        self.dimensions.kept()
    }

    fn restored(&mut self, kept: Kept, _: Option<bool>) {
        self.dimensions.restored(kept);
    }

    fn update(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        let keep = count(stage.target(), self.dimensions.of);
        if !stage.settled() || self.dimensions.kept <= keep {
            return Ok(());
        }
        let norms = self.dimensions.norms()?;
        self.dimensions.keep(norms, keep)
    }

    fn after_backward(&mut self, _: &mut Stage<'_>, _: &mut GradStore, _: &Tensor) -> Result<()> {
        Ok(())
    }

    fn after_step(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        if stage.settled() {
            return Ok(());
        }
        let step = self.strength * stage.optimiser.rate(stage.progress);
        let factors = shrinkage(&self.dimensions.norms()?, step);
        self.dimensions.scale_readers(&factors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_shrinks_by_the_step_and_no_further_than_to_0() {
        // The norm 2 becomes 1.5, and what is smaller than the step goes.
        assert_eq!(shrinkage(&[2.0, 0.5, 0.1, 0.0], 0.5), [0.75, 0.0, 0.0, 0.0]);
    }
}

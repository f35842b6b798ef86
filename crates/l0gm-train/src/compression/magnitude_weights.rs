//! Magnitude pruning of single weights (Han et al. 2015), gradually along a cubic schedule (Zhu and Gupta 2017): after a
//! dense warm-up the smallest weights are removed, at first many and then fewer and fewer at a time, and the others are
//! trained on. Weights of different layers are compared by LAMP ([`Ranking`]).

use super::masks::Masks;
use super::ranking::{Ranking, count};
use super::technique::{Interior, Technique, one, read, rival, written};
use super::{Compression, Compressor, Ingredients, Kept, Stage};
use crate::{Parameter, Result};
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use serde::{Deserialize, Serialize};

const NAME: &str = "magnitude-weights";

pub(super) const TECHNIQUE: Technique = Technique {
    info: rival(
        NAME,
        "magnitude pruning",
        "single weights of small magnitude are removed step by step, and the others trained on",
        "arXiv:1710.01878",
    ),
    interior: Interior::Dense,
    settings: written::<Settings>,
    members: one,
    apply: |settings, train| {
        let own: Settings = read(settings, NAME)?;
        train.compression = Some(Compression::MagnitudeWeights(own));
        Ok(())
    },
};

/// The technique's own settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// How weights of different layers are compared.
    #[serde(default = "Ranking::of_older_runs")]
    pub ranking: Ranking,
}

/// Gradual magnitude pruning in progress.
#[derive(Debug)]
pub(super) struct Pruning {
    masks: Masks,
    ranking: Ranking,
}

impl Pruning {
    pub(super) fn new(settings: &Settings, model: &Ingredients<'_>) -> Result<Self> {
        Ok(Self {
            masks: Masks::new(model)?,
            ranking: settings.ranking,
        })
    }
}

impl Compressor for Pruning {
    fn state(&self) -> Vec<Parameter> {
        self.masks.state()
    }

    fn kept(&self) -> Kept {
        self.masks.kept()
    }

    fn restored(&mut self, kept: Kept, _: Option<bool>) {
        self.masks.restored(kept);
    }

    fn update(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        let wanted = stage.wanted();
        if wanted >= 1.0 || self.masks.kept <= count(wanted, self.masks.of) {
            return Ok(());
        }
        let reached = self.masks.reached(stage.optimiser)?;
        let keep = count(wanted, self.masks.count(&reached));
        let scores = self.masks.magnitudes(&reached, self.ranking)?;
        self.masks.keep(&scores, keep)?;
        self.masks.mask_weights(stage.parameters, stage.average)
    }

    fn after_backward(
        &mut self,
        _: &mut Stage<'_>,
        gradients: &mut GradStore,
        _: &Tensor,
    ) -> Result<()> {
        self.masks.mask_gradients(gradients)
    }

    fn after_step(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        self.masks.mask_weights(stage.parameters, stage.average)
    }
}

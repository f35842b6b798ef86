//! SNIP (Lee et al. 2019): single weights are removed once, before training, by their connection sensitivity.
//!
//! With a factor c_j = 1 on every weight, the sensitivity is |∂L/∂c_j| = |w_j ∂L/∂w_j|, summed over some batches: how much
//! the untrained loss would change if the connection went. A tensor that starts at 0 as a whole, such as a linear
//! branch on raw inputs, has no sensitivities; it is kept and counts among what is kept.

use super::masks::{Masks, flat, reached_by};
use super::ranking::count;
use super::technique::{Interior, Technique, check, one, read, rival, written};
use super::{Compression, Compressor, Ingredients, Kept, Stage};
use crate::{Parameter, Result};
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const NAME: &str = "snip";

pub(super) const TECHNIQUE: Technique = Technique {
    info: rival(
        NAME,
        "SNIP",
        "single weights are removed before training by the sensitivity of the loss to them",
        "arXiv:1810.02340",
    ),
    interior: Interior::Dense,
    settings: written::<Settings>,
    members: one,
    apply: |settings, train| {
        let own: Settings = read(settings, NAME)?;
        let allowed = (1..=1_000_000).contains(&own.batches);
        check(allowed, NAME, "batches", own.batches, "1 to 1000000")?;
        train.compression = Some(Compression::Snip(own));
        Ok(())
    },
};

/// The technique's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Number of training batches over which sensitivities are summed.
    pub batches: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { batches: 32 }
    }
}

/// A model from which weights were removed before training.
#[derive(Debug)]
pub(super) struct Snip {
    masks: Masks,
    batches: usize,
}

impl Snip {
    pub(super) fn new(settings: &Settings, model: &Ingredients<'_>) -> Result<Self> {
        Ok(Self {
            masks: Masks::new(model)?,
            batches: settings.batches,
        })
    }
}

/// |w g| of every entry, infinite where the whole tensor is 0. An entry without a gradient comes after all others.
fn sensitivity(weight: &[f32], gradient: &[f32]) -> Vec<f32> {
    let unknown = weight.iter().all(|w| *w == 0.0);
    let of = |(w, g): (&f32, &f32)| match (unknown, *g == 0.0) {
        (_, true) => -1.0,
        (true, false) => f32::INFINITY,
        (false, false) => (w * g).abs(),
    };
    weight.iter().zip(gradient).map(of).collect()
}

impl Compressor for Snip {
    fn state(&self) -> Vec<Parameter> {
        self.masks.state()
    }

    fn kept(&self) -> Kept {
        self.masks.kept()
    }

    fn restored(&mut self, kept: Kept, _: Option<bool>) {
        self.masks.restored(kept);
    }

    fn batches_to_probe(&self) -> usize {
        self.batches
    }

    fn start(&mut self, stage: &mut Stage<'_>, gradients: &BTreeMap<String, Tensor>) -> Result<()> {
        let gradients = self.masks.probed(gradients)?;
        let mut scores = Vec::with_capacity(gradients.len());
        for (weight, gradient) in self.masks.weights.iter().zip(&gradients) {
            scores.push(sensitivity(&flat(&weight.var)?, gradient));
        }
        let keep = count(stage.target(), self.masks.count(&reached_by(&gradients)));
        self.masks.keep(&scores, keep)?;
        self.masks.mask_weights(stage.parameters, stage.average)
    }

    fn update(&mut self, _: &mut Stage<'_>) -> Result<()> {
        Ok(())
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
        self.masks.mask_weights(stage.parameters, &mut None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensitivity_is_the_magnitude_of_weight_times_gradient() {
        let found = sensitivity(&[2.0, -1.0, 0.5, 0.0], &[0.5, 3.0, 0.0, 9.0]);
        assert_eq!(found, [1.0, 3.0, -1.0, 0.0]);
        // A tensor that starts at 0 has no sensitivities, but its entries that rows reach stay.
        assert_eq!(sensitivity(&[0.0, 0.0], &[1.0, 0.0]), [f32::INFINITY, -1.0]);
    }
}

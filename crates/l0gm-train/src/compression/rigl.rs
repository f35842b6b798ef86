//! RigL (Evci et al. 2020): the model is sparse from the first step on, and its connections move. Now and then the
//! smallest weights of each layer are dropped, and as many connections grow where the gradient is largest.
//!
//! Layers get their shares by the Erdős-Rényi rule of the paper: the density of a layer of n inputs and m outputs is
//! proportional to (n + m) / (n m), so that small layers stay denser. What moves falls along a cosine from
//! `drop` to nothing at `controller.settle`; connections are fixed from then on.

use super::masks::{Masks, flat, reached_by};
use super::ranking::{count, keep_largest};
use super::technique::{Interior, Technique, check, one, read, rival, written};
use super::{Compression, Compressor, Ingredients, Kept, Stage};
use crate::{Parameter, Result};
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const NAME: &str = "rigl";
/// Training batches whose gradients show which weights training rows reach at all.
const PROBED: usize = 32;

pub(super) const TECHNIQUE: Technique = Technique {
    info: rival(
        NAME,
        "RigL",
        "sparse from the start: small weights are dropped, and connections of large gradient grow",
        "arXiv:1911.11134",
    ),
    interior: Interior::Dense,
    settings: written::<Settings>,
    members: one,
    apply: |settings, train| {
        let own: Settings = read(settings, NAME)?;
        let allowed = own.drop > 0.0 && own.drop < 1.0;
        check(allowed, NAME, "drop", own.drop, "above 0 and below 1")?;
        let allowed = (1..=100_000).contains(&own.updates);
        check(allowed, NAME, "updates", own.updates, "1 to 100000")?;
        train.compression = Some(Compression::Rigl(own));
        Ok(())
    },
};

/// The technique's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Share of a layer's connections that move at first.
    pub drop: f64,
    /// How often connections move.
    pub updates: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            drop: 0.3,
            updates: 20,
        }
    }
}

/// A sparse model whose connections move.
#[derive(Debug)]
pub(super) struct Rigl {
    masks: Masks,
    settings: Settings,
}

impl Rigl {
    pub(super) fn new(settings: &Settings, model: &Ingredients<'_>) -> Result<Self> {
        Ok(Self {
            masks: Masks::new(model)?,
            settings: settings.clone(),
        })
    }
}

/// How many of each layer's entries are kept so that together they are `keep`, by the Erdős-Rényi rule. `layers` holds
/// each layer's shape and the number of entries that training reaches.
fn shares(layers: &[(Vec<usize>, usize)], keep: usize) -> Vec<usize> {
    let rule = |(shape, _): &(Vec<usize>, usize)| {
        let product: usize = shape.iter().product();
        shape.iter().sum::<usize>() as f64 / product.max(1) as f64
    };
    // Layers that the rule would fill are full, and the others share the rest.
    let mut full = vec![false; layers.len()];
    loop {
        let (mut left, mut weight) = (keep as f64, 0.0);
        for (layer, full) in layers.iter().zip(&full) {
            match full {
                true => left -= layer.1 as f64,
                false => weight += rule(layer) * layer.1 as f64,
            }
        }
        let factor = if weight > 0.0 {
            left.max(0.0) / weight
        } else {
            0.0
        };
        let mut changed = false;
        for (layer, full) in layers.iter().zip(&mut full) {
            if !*full && rule(layer) * factor >= 1.0 {
                *full = true;
                changed = true;
            }
        }
        if changed {
            continue;
        }
        let mut counts: Vec<usize> = layers
            .iter()
            .zip(&full)
            .map(|(layer, full)| match full {
                true => layer.1,
                false => ((rule(layer) * factor * layer.1 as f64) as usize).min(layer.1),
            })
            .collect();
        // What rounding left over goes to the largest layers that have room.
        let mut missing = keep.saturating_sub(counts.iter().sum());
        while missing > 0 {
            let room = (0..layers.len()).max_by_key(|&at| layers[at].1 - counts[at]);
            match room.filter(|&at| counts[at] < layers[at].1) {
                Some(at) => counts[at] += 1,
                None => break,
            }
            missing -= 1;
        }
        return counts;
    }
}

/// Moves `moving` of a layer's connections: drops those of smallest magnitude and grows where the gradient is largest
/// among what is then free. Returns the new mask.
fn moved(mask: &[f32], weight: &[f32], gradient: &[f32], moving: usize) -> Vec<f32> {
    let active = mask.iter().filter(|mask| **mask != 0.0).count();
    let stay = active.saturating_sub(moving);
    let magnitude = |(mask, weight): (&f32, &f32)| match *mask != 0.0 {
        true => weight.abs(),
        false => f32::NEG_INFINITY,
    };
    let scores: Vec<f32> = mask.iter().zip(weight).map(magnitude).collect();
    let mut next = keep_largest(&[scores], stay).remove(0);
    let sensitivity = |(next, gradient): (&f32, &f32)| match *next != 0.0 || *gradient == 0.0 {
        true => f32::NEG_INFINITY,
        false => gradient.abs(),
    };
    let scores: Vec<f32> = next.iter().zip(gradient).map(sensitivity).collect();
    let free = scores.iter().filter(|s| **s > f32::NEG_INFINITY).count();
    let grow = (active - stay).min(free);
    let grown = keep_largest(&[scores], grow).remove(0);
    for (next, grown) in next.iter_mut().zip(grown) {
        *next = next.max(grown);
    }
    // Where no gradient asks for more, the dropped ones of largest magnitude stay.
    let short = active - stay - grow;
    if short > 0 {
        let left = |((mask, next), weight): ((&f32, &f32), &f32)| match *mask != 0.0 && *next == 0.0
        {
            true => weight.abs(),
            false => f32::NEG_INFINITY,
        };
        let scores: Vec<f32> = mask.iter().zip(&next).zip(weight).map(left).collect();
        let back = keep_largest(&[scores], short).remove(0);
        for (next, back) in next.iter_mut().zip(back) {
            *next = next.max(back);
        }
    }
    next
}

impl Compressor for Rigl {
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
        PROBED
    }

    fn start(&mut self, stage: &mut Stage<'_>, gradients: &BTreeMap<String, Tensor>) -> Result<()> {
        let reached = reached_by(&self.masks.probed(gradients)?);
        let keep = count(stage.target(), self.masks.count(&reached));
        let weights = self.masks.weights.iter().zip(&reached);
        let layers: Vec<(Vec<usize>, usize)> = weights
            .map(|(weight, reached)| {
                let used = reached.iter().filter(|reached| **reached).count();
                (weight.var.dims().to_vec(), used)
            })
            .collect();
        let mut generator = stage.root.stream("rigl", 0);
        let mut masks = Vec::new();
        for (reached, keep) in reached.iter().zip(shares(&layers, keep)) {
            let mut places: Vec<usize> = (0..reached.len()).filter(|&at| reached[at]).collect();
            generator.shuffle(&mut places);
            let mut mask = vec![0.0; reached.len()];
            for &at in &places[..keep] {
                mask[at] = 1.0;
            }
            masks.push(mask);
        }
        self.masks.set(masks)?;
        self.masks.mask_weights(stage.parameters, stage.average)
    }

    fn update(&mut self, _: &mut Stage<'_>) -> Result<()> {
        Ok(())
    }

    fn after_backward(
        &mut self,
        stage: &mut Stage<'_>,
        gradients: &mut GradStore,
        _: &Tensor,
    ) -> Result<()> {
        let until = stage.config.controller.settle;
        if stage.due(self.settings.updates, until) {
            let along = (stage.progress / until).min(1.0);
            let drop = 0.5 * self.settings.drop * (1.0 + (std::f64::consts::PI * along).cos());
            let before = self.masks.values()?;
            let mut masks = Vec::new();
            for (weight, mask) in self.masks.weights.iter().zip(&before) {
                let Some(gradient) = gradients.get(weight.var.as_tensor()) else {
                    masks.push(mask.clone());
                    continue;
                };
                let active = mask.iter().filter(|mask| **mask != 0.0).count();
                let moving = (drop * active as f64) as usize;
                masks.push(moved(mask, &flat(&weight.var)?, &flat(gradient)?, moving));
            }
            self.masks.set(masks)?;
            // A connection that grows starts without a past.
            self.masks.mask_moments(stage.optimiser, &before)?;
            self.masks.mask_weights(stage.parameters, stage.average)?;
        }
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
    fn the_smallest_weights_are_dropped_and_the_largest_gradients_grow() {
        let mask = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0];
        let weight = [0.5, -0.1, 2.0, 0.0, 0.0, 0.0];
        let gradient = [0.0, 0.3, 9.0, -4.0, 1.0, 0.0];
        // The second is dropped, and the fourth has the largest gradient of what is free.
        assert_eq!(
            moved(&mask, &weight, &gradient, 1),
            [1.0, 0.0, 1.0, 1.0, 0.0, 0.0]
        );
        // Two are dropped, two grow.
        assert_eq!(
            moved(&mask, &weight, &gradient, 2),
            [0.0, 0.0, 1.0, 1.0, 1.0, 0.0]
        );
        assert_eq!(moved(&mask, &weight, &gradient, 0), mask);
    }

    #[test]
    fn where_no_gradient_asks_for_more_the_largest_of_the_dropped_stay() {
        let mask = [1.0, 1.0, 0.0];
        let found = moved(&mask, &[0.2, 0.1, 0.0], &[0.0, 0.0, 0.0], 2);
        assert_eq!(found, mask);
    }

    #[test]
    fn small_layers_stay_denser_and_all_together_are_the_share() {
        let layers = [(vec![100, 200], 20_000), (vec![10, 20], 200), (vec![5], 5)];
        let found = shares(&layers, 2_020);
        assert_eq!(found.iter().sum::<usize>(), 2_020);
        let density = |at: usize| found[at] as f64 / layers[at].1 as f64;
        // (100 + 200) / 20000 = .015 and (10 + 20) / 200 = .15: ten times as dense.
        assert!((density(1) / density(0) - 10.0).abs() < 0.3, "{found:?}");
        assert_eq!(found[2], 5);
        assert_eq!(shares(&layers, 30_000), [20_000, 200, 5]);
    }
}

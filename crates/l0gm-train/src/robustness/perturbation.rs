//! The perturbation of one example, which depends only on (condition, example, seed).
//!
//! The severities of one kind share their random draws: what is missing at p = 0.1 is also missing at 0.5, and noise
//! of twice the sigma is twice the same noise. So a curve over severities shows the effect of the severity alone.

use super::{Condition, ConditionKind, FeatureScale};
use l0gm_ops::Generator;

/// A condition together with the seed of its random draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Perturbation {
    /// The kind of perturbation and its strength.
    pub condition: Condition,
    /// The run's seed.
    pub seed: u64,
}

impl Perturbation {
    fn generator(&self, example: u64) -> Generator {
        Generator::new(self.seed)
            .stream("robustness", 0)
            .stream(self.condition.kind.name(), example)
    }

    /// Which of the `parts` of an example (fields, tokens, dimensions) are missing. Conditions that distort hide
    /// nothing. An occluded block starts anywhere and covers a share r of the parts, rounded, and at least one.
    pub fn hidden(&self, example: u64, parts: usize) -> Vec<bool> {
        let severity = self.condition.severity;
        match self.condition.kind {
            ConditionKind::Missingness => {
                let mut generator = self.generator(example);
                (0..parts).map(|_| generator.uniform() < severity).collect()
            }
            ConditionKind::Occlusion if severity > 0.0 && parts > 0 => {
                let length = ((severity * parts as f64).round() as usize).clamp(1, parts);
                let places = (parts - length + 1) as f64;
                let start = (self.generator(example).uniform() * places) as usize;
                (0..parts)
                    .map(|part| (start..start + length).contains(&part))
                    .collect()
            }
            ConditionKind::Occlusion | ConditionKind::Noise | ConditionKind::Quantisation => {
                vec![false; parts]
            }
        }
    }

    /// The distortion of an example's numbers, to be applied feature by feature.
    pub fn distortion(&self, example: u64) -> Distortion {
        Distortion {
            condition: self.condition,
            generator: self.generator(example),
        }
    }

    /// Perturbs a whole vector in place: hidden numbers become `blank`, the others are distorted.
    pub fn apply(&self, example: u64, values: &mut [f32], scales: &[FeatureScale], blank: f32) {
        if self.condition.kind.hides() {
            let hidden = self.hidden(example, values.len());
            for (value, hidden) in values.iter_mut().zip(hidden) {
                if hidden {
                    *value = blank;
                }
            }
        } else {
            let mut distortion = self.distortion(example);
            for (value, scale) in values.iter_mut().zip(scales) {
                *value = distortion.next(f64::from(*value), scale) as f32;
            }
        }
    }
}

/// Noise or quantisation of one example's numbers, applied feature by feature.
#[derive(Clone, Debug)]
pub struct Distortion {
    condition: Condition,
    generator: Generator,
}

impl Distortion {
    /// Distorts the next feature's number. Call it for every feature in order, also for missing ones, so that a
    /// feature's noise does not depend on the others.
    pub fn next(&mut self, value: f64, scale: &FeatureScale) -> f64 {
        let severity = self.condition.severity;
        match self.condition.kind {
            ConditionKind::Noise => value + severity * scale.deviation * self.generator.normal(),
            ConditionKind::Quantisation => scale.quantised(value, severity),
            ConditionKind::Missingness | ConditionKind::Occlusion => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(kind: ConditionKind, severity: f64, seed: u64) -> Perturbation {
        Perturbation {
            condition: Condition { kind, severity },
            seed,
        }
    }

    const UNIT: FeatureScale = FeatureScale {
        deviation: 2.0,
        low: 0.0,
        high: 1.0,
    };

    fn applied(perturbation: &Perturbation, example: u64) -> Vec<f32> {
        let mut values: Vec<f32> = (0..200).map(|i| (i as f32 * 0.37).fract()).collect();
        perturbation.apply(example, &mut values, &[UNIT; 200], -1.0);
        values
    }

    #[test]
    fn an_example_is_perturbed_the_same_each_time_and_differently_by_seed_and_example() {
        for condition in Condition::PROTOCOL {
            let of = |seed| Perturbation { condition, seed };
            assert_eq!(applied(&of(1), 5), applied(&of(1), 5));
            // Quantisation draws no random numbers, so it is the same for every seed.
            if condition.kind != ConditionKind::Quantisation {
                assert_ne!(applied(&of(1), 5), applied(&of(2), 5), "{condition:?}");
                assert_ne!(applied(&of(1), 5), applied(&of(1), 6), "{condition:?}");
            }
        }
    }

    #[test]
    fn severities_of_nothing_change_nothing() {
        for (kind, severity) in [
            (ConditionKind::Missingness, 0.0),
            (ConditionKind::Noise, 0.0),
            (ConditionKind::Occlusion, 0.0),
        ] {
            let values: Vec<f32> = (0..200).map(|i| (i as f32 * 0.37).fract()).collect();
            assert_eq!(applied(&under(kind, severity, 3), 1), values, "{kind:?}");
        }
        let fine = applied(&under(ConditionKind::Quantisation, 30.0, 3), 1);
        for (i, value) in fine.iter().enumerate() {
            assert!((value - (i as f32 * 0.37).fract()).abs() < 1e-6);
        }
    }

    #[test]
    fn shares_of_missing_parts_and_the_noise_are_as_large_as_asked_for() {
        for p in [0.1, 0.3, 0.5] {
            let perturbation = under(ConditionKind::Missingness, p, 0);
            let hidden: usize = (0..500)
                .map(|example| perturbation.hidden(example, 20))
                .map(|parts| parts.iter().filter(|hidden| **hidden).count())
                .sum();
            assert!((hidden as f64 / 10_000.0 - p).abs() < 0.02, "{p}: {hidden}");
        }
        let noise = under(ConditionKind::Noise, 0.1, 0);
        let squares: f64 = (0..10_000)
            .map(|example| noise.distortion(example).next(7.0, &UNIT) - 7.0)
            .map(|noise| noise * noise)
            .sum();
        // Sigma 0.1 of a standard deviation of 2.
        assert!(((squares / 10_000.0).sqrt() - 0.2).abs() < 0.01);
    }

    #[test]
    fn an_occluded_block_is_contiguous_has_its_share_and_reaches_every_place() {
        for (r, parts, length) in [(0.1, 14, 1), (0.2, 14, 3), (0.3, 14, 4), (0.1, 2, 1)] {
            let perturbation = under(ConditionKind::Occlusion, r, 0);
            let mut starts = vec![0; parts - length + 1];
            for example in 0..600 {
                let hidden = perturbation.hidden(example, parts);
                let start = hidden.iter().position(|h| *h).unwrap_or(usize::MAX);
                let block: Vec<bool> = (0..parts)
                    .map(|part| part >= start && part < start + length)
                    .collect();
                assert_eq!(hidden, block);
                starts[start] += 1;
            }
            assert!(starts.iter().all(|count| *count > 0), "{starts:?}");
        }
        assert!(
            under(ConditionKind::Occlusion, 0.3, 0)
                .hidden(0, 0)
                .is_empty()
        );
    }

    #[test]
    fn what_is_missing_at_a_low_severity_is_missing_at_a_high_one() {
        let (low, high) = (
            under(ConditionKind::Missingness, 0.1, 4).hidden(9, 300),
            under(ConditionKind::Missingness, 0.5, 4).hidden(9, 300),
        );
        assert!(low.iter().zip(&high).all(|(low, high)| !low || *high));
        assert!(low != high);
    }
}

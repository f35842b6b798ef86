//! Shows what a model receives under the protocol, through a head that records its input.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::robustness::{Scoring, score_conditions};
use crate::{Batch, ConditionKind, FeatureScale, Parameter, Perturbation, Robustness, StopFlag};
use candle_core::{Device, Tensor};
use l0gm_gate::{Gate, GateConfig, Interface, Schedule};
use l0gm_ops::Mode;
use std::cell::RefCell;
use std::time::Instant;

const WIDTH: usize = 6;
const ROWS: usize = 40;

/// Rows of numbers. `at_input` lists the kinds of perturbation that its input supports.
struct Rows {
    at_input: Vec<ConditionKind>,
}

impl Rows {
    fn values(row: u32) -> Vec<f32> {
        let of = |column: usize| ((row as f32 + 1.0) * (column as f32 + 0.37)).sin();
        (0..WIDTH).map(of).collect()
    }

    fn batch_of(rows: &[u32], values: Vec<f32>, device: &Device) -> Result<Batch<Tensor>> {
        let labels: Vec<u32> = rows.iter().map(|row| row % 2).collect();
        Ok(Batch {
            input: Tensor::from_vec(values, (rows.len(), WIDTH), device)?,
            labels: Tensor::from_vec(labels, rows.len(), device)?,
            rows: rows.to_vec(),
        })
    }
}

impl Task for Rows {
    type Input = Tensor;
    fn classes(&self) -> usize {
        2
    }
    fn rows(&self, _: Split) -> usize {
        ROWS
    }
    fn batch(&self, _: Split, rows: &[u32], device: &Device) -> Result<Batch<Tensor>> {
        let values = rows.iter().flat_map(|row| Self::values(*row)).collect();
        Self::batch_of(rows, values, device)
    }
    fn perturbs(&self, kind: ConditionKind) -> Option<String> {
        self.at_input.contains(&kind).then(|| "numbers".to_owned())
    }
    fn perturbed_batch(
        &self,
        rows: &[u32],
        perturbation: &Perturbation,
        device: &Device,
    ) -> Result<Batch<Tensor>> {
        let unit = FeatureScale {
            deviation: 1.0,
            low: -1.0,
            high: 1.0,
        };
        let of = |row: &u32| {
            let mut values = Self::values(*row);
            perturbation.apply(u64::from(*row), &mut values, &[unit; WIDTH], 0.0);
            values
        };
        Self::batch_of(rows, rows.iter().flat_map(of).collect(), device)
    }
}

/// An encoder that returns its input unchanged.
struct Plain;

impl Encoder for Plain {
    type Input = Tensor;
    fn interface(&self) -> Interface {
        Interface::Flat { dim: WIDTH }
    }
    fn encode(&self, input: &Tensor, _: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        Ok(input.clone())
    }
    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }
}

/// A head with the logits [0, slope times the sum of its input]. It records its input.
struct Spy {
    slope: f64,
    seen: RefCell<Vec<f32>>,
}

impl Head<Tensor> for Spy {
    fn classes(&self) -> usize {
        2
    }
    fn logits(&self, gated: &Tensor, _: &Tensor, _: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        self.seen
            .borrow_mut()
            .extend(gated.flatten_all()?.to_vec1::<f32>()?);
        let sum = (gated.sum_keepdim(1)? * self.slope)?; // (batch, 1)
        Tensor::cat(&[&sum.zeros_like()?, &sum], 1)
    }
    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }
}

/// A gate that is fully open and so passes everything unchanged.
fn open_gate() -> Gate {
    let config = GateConfig {
        inference: l0gm_gate::InferenceGate::Threshold,
        ..GateConfig::default()
    };
    let interface = Interface::Flat { dim: WIDTH };
    Gate::new(interface, &config, &Schedule::default(), &Device::Cpu).unwrap()
}

/// What the head saw, and the scores that followed from it.
fn judged(
    at_input: &[ConditionKind],
    gate: Gate,
    slope: f64,
    seed: u64,
    batch_size: usize,
) -> (Vec<f32>, Robustness) {
    let model = GatedModel {
        encoder: Plain,
        gate,
        head: Spy {
            slope,
            seen: RefCell::default(),
        },
    };
    let task = Rows {
        at_input: at_input.to_vec(),
    };
    let mut context = RunContext {
        dir: std::path::PathBuf::new(),
        device: Device::Cpu,
        device_name: "cpu".into(),
        threads: 1,
        progress: &mut (),
        stop: StopFlag::default(),
        baselines: Vec::new(),
    };
    let mut predictor = GatedPredictor {
        task: &task,
        model: &model,
        batch_size,
        fields: &[],
        sizes: Sizes::default(),
        compact: None,
        refusal: None,
        reading: None,
    };
    let clean = predictor.predict(Split::Test, &mut context).unwrap();
    model.head.seen.borrow_mut().clear();
    let perturbed = predictor.perturbed(&Condition::PROTOCOL, seed, &mut context);
    let Offered::Yes(perturbed) = perturbed.unwrap() else {
        panic!("every gated model meets the conditions");
    };
    let scoring = Scoring {
        clean: &clean,
        scaling: 2.0,
        seed,
        bins: 15,
    };
    let robustness = score_conditions(&scoring, perturbed, Instant::now()).unwrap();
    (model.head.seen.take(), robustness)
}

#[test]
fn two_methods_meet_the_same_perturbations_and_another_seed_meets_others() {
    let all = ConditionKind::ALL;
    for at_input in [&all[..], &all[..2], &[]] {
        let (dense, _) = judged(
            at_input,
            Gate::identity(Interface::Flat { dim: WIDTH }),
            1.0,
            0,
            ROWS,
        );
        assert_eq!(dense.len(), 12 * ROWS * WIDTH);
        let (gated, _) = judged(at_input, open_gate(), -3.0, 0, ROWS);
        assert_eq!(dense, gated);
        let (other, _) = judged(at_input, open_gate(), -3.0, 1, ROWS);
        assert_ne!(gated, other);
    }
}

#[test]
fn batches_change_nothing_and_scaling_leaves_the_metric_alone() {
    for at_input in [&ConditionKind::ALL[..], &[]] {
        let (_, mut whole) = judged(at_input, open_gate(), 2.0, 3, ROWS);
        let (_, parts) = judged(at_input, open_gate(), 2.0, 3, 7);
        whole.seconds = parts.seconds;
        assert_eq!(whole, parts);
        for condition in &whole.conditions {
            let score = condition.score;
            assert!(score.nll_scaled != score.nll && score.ece_scaled != score.ece);
        }
        let mean = whole
            .conditions
            .iter()
            .map(|c| c.score.accuracy)
            .sum::<f64>()
            / 12.0;
        assert!((whole.rob_mu() - mean).abs() < 1e-12);
    }
}

#[test]
fn the_record_says_what_was_perturbed_where() {
    let (_, robustness) = judged(&ConditionKind::ALL[..1], open_gate(), 1.0, 0, ROWS);
    for condition in &robustness.conditions {
        let expected = match condition.condition.kind {
            ConditionKind::Missingness => "numbers",
            _ => "interface",
        };
        assert_eq!(condition.at, expected);
    }
    assert_eq!((robustness.rows, robustness.bins), (ROWS, 15));
}

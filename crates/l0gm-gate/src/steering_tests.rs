#![allow(clippy::unwrap_used)]
use super::*;
use crate::{Gate, GateConfig, InferenceGate, Interface};
use candle_core::{DType, Device};
use candle_nn::{Optimizer, SGD};

fn gate(interface: Interface, inference: InferenceGate) -> Gate {
    let config = GateConfig {
        inference,
        ..GateConfig::default()
    };
    Gate::new(interface, &config, &Schedule::default(), &Device::Cpu).unwrap()
}

/// Trains two gates whose dimensions differ in what they are worth, and returns the gates and what each step did.
fn train(inference: InferenceGate, target: f64, steps: u32) -> (Gates, Steering, Vec<Steered>) {
    let schedule = Schedule::default();
    let (a, b) = (
        gate(Interface::Flat { dim: 30 }, inference),
        gate(Interface::ChannelsLast { channels: 50 }, inference),
    );
    let gates = Gates::new([&a, &b]);
    let target = Target::new(target).unwrap();
    let mut steering = Steering::new(target, Controller::default(), &schedule).unwrap();
    let mut optimiser = SGD::new(gates.variables(), 20.0).unwrap();
    let mut noise = Generator::new(1);
    // Dimension i is worth (i / n)^2: the loss is what is lost by closing it.
    let worth = |n: usize| {
        let values: Vec<f32> = (0..n).map(|i| (i as f32 / n as f32).powi(2)).collect();
        Tensor::new(values, &Device::Cpu).unwrap()
    };
    let r = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
    let mut taken = Vec::new();
    for step in 0..steps {
        let now = steering
            .at(&gates, f64::from(step) / f64::from(steps))
            .unwrap();
        taken.push(now);
        let one = a.forward(&r(&[8, 30]), now.mode(&mut noise)).unwrap();
        let two = b.forward(&r(&[8, 2, 50]), now.mode(&mut noise)).unwrap();
        let lost = |gated: Tensor, n: usize| {
            let missing = (1.0 - gated).unwrap().broadcast_mul(&worth(n)).unwrap();
            missing.mean_all().unwrap()
        };
        let task = (lost(one, 30) + lost(two, 50)).unwrap();
        let loss = now.loss(&task, &gates).unwrap();
        if !now.settled {
            optimiser.backward_step(&loss).unwrap();
        }
    }
    (gates, steering, taken)
}

#[test]
fn gates_of_two_layers_end_on_their_common_target_and_keep_what_is_worth_most() {
    for inference in [InferenceGate::Median, InferenceGate::Threshold] {
        let (gates, mut steering, taken) = train(inference, 0.25, 400);
        assert_eq!(gates.active_fraction().unwrap(), ActiveFraction(0.25));
        assert_eq!(steering.finish(&gates).unwrap(), ActiveFraction(0.25));
        for gate in gates.all() {
            let mask = gate.hard_mask().unwrap();
            let (low, high) = mask.split_at(mask.len() / 2);
            let count = |half: &[bool]| half.iter().filter(|open| **open).count();
            assert!(count(high) > 3 * count(low), "{mask:?}");
            assert!(
                gate.deterministic()
                    .unwrap()
                    .iter()
                    .all(|z| *z == 0.0 || *z == 1.0)
            );
        }
        // Warm-up without a penalty, then a penalty, then settled gates without one.
        assert!(
            taken[..40]
                .iter()
                .all(|now| now.lambda == 0.0 && !now.settled)
        );
        assert!(taken[40..280].iter().any(|now| now.lambda > 0.0));
        assert!(taken[40..280].iter().all(|now| !now.settled));
        assert!(
            taken[280..]
                .iter()
                .all(|now| now.settled && now.lambda == 0.0)
        );
    }
}

#[test]
fn a_training_that_was_cut_short_settles_at_its_end() {
    let schedule = Schedule::default();
    let gate = gate(Interface::Flat { dim: 8 }, InferenceGate::Median);
    let gates = Gates::new([&gate]);
    let target = Target::new(0.5).unwrap();
    let mut steering = Steering::new(target, Controller::default(), &schedule).unwrap();
    assert!(!steering.at(&gates, 0.0).unwrap().settled);
    assert!(!steering.at(&gates, 0.5).unwrap().settled);
    assert_eq!(steering.finish(&gates).unwrap(), ActiveFraction(0.5));
    // Once settled, always settled.
    assert!(steering.at(&gates, 0.6).unwrap().settled);
}

#[test]
fn settings_out_of_range_are_refused_at_the_door() {
    let target = Target::new(0.5).unwrap();
    let controller = Controller {
        settle: 1.5,
        ..Controller::default()
    };
    let error = Steering::new(target, controller, &Schedule::default()).unwrap_err();
    assert!(
        error.to_string().contains("controller.settle is 1.5"),
        "{error}"
    );
    let schedule = Schedule {
        warmup: 2.0,
        ..Schedule::default()
    };
    let error = Steering::new(target, Controller::default(), &schedule).unwrap_err();
    assert!(error.to_string().contains("warmup is 2"), "{error}");
}

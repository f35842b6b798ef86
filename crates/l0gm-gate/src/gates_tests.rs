#![allow(clippy::unwrap_used)]
use super::*;
use crate::{GateConfig, GateKind, GateMode, Granularity, Interface, Objective, ScheduleStep};
use candle_core::DType;
use l0gm_ops::Generator;

const TAU: Temperature = Temperature(2.0 / 3.0);
const STEP: ScheduleStep = ScheduleStep {
    temperature: TAU,
    lambda_scale: 0.5,
};

fn gate(interface: Interface, config: &GateConfig, log_alpha: &[f32]) -> Gate {
    let log_alpha = Tensor::new(log_alpha, &Device::Cpu).unwrap();
    Gate::from_log_alpha(interface, config, &log_alpha, TAU).unwrap()
}

/// A gate of three dimensions, and one of two groups of two channels.
fn two() -> (Gate, Gate) {
    let group = GateConfig {
        granularity: Granularity::Group,
        group_width: 2,
        ..GateConfig::default()
    };
    let maps = Interface::ChannelsFirst { channels: 4 };
    (
        gate(
            Interface::Flat { dim: 3 },
            &GateConfig::default(),
            &[-9.0, 0.5, 2.0],
        ),
        gate(maps, &group, &[-9.0, 1.0]),
    )
}

fn value(t: Tensor) -> f64 {
    f64::from(t.to_scalar::<f32>().unwrap())
}

#[test]
fn penalties_are_weighted_and_added_or_averaged() {
    let (a, b) = two();
    let (p, q) = (
        value(a.penalty(TAU).unwrap()),
        value(b.penalty(TAU).unwrap()),
    );
    let gates = Gates::new([&a, &b]);
    let close = |gates: &Gates, expected: f64| {
        let found = value(gates.penalty(TAU).unwrap());
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    };
    close(&gates, p + q);
    let mean = PenaltyReduction::Mean;
    close(&gates.clone().with_reduction(mean), (p + q) / 2.0);
    let weighted = gates.with_weights(&[0.5, 3.0]).unwrap();
    close(&weighted, 0.5 * p + 3.0 * q);
    close(
        &weighted.clone().with_reduction(mean),
        (0.5 * p + 3.0 * q) / 3.5,
    );
    // The identity counts for nothing, in a mean too.
    let identity = Gate::identity(Interface::Flat { dim: 9 });
    let three = Gates::new([&a, &identity, &b]);
    close(&three.clone().with_reduction(mean), (p + q) / 2.0);
    close(&three, p + q);
}

#[test]
fn one_lambda_weighs_them_all_in_the_objective() {
    let (a, b) = two();
    let gates = Gates::new([&a, &b]);
    let objective = Objective {
        lambda: 0.02,
        ..Objective::default()
    };
    let task = Tensor::new(0.25f32, &Device::Cpu).unwrap();
    let expected = 0.25 + 0.01 * value(gates.penalty(TAU).unwrap());
    let found = value(objective.joint(&task, &gates, STEP).unwrap());
    assert!((found - expected).abs() < 1e-6);
    for (gates, objective) in [
        (Gates::default(), objective.clone()),
        (
            Gates::new([&Gate::identity(Interface::Flat { dim: 3 })]),
            objective,
        ),
        (gates, Objective::default()),
    ] {
        assert_eq!(value(objective.joint(&task, &gates, STEP).unwrap()), 0.25);
    }
}

#[test]
fn the_gradient_of_the_joint_objective_equals_finite_differences() {
    let objective = Objective {
        lambda: 0.7,
        ..Objective::default()
    };
    let maps = Interface::ChannelsLast { channels: 3 };
    let (a, b) = (
        gate(
            Interface::Flat { dim: 2 },
            &GateConfig::default(),
            &[-0.3, 0.4],
        ),
        gate(maps, &GateConfig::default(), &[0.1, 0.9, -1.2]),
    );
    for across in [PenaltyReduction::Sum, PenaltyReduction::Mean] {
        let gates = Gates::new([&a, &b])
            .with_weights(&[0.5, 2.0])
            .unwrap()
            .with_reduction(across);
        let ones = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
        let loss = || {
            let mut noise = Generator::new(4);
            let one = a
                .forward(&ones(&[5, 2]), GateMode::train(TAU, &mut noise))
                .unwrap();
            let two = b
                .forward(&ones(&[5, 2, 3]), GateMode::train(TAU, &mut noise))
                .unwrap();
            let task = (one.mean_all().unwrap() + two.sqr().unwrap().mean_all().unwrap()).unwrap();
            objective.joint(&task, &gates, STEP).unwrap()
        };
        let grads = loss().backward().unwrap();
        let h = 1e-2f32;
        assert_eq!(gates.variables().len(), 2);
        for variable in gates.variables() {
            let start: Vec<f32> = variable.to_vec1().unwrap();
            let found: Vec<f32> = grads.get(&variable).unwrap().to_vec1().unwrap();
            for at in 0..start.len() {
                let moved = |by: f32| {
                    let mut values = start.clone();
                    values[at] += by;
                    variable
                        .set(&Tensor::new(values, &Device::Cpu).unwrap())
                        .unwrap();
                    value(loss())
                };
                let expected = (moved(h) - moved(-h)) / (2.0 * f64::from(h));
                variable
                    .set(&Tensor::new(start.clone(), &Device::Cpu).unwrap())
                    .unwrap();
                let error = (f64::from(found[at]) - expected).abs();
                assert!(
                    error < 2e-3 + 2e-2 * expected.abs(),
                    "{}: {expected}",
                    found[at]
                );
            }
        }
    }
}

#[test]
fn conditional_gates_need_what_their_batches_showed() {
    let config = GateConfig {
        kind: GateKind::Conditional,
        ..GateConfig::default()
    };
    let (plain, _) = two();
    let own = gate(Interface::Flat { dim: 3 }, &config, &[-1.0, 0.0, 1.0]);
    let gates = Gates::new([&plain, &own])
        .with_weights(&[1.0, 2.0])
        .unwrap();
    assert_eq!(gates.variables().len(), 3);
    assert!(gates.penalty(TAU).is_err() && gates.active_fraction().is_err());
    let r = Tensor::ones((4, 3), DType::F32, &Device::Cpu).unwrap();
    let (a, b) = (
        plain.pass(&r, GateMode::Eval).unwrap(),
        own.pass(&r, GateMode::Eval).unwrap(),
    );
    let expected =
        value(plain.penalty(TAU).unwrap()) + 2.0 * value(own.penalty_of(&b, TAU).unwrap());
    let found = value(gates.penalty_of(&[&a, &b], TAU).unwrap());
    assert!((found - expected).abs() < 1e-5);
    assert!(gates.penalty_of(&[&a], TAU).is_err());
}

#[test]
fn the_share_that_is_open_and_a_target_are_of_all_dimensions_together() {
    let (a, b) = two();
    let gates = Gates::new([&a, &b]).with_weights(&[1.0, 100.0]).unwrap();
    // Two of three dimensions, two of four channels.
    assert!((gates.active_fraction().unwrap().0 - 4.0 / 7.0).abs() < 1e-12);
    let reading = gates.reading().unwrap().unwrap();
    assert_eq!((reading.open_dims, reading.total_dims), (4, 7));
    // 2.1 dimensions are wanted: the surest one of the first gate and the open group of the second come nearest.
    let open = gates.settle(Target::new(0.3).unwrap()).unwrap();
    assert!((open.0 - 3.0 / 7.0).abs() < 1e-12, "{open:?}");
    assert_eq!(gates.active_fraction().unwrap(), open);
    assert_eq!(a.hard_mask().unwrap(), [false, false, true]);
    assert_eq!(b.hard_mask().unwrap(), [false, false, true, true]);
    assert!(Gates::default().reading().unwrap().is_none());
    assert_eq!(
        Gates::default().active_fraction().unwrap(),
        ActiveFraction(1.0)
    );
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let (a, b) = two();
    let gates = Gates::new([&a, &b]);
    let message = |weights: &[f64]| {
        let error = gates.clone().with_weights(weights).unwrap_err();
        error.to_string()
    };
    assert!(message(&[1.0]).contains("1 weights were given for 2 gates"));
    assert!(message(&[1.0, -2.0]).contains("weights[1] is -2"));
    assert!(message(&[f64::NAN, 1.0]).contains("weights[0] is NaN"));
}

#![allow(clippy::unwrap_used)]
use super::*;
use crate::{GateConfig, GateKind, GateMode, Granularity, InferenceGate, Interface, Temperature};
use candle_core::{Device, Tensor};
use proptest::prelude::*;

const TAU: Temperature = Temperature(2.0 / 3.0);

fn target(active: f64) -> Target {
    Target::new(active).unwrap()
}

fn gate(log_alpha: &[f32], interface: Interface, config: &GateConfig) -> Gate {
    let log_alpha = Tensor::new(log_alpha, &Device::Cpu).unwrap();
    Gate::from_log_alpha(interface, config, &log_alpha, TAU).unwrap()
}

#[test]
fn a_target_is_written_as_a_share_or_in_percent() {
    for text in ["0.15", "15%", " 15 % "] {
        assert!((text.parse::<Target>().unwrap().active() - 0.15).abs() < 1e-12);
    }
    for json in ["0.15", "\"15%\""] {
        let read: Target = serde_json::from_str(json).unwrap();
        assert!((read.active() - 0.15).abs() < 1e-12);
    }
    assert_eq!(serde_json::to_string(&target(0.25)).unwrap(), "0.25");
    for bad in ["0", "1", "100%", "-3%", "15", "many"] {
        let text = bad.parse::<Target>().unwrap_err().to_string();
        assert!(text.contains("15%"), "{text}");
    }
}

#[test]
fn the_path_falls_from_all_open_to_the_target_and_stays() {
    let controller = Controller::default();
    let at = |progress| controller.path(target(0.1), 0.1, progress);
    assert_eq!(at(0.0), 1.0);
    assert_eq!(at(0.1), 1.0);
    // Half way, an eighth of the distance is left.
    assert!((at(0.3) - (0.1 + 0.9 / 8.0)).abs() < 1e-12);
    for progress in [0.5, 0.7, 1.0] {
        assert_eq!(at(progress), 0.1);
    }
    for i in 0..100 {
        assert!(at(f64::from(i) / 100.0) >= at(f64::from(i + 1) / 100.0));
    }
    // If the warm-up ends after the path, the target is wanted at once.
    assert_eq!(controller.path(target(0.1), 0.6, 0.65), 0.1);
    assert!(controller.path(target(0.1), 0.6, 0.3).is_finite());
}

#[test]
fn the_multiplier_rises_while_too_much_is_open_and_rests_where_too_little_is() {
    let controller = Controller::default();
    let mut multiplier = Multiplier::new(&controller);
    assert_eq!(multiplier.lambda(), 1e-3);
    let mut before = 0.0;
    for _ in 0..10 {
        let lambda = multiplier.update(&controller, 0.5, 0.4, 0.01);
        assert!(lambda > before);
        before = lambda;
    }
    // The expected value by the formula: ten steps of gain * .1 * .01, and the damping of the last error.
    let expected = 1e-3f64.ln() + 10.0 * controller.gain * 0.1 * 0.01 + controller.damping * 0.1;
    assert!((before.ln() - expected).abs() < 1e-9);
    assert_eq!(multiplier.update(&controller, 0.3, 0.4, 0.01), 0.0);
    assert!(multiplier.update(&controller, 0.4, 0.4, 0.01) > 0.0);
    // Whatever happens, lambda must stay a finite number.
    for _ in 0..10_000 {
        multiplier.update(&controller, 1.0, 0.0, 0.1);
    }
    assert!(multiplier.lambda() <= 100.0 + 1e-9);
    for _ in 0..10_000 {
        multiplier.update(&controller, 0.0, 0.0, 0.1);
        multiplier.update(&controller, 0.0, 0.004, 0.1);
    }
    assert!(multiplier.lambda() > 0.0);
}

/// Simulated gates that lambda closes against a pull of their own. This is the simplest system that responds to
/// lambda as a model's gates do.
#[test]
fn the_multiplier_steers_a_plant_of_gates_to_its_target() {
    let controller = Controller::default();
    for (wanted, pull_scale) in [(0.1, 1e-3), (0.25, 1e-3), (0.15, 1e-5), (0.5, 1e-1)] {
        let steps = 1000;
        let mut multiplier = Multiplier::new(&controller);
        let mut heights = vec![1.5f64; 200];
        for step in 0..700 {
            let progress = f64::from(step) / f64::from(steps);
            let open = heights.iter().filter(|h| **h > 0.0).count() as f64 / 200.0;
            let path = controller.path(target(wanted), 0.1, progress);
            let lambda = multiplier.update(&controller, open, path, 1.0 / f64::from(steps));
            for (i, height) in heights.iter_mut().enumerate() {
                // The value of a dimension differs a hundredfold from gate to gate.
                let pull = pull_scale * 100f64.powf(i as f64 / 200.0 - 0.5);
                let force = (pull - lambda) / (pull + lambda);
                *height = (*height + 0.04 * force).clamp(-3.0, 3.0);
            }
        }
        let open = heights.iter().filter(|h| **h > 0.0).count() as f64 / 200.0;
        assert!(
            (open - wanted).abs() < 0.05,
            "{wanted} {pull_scale}: {open}"
        );
    }
}

#[test]
fn settling_keeps_the_best_gates_and_moves_only_those_that_change_sides() {
    let config = GateConfig {
        inference: InferenceGate::Threshold,
        ..GateConfig::default()
    };
    let flat = Interface::Flat { dim: 5 };
    let gate = gate(&[2.0, -1.0, 0.5, 0.2, -3.0], flat, &config);
    assert_eq!(settle(&[&gate], target(0.4)).unwrap(), ActiveFraction(0.4));
    assert_eq!(gate.hard_mask().unwrap(), [true, false, true, false, false]);
    let values: Vec<f32> = gate.log_alpha().unwrap().to_vec1().unwrap();
    assert_eq!(
        (values[0], values[1], values[2], values[4]),
        (2.0, -1.0, 0.5, -3.0)
    );
    assert!(values[3] < 0.0 && values[3] > -0.01);
    assert_eq!(settle(&[&gate], target(0.8)).unwrap(), ActiveFraction(0.8));
    assert_eq!(gate.hard_mask().unwrap(), [true, true, true, true, false]);
}

#[test]
fn groups_and_several_gates_settle_on_dimensions_together() {
    let groups = GateConfig {
        granularity: Granularity::Group,
        ..GateConfig::default()
    };
    let a = gate(
        &[3.0, -9.0],
        Interface::Fields { fields: 2, dim: 3 },
        &groups,
    );
    let b = gate(
        &[2.0, 1.0, -9.0, -8.0],
        Interface::Flat { dim: 4 },
        &GateConfig::default(),
    );
    // There are ten dimensions; the best are the first three of a, then those of b.
    assert_eq!(settle(&[&a, &b], target(0.5)).unwrap(), ActiveFraction(0.5));
    assert_eq!(
        a.hard_mask().unwrap(),
        [true, true, true, false, false, false]
    );
    assert_eq!(b.hard_mask().unwrap(), [true, true, false, false]);
    let conditional = GateConfig {
        kind: GateKind::Conditional,
        ..GateConfig::default()
    };
    let c = gate(&[1.0], Interface::Flat { dim: 1 }, &conditional);
    let error = settle(&[&c], target(0.5)).unwrap_err().to_string();
    assert!(error.contains("depends on the example"), "{error}");
}

#[test]
fn a_conditional_gate_is_shifted_until_its_mean_over_examples_is_the_target() {
    let config = GateConfig {
        kind: GateKind::Conditional,
        inference: InferenceGate::Threshold,
        ..GateConfig::default()
    };
    let bias = Tensor::new(&[1f32, 2.0], &Device::Cpu).unwrap();
    let weight = Tensor::new(&[[1f32, 0.0], [0.0, 1.0]], &Device::Cpu).unwrap();
    let interface = Interface::Flat { dim: 2 };
    let gate = Gate::from_parameters(interface, &config, &bias, Some(&weight), TAU).unwrap();
    let r = Tensor::new(
        &[
            [0f32, 1.0],
            [5.0, -4.0],
            [2.0, 7.0],
            [-2.5, 0.5],
            [1.0, 1.5],
        ],
        &Device::Cpu,
    );
    let read = || {
        let gated = gate.pass(r.as_ref().unwrap(), GateMode::Eval).unwrap();
        let mut reader = crate::GateReader::default();
        reader.add(&gate, &gated).unwrap();
        let own = gated.log_alpha.unwrap().flatten_all().unwrap();
        (
            own.to_vec1::<f32>().unwrap(),
            reader.finish(&gate).unwrap().active_fraction,
        )
    };
    for wanted in [0.2, 0.5, 0.9] {
        shift_to(&gate, read().0, target(wanted)).unwrap();
        assert_eq!(read().1, wanted);
    }
    assert!(shift_to(&gate, Vec::new(), target(0.5)).is_err());
}

proptest! {
    #[test]
    fn settling_comes_as_near_as_one_gate_allows_even_among_equal_gates(
        levels in prop::collection::vec(0u8..4, 1..60),
        wanted in 0.01..0.99f64,
        kind in 0usize..3,
        tau in 0.1..2.0f64,
    ) {
        let inference = [InferenceGate::Median, InferenceGate::Threshold, InferenceGate::HardSigmoid][kind];
        let config = GateConfig { inference, ..GateConfig::default() };
        let log_alpha: Vec<f32> = levels.iter().map(|&l| f32::from(l) * 2.0 - 4.0).collect();
        let n = log_alpha.len();
        let gate = gate(&log_alpha, Interface::Flat { dim: n }, &config)
            .at_temperature(Temperature(tau))
            .unwrap();
        let said = settle(&[&gate], target(wanted)).unwrap();
        prop_assert_eq!(said, gate.active_fraction().unwrap());
        prop_assert!((said.0 - wanted).abs() <= 0.5 / n as f64 + 1e-9);
    }
}

#[test]
fn settings_of_the_controller_outside_their_range_are_named() {
    let base = Controller::default;
    base().check().unwrap();
    for (bad, name) in [
        (
            Controller {
                reach: 0.0,
                ..base()
            },
            "controller.reach is 0",
        ),
        (
            Controller {
                settle: 0.4,
                ..base()
            },
            "controller.settle is 0.4",
        ),
        (
            Controller {
                settle: 1.0,
                ..base()
            },
            "controller.settle is 1",
        ),
        (
            Controller {
                start_lambda: 0.0,
                ..base()
            },
            "controller.start-lambda is 0",
        ),
        (
            Controller {
                gain: f64::NAN,
                ..base()
            },
            "controller.gain is NaN",
        ),
        (
            Controller {
                damping: -1.0,
                ..base()
            },
            "controller.damping is -1",
        ),
        (
            Controller {
                slack: -1.0,
                ..base()
            },
            "controller.slack is -1",
        ),
    ] {
        let text = bad.check().unwrap_err().to_string();
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn a_target_that_would_open_no_gate_is_refused_with_the_smallest_that_opens_one() {
    let gate = Gate::new(
        Interface::Flat { dim: 10 },
        &GateConfig::default(),
        &crate::Schedule::default(),
        &Device::Cpu,
    )
    .unwrap();
    let check = |share: f64| check_reachable(&[&gate], Target::new(share).unwrap());
    assert!(check(0.06).is_ok() && check(0.5).is_ok());
    let text = check(0.04).unwrap_err().to_string();
    assert!(
        text.contains("target is 0.04") && text.contains("at least 0.1000, which is one of the 10"),
        "{text}"
    );
    let none = Gate::identity(Interface::Flat { dim: 10 });
    assert!(check_reachable(&[&none], Target::new(0.01).unwrap()).is_ok());
}

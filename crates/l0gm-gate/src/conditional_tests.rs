//! Tests of the conditional gate: log_alpha = a + W r.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::{GateMode, GateReader, Granularity, Objective, ScheduleStep, distribution};
use l0gm_ops::{Generator, Stretch};

const TAU: Temperature = Temperature(2.0 / 3.0);
const FLAT: Interface = Interface::Flat { dim: 3 };

fn config() -> GateConfig {
    GateConfig {
        kind: GateKind::Conditional,
        ..GateConfig::default()
    }
}

fn representation(rows: &[[f32; 3]]) -> Tensor {
    let values = rows.iter().flatten().copied().collect();
    Tensor::from_vec(values, (rows.len(), 3), &Device::Cpu).unwrap()
}

/// A gate with a = (0, .5, -2) and a W with one row per gate.
fn gate(config: &GateConfig) -> Gate {
    let a = Tensor::new(&[0f32, 0.5, -2.0], &Device::Cpu).unwrap();
    let w = Tensor::new(
        &[[1f32, 0.0, 0.0], [0.0, -1.0, 0.5], [2.0, 0.0, 0.0]],
        &Device::Cpu,
    );
    Gate::from_parameters(FLAT, config, &a, Some(&w.unwrap()), TAU).unwrap()
}

const ROWS: [[f32; 3]; 2] = [[-1.0, 2.0, 0.0], [2.0, 0.25, 1.0]];

/// The values of a + W r for ROWS, computed by hand.
const LOG_ALPHAS: [[f64; 3]; 2] = [[-1.0, -1.5, -4.0], [2.0, 0.75, 2.0]];

#[test]
fn evaluation_multiplies_with_the_median_of_each_examples_own_log_alpha() {
    let gated = gate(&config())
        .pass(&representation(&ROWS), GateMode::Eval)
        .unwrap();
    let values: Vec<Vec<f32>> = gated.value.to_vec2().unwrap();
    let own: Vec<Vec<f32>> = gated.log_alpha.unwrap().to_vec2().unwrap();
    for row in 0..2 {
        for gate in 0..3 {
            let log_alpha = LOG_ALPHAS[row][gate];
            assert!((f64::from(own[row][gate]) - log_alpha).abs() < 1e-6);
            let z = distribution::median(log_alpha, TAU, Stretch::default());
            let expected = z * f64::from(ROWS[row][gate]);
            assert!((f64::from(values[row][gate]) - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn the_penalty_is_the_mean_over_examples_of_the_sum_over_gates() {
    let gate = gate(&config());
    let gated = gate.pass(&representation(&ROWS), GateMode::Eval).unwrap();
    let open = |row: usize| -> f64 {
        LOG_ALPHAS[row]
            .iter()
            .map(|&a| distribution::open_probability(a, TAU, Stretch::default()))
            .sum()
    };
    let expected = (open(0) + open(1)) / 2.0;
    let penalty: f32 = gate.penalty_of(&gated, TAU).unwrap().to_scalar().unwrap();
    assert!((f64::from(penalty) - expected).abs() < 1e-5);
    let mut reader = GateReader::default();
    reader.add(&gate, &gated).unwrap();
    let reading = reader.finish(&gate).unwrap();
    assert!((reading.expected_l0 - expected).abs() < 1e-5);
}

#[test]
fn the_active_fraction_is_the_mean_over_examples_whatever_the_batches() {
    // Under Algorithm 1's threshold (log_alpha above 0), row 0 opens no gate and row 1 opens all three.
    let threshold = GateConfig {
        inference: crate::InferenceGate::Threshold,
        ..config()
    };
    let gate = gate(&threshold);
    let read = |batches: &[&[[f32; 3]]]| {
        let mut reader = GateReader::default();
        for batch in batches {
            let gated = gate.pass(&representation(batch), GateMode::Eval).unwrap();
            reader.add(&gate, &gated).unwrap();
        }
        reader.finish(&gate).unwrap()
    };
    let whole = read(&[&[ROWS[0], ROWS[1], ROWS[1], ROWS[1]]]);
    let parts = read(&[&[ROWS[1], ROWS[1]], &[ROWS[0]], &[ROWS[1]]]);
    assert_eq!(whole, parts);
    assert_eq!(whole.active_fraction, 0.75);
    assert_eq!(whole.open_dims, 3);
    assert_eq!(whole.z, [0.75; 3]);
    assert_eq!(read(&[&[ROWS[0]]]).open_dims, 0);
}

#[test]
fn a_new_conditional_gate_is_the_per_example_gate_bit_for_bit() {
    let interface = Interface::Fields { fields: 2, dim: 2 };
    for granularity in [Granularity::Interface, Granularity::Group] {
        let z = |kind| {
            let config = GateConfig {
                kind,
                granularity,
                ..GateConfig::default()
            };
            let gate = Gate::new(interface, &config, &Schedule::default(), &Device::Cpu).unwrap();
            let mut generator = Generator::new(3);
            let r = generator
                .normal_tensor((5, 2, 2), 0.0, 1.0, DType::F32, &Device::Cpu)
                .unwrap();
            let gated = gate.pass(&r, GateMode::train(TAU, &mut generator)).unwrap();
            let penalty = gate.penalty_of(&gated, TAU).unwrap();
            let penalty: f32 = penalty.to_scalar().unwrap();
            let value: Vec<f32> = gated.value.flatten_all().unwrap().to_vec1().unwrap();
            (value, penalty)
        };
        let (conditional, a) = z(GateKind::Conditional);
        let (per_example, b) = z(GateKind::PerExample);
        assert_eq!(conditional, per_example);
        assert!((a - b).abs() < 1e-5);
    }
}

#[test]
fn gradients_of_a_w_and_r_equal_finite_differences() {
    let gate = gate(&config());
    let r = Var::from_tensor(&representation(&[[-0.3, 0.4, 0.2], [0.5, -0.25, 0.7]])).unwrap();
    let weights = Tensor::new(&[[1f32, -2.0, 0.5], [0.7, 1.0, -1.5]], &Device::Cpu).unwrap();
    // The loss is a weighted sum of gated values plus the penalty, always with the same noise.
    let loss = || {
        let mut generator = Generator::new(11);
        let gated = gate
            .pass(r.as_tensor(), GateMode::train(TAU, &mut generator))
            .unwrap();
        let task = (&gated.value * &weights).unwrap().sum_all().unwrap();
        (task + gate.penalty_of(&gated, TAU).unwrap()).unwrap()
    };
    let gradients = loss().backward().unwrap();
    let h = 1e-2;
    for variable in [gate.log_alpha().unwrap(), gate.weight().unwrap(), &r] {
        let shape = variable.shape().clone();
        let start: Vec<f32> = variable.flatten_all().unwrap().to_vec1().unwrap();
        let gradient = gradients.get(variable.as_tensor()).unwrap();
        let gradient: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
        for at in 0..start.len() {
            let shifted = |by: f32| -> f32 {
                let mut values = start.clone();
                values[at] += by;
                let moved = Tensor::from_vec(values, shape.clone(), &Device::Cpu).unwrap();
                variable.set(&moved).unwrap();
                loss().to_scalar().unwrap()
            };
            let slope = (shifted(h) - shifted(-h)) / (2.0 * h);
            let back = Tensor::from_vec(start.clone(), shape.clone(), &Device::Cpu).unwrap();
            variable.set(&back).unwrap();
            assert!(
                (gradient[at] - slope).abs() < 5e-3 * (1.0 + slope.abs()),
                "{shape:?} {at}: {} {slope}",
                gradient[at]
            );
        }
    }
}

#[test]
fn one_descent_step_moves_a_and_every_row_of_w() {
    let gate = Gate::new(FLAT, &config(), &Schedule::default(), &Device::Cpu).unwrap();
    let mut generator = Generator::new(2);
    let r = representation(&ROWS);
    let gated = gate.pass(&r, GateMode::train(TAU, &mut generator)).unwrap();
    let task = gated.value.sqr().unwrap().mean_all().unwrap();
    let penalty = gate.penalty_of(&gated, TAU).unwrap();
    let step = ScheduleStep {
        temperature: TAU,
        lambda_scale: 1.0,
    };
    let objective = Objective {
        lambda: 0.1,
        ..Objective::default()
    };
    let loss = objective.total(&task, Some(&penalty), step).unwrap();
    let gradients = loss.backward().unwrap();
    for variable in [gate.log_alpha().unwrap(), gate.weight().unwrap()] {
        let gradient = gradients.get(variable.as_tensor()).unwrap();
        let gradient: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
        assert!(gradient.iter().all(|&g| g != 0.0), "{gradient:?}");
    }
}

#[test]
fn what_is_said_of_all_examples_at_once_is_refused_with_what_to_do() {
    let gate = gate(&config());
    let task = Tensor::new(1f32, &Device::Cpu).unwrap();
    let step = ScheduleStep {
        temperature: TAU,
        lambda_scale: 1.0,
    };
    let objective = Objective {
        lambda: 0.1,
        ..Objective::default()
    };
    let refused = [
        gate.penalty(TAU).map(|_| ()),
        gate.deterministic().map(|_| ()),
        gate.hard_mask().map(|_| ()),
        gate.active_fraction().map(|_| ()),
        gate.expected_l0().map(|_| ()),
        objective.value(&task, &gate, step).map(|_| ()),
    ];
    for result in refused {
        let text = result.unwrap_err().to_string();
        assert!(text.contains("depends on the example"), "{text}");
        assert!(text.contains("not compacted"), "{text}");
    }
    let none = GateReader::default().finish(&gate).unwrap_err();
    assert!(none.to_string().contains("mean over examples"), "{none}");
    let fine = GateConfig {
        granularity: Granularity::Fine,
        ..config()
    };
    let text = fine.check().unwrap_err().to_string();
    assert!(
        text.contains("conditional") && text.contains("per-example"),
        "{text}"
    );
    let a = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
    let w = Tensor::zeros((3, 2), DType::F32, &Device::Cpu).unwrap();
    let error = Gate::from_parameters(FLAT, &config(), &a, Some(&w), TAU).unwrap_err();
    assert!(error.to_string().contains("need (3, 3)"), "{error}");
    let error = Gate::from_parameters(FLAT, &GateConfig::default(), &a, Some(&w), TAU).unwrap_err();
    assert!(error.to_string().contains("only a conditional"), "{error}");
}

#[test]
fn a_conditional_gate_survives_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.safetensors");
    let gate = gate(&config());
    gate.save(&path).unwrap();
    let again = Gate::load(&path, &Device::Cpu).unwrap();
    assert!(again.is_conditional());
    let r = representation(&ROWS);
    let of = |gate: &Gate| -> Vec<Vec<f32>> {
        let gated = gate.forward(&r, GateMode::Eval).unwrap();
        gated.to_vec2().unwrap()
    };
    assert_eq!(of(&gate), of(&again));
}

#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    ActiveFraction, Gate, GateConfig, GateDistribution, GateMode, InferenceGate, Interface,
    Objective, Schedule, Target, Temperature, harden, settle, settle_likely,
};
use candle_core::{DType, Device, Var};

const SIGMA: f64 = 0.5;
const TAU: Temperature = Temperature(2.0 / 3.0);

fn grid() -> Vec<f64> {
    (-30..=30).map(|i| f64::from(i) * 0.1 + 0.013).collect()
}

fn config() -> GateConfig {
    GateConfig {
        distribution: GateDistribution::Gaussian,
        ..GateConfig::default()
    }
}

fn gate(mu: &[f32]) -> Gate {
    let mu = Tensor::new(mu, &Device::Cpu).unwrap();
    let interface = Interface::Flat {
        dim: mu.elem_count(),
    };
    Gate::from_log_alpha(interface, &config(), &mu, TAU).unwrap()
}

#[test]
fn probabilities_are_those_of_the_normal_distribution() {
    // (mu + 1/2) / sigma is -4, -1, 0, 1, 2 and 3; Phi of a table.
    for (mu, open) in [
        (-2.5, 3.167_124e-5),
        (-1.0, 0.158_655_3),
        (-0.5, 0.5),
        (0.0, 0.841_344_7),
        (0.5, 0.977_249_9),
        (1.0, 0.998_650_1),
    ] {
        assert!(
            (open_probability(mu, SIGMA) / open - 1.0).abs() < 1e-6,
            "{mu}"
        );
        assert!(
            (mu_for_open_probability(open, SIGMA) - mu).abs() < 1e-5,
            "{mu}"
        );
    }
    assert_eq!(sample(0.0, 0.4, SIGMA), 0.7);
    assert_eq!(
        (sample(0.0, 2.0, SIGMA), sample(0.0, -2.0, SIGMA)),
        (1.0, 0.0)
    );
}

#[test]
fn frequencies_of_samples_are_the_probabilities() {
    let mu = Tensor::new(&[-1.0f32, -0.5, 0.0, 0.6], &Device::Cpu).unwrap();
    let mut generator = Generator::new(3);
    let z = sample_tensor(&mu, SIGMA, 40_000, &mut generator).unwrap();
    let open = z.gt(0.0).unwrap().to_dtype(DType::F32).unwrap();
    let found = open.mean(0).unwrap().to_vec1::<f32>().unwrap();
    for (found, mu) in found.iter().zip([-1.0, -0.5, 0.0, 0.6]) {
        let expected = open_probability(mu, SIGMA);
        assert!(
            (f64::from(*found) - expected).abs() < 0.01,
            "{mu}: {found} {expected}"
        );
    }
    let z = z.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(z.iter().all(|z| (0.0..=1.0).contains(z)));
    assert!(z.contains(&0.0) && z.contains(&1.0));
}

#[test]
fn gradients_of_z_and_of_the_penalty_equal_finite_differences() {
    let h = 1e-6;
    for eps in [-1.7, -0.4, 0.0, 0.3, 2.1] {
        let mu = Var::new(grid(), &Device::Cpu).unwrap();
        let noise = Tensor::full(0.5 + SIGMA * eps, (3, grid().len()), &Device::Cpu).unwrap();
        let z = noisy(mu.as_tensor(), &noise).unwrap();
        let grads = z.sum_all().unwrap().backward().unwrap();
        let found: Vec<f64> = grads.get(mu.as_tensor()).unwrap().to_vec1().unwrap();
        let first = z.get(0).unwrap().to_vec1::<f64>().unwrap();
        for ((mu, found), z) in grid().into_iter().zip(found).zip(first) {
            assert!((z - sample(mu, eps, SIGMA)).abs() < 1e-12);
            let slope = (sample(mu + h, eps, SIGMA) - sample(mu - h, eps, SIGMA)) / (2.0 * h);
            // Three rows have the same noise.
            assert!(
                (found - 3.0 * slope).abs() < 1e-6,
                "mu {mu}, eps {eps}: {found} {slope}"
            );
        }
    }
    let mu = Var::new(grid(), &Device::Cpu).unwrap();
    let open = open_probability_tensor(mu.as_tensor(), SIGMA).unwrap();
    let values = open.to_vec1::<f64>().unwrap();
    let grads = open.sum_all().unwrap().backward().unwrap();
    let found: Vec<f64> = grads.get(mu.as_tensor()).unwrap().to_vec1().unwrap();
    for ((mu, found), value) in grid().into_iter().zip(found).zip(values) {
        let p = |mu| open_probability(mu, SIGMA);
        assert!((value - p(mu)).abs() < 1e-12);
        let slope = (p(mu + h) - p(mu - h)) / (2.0 * h);
        assert!((found - slope).abs() < 1e-6, "{mu}: {found} {slope}");
        assert!((open_slope(mu, SIGMA) - slope).abs() < 1e-6);
    }
}

#[test]
fn a_gate_in_use_is_the_median_and_closed_where_noise_closes_it_more_often_than_not() {
    let gate = gate(&[-2.0, -0.5, -0.4, 0.2, 3.0]);
    let z = gate.deterministic().unwrap();
    for (found, expected) in z.iter().zip([0.0f32, 0.0, 0.1, 0.7, 1.0]) {
        assert!((found - expected).abs() < 1e-6);
    }
    assert_eq!(gate.active_fraction().unwrap(), ActiveFraction(0.6));
    assert_eq!(gate.closing_point(), Some(-0.5));
    let expected: f64 = [-2.0, -0.5, -0.4, 0.2, 3.0]
        .map(|mu| open_probability(mu, SIGMA))
        .iter()
        .sum();
    assert!((gate.expected_l0().unwrap() - expected).abs() < 1e-6);
    let penalty = gate.penalty(TAU).unwrap().to_scalar::<f32>().unwrap();
    assert!((f64::from(penalty) - expected).abs() < 1e-6);
}

#[test]
fn gates_start_as_open_as_their_settings_say_and_a_penalty_moves_them() {
    let schedule = Schedule::default();
    let gate = Gate::new(
        Interface::Flat { dim: 4 },
        &config(),
        &schedule,
        &Device::Cpu,
    )
    .unwrap();
    let open = gate.open_probability().unwrap();
    assert!(
        open.iter().all(|open| (open - 0.9).abs() < 1e-6),
        "{open:?}"
    );
    let mut noise = Generator::new(0);
    let r = noise
        .normal_tensor((16, 4), 0.0, 1.0, DType::F32, &Device::Cpu)
        .unwrap();
    let gated = gate.forward(&r, GateMode::train(TAU, &mut noise)).unwrap();
    let objective = Objective {
        lambda: 0.1,
        ..Objective::default()
    };
    let task = gated.sqr().unwrap().mean_all().unwrap();
    let loss = objective.value(&task, &gate, schedule.at(1.0)).unwrap();
    let grads = loss.backward().unwrap();
    let gradient = grads.get(gate.log_alpha().unwrap()).unwrap();
    let gradient = gradient.to_vec1::<f32>().unwrap();
    assert!(
        gradient.iter().all(|g| g.is_finite() && *g > 0.0),
        "{gradient:?}"
    );
}

#[test]
fn gates_settle_on_targets_harden_and_survive_their_file() {
    let mu = [-1.0f32, -0.6, -0.2, 0.1, 0.3, 0.9];
    let gate_of = || gate(&mu);
    let aimed = gate_of();
    assert_eq!(
        settle(&[&aimed], Target::new(0.5).unwrap()).unwrap(),
        ActiveFraction(0.5)
    );
    assert_eq!(
        aimed.hard_mask().unwrap(),
        [false, false, false, true, true, true]
    );
    let likely = gate_of();
    settle_likely(&[&likely]).unwrap();
    assert_eq!(
        likely.hard_mask().unwrap(),
        [false, false, true, true, true, true]
    );
    harden(&[&likely]).unwrap();
    assert!((likely.expected_l0().unwrap() - 4.0).abs() < 1e-6);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gate.safetensors");
    gate_of().save(&path).unwrap();
    let read = Gate::load(&path, &Device::Cpu).unwrap();
    assert_eq!(read.config(), Some(&config()));
    assert_eq!(
        read.deterministic().unwrap(),
        gate_of().deterministic().unwrap()
    );
}

#[test]
fn settings_of_hard_concrete_gates_are_written_as_before_and_wrong_ones_are_refused() {
    let written = serde_json::to_value(GateConfig::default()).unwrap();
    assert!(written.get("distribution").is_none() && written.get("sigma").is_none());
    let written = serde_json::to_value(config()).unwrap();
    assert_eq!(written["distribution"], "gaussian");
    for sigma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let text = GateConfig { sigma, ..config() }
            .check()
            .unwrap_err()
            .to_string();
        assert!(text.contains("sigma"), "{text}");
    }
    let threshold = GateConfig {
        inference: InferenceGate::Threshold,
        ..config()
    };
    let text = threshold.check().unwrap_err().to_string();
    assert!(text.contains("median"), "{text}");
}

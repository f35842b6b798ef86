#![allow(clippy::unwrap_used)]
use super::*;
use crate::{ActiveFraction, GateMode, Granularity, InferenceGate, PenaltyReduction, distribution};
use l0gm_ops::{Generator, Stretch};

const TAU: Temperature = Temperature(2.0 / 3.0);
const FLAT: Interface = Interface::Flat { dim: 6 };
const FIELDS: Interface = Interface::Fields { fields: 3, dim: 2 };

fn with(interface: Interface, config: GateConfig) -> Gate {
    Gate::new(interface, &config, &Schedule::default(), &Device::Cpu).unwrap()
}

/// A schedule with a constant temperature.
fn constant(tau: Temperature) -> Schedule {
    Schedule {
        start_temperature: tau.0,
        end_temperature: tau.0,
        ..Schedule::default()
    }
}

fn given(interface: Interface, config: GateConfig, log_alpha: &[f32]) -> Gate {
    Gate::from_log_alpha(
        interface,
        &config,
        &Tensor::new(log_alpha, &Device::Cpu).unwrap(),
        TAU,
    )
    .unwrap()
}

fn kind(kind: GateKind) -> GateConfig {
    GateConfig {
        kind,
        ..GateConfig::default()
    }
}

fn group(kind: GateKind) -> GateConfig {
    GateConfig {
        kind,
        granularity: Granularity::Group,
        ..GateConfig::default()
    }
}

/// Settings with one gate per `width` neighbouring dimensions.
fn heads(kind: GateKind, width: usize) -> GateConfig {
    GateConfig {
        group_width: width,
        ..group(kind)
    }
}

fn shape(interface: Interface, batch: usize) -> Vec<usize> {
    match interface {
        Interface::Flat { dim } => vec![batch, dim],
        Interface::Fields { fields, dim } => vec![batch, fields, dim],
        Interface::ChannelsFirst { channels } => vec![batch, channels, 3, 2],
        Interface::ChannelsLast { channels } => vec![batch, 5, channels],
    }
}

fn ones(interface: Interface, batch: usize) -> Tensor {
    Tensor::ones(shape(interface, batch), DType::F32, &Device::Cpu).unwrap()
}

/// The z of a training pass, row by row. They are read from a pass over ones.
fn training_z(gate: &Gate, batch: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut generator = Generator::new(seed);
    let gated = gate
        .forward(
            &ones(gate.interface(), batch),
            GateMode::train(TAU, &mut generator),
        )
        .unwrap();
    gated.flatten_from(1).unwrap().to_vec2().unwrap()
}

fn distinct(rows: &[Vec<f32>]) -> usize {
    let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows.dedup();
    rows.len()
}

fn gradient(gate: &Gate, loss: &Tensor) -> Vec<f32> {
    let grads = loss.backward().unwrap();
    grads
        .get(gate.log_alpha().unwrap().as_tensor())
        .unwrap()
        .to_vec1()
        .unwrap()
}

#[test]
fn every_gate_starts_open_with_the_configured_probability() {
    for initial_open in [0.1, 0.5, 0.9, 0.999] {
        for tau in [0.3, 2.0 / 3.0, 2.0].map(Temperature) {
            let config = GateConfig {
                initial_open,
                ..GateConfig::default()
            };
            let gate = Gate::new(FLAT, &config, &constant(tau), &Device::Cpu).unwrap();
            for p in gate.open_probability().unwrap() {
                assert!((p - initial_open).abs() < 1e-6);
            }
            assert!((gate.expected_l0().unwrap() - 6.0 * initial_open).abs() < 1e-5);
        }
    }
}

#[test]
fn a_gate_of_default_settings_starts_with_everything_active_and_most_of_the_signal() {
    for inference in [
        InferenceGate::Median,
        InferenceGate::Threshold,
        InferenceGate::HardSigmoid,
    ] {
        let gate = with(
            FLAT,
            GateConfig {
                inference,
                ..GateConfig::default()
            },
        );
        assert_eq!(gate.active_fraction().unwrap(), ActiveFraction(1.0));
    }
    let z = training_z(
        &with(Interface::Flat { dim: 1000 }, GateConfig::default()),
        10,
        1,
    );
    let mean = z.iter().flatten().sum::<f32>() / 10_000.0;
    assert!(mean > 0.6, "{mean}");
}

#[test]
fn static_gates_share_one_noise_and_per_example_gates_do_not() {
    for interface in [FLAT, FIELDS] {
        assert_eq!(
            distinct(&training_z(&with(interface, kind(GateKind::Static)), 16, 1)),
            1
        );
        assert_eq!(
            distinct(&training_z(
                &with(interface, kind(GateKind::PerExample)),
                16,
                1
            )),
            16
        );
    }
}

#[test]
fn a_group_opens_and_closes_as_one() {
    for (kind, rows) in [(GateKind::Static, 1), (GateKind::PerExample, 16)] {
        let z = training_z(&with(FIELDS, group(kind)), 16, 1);
        assert_eq!(distinct(&z), rows);
        // Fields have their own noise. Compare several, because one value could be clipped to 1 in all three.
        assert!(z.iter().any(|row| row[0] != row[2] || row[2] != row[4]));
        for row in &z {
            assert!(row.chunks(2).all(|field| field[0] == field[1]), "{row:?}");
        }
    }
}

#[test]
fn neighbouring_dimensions_of_a_flat_interface_open_and_close_as_one() {
    for kind in [
        GateKind::Static,
        GateKind::PerExample,
        GateKind::Conditional,
    ] {
        for width in [2, 3] {
            let z = training_z(&with(FLAT, heads(kind, width)), 16, 1);
            // Examples have their own noise but can still agree where z is clipped to 1.
            match kind {
                GateKind::Static | GateKind::Fixed => assert_eq!(distinct(&z), 1),
                GateKind::PerExample | GateKind::Conditional => assert!(distinct(&z) > 8, "{z:?}"),
            }
            assert!(z.iter().any(|row| row[0] != row[width]));
            for row in &z {
                let whole = |head: &[f32]| head.iter().all(|&z| z == head[0]);
                assert!(row.chunks(width).all(whole), "{row:?}");
            }
        }
    }
}

#[test]
fn groups_of_a_flat_interface_are_counted_as_gates_by_the_penalty_and_as_dimensions_elsewhere() {
    // The three gates are closed, open and open: two of three gates, four of six dimensions.
    let gate = given(FLAT, heads(GateKind::PerExample, 2), &[-9.0, 0.0, 9.0]);
    let open: f64 = [-9.0, 0.0, 9.0]
        .iter()
        .map(|&a| distribution::open_probability(a, TAU, Stretch::default()))
        .sum();
    let penalty = f64::from(gate.penalty(TAU).unwrap().to_scalar::<f32>().unwrap());
    assert!((penalty - open).abs() < 1e-5, "{penalty} {open}");
    assert!((gate.expected_l0().unwrap() - 2.0 * open).abs() < 1e-5);
    assert_eq!(gate.open_probability().unwrap().len(), 3);
    assert_eq!(
        gate.hard_mask().unwrap(),
        [false, false, true, true, true, true]
    );
    assert_eq!(gate.active_fraction().unwrap().0, 4.0 / 6.0);
    let z = gate.deterministic().unwrap();
    assert!(
        z[2] == z[3] && z[2] < 1.0 && z[4] == 1.0 && z[5] == 1.0,
        "{z:?}"
    );
}

#[test]
fn a_group_as_wide_as_the_interface_is_one_gate_and_of_width_one_a_gate_a_dimension() {
    let kind = GateKind::PerExample;
    let one = with(FLAT, heads(kind, 6));
    assert_eq!(one.log_alpha().unwrap().dims(), [1]);
    let each = with(FLAT, heads(kind, 1));
    assert_eq!(
        training_z(&each, 4, 9),
        training_z(&with(FLAT, GateConfig::default()), 4, 9)
    );
}

#[test]
fn a_group_width_that_does_not_fill_the_interface_is_refused_with_the_nearest_that_do() {
    let refusal = |dim, width| {
        let interface = Interface::Flat { dim };
        let config = heads(GateKind::Static, width);
        let text = Gate::new(interface, &config, &Schedule::default(), &Device::Cpu)
            .unwrap_err()
            .to_string();
        assert_eq!(config.check_on(interface).unwrap_err().to_string(), text);
        text
    };
    let text = refusal(384, 30);
    assert!(
        text.contains("group-width is 30")
            && text.contains("384 dimensions")
            && text.contains("24 and 32"),
        "{text}"
    );
    let text = refusal(6, 32);
    assert!(text.contains("32") && text.contains("is 6"), "{text}");
    // On an interface of fields a group is a field, whatever the group width says.
    heads(GateKind::Static, 5).check_on(FIELDS).unwrap();
}

#[test]
fn the_same_generator_state_gives_the_same_z_and_a_later_one_another() {
    let gate = with(FLAT, GateConfig::default());
    assert_eq!(training_z(&gate, 4, 9), training_z(&gate, 4, 9));
    assert_ne!(training_z(&gate, 4, 9), training_z(&gate, 4, 10));
    let mut generator = Generator::new(9);
    let mut pass = || {
        let z = gate
            .forward(&ones(FLAT, 4), GateMode::train(TAU, &mut generator))
            .unwrap();
        z.to_vec2::<f32>().unwrap()
    };
    assert_ne!(pass(), pass());
}

#[test]
fn frequency_of_open_samples_is_the_open_probability() {
    let log_alpha = [-4.605f32, -1.0, 0.0, 1.0, 2.0, 4.605];
    let z = training_z(&given(FLAT, GateConfig::default(), &log_alpha), 40_000, 7);
    for (j, &log_alpha) in log_alpha.iter().enumerate() {
        let open = z.iter().filter(|row| row[j] > 0.0).count() as f64 / 40_000.0;
        let one = z.iter().filter(|row| row[j] >= 1.0).count() as f64 / 40_000.0;
        let log_alpha = f64::from(log_alpha);
        let (p, q) = (
            distribution::open_probability(log_alpha, TAU, Stretch::default()),
            distribution::probability_of_one(log_alpha, TAU, Stretch::default()),
        );
        // The tolerance is four standard errors of a share in 40,000.
        assert!(
            (open - p).abs() < 4.0 * (p * (1.0 - p) / 40_000.0).sqrt(),
            "{open} {p}"
        );
        assert!(
            (one - q).abs() < 4.0 * (q * (1.0 - q) / 40_000.0).sqrt(),
            "{one} {q}"
        );
    }
}

#[test]
fn penalty_equals_probability_of_nonzero() {
    let log_alpha = [-4.605f32, -1.0, 0.0, 1.0, 2.0, 4.605];
    let sum: f64 = log_alpha
        .iter()
        .map(|&a| distribution::open_probability(f64::from(a), TAU, Stretch::default()))
        .sum();
    for (penalty, expected) in [
        (PenaltyReduction::Sum, sum),
        (PenaltyReduction::Mean, sum / 6.0),
    ] {
        let gate = given(
            FLAT,
            GateConfig {
                penalty,
                ..GateConfig::default()
            },
            &log_alpha,
        );
        let value = f64::from(gate.penalty(TAU).unwrap().to_scalar::<f32>().unwrap());
        assert!((value - expected).abs() < 1e-5, "{value} {expected}");
        assert!((gate.expected_l0().unwrap() - sum).abs() < 1e-6);
    }
}

#[test]
fn a_gate_that_costs_more_is_penalised_more_and_counted_once() {
    let log_alpha = [-1.0f32, 0.0, 1.0, 2.0, 0.5, -0.5];
    let costs = [0.5f32, 2.0, 1.0, 1.0, 3.0, 0.1];
    let plain = given(FLAT, GateConfig::default(), &log_alpha);
    let gate = plain.clone().with_costs(&costs).unwrap();
    let open = plain.open_probability().unwrap();
    let expected: f64 = open
        .iter()
        .zip(costs)
        .map(|(p, cost)| *p * f64::from(cost))
        .sum();
    let value = f64::from(gate.penalty(TAU).unwrap().to_scalar::<f32>().unwrap());
    assert!((value - expected).abs() < 1e-5, "{value} {expected}");
    assert_eq!(gate.expected_l0().unwrap(), plain.expected_l0().unwrap());
    let gradient = |gate: &Gate| -> Vec<f32> {
        let gradients = gate.penalty(TAU).unwrap().backward().unwrap();
        gradients
            .get(gate.log_alpha().unwrap())
            .unwrap()
            .to_vec1()
            .unwrap()
    };
    for ((own, plain), cost) in gradient(&gate).iter().zip(gradient(&plain)).zip(costs) {
        assert!((own - cost * plain).abs() < 1e-6);
    }
    for wrong in [&costs[..5], &[1.0, 1.0, 0.0, 1.0, 1.0, 1.0], &[f32::NAN; 6]] {
        assert!(plain.clone().with_costs(wrong).is_err());
    }
    assert!(Gate::identity(FLAT).with_costs(&[]).unwrap().is_identity());
}

#[test]
fn group_penalty_counts_gates_and_expected_l0_counts_dimensions() {
    let gate = with(FIELDS, group(GateKind::PerExample));
    let penalty = f64::from(gate.penalty(TAU).unwrap().to_scalar::<f32>().unwrap());
    assert!((penalty - 3.0 * 0.9).abs() < 1e-5);
    assert!((gate.expected_l0().unwrap() - 6.0 * 0.9).abs() < 1e-5);
    assert_eq!(gate.open_probability().unwrap().len(), 3);
    assert_eq!(gate.deterministic().unwrap().len(), 6);
}

#[test]
fn deterministic_gates_follow_their_three_formulas() {
    // At tau 2/3, P(z != 0) is below 1/2 for log_alpha below about -1.6, where the median gate closes. The threshold
    // gate closes below 0.
    let log_alpha = [-9.0f32, -1.7, -1.5, -0.1, 0.1, 9.0];
    let z = |inference| {
        let gate = given(
            FLAT,
            GateConfig {
                inference,
                ..GateConfig::default()
            },
            &log_alpha,
        );
        (
            gate.deterministic().unwrap(),
            gate.active_fraction().unwrap().0,
            gate.hard_mask().unwrap(),
        )
    };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let stretched = |s: f64| (s * 1.2 - 0.1).clamp(0.0, 1.0);
    let (median, active, mask) = z(InferenceGate::Median);
    for (&got, &a) in median.iter().zip(&log_alpha) {
        assert!((f64::from(got) - stretched(sigmoid(f64::from(a) * 1.5))).abs() < 1e-6);
    }
    assert_eq!(mask, [false, false, true, true, true, true]);
    assert!((active - 4.0 / 6.0).abs() < 1e-12);
    let (hard, ..) = z(InferenceGate::HardSigmoid);
    for (&got, &a) in hard.iter().zip(&log_alpha) {
        assert!((f64::from(got) - stretched(sigmoid(f64::from(a)))).abs() < 1e-6);
    }
    assert_eq!(
        z(InferenceGate::Threshold).0,
        [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    );
    assert_eq!(z(InferenceGate::Threshold).1, 2.0 / 6.0);
}

#[test]
fn evaluation_multiplies_with_the_deterministic_gate_whatever_the_shape() {
    let log_alpha = [-9.0f32, -1.0, 0.0, 0.5, 1.0, 9.0];
    for (interface, config, log_alpha) in [
        (FLAT, GateConfig::default(), &log_alpha[..]),
        (FIELDS, GateConfig::default(), &log_alpha[..]),
        (FIELDS, group(GateKind::Static), &log_alpha[1..4]),
        (FLAT, heads(GateKind::Static, 2), &log_alpha[1..4]),
        (FLAT, heads(GateKind::Static, 3), &log_alpha[2..4]),
    ] {
        let gate = given(interface, config, log_alpha);
        let mut generator = Generator::new(2);
        for batch in [1, 5] {
            let r = generator
                .normal_tensor(shape(interface, batch), 0.0, 1.0, DType::F32, &Device::Cpu)
                .unwrap();
            let gated = gate.forward(&r, GateMode::Eval).unwrap();
            assert_eq!(gated.dims(), r.dims());
            let z = gate.deterministic().unwrap();
            let rows = |t: &Tensor| t.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
            for (row, got) in rows(&r).iter().zip(rows(&gated)) {
                let expected: Vec<f32> = row.iter().zip(&z).map(|(r, z)| r * z).collect();
                assert_eq!(got, expected);
            }
        }
    }
}

#[test]
fn a_representation_of_half_precision_is_gated_in_single_precision() {
    let gate = given(
        FLAT,
        GateConfig::default(),
        &[-9.0, -1.0, 0.0, 0.5, 1.0, 9.0],
    );
    let r = ones(FLAT, 1);
    let z = gate.deterministic().unwrap();
    for (dtype, tolerance) in [(DType::F16, 5e-4), (DType::BF16, 4e-3), (DType::F64, 1e-7)] {
        let gated = gate
            .forward(&r.to_dtype(dtype).unwrap(), GateMode::Eval)
            .unwrap();
        assert_eq!(gated.dtype(), dtype);
        let gated = gated
            .to_dtype(DType::F32)
            .unwrap()
            .to_vec2::<f32>()
            .unwrap();
        for (got, z) in gated[0].iter().zip(&z) {
            assert!((got - z).abs() < tolerance, "{dtype:?}: {got} {z}");
        }
        // The gradient must also come back through the conversions.
        let r = Var::from_tensor(&r.to_dtype(dtype).unwrap()).unwrap();
        let mut generator = Generator::new(2);
        let gated = gate
            .forward(r.as_tensor(), GateMode::train(TAU, &mut generator))
            .unwrap();
        let loss = gated.to_dtype(DType::F32).unwrap().sum_all().unwrap();
        let grads = loss.backward().unwrap();
        assert!(
            grads.get(r.as_tensor()).is_some()
                && grads.get(gate.log_alpha().unwrap().as_tensor()).is_some()
        );
    }
}

#[test]
fn gradient_reaches_log_alpha_and_r_in_every_kind_and_granularity() {
    let h = 1e-2f32;
    let start = [-0.9f32, -0.4, 0.1, 0.3, 0.8, 1.3];
    let mut generator = Generator::new(21);
    for (interface, config) in [
        (FLAT, kind(GateKind::Static)),
        (FLAT, kind(GateKind::PerExample)),
        (FIELDS, kind(GateKind::Static)),
        (FIELDS, kind(GateKind::PerExample)),
        (FIELDS, group(GateKind::Static)),
        (FIELDS, group(GateKind::PerExample)),
        (FLAT, heads(GateKind::Static, 2)),
        (FLAT, heads(GateKind::PerExample, 2)),
        (FLAT, heads(GateKind::PerExample, 3)),
    ] {
        let gates = interface.gates(&config).unwrap().0;
        let r = generator
            .normal_tensor(shape(interface, 9), 1.0, 1.0, DType::F32, &Device::Cpu)
            .unwrap();
        let loss = |log_alpha: &[f32]| {
            let gate = given(interface, config.clone(), log_alpha);
            let mut noise = Generator::new(5);
            let gated = gate.forward(&r, GateMode::train(TAU, &mut noise)).unwrap();
            (gated.sum_all().unwrap(), gate)
        };
        let (value, gate) = loss(&start[..gates]);
        let grads = gradient(&gate, &value);
        for j in 0..gates {
            let moved = |by: f32| {
                let mut log_alpha = start[..gates].to_vec();
                log_alpha[j] += by;
                loss(&log_alpha).0.to_scalar::<f32>().unwrap()
            };
            let expected = (moved(h) - moved(-h)) / (2.0 * h);
            // A sample that crosses the kink of a clip within h changes the difference a little.
            let tolerance = 0.05 + 0.05 * expected.abs();
            assert!(
                (grads[j] - expected).abs() < tolerance,
                "{interface:?} {config:?}: {} {expected}",
                grads[j]
            );
        }
    }
}

#[test]
fn the_gradient_of_r_is_z() {
    let gate = with(FIELDS, kind(GateKind::PerExample));
    let r = Var::from_tensor(&ones(FIELDS, 3)).unwrap();
    let mut generator = Generator::new(1);
    let gated = gate
        .forward(r.as_tensor(), GateMode::train(TAU, &mut generator))
        .unwrap();
    let z = gated.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let grads = gated.sum_all().unwrap().backward().unwrap();
    let grad = grads
        .get(r.as_tensor())
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1::<f32>()
        .unwrap();
    assert_eq!(grad, z);
}

#[test]
fn the_identity_gate_passes_everything_through() {
    let gate = Gate::identity(FIELDS);
    assert!(gate.is_identity() && gate.log_alpha().is_none() && gate.config().is_none());
    assert_eq!(training_z(&gate, 2, 1), vec![vec![1.0; 6]; 2]);
    assert_eq!(gate.deterministic().unwrap(), [1.0; 6]);
    assert_eq!(gate.hard_mask().unwrap(), [true; 6]);
    assert_eq!(gate.active_fraction().unwrap(), ActiveFraction(1.0));
    assert_eq!(gate.expected_l0().unwrap(), 6.0);
    assert_eq!(gate.penalty(TAU).unwrap().to_scalar::<f32>().unwrap(), 0.0);
}

#[test]
fn what_does_not_fit_is_refused_with_what_was_expected() {
    let message = |result: Result<Gate>| result.unwrap_err().to_string();
    let bad = GateConfig {
        gamma: 0.1,
        ..GateConfig::default()
    };
    assert!(
        message(Gate::new(FLAT, &bad, &Schedule::default(), &Device::Cpu)).contains("gamma is 0.1")
    );
    for tau in [0.0, -1.0, f64::NAN] {
        let text = message(Gate::new(
            FLAT,
            &GateConfig::default(),
            &constant(Temperature(tau)),
            &Device::Cpu,
        ));
        assert!(text.contains(&format!("temperature is {tau}")), "{text}");
    }
    let empty = Interface::Fields { fields: 0, dim: 4 };
    assert!(
        message(Gate::new(
            empty,
            &GateConfig::default(),
            &Schedule::default(),
            &Device::Cpu
        ))
        .contains("no dimension")
    );
    let short = Tensor::zeros(5, DType::F32, &Device::Cpu).unwrap();
    let text = message(Gate::from_log_alpha(
        FLAT,
        &GateConfig::default(),
        &short,
        TAU,
    ));
    assert!(text.contains("[5]") && text.contains("6 gates"), "{text}");
    let gate = with(FLAT, GateConfig::default());
    for r in [ones(FIELDS, 2), ones(Interface::Flat { dim: 5 }, 2)] {
        let text = gate.forward(&r, GateMode::Eval).unwrap_err().to_string();
        assert!(text.contains("expects (batch, 6)"), "{text}");
    }
    let mut generator = Generator::new(0);
    let frozen = GateMode::train(Temperature(0.0), &mut generator);
    let error = gate.forward(&ones(FLAT, 2), frozen).map(|_| ());
    for error in [error, gate.at_temperature(Temperature(0.0)).map(|_| ())] {
        assert!(error.unwrap_err().to_string().contains("temperature is 0"));
    }
}

/// One gate per entry of a table with three rows and two columns.
fn table(kind: GateKind, log_alpha: &[f32]) -> Gate {
    let config = GateConfig {
        kind,
        granularity: Granularity::Fine,
        ..GateConfig::default()
    };
    given(FIELDS, config, log_alpha)
}

#[test]
fn looked_up_values_meet_the_gates_of_their_table_rows() {
    let gate = table(GateKind::PerExample, &[9.0, -9.0, 0.5, 9.0, -9.0, -9.0]);
    let rows = Tensor::new(&[[0u32, 1], [2, 1]], &Device::Cpu).unwrap();
    let values = Tensor::new(
        &[[[1f32, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]],
        &Device::Cpu,
    );
    let gated = gate
        .forward_rows(&values.unwrap(), &rows, GateMode::Eval)
        .unwrap();
    let half = distribution::median(0.5, TAU, Stretch::default()) as f32;
    let expected = [
        [[1.0, 0.0], [3.0 * half, 4.0]],
        [[0.0, 0.0], [7.0 * half, 8.0]],
    ];
    for (got, expected) in gated.to_vec3::<f32>().unwrap().iter().zip(expected) {
        for (got, expected) in got.iter().flatten().zip(expected.iter().flatten()) {
            assert!((got - expected).abs() < 1e-6);
        }
    }
    assert_eq!(gate.active_fraction().unwrap(), ActiveFraction(0.5));
}

#[test]
fn equal_lookups_share_their_noise_under_a_static_gate_alone() {
    let rows = Tensor::ones((50, 1), DType::U32, &Device::Cpu).unwrap();
    let values = Tensor::ones((50, 1, 2), DType::F32, &Device::Cpu).unwrap();
    for (kind, expected) in [(GateKind::Static, 1), (GateKind::PerExample, 40)] {
        let mut generator = Generator::new(1);
        let gate = table(kind, &[0.0; 6]);
        let gated = gate
            .forward_rows(&values, &rows, GateMode::train(TAU, &mut generator))
            .unwrap();
        let z: Vec<Vec<f32>> = gated.flatten_from(1).unwrap().to_vec2().unwrap();
        let found = distinct(&z);
        assert!(
            found >= expected && (kind == GateKind::PerExample || found == 1),
            "{found}"
        );
    }
}

#[test]
fn the_gradient_of_looked_up_values_reaches_the_rows_that_were_looked_up() {
    let gate = table(GateKind::PerExample, &[0.0; 6]);
    let rows = Tensor::new(&[[0u32, 2], [2, 0], [0, 2], [2, 2]], &Device::Cpu).unwrap();
    let values = Tensor::ones((4, 2, 2), DType::F32, &Device::Cpu).unwrap();
    let loss = |gate: &Gate| {
        let mut generator = Generator::new(5);
        gate.forward_rows(&values, &rows, GateMode::train(TAU, &mut generator))
            .unwrap()
            .sum_all()
            .unwrap()
    };
    let gradient = gradient(&gate, &loss(&gate));
    let h = 1e-2f32;
    for at in 0..6 {
        let shifted = |by: f32| {
            let mut log_alpha = [0f32; 6];
            log_alpha[at] += by;
            let loss = loss(&table(GateKind::PerExample, &log_alpha));
            loss.to_scalar::<f32>().unwrap()
        };
        let slope = (shifted(h) - shifted(-h)) / (2.0 * h);
        assert!(
            (gradient[at] - slope).abs() < 5e-3 * (1.0 + slope.abs()),
            "{at}: {gradient:?} {slope}"
        );
        assert_eq!(gradient[at] == 0.0, at / 2 == 1, "row 1 was not looked up");
    }
}

#[test]
fn looking_up_under_a_gate_that_has_no_entry_each_is_refused() {
    let rows = Tensor::zeros((1, 1), DType::U32, &Device::Cpu).unwrap();
    let values = Tensor::ones((1, 1, 2), DType::F32, &Device::Cpu).unwrap();
    let group = with(FIELDS, group(GateKind::PerExample));
    for gate in [group, with(FLAT, GateConfig::default())] {
        let error = gate.forward_rows(&values, &rows, GateMode::Eval);
        assert!(error.unwrap_err().to_string().contains("a gate an entry"));
    }
    let wrong = table(GateKind::Static, &[0.0; 6]).forward_rows(
        &values.narrow(2, 0, 1).unwrap(),
        &rows,
        GateMode::Eval,
    );
    assert!(wrong.unwrap_err().to_string().contains("(batch, k, 2)"));
}

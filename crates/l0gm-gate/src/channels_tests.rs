//! Tests of gates on channels: (batch, channels, height, width), (batch, channels, length) and
//! (batch, length, channels).
#![allow(clippy::unwrap_used)]
use super::*;
use crate::{Gate, GateKind, GateMode, GateReader, InferenceGate, Schedule, Temperature};
use candle_core::{DType, Device, Tensor, Var};
use l0gm_ops::Generator;

const TAU: Temperature = Temperature(2.0 / 3.0);
const CHANNELS: usize = 4;
const MAPS: Interface = Interface::ChannelsFirst { channels: CHANNELS };
const SEQUENCE: Interface = Interface::ChannelsLast { channels: CHANNELS };

/// Every interface of channels with a shape that stands on it and the place of the channels in that shape.
fn cases(batch: usize) -> [(Interface, Vec<usize>, usize); 3] {
    [
        (MAPS, vec![batch, CHANNELS, 3, 2], 1),
        (MAPS, vec![batch, CHANNELS, 5], 1),
        (SEQUENCE, vec![batch, 5, CHANNELS], 2),
    ]
}

fn config(kind: GateKind, group_width: usize) -> GateConfig {
    GateConfig {
        kind,
        granularity: match group_width {
            1 => Granularity::Interface,
            _ => Granularity::Group,
        },
        group_width,
        ..GateConfig::default()
    }
}

fn draw(shape: &[usize], seed: u64) -> Tensor {
    Generator::new(seed)
        .normal_tensor(shape, 0.5, 1.0, DType::F32, &Device::Cpu)
        .unwrap()
}

fn given(interface: Interface, config: &GateConfig, log_alpha: &[f32]) -> Gate {
    let log_alpha = Tensor::new(log_alpha, &Device::Cpu).unwrap();
    Gate::from_log_alpha(interface, config, &log_alpha, TAU).unwrap()
}

/// The values of every example and channel over all positions.
fn by_channel(t: &Tensor, place: usize) -> Vec<Vec<Vec<f32>>> {
    let t = t.transpose(1, place).unwrap().contiguous().unwrap();
    let (batch, channels) = (t.dim(0).unwrap(), t.dim(1).unwrap());
    t.reshape((batch, channels, ())).unwrap().to_vec3().unwrap()
}

/// The z of a training pass, read from a pass over ones.
fn training_z(gate: &Gate, shape: &[usize], place: usize) -> Vec<Vec<Vec<f32>>> {
    let ones = Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
    let mut noise = Generator::new(4);
    let mode = GateMode::train(TAU, &mut noise);
    by_channel(&gate.forward(&ones, mode).unwrap(), place)
}

#[test]
fn in_use_every_position_of_a_channel_is_multiplied_with_its_z() {
    for (interface, shape, place) in cases(3) {
        for (width, log_alpha) in [(1, &[-9.0f32, 0.1, 9.0, -0.5][..]), (2, &[0.3, -9.0])] {
            for inference in [InferenceGate::Median, InferenceGate::Threshold] {
                let config = GateConfig {
                    inference,
                    ..config(GateKind::PerExample, width)
                };
                let gate = given(interface, &config, log_alpha);
                let z = gate.deterministic().unwrap();
                assert_eq!(z.len(), CHANNELS);
                let r = draw(&shape, 1);
                let gated = gate.forward(&r, GateMode::Eval).unwrap();
                assert_eq!(gated.dims(), r.dims());
                let (r, gated) = (by_channel(&r, place), by_channel(&gated, place));
                for (r, gated) in r.iter().zip(gated) {
                    for channel in 0..CHANNELS {
                        let expected: Vec<f32> =
                            r[channel].iter().map(|r| r * z[channel]).collect();
                        assert_eq!(gated[channel], expected, "{interface:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn training_draws_one_z_for_each_channel_and_example_whatever_the_number_of_positions() {
    for (interface, shape, place) in cases(6) {
        for (kind, distinct) in [(GateKind::Static, 1), (GateKind::PerExample, 6)] {
            for width in [1, 2] {
                let gates = vec![0.0; CHANNELS / width];
                let z = training_z(
                    &given(interface, &config(kind, width), &gates),
                    &shape,
                    place,
                );
                let mut rows = Vec::new();
                for example in z {
                    for positions in &example {
                        assert!(
                            positions.iter().all(|z| *z == positions[0]),
                            "{positions:?}"
                        );
                    }
                    for group in example.chunks(width) {
                        assert!(group.iter().all(|channel| channel == &group[0]));
                    }
                    rows.push(format!("{example:?}"));
                }
                rows.sort();
                rows.dedup();
                assert_eq!(rows.len(), distinct, "{interface:?} {kind:?} {width}");
            }
        }
    }
}

#[test]
fn the_same_noise_gives_the_same_z_in_either_order_of_channels() {
    let of = |interface, shape: &[usize], place| {
        let gate = given(
            interface,
            &config(GateKind::PerExample, 1),
            &[0.0; CHANNELS],
        );
        let z = training_z(&gate, shape, place);
        let first: Vec<Vec<f32>> = z
            .iter()
            .map(|example| example.iter().map(|positions| positions[0]).collect())
            .collect();
        first
    };
    let flat = of(Interface::Flat { dim: CHANNELS }, &[6, CHANNELS], 1);
    for (interface, shape, place) in cases(6) {
        assert_eq!(of(interface, &shape, place), flat);
    }
}

#[test]
fn gradients_of_log_alpha_and_r_equal_finite_differences() {
    let h = 1e-2f32;
    let start = [-0.4f32, 0.1, 0.3, 0.8];
    for (interface, shape, _) in cases(9) {
        let (r, upstream) = (draw(&shape, 2), draw(&shape, 3));
        for kind in [GateKind::Static, GateKind::PerExample] {
            for width in [1, 2] {
                let config = config(kind, width);
                let gates = CHANNELS / width;
                // The loss weighs every entry differently, so that a mistaken sum over positions shows.
                let loss = |log_alpha: &[f32], r: &Tensor| {
                    let gate = given(interface, &config, log_alpha);
                    let mut noise = Generator::new(5);
                    let mode = GateMode::train(TAU, &mut noise);
                    let gated = gate.forward(r, mode).unwrap();
                    ((gated * &upstream).unwrap().sum_all().unwrap(), gate)
                };
                let variable = Var::from_tensor(&r).unwrap();
                let (value, gate) = loss(&start[..gates], variable.as_tensor());
                let grads = value.backward().unwrap();
                let log_alpha = gate.log_alpha().unwrap();
                let found: Vec<f32> = grads.get(log_alpha).unwrap().to_vec1().unwrap();
                for j in 0..gates {
                    let moved = |by: f32| {
                        let mut log_alpha = start[..gates].to_vec();
                        log_alpha[j] += by;
                        loss(&log_alpha, &r).0.to_scalar::<f32>().unwrap()
                    };
                    let expected = (moved(h) - moved(-h)) / (2.0 * h);
                    assert!(
                        (found[j] - expected).abs() < 0.05 + 0.05 * expected.abs(),
                        "{interface:?} {config:?}: {} {expected}",
                        found[j]
                    );
                }
                // z is linear in r: the gradient of r is z times the upstream gradient, which is the gate of it.
                let mut noise = Generator::new(5);
                let mode = GateMode::train(TAU, &mut noise);
                let expected = gate.forward(&upstream, mode).unwrap();
                let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let found = flat(grads.get(variable.as_tensor()).unwrap());
                for (found, expected) in found.iter().zip(flat(&expected)) {
                    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
                }
            }
        }
    }
}

#[test]
fn a_conditional_gate_reads_the_mean_of_each_channel_over_its_positions() {
    let weight = draw(&[CHANNELS, CHANNELS], 7);
    let log_alpha = Tensor::new(&[0.1f32, -0.2, 0.3, 0.0], &Device::Cpu).unwrap();
    let config = config(GateKind::Conditional, 1);
    for (interface, shape, place) in cases(3) {
        let r = draw(&shape, 8);
        let gate =
            Gate::from_parameters(interface, &config, &log_alpha, Some(&weight), TAU).unwrap();
        let gated = gate.pass(&r, GateMode::Eval).unwrap();
        let own: Vec<Vec<f32>> = gated.log_alpha.as_ref().unwrap().to_vec2().unwrap();
        let weight: Vec<Vec<f32>> = weight.to_vec2().unwrap();
        let bias: Vec<f32> = log_alpha.to_vec1().unwrap();
        for (own, channels) in own.iter().zip(by_channel(&r, place)) {
            for gate in 0..CHANNELS {
                let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
                let sum: f32 = (0..CHANNELS)
                    .map(|channel| weight[gate][channel] * mean(&channels[channel]))
                    .sum();
                assert!((own[gate] - bias[gate] - sum).abs() < 1e-5);
            }
        }
        let mut reader = GateReader::default();
        reader.add(&gate, &gated).unwrap();
        assert_eq!(reader.finish(&gate).unwrap().total_dims, CHANNELS);
    }
}

#[test]
fn gradients_of_a_conditional_gates_a_w_and_r_equal_finite_differences() {
    let h = 1e-2f32;
    let config = config(GateKind::Conditional, 1);
    for (interface, shape, _) in cases(4) {
        let upstream = draw(&shape, 3);
        let (a, w) = (
            draw(&[CHANNELS], 6),
            (draw(&[CHANNELS, CHANNELS], 7) * 0.3).unwrap(),
        );
        let r = draw(&shape, 2);
        let loss = |a: &Tensor, w: &Tensor, r: &Tensor| {
            let gate = Gate::from_parameters(interface, &config, a, Some(w), TAU).unwrap();
            let mut noise = Generator::new(5);
            let gated = gate.pass(r, GateMode::train(TAU, &mut noise)).unwrap();
            let penalty = gate.penalty_of(&gated, TAU).unwrap();
            let task = (&gated.value * &upstream).unwrap().sum_all().unwrap();
            ((task + penalty).unwrap(), gate)
        };
        let variable = Var::from_tensor(&r).unwrap();
        let (value, gate) = loss(&a, &w, variable.as_tensor());
        let grads = value.backward().unwrap();
        let of = |t: &Tensor| -> Vec<f32> {
            grads
                .get(t)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap()
        };
        let found = [
            of(gate.log_alpha().unwrap()),
            of(gate.weight().unwrap()),
            of(variable.as_tensor()),
        ];
        for (which, found) in found.iter().enumerate() {
            for (at, found) in found.iter().enumerate() {
                let moved = |by: f32| {
                    let mut all = [a.clone(), w.clone(), r.clone()];
                    let shape = all[which].dims().to_vec();
                    let mut values: Vec<f32> = all[which].flatten_all().unwrap().to_vec1().unwrap();
                    values[at] += by;
                    all[which] = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
                    let [a, w, r] = &all;
                    loss(a, w, r).0.to_scalar::<f32>().unwrap()
                };
                let expected = (moved(h) - moved(-h)) / (2.0 * h);
                // A sample that crosses the kink of a clip within h changes the difference a little.
                assert!(
                    (found - expected).abs() < 0.05 + 0.05 * expected.abs(),
                    "{interface:?}, parameter {which}, place {at}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn half_precision_maps_come_back_in_half_precision() {
    for (interface, shape, _) in cases(2) {
        let gate = given(
            interface,
            &config(GateKind::PerExample, 1),
            &[0.0, 9.0, -9.0, 1.0],
        );
        for dtype in [DType::F16, DType::BF16, DType::F64] {
            let r = draw(&shape, 1).to_dtype(dtype).unwrap();
            let mut noise = Generator::new(1);
            for mode in [GateMode::Eval, GateMode::train(TAU, &mut noise)] {
                let gated = gate.forward(&r, mode).unwrap();
                assert_eq!((gated.dtype(), gated.dims()), (dtype, r.dims()));
            }
        }
    }
}

#[test]
fn shapes_without_such_channels_are_refused_with_what_was_expected() {
    let gate = |interface| {
        Gate::new(
            interface,
            &GateConfig::default(),
            &Schedule::default(),
            &Device::Cpu,
        )
        .unwrap()
    };
    for (interface, shape, expected) in [
        (MAPS, vec![2, 5, 3, 3], "(batch, 4, height, width)"),
        (MAPS, vec![2, 4], "(batch, 4, length)"),
        (MAPS, vec![2, 4, 3, 3, 3], "(batch, 4, height, width)"),
        (SEQUENCE, vec![2, 4, 5], "(batch, length, 4)"),
        (SEQUENCE, vec![2, 4], "(batch, length, 4)"),
    ] {
        let r = Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
        let text = gate(interface)
            .forward(&r, GateMode::Eval)
            .unwrap_err()
            .to_string();
        assert!(text.contains(expected), "{text}");
    }
    // Nothing to gate is not an error.
    for shape in [vec![0, 4, 3, 3], vec![2, 4, 0, 3]] {
        let r = Tensor::ones(shape.clone(), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(
            gate(MAPS).forward(&r, GateMode::Eval).unwrap().dims(),
            shape
        );
    }
}

#[test]
fn channels_that_groups_do_not_fill_are_refused() {
    let error = config(GateKind::Static, 3).check_on(MAPS).unwrap_err();
    assert!(error.to_string().contains("group-width is 3"), "{error}");
}

//! Compares the branches of the predictor with their equations.
#![allow(clippy::unwrap_used)]

use super::{small_input, small_settings};
use crate::build_model;
use crate::{Cin, CinActivation, CinSettings, NumberEncoding, TabularSettings};
use candle_core::{DType, Device, Tensor};
use l0gm_gate::Temperature;
use l0gm_ops::{Generator, Mode};
use l0gm_train::Gating;

/// Eq. 10 to 12 written as loops.
fn cin_by_hand(x: &[Vec<Vec<f32>>], weights: &[Vec<Vec<Vec<f32>>>], relu: bool) -> Vec<Vec<f32>> {
    x.iter()
        .map(|fields| {
            let dim = fields[0].len();
            let mut maps = fields.clone();
            let mut sums = Vec::new();
            for layer in weights {
                let mut next = vec![vec![0f32; dim]; layer.len()];
                for (h, w) in layer.iter().enumerate() {
                    for (i, row) in w.iter().enumerate() {
                        for (j, w) in row.iter().enumerate() {
                            for d in 0..dim {
                                next[h][d] += w * maps[i][d] * fields[j][d];
                            }
                        }
                    }
                    if relu {
                        next[h].iter_mut().for_each(|v| *v = v.max(0.0));
                    }
                    sums.push(next[h].iter().sum());
                }
                maps = next;
            }
            sums
        })
        .collect()
}

#[test]
fn cin_equals_equations_10_to_12() {
    for (activation, rank) in [
        (CinActivation::None, None),
        (CinActivation::Relu, None),
        (CinActivation::None, Some(2)), // eq. 14
    ] {
        let settings = CinSettings {
            maps: vec![3, 2],
            activation,
            split: false,
            rank,
        };
        let cin = Cin::new(&settings, 4, &Generator::new(3), &Device::Cpu).unwrap();
        let x = Generator::new(4)
            .normal_tensor((5, 4, 6), 0.0, 1.0, DType::F32, &Device::Cpu)
            .unwrap();
        let weights: Vec<_> = cin
            .weights()
            .unwrap()
            .iter()
            .map(|w| w.to_vec3().unwrap())
            .collect();
        let relu = activation == CinActivation::Relu;
        let expected = cin_by_hand(&x.to_vec3().unwrap(), &weights, relu);
        let found = cin.forward(&x).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(cin.outputs(), 5);
        for (e, f) in expected.iter().flatten().zip(found.iter().flatten()) {
            assert!((e - f).abs() < 1e-4 * (1.0 + e.abs()), "{e} {f}");
        }
    }
}

#[test]
fn the_split_sums_half_of_a_layer_and_feeds_on_the_other_half() {
    let settings = CinSettings {
        maps: vec![4, 3],
        split: true,
        ..CinSettings::default()
    };
    let cin = Cin::new(&settings, 5, &Generator::new(0), &Device::Cpu).unwrap();
    assert_eq!(cin.outputs(), 2 + 3);
    assert_eq!(cin.weights().unwrap()[1].dims(), [3, 2, 5]);
    let x = Tensor::ones((2, 5, 3), DType::F32, &Device::Cpu).unwrap();
    assert_eq!(cin.forward(&x).unwrap().dims(), [2, 5]);
}

#[test]
fn a_closed_gate_leaves_the_bypass_and_nothing_else() {
    let (bypass, behind) = (
        logits_with_closed_gate(true),
        logits_with_closed_gate(false),
    );
    let spread = |logits: &[f32]| {
        let max = logits.iter().fold(f32::MIN, |a, &b| a.max(b));
        max - logits.iter().fold(f32::MAX, |a, &b| a.min(b))
    };
    assert!(spread(&bypass) > 1e-3, "the bypass is cut off: {bypass:?}");
    assert!(
        spread(&behind) < 1e-6,
        "something passes the gate: {behind:?}"
    );
}

/// One logit for each row with every gate closed and random linear weights of raw inputs.
fn logits_with_closed_gate(bypass: bool) -> Vec<f32> {
    let mut settings = small_settings();
    settings.model.bypass = bypass;
    let (_, encoding, input) = small_input(&settings);
    let model = build_model(&encoding, 2, true, &settings, 0, &Device::Cpu).unwrap();
    for parameter in model.parameters() {
        let var = &parameter.var;
        let value = if parameter.name == "gate.log_alpha" {
            (var.ones_like().unwrap() * -20.0).unwrap()
        } else {
            Generator::new(7)
                .stream(&parameter.name, 0)
                .normal_tensor(var.shape().clone(), 0.0, 0.1, DType::F32, &Device::Cpu)
                .unwrap()
        };
        var.set(&value).unwrap();
    }
    let logits = model.logits(&input).unwrap();
    logits
        .narrow(1, 1, 1)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap()
}

#[test]
fn two_classes_have_one_logit_and_many_have_one_each() {
    let (_, encoding, input) = small_input(&small_settings());
    let model = |classes| {
        build_model(
            &encoding,
            classes,
            false,
            &small_settings(),
            0,
            &Device::Cpu,
        )
        .unwrap()
    };
    let two = model(2).logits(&input).unwrap().to_vec2::<f32>().unwrap();
    assert!(two.iter().all(|row| row.len() == 2 && row[0] == 0.0));
    let five = model(5).logits(&input).unwrap();
    assert_eq!(five.dims(), [120, 5]);
}

#[test]
fn every_parameter_of_every_variant_gets_a_gradient() {
    let variants: [fn(&mut TabularSettings); 5] = [
        |_| {},
        |s| s.model.bypass = false,
        |s| s.encoding.numbers = NumberEncoding::Periodic,
        |s| s.encoding.numbers = NumberEncoding::Scaled,
        |s| {
            s.model.cin.rank = Some(2);
            s.model.cin.split = true;
        },
    ];
    for variant in variants {
        let mut settings = small_settings();
        variant(&mut settings);
        let (_, encoding, input) = small_input(&settings);
        let model = build_model(&encoding, 2, true, &settings, 0, &Device::Cpu).unwrap();
        let mut generator = Generator::new(0);
        let mut mode = Mode::Train(&mut generator);
        let gating = Gating::Sampled(Temperature(2.0 / 3.0));
        let logits = model.forward(&input, gating, &mut mode).unwrap().logits;
        let gradients = logits.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        for parameter in model.parameters() {
            assert!(
                gradients.get(&parameter.var).is_some(),
                "{} has no gradient",
                parameter.name
            );
        }
    }
}

#[test]
fn the_same_seed_builds_the_same_model_and_another_seed_another() {
    let (_, encoding, _) = small_input(&small_settings());
    let weights = |seed| -> Vec<f32> {
        let model = build_model(&encoding, 2, true, &small_settings(), seed, &Device::Cpu);
        let all = model.unwrap().parameters();
        all.iter()
            .flat_map(|p| p.var.flatten_all().unwrap().to_vec1::<f32>().unwrap())
            .collect()
    };
    assert_eq!(weights(3), weights(3));
    assert_ne!(weights(3), weights(4));
}

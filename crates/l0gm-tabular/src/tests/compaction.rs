//! The compact model gives the gated model's logits and is smaller.
#![allow(clippy::unwrap_used)]

use super::{small_input, small_settings};
use crate::{CompactModel, NumberEncoding, TabularSettings, compact_sizes, model_sizes};
use crate::{TableModel, build_model};
use candle_core::{DType, Device, Tensor};
use l0gm_gate::InferenceGate;
use l0gm_ops::Generator;

/// Settings that use each branch and each encoding.
pub(super) const VARIANTS: [fn(&mut TabularSettings); 13] = [
    |_| {},
    |s| s.encoding.shrink = 7.0,
    |s| {
        s.encoding.shrink = 7.0;
        s.model.bypass = false;
    },
    |s| s.model.bypass = false,
    |s| s.encoding.numbers = NumberEncoding::Periodic,
    |s| s.encoding.numbers = NumberEncoding::Scaled,
    |s| s.gate.inference = InferenceGate::Threshold,
    |s| s.model.members = 3,
    |s| {
        s.model.members = 2;
        s.model.bypass = false;
        s.model.deep = vec![6];
    },
    |s| {
        s.model.cin.rank = Some(2);
        s.model.cin.split = true;
        s.model.deep.clear();
    },
    |s| s.model.fm = true,
    |s| {
        s.model.bypass = false;
        s.model.cross.layers = 2;
    },
    |s| {
        s.model.cin.maps.clear();
        s.model.fm = true;
        s.model.cross.layers = 3;
        s.model.cross.rank = Some(2);
    },
];

/// A model with random weights, and the given log_alpha repeated over the dimensions.
pub(super) fn model(
    settings: &TabularSettings,
    log_alpha: &[f32],
) -> (TableModel, crate::Encoding, crate::TableInput) {
    let (_, encoding, input) = small_input(settings);
    let model = build_model(&encoding, 2, true, settings, 0, &Device::Cpu).unwrap();
    for parameter in model.parameters() {
        let var = &parameter.var;
        let value = if parameter.name == "gate.log_alpha" {
            let n = var.elem_count();
            let values: Vec<f32> = (0..n).map(|i| log_alpha[i % log_alpha.len()]).collect();
            Tensor::from_vec(values, var.shape().clone(), &Device::Cpu).unwrap()
        } else {
            Generator::new(5)
                .stream(&parameter.name, 0)
                .normal_tensor(var.shape().clone(), 0.0, 0.4, DType::F32, &Device::Cpu)
                .unwrap()
        };
        var.set(&value).unwrap();
    }
    (model, encoding, input)
}

#[test]
fn compact_logits_equal_gated_logits_in_every_variant() {
    // Partly open; one field of four dimensions completely closed; everything closed.
    let patterns: [&[f32]; 3] = [
        &[-3.0, 0.4, 2.0, -0.2, 1.0, -5.0, 0.1],
        &[-9.0, -9.0, -9.0, -9.0, 0.5, 1.5, -9.0, 3.0],
        &[-9.0],
    ];
    for variant in VARIANTS {
        let mut settings = small_settings();
        variant(&mut settings);
        for pattern in patterns {
            let (model, encoding, input) = model(&settings, pattern);
            let gated = model.logits(&input).unwrap();
            let compact = CompactModel::new(&model, &encoding).unwrap();
            let logits = compact.logits(&input).unwrap();
            let difference = (gated - logits).unwrap().abs().unwrap().max_all().unwrap();
            let difference = difference.to_scalar::<f32>().unwrap();
            assert!(
                difference < 1e-5,
                "{difference} for {settings:?} {pattern:?}"
            );
        }
    }
}

#[test]
fn each_of_many_classes_has_its_own_factorisation_machine_and_cross_network() {
    let mut settings = small_settings();
    settings.model.fm = true;
    settings.model.cross.layers = 2;
    let (_, encoding, input) = small_input(&settings);
    let model = build_model(&encoding, 3, true, &settings, 0, &Device::Cpu).unwrap();
    let log_alpha = model.gate.log_alpha().unwrap();
    let alternating: Vec<f32> = (0..16)
        .map(|at| if at % 3 == 0 { 3.0 } else { -5.0 })
        .collect();
    log_alpha
        .set(&Tensor::new(alternating, &Device::Cpu).unwrap())
        .unwrap();
    let gated = model.logits(&input).unwrap();
    let compact = CompactModel::new(&model, &encoding).unwrap();
    assert_eq!(compact.open().iter().sum::<usize>(), 6);
    let difference = (gated - compact.logits(&input).unwrap()).unwrap().abs();
    let difference = difference.unwrap().max_all().unwrap();
    assert!(difference.to_scalar::<f32>().unwrap() < 1e-5);
}

#[test]
fn compaction_removes_what_was_closed() {
    let (model, encoding, _) = model(
        &small_settings(),
        &[-9.0, -9.0, -9.0, -9.0, 0.5, 1.5, -9.0, 3.0],
    );
    let compact = CompactModel::new(&model, &encoding).unwrap();
    assert_eq!(compact.open(), [0, 3, 0, 3]);
    let (before, after) = (
        model_sizes(&model, &encoding),
        compact_sizes(&compact, &model, &encoding),
    );
    assert!(after.parameters < before.parameters && after.flops < before.flops);
    assert_eq!(after.bytes, 4 * after.parameters);
}

#[test]
fn a_gate_that_is_wholly_open_removes_nothing_from_the_deep_branch() {
    let mut settings = small_settings();
    settings.gate.inference = InferenceGate::Threshold;
    let (model, encoding, _) = model(&settings, &[4.0]);
    let compact = CompactModel::new(&model, &encoding).unwrap();
    let (before, after) = (
        model_sizes(&model, &encoding),
        compact_sizes(&compact, &model, &encoding),
    );
    assert_eq!(before.flops, after.flops);
    // The bias and missing rows of a number field become its rows for missing cells and for the first edge.
    assert_eq!(before.parameters, after.parameters);
}

#[test]
fn the_sweep_over_rows_says_what_the_ops_say_for_any_number_of_rows() {
    let variants: [fn(&mut TabularSettings); 8] = [
        |_| {},
        |s| s.model.members = 4,
        |s| s.model.bypass = false,
        |s| s.model.linear = false,
        |s| s.model.cin.maps = vec![3],
        |s| {
            s.model.fm = true;
            s.model.cross.layers = 2;
        },
        |s| {
            // More maps than fit side by side, in three layers.
            s.model.cin.maps = vec![11, 9, 2];
            s.model.deep.clear();
        },
        // So few maps that their products are fewer than the monomials.
        |s| s.model.cin.maps = vec![1, 1, 1],
    ];
    for variant in variants {
        let mut settings = small_settings();
        variant(&mut settings);
        let (model, encoding, input) = model(&settings, &[-3.0, 0.4, 2.0, -0.2, 1.0, -5.0, 0.1]);
        let compact = CompactModel::new(&model, &encoding).unwrap();
        assert!(compact.is_swept(), "{settings:?}");
        let known = input.categories.as_ref().unwrap().ids.dims()[0] as u32;
        for rows in [1, 3, 4, 6, 64, 131] {
            let index: Vec<u32> = (0..rows).map(|row| (row * 7 + 1) % known).collect();
            let index = Tensor::new(index, &Device::Cpu).unwrap();
            let batch = input.select(&index).unwrap();
            let (a, b) = (
                compact.logits(&batch).unwrap(),
                compact.logits_by_ops(&batch).unwrap(),
            );
            assert_eq!(a.dims(), b.dims());
            let difference = (&a - b).unwrap().abs().unwrap().max_all().unwrap();
            let difference = difference.to_scalar::<f32>().unwrap();
            assert!(
                difference < 2e-5,
                "{difference} for {rows} rows, {settings:?}"
            );
            if settings.model.fm || settings.model.members > 1 {
                continue; // Rivals' branches and members are computed by ops.
            }
            // A row alone has the same bits as among others.
            let last = input.select(&index.narrow(0, rows as usize - 1, 1).unwrap());
            let last = compact.logits(&last.unwrap()).unwrap();
            let among = a.narrow(0, rows as usize - 1, 1).unwrap();
            assert_eq!(
                last.to_vec2::<f32>().unwrap(),
                among.to_vec2::<f32>().unwrap()
            );
        }
    }
}

#[test]
fn a_row_outside_its_table_is_an_error_not_a_panic() {
    let (model, encoding, mut input) = model(&small_settings(), &[2.0]);
    let compact = CompactModel::new(&model, &encoding).unwrap();
    let categories = input.categories.as_mut().unwrap();
    categories.ids = (categories.ids.ones_like().unwrap() * 4_000_000.0).unwrap();
    let error = compact.logits(&input).unwrap_err().to_string();
    assert!(error.contains("4000000"), "{error}");
}

#![allow(clippy::unwrap_used)]
use super::super::layer::CompactNorm;
use super::*;
use crate::settings::{EncoderKind, GcnSettings};
use crate::test_graphs::two_communities;
use crate::{GraphEncoder, GraphTask, LinearHead, NodeSplit, sizes};
use candle_core::Device;
use l0gm_gate::{Gate, GateConfig, Granularity, Schedule};
use l0gm_ops::Generator;
use l0gm_train::{GatedModel, Split};

/// A gated model with random norms, biases and gates; about half of the gates are closed.
pub(in crate::compact) fn gated(
    settings: &GcnSettings,
    log_alpha: impl Fn(usize) -> f32,
) -> GraphModel {
    gated_by(settings, &GateConfig::default(), log_alpha)
}

/// Like [`gated`], with a gate of these settings.
fn gated_by(
    settings: &GcnSettings,
    config: &GateConfig,
    log_alpha: impl Fn(usize) -> f32,
) -> GraphModel {
    let device = Device::Cpu;
    let mut random = Generator::new(3);
    let encoder = GraphEncoder::new(EncoderKind::Gcn, 8, settings, &mut random, &device).unwrap();
    let head = LinearHead::new(settings.interface_width, 2, &mut random, &device).unwrap();
    let gate = Gate::new(encoder.interface(), config, &Schedule::default(), &device).unwrap();
    let model = GatedModel {
        encoder,
        gate,
        head,
    };
    for parameter in model.encoder.parameters() {
        let noise = random
            .normal_tensor(
                parameter.var.shape().clone(),
                0.0,
                0.3,
                candle_core::DType::F32,
                &device,
            )
            .unwrap();
        parameter
            .var
            .set(&(parameter.var.as_tensor() + noise).unwrap())
            .unwrap();
    }
    let gates = model.gate.log_alpha().unwrap();
    let values: Vec<f32> = (0..gates.elem_count()).map(log_alpha).collect();
    gates.set(&Tensor::new(values, &device).unwrap()).unwrap();
    model
}

fn largest_difference(gated: &GraphModel, small: &CompactModel, input: &GraphInput) -> f32 {
    let difference = (gated.logits(input).unwrap() - small.logits(input).unwrap()).unwrap();
    let difference = difference.abs().unwrap();
    difference.max_all().unwrap().to_scalar().unwrap()
}

#[test]
fn compact_model_keeps_logits_and_is_smaller() {
    let graph = two_communities(30, 2);
    let task = GraphTask::new(
        &graph,
        NodeSplit::random(60, 0.5, 0.2, 0).unwrap(),
        &Device::Cpu,
    )
    .unwrap();
    let mut removed = Vec::new();
    for (layers, norm_last, residual) in [
        (3, true, true),
        (3, false, true),
        (3, false, false),
        (1, true, false),
        (1, false, false),
    ] {
        let settings = GcnSettings {
            layers,
            width: 16,
            interface_width: 16,
            norm_last,
            residual,
            ..GcnSettings::default()
        };
        let model = gated(
            &settings,
            |at| if at % 2 == 0 { -4.0 } else { 0.3 * at as f32 },
        );
        let small = CompactModel::new(&model).unwrap();
        // With a normalised last layer of 16 channels, dropping some would save nothing, so all are kept.
        let stay = if norm_last { 16 } else { 8 };
        assert_eq!(small.kept().len(), stay);
        let input = task.input(Split::Test);
        let difference = largest_difference(&model, &small, &input);
        assert!(difference < 1e-5, "{difference} for {settings:?}");
        let entries = task.graph().propagation().matrix().values().len();
        let (before, after) = (sizes(&model, 60, entries), small.sizes(60, entries));
        assert_eq!(after.flops < before.flops, !norm_last);
        removed.push(before.parameters - after.parameters);
    }
    // The gate's log_alpha is always dropped. Without a normalisation, half of 16 x 16, of the bias and of the
    // classifier's columns are dropped too.
    assert_eq!(removed[0], 16);
    assert_eq!(removed[1] - removed[0], 8 * 16 + 8 + 2 * 8);
}

#[test]
fn where_few_channels_stay_a_normalised_layer_loses_the_others() {
    let split = NodeSplit::random(60, 0.5, 0.2, 0).unwrap();
    let task = GraphTask::new(&two_communities(30, 2), split, &Device::Cpu).unwrap();
    let input = task.input(Split::Test);
    let entries = task.graph().propagation().matrix().values().len();
    // Of 40 channels, every fourth or all but one are kept. With 8 or 12 inputs, the first case is worth the change.
    for (layers, inputs) in [(1, 8), (3, 12)] {
        let settings = GcnSettings {
            layers,
            width: 12,
            interface_width: 40,
            norm_last: true,
            ..GcnSettings::default()
        };
        for (every, kept, separated) in [(4, 10, true), (39, 38, false)] {
            let model = gated(&settings, |at| match (at % every == 0, separated) {
                (true, true) | (false, false) => 0.3 + 0.1 * at as f32,
                _ => -6.0,
            });
            let small = CompactModel::new(&model).unwrap();
            let last = small.layers.last().unwrap();
            let stay = if separated { kept } else { 40 };
            assert_eq!(small.kept().len(), stay);
            assert_eq!(matches!(last.norm, CompactNorm::Spread { .. }), separated);
            assert_eq!(last.weight.dims(), [stay, inputs]);
            let difference = largest_difference(&model, &small, &input);
            assert!(
                difference < 1e-5,
                "{difference} for {layers} layers, {kept}"
            );
            let (before, after) = (sizes(&model, 60, entries), small.sizes(60, entries));
            assert!(after.parameters < before.parameters);
            assert_eq!(after.flops < before.flops, separated);
        }
    }
}

#[test]
fn a_closed_group_takes_all_its_channels_along() {
    let split = NodeSplit::random(60, 0.5, 0.2, 0).unwrap();
    let task = GraphTask::new(&two_communities(30, 2), split, &Device::Cpu).unwrap();
    let config = GateConfig {
        granularity: Granularity::Group,
        group_width: 4,
        ..GateConfig::default()
    };
    for norm_last in [true, false] {
        let settings = GcnSettings {
            layers: 2,
            width: 16,
            interface_width: 16,
            norm_last,
            ..GcnSettings::default()
        };
        // The second and the last of four groups are kept.
        let model = gated_by(&settings, &config, |at| [-6.0, 0.3, -6.0, 9.0][at]);
        let small = CompactModel::new(&model).unwrap();
        let groups = vec![4, 5, 6, 7, 12, 13, 14, 15];
        let kept = if norm_last { (0..16).collect() } else { groups };
        assert_eq!(small.kept(), kept);
        assert_eq!(small.weight.dims(), [2, kept.len()]);
        let difference = largest_difference(&model, &small, &task.input(Split::Test));
        assert!(difference < 1e-5, "{difference}");
    }
}

#[test]
fn a_gate_closed_everywhere_leaves_the_classifiers_bias_alone() {
    let settings = GcnSettings {
        layers: 1,
        width: 4,
        interface_width: 4,
        ..GcnSettings::default()
    };
    let model = gated(&settings, |_| -8.0);
    assert!(CompactModel::new(&model).unwrap().is_closed());
}

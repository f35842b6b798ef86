#![allow(clippy::unwrap_used)]
use super::*;
use crate::{Gate, GateConfig, GateMode, InferenceGate, Interface, Temperature};
use l0gm_ops::Generator;
use proptest::prelude::*;

const TAU: Temperature = Temperature(2.0 / 3.0);

fn layer(out: usize, input: usize, generator: &mut Generator) -> LinearLayer {
    let scale = 1.0 / (input as f64).sqrt();
    let mut draw = |shape: Vec<usize>| {
        generator
            .normal_tensor(shape, 0.0, scale, DType::F32, &Device::Cpu)
            .unwrap()
    };
    LinearLayer {
        weight: draw(vec![out, input]),
        bias: Some(draw(vec![out])),
    }
}

/// Computes x W^T + b. Without inputs, this is the bias.
fn apply(layer: &LinearLayer, x: &Tensor) -> Tensor {
    let (out, input) = layer.weight.dims2().unwrap();
    let product = match input {
        0 => Tensor::zeros((x.dim(0).unwrap(), out), DType::F32, &Device::Cpu).unwrap(),
        _ => x.matmul(&layer.weight.t().unwrap()).unwrap(),
    };
    product.broadcast_add(layer.bias.as_ref().unwrap()).unwrap()
}

fn max_difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    (a - b)
        .unwrap()
        .abs()
        .unwrap()
        .flatten_all()
        .unwrap()
        .max(0)
        .unwrap()
        .to_scalar()
        .unwrap()
}

/// The largest difference between the logits of the gated network and the compact one, and the kept dimensions.
fn compare(log_alpha: &[f32], inference: InferenceGate, seed: u64) -> (f32, Vec<u32>) {
    let mut generator = Generator::new(seed);
    let (before, after) = (
        layer(log_alpha.len(), 7, &mut generator),
        layer(3, log_alpha.len(), &mut generator),
    );
    let x = generator
        .normal_tensor((11, 7), 0.0, 1.0, DType::F32, &Device::Cpu)
        .unwrap();
    let config = GateConfig {
        inference,
        ..GateConfig::default()
    };
    let interface = Interface::Flat {
        dim: log_alpha.len(),
    };
    let log_alpha = Tensor::new(log_alpha, &Device::Cpu).unwrap();
    let gate = Gate::from_log_alpha(interface, &config, &log_alpha, TAU).unwrap();

    let r = apply(&before, &x).relu().unwrap();
    let gated = apply(&after, &gate.forward(&r, GateMode::Eval).unwrap());

    let z = gate.deterministic().unwrap();
    let (small, after, kept) = compact_linear(Some(&before), &z, &after).unwrap();
    let small = small.unwrap();
    assert_eq!(small.weight.dims(), [kept.len(), 7]);
    assert_eq!(after.weight.dims(), [3, kept.len()]);
    let mask: Vec<u32> = (0..)
        .zip(gate.hard_mask().unwrap())
        .filter(|(_, open)| *open)
        .map(|(i, _)| i)
        .collect();
    assert_eq!(kept, mask);
    let r = match kept.len() {
        0 => Tensor::zeros((11, 0), DType::F32, &Device::Cpu).unwrap(),
        _ => apply(&small, &x).relu().unwrap(),
    };
    (max_difference(&gated, &apply(&after, &r)), kept)
}

proptest! {
    #[test]
    fn compact_model_keeps_logits(
        log_alpha in prop::collection::vec(-8.0f32..8.0, 1..40), seed in any::<u64>(), which in 0..3usize,
    ) {
        let inference = [InferenceGate::Median, InferenceGate::Threshold, InferenceGate::HardSigmoid][which];
        let (difference, _) = compare(&log_alpha, inference, seed);
        prop_assert!(difference < 1e-5, "{difference}");
    }
}

#[test]
fn with_every_gate_closed_the_logits_are_the_bias() {
    let (difference, kept) = compare(&[-10.0; 6], InferenceGate::Median, 1);
    assert!(kept.is_empty());
    assert_eq!(difference, 0.0);
}

#[test]
fn with_every_gate_open_nothing_is_removed() {
    let (difference, kept) = compare(&[10.0; 6], InferenceGate::Median, 1);
    assert_eq!(kept, [0, 1, 2, 3, 4, 5]);
    assert!(difference < 1e-6);
}

#[test]
fn removed_parameters_can_be_counted() {
    let mut generator = Generator::new(5);
    let (before, after) = (layer(4, 7, &mut generator), layer(3, 4, &mut generator));
    let (small, last, kept) = compact_linear(Some(&before), &[0.0, 1.0, 0.5, 0.0], &after).unwrap();
    assert_eq!(kept, [1, 2]);
    assert_eq!(
        (before.parameters(), after.parameters()),
        (4 * 7 + 4, 3 * 4 + 3)
    );
    assert_eq!(
        (small.unwrap().parameters(), last.parameters()),
        (2 * 7 + 2, 3 * 2 + 3)
    );
}

#[test]
fn layers_of_half_precision_keep_theirs() {
    let mut generator = Generator::new(5);
    let after = layer(3, 4, &mut generator);
    let half = LinearLayer {
        weight: after.weight.to_dtype(DType::BF16).unwrap(),
        bias: None,
    };
    let (_, compact, _) = compact_linear(None, &[0.0, 1.0, 0.5, 0.0], &half).unwrap();
    assert_eq!(compact.weight.dtype(), DType::BF16);
    assert!(compact.bias.is_none());
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let mut generator = Generator::new(5);
    let (before, after) = (layer(4, 7, &mut generator), layer(3, 4, &mut generator));
    let message = |before: Option<&LinearLayer>, z: &[f32], after: &LinearLayer| {
        compact_linear(before, z, after).unwrap_err().to_string()
    };
    let text = message(None, &[1.0; 5], &after);
    assert!(
        text.contains("4 inputs") && text.contains("5 values"),
        "{text}"
    );
    let text = message(Some(&after), &[1.0; 4], &after);
    assert!(
        text.contains("3 outputs") && text.contains("4 values"),
        "{text}"
    );
    let text = message(Some(&before), &[1.0, 0.5, f32::NAN, 0.0], &after);
    assert!(text.contains("z[2] is NaN"), "{text}");
    let odd = LinearLayer {
        bias: before.bias.clone(),
        ..after.clone()
    };
    let text = message(None, &[1.0; 4], &odd);
    assert!(
        text.contains("bias") && text.contains("[4]") && text.contains("(3,)"),
        "{text}"
    );
    let flat = LinearLayer {
        weight: after.weight.flatten_all().unwrap(),
        bias: None,
    };
    let text = message(None, &[1.0; 4], &flat);
    assert!(text.contains("expected (out, in)"), "{text}");
}

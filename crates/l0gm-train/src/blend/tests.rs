#![allow(clippy::unwrap_used)]
use super::weights::{Slope, weights};
use super::*;
use l0gm_ops::Generator;

/// Logits of so many rows that know the label, each with its own noise.
fn part(labels: &[u32], classes: usize, signal: f64, seed: u64) -> Vec<f32> {
    let mut random = Generator::new(seed);
    let of = |label: &u32| -> Vec<f32> {
        (0..classes as u32)
            .map(|class| (random.normal() + if class == *label { signal } else { 0.0 }) as f32)
            .collect()
    };
    labels.iter().flat_map(of).collect()
}

fn loss(weights: &[f64], parts: &[Vec<f32>], labels: &[u32]) -> f64 {
    Slope::at(weights, parts, labels, 1.0 / parts.len() as f64).loss
}

#[test]
fn derivatives_are_those_of_finite_differences() {
    let labels: Vec<u32> = (0..30).map(|i| i % 3).collect();
    let parts = [part(&labels, 3, 2.0, 1), part(&labels, 3, 1.0, 2)];
    let at = [0.7, 0.2];
    let slope = Slope::at(&at, &parts, &labels, 0.5);
    for i in 0..2 {
        let moved = |by: f64| {
            let mut there = at;
            there[i] += by;
            Slope::at(&there, &parts, &labels, 0.5)
        };
        let (up, down) = (moved(1e-5), moved(-1e-5));
        let numeric = (up.loss - down.loss) / 2e-5;
        assert!((numeric - slope.gradient[i]).abs() < 1e-8);
        for j in 0..2 {
            let numeric = (up.gradient[j] - down.gradient[j]) / 2e-5;
            assert!((numeric - slope.curvature[i * 2 + j]).abs() < 1e-7);
        }
    }
}

#[test]
fn no_other_weights_have_a_lower_loss_and_none_is_below_zero() {
    let labels: Vec<u32> = (0..300).map(|i| i % 4).collect();
    let good = part(&labels, 4, 3.0, 1);
    let wrong: Vec<f32> = part(&labels, 4, 1.0, 2).iter().map(|z| -z).collect();
    let parts = [good, part(&labels, 4, 1.5, 3), wrong];
    let found = weights(&parts, &labels);
    assert_eq!(found[2], 0.0, "{found:?}");
    assert!(found[0] > found[1] && found[1] > 0.0, "{found:?}");
    let best = loss(&found, &parts, &labels);
    for i in 0..3 {
        for by in [-0.02, 0.02] {
            let mut other = found.clone();
            other[i] = (other[i] + by).max(0.0);
            assert!(loss(&other, &parts, &labels) >= best - 1e-9);
        }
    }
}

#[test]
fn rows_that_are_all_predicted_right_give_finite_weights() {
    let labels: Vec<u32> = (0..10).map(|i| i % 2).collect();
    let parts = [part(&labels, 2, 50.0, 1), part(&labels, 2, 50.0, 2)];
    assert!(weights(&parts, &labels).iter().all(|w| w.is_finite()));
}

#[test]
fn the_folded_layer_is_the_sum_of_the_parts() {
    let device = Device::Cpu;
    let mut random = Generator::new(4);
    for (classes, outputs) in [(2, 1), (3, 3)] {
        let network = Linear::new("n", Part::Head, 5, classes, true, &mut random, &device).unwrap();
        let blend = Blend::new(5, &[outputs, outputs], classes, &device).unwrap();
        let mut normal = |shape: (usize, usize)| {
            random
                .normal_tensor(shape, 0.0, 1.0, DType::F32, &device)
                .unwrap()
        };
        blend.intercepts.set(&normal((2, classes))).unwrap();
        let weights = Tensor::new(&[0.5f32, 0.0, 1.25], &device).unwrap();
        blend.weights.set(&weights).unwrap();
        let gated = normal((7, 5 + 2 * outputs));
        let own = network.forward(&blend.of_network(&gated).unwrap());
        let mut parts = vec![own.unwrap()];
        parts.extend(blend.of_scores(&gated).unwrap());
        let mut sum = parts[0].zeros_like().unwrap();
        for (part, weight) in parts.iter().zip([0.5, 0.0, 1.25]) {
            sum = (sum + (part * weight).unwrap()).unwrap();
        }
        let (weight, bias) = blend.folded(&network).unwrap();
        let folded = linear(&gated, &weight, Some(&bias)).unwrap();
        let apart = (sum - folded).unwrap().abs().unwrap().max_all().unwrap();
        assert!(apart.to_scalar::<f32>().unwrap() < 1e-5);
        // Of two classes the score is the logit of the second.
        if classes == 2 {
            let logits: Vec<Vec<f32>> = parts[1].to_vec2().unwrap();
            let fixed: Vec<Vec<f32>> = blend.intercepts.to_vec2().unwrap();
            assert!(logits.iter().all(|row| row[0] == fixed[0][0]));
        }
    }
}

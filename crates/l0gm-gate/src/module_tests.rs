#![allow(clippy::unwrap_used)]
use super::*;
use crate::{GateConfig, GateKind, Interface, Schedule};
use candle_core::{DType, Device};
use candle_nn::{Activation, Linear, seq};

const TAU: Temperature = Temperature(2.0 / 3.0);
const FLAT: Interface = Interface::Flat { dim: 5 };

fn gate(kind: GateKind) -> Gate {
    let config = GateConfig {
        kind,
        ..GateConfig::default()
    };
    let gate = Gate::new(FLAT, &config, &Schedule::default(), &Device::Cpu).unwrap();
    let values = Tensor::new(&[-9f32, -0.5, 0.0, 0.5, 9.0], &Device::Cpu).unwrap();
    gate.log_alpha().unwrap().set(&values).unwrap();
    gate
}

fn draw(shape: (usize, usize)) -> Tensor {
    Generator::new(2)
        .normal_tensor(shape, 0.0, 1.0, DType::F32, &Device::Cpu)
        .unwrap()
}

fn rows(t: &Tensor) -> Vec<Vec<f32>> {
    t.to_vec2().unwrap()
}

#[test]
fn a_gate_in_a_sequence_of_layers_is_deterministic_and_passes_the_gradient_on() {
    let gate = gate(GateKind::PerExample);
    let first = Linear::new(draw((5, 3)), None);
    let model = seq()
        .add(first.clone())
        .add(Activation::Relu)
        .add(gate.clone());
    let x = candle_core::Var::from_tensor(&draw((4, 3))).unwrap();
    let r = x.apply(&first).unwrap().relu().unwrap();
    let expected = Gate::forward(&gate, &r, GateMode::Eval).unwrap();
    let found = model.forward(x.as_tensor()).unwrap();
    assert_eq!(rows(&found), rows(&expected));
    let grads = found.sum_all().unwrap().backward().unwrap();
    assert!(grads.get(x.as_tensor()).is_some());
}

#[test]
fn a_layer_samples_in_training_as_the_gate_does_and_not_otherwise() {
    for kind in [
        GateKind::Static,
        GateKind::PerExample,
        GateKind::Conditional,
    ] {
        let (gate, r) = (gate(kind), draw((6, 5)));
        let layer = GateLayer::new(gate.clone(), Generator::new(8));
        layer.set_temperature(Temperature(0.4)).unwrap();
        let mut noise = Generator::new(8);
        for _ in 0..2 {
            let mode = GateMode::train(Temperature(0.4), &mut noise);
            let expected = gate.pass(&r, mode).unwrap();
            let found = layer.forward_t(&r, true).unwrap();
            assert_eq!(rows(&found), rows(&expected.value));
            let value = |t: Tensor| t.to_scalar::<f32>().unwrap();
            assert_eq!(
                value(layer.penalty().unwrap()),
                value(gate.penalty_of(&expected, Temperature(0.4)).unwrap())
            );
        }
        let used = layer.forward_t(&r, false).unwrap();
        let expected = Gate::forward(&gate, &r, GateMode::Eval).unwrap();
        assert_eq!(rows(&used), rows(&expected));
    }
}

#[test]
fn loss_and_penalty_of_a_layer_have_the_gradient_of_finite_differences() {
    let h = 1e-2f32;
    let r = draw((9, 5));
    for kind in [
        GateKind::Static,
        GateKind::PerExample,
        GateKind::Conditional,
    ] {
        let gate = gate(kind);
        let log_alpha = gate.log_alpha().unwrap();
        let start: Vec<f32> = log_alpha.to_vec1().unwrap();
        let loss = |values: &[f32]| {
            log_alpha
                .set(&Tensor::new(values, &Device::Cpu).unwrap())
                .unwrap();
            let layer = GateLayer::new(gate.clone(), Generator::new(8));
            layer.set_temperature(TAU).unwrap();
            let task = layer.forward_t(&r, true).unwrap().sum_all().unwrap();
            (task + layer.penalty().unwrap()).unwrap()
        };
        let grads = loss(&start).backward().unwrap();
        let found: Vec<f32> = grads.get(log_alpha).unwrap().to_vec1().unwrap();
        for at in 0..start.len() {
            let moved = |by: f32| {
                let mut values = start.clone();
                values[at] += by;
                loss(&values).to_scalar::<f32>().unwrap()
            };
            let expected = (moved(h) - moved(-h)) / (2.0 * h);
            assert!(
                (found[at] - expected).abs() < 0.05 + 0.05 * expected.abs(),
                "{kind:?} {at}: {} {expected}",
                found[at]
            );
        }
    }
}

#[test]
fn a_settled_layer_is_deterministic_in_training_and_gets_no_gradient() {
    let (gate, r) = (gate(GateKind::PerExample), draw((6, 5)));
    let layer = GateLayer::new(gate.clone(), Generator::new(8));
    let reaches_gate = |settled: bool| {
        let now = Steered {
            temperature: TAU,
            lambda: 0.1,
            settled,
        };
        layer.steer(&now).unwrap();
        let gated = layer.forward_t(&r, true).unwrap();
        let grads = gated.sum_all().unwrap().backward().unwrap();
        let used = Gate::forward(&gate, &r, GateMode::Eval).unwrap();
        assert_eq!(rows(&gated) == rows(&used), settled);
        grads.get(gate.log_alpha().unwrap()).is_some()
    };
    assert!(reaches_gate(false));
    assert!(!reaches_gate(true));
    assert!(reaches_gate(false));
}

#[test]
fn the_identity_is_a_layer_too() {
    let layer = GateLayer::new(Gate::identity(FLAT), Generator::new(1));
    let r = draw((3, 5));
    assert_eq!(rows(&layer.forward_t(&r, true).unwrap()), rows(&r));
    assert_eq!(layer.penalty().unwrap().to_scalar::<f32>().unwrap(), 0.0);
}

#[test]
fn a_conditional_layers_penalty_needs_a_batch() {
    let layer = GateLayer::new(gate(GateKind::Conditional), Generator::new(1));
    assert!(
        layer
            .penalty()
            .unwrap_err()
            .to_string()
            .contains("no batch")
    );
    layer.forward_t(&draw((3, 5)), true).unwrap();
    layer.penalty().unwrap();
    assert!(layer.penalty().is_err(), "the batch was used");
    assert!(layer.set_temperature(Temperature(0.0)).is_err());
}

#[test]
fn errors_become_candles_and_keep_what_they_said() {
    let model = |r: &Tensor| -> candle_core::Result<Tensor> {
        let gate = Gate::new(
            FLAT,
            &GateConfig::default(),
            &Schedule::default(),
            r.device(),
        )?;
        Ok(Gate::forward(&gate, r, GateMode::Eval)?)
    };
    let error = model(&draw((3, 4))).unwrap_err();
    assert!(error.to_string().contains("expects (batch, 5)"), "{error}");
    // candle's own error comes back as itself.
    let error = (draw((3, 4)) + draw((4, 3))).unwrap_err();
    let text = error.to_string();
    let back: candle_core::Error = Error::from(error).into();
    assert_eq!(back.to_string(), text);
    assert!(!matches!(back, candle_core::Error::Wrapped(_)));
}

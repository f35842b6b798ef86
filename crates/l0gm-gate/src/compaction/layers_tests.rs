#![allow(clippy::unwrap_used)]
use super::*;
use crate::{Gate, GateConfig, GateMode, InferenceGate, Interface, Temperature};
use candle_core::{DType, Device, Module, ModuleT};
use candle_nn::{Conv1dConfig, Conv2dConfig};
use l0gm_ops::Generator;
use proptest::prelude::*;

const TAU: Temperature = Temperature(2.0 / 3.0);
const RULES: [InferenceGate; 3] = [
    InferenceGate::Median,
    InferenceGate::Threshold,
    InferenceGate::HardSigmoid,
];

/// Draws tensors whose size does not grow with the number of inputs of a layer.
struct Draw(Generator);

impl Draw {
    fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let inputs: usize = shape.iter().skip(1).product();
        let scale = 1.0 / (inputs.max(1) as f64).sqrt();
        self.0
            .normal_tensor(shape, 0.0, scale, DType::F32, &Device::Cpu)
            .unwrap()
    }

    fn input(&mut self, shape: &[usize]) -> Tensor {
        self.0
            .normal_tensor(shape, 0.0, 1.0, DType::F32, &Device::Cpu)
            .unwrap()
    }

    fn linear(&mut self, out: usize, input: usize) -> Linear {
        Linear::new(self.tensor(&[out, input]), Some(self.tensor(&[out])))
    }

    fn conv2d(&mut self, out: usize, input: usize, config: Conv2dConfig) -> Conv2d {
        let weight = self.tensor(&[out, input / config.groups, 3, 3]);
        Conv2d::new(weight, Some(self.tensor(&[out])), config)
    }

    fn conv1d(&mut self, out: usize, input: usize, config: Conv1dConfig) -> Conv1d {
        Conv1d::new(
            self.tensor(&[out, input, 3]),
            Some(self.tensor(&[out])),
            config,
        )
    }

    fn batch_norm(&mut self, channels: usize) -> BatchNorm {
        let variance = (self.input(&[channels]).sqr().unwrap() + 0.3).unwrap();
        let [mean, weight, bias] = [(); 3].map(|()| self.input(&[channels]));
        BatchNorm::new(channels, mean, variance, weight, bias, 1e-5).unwrap()
    }
}

fn gate(interface: Interface, inference: InferenceGate, log_alpha: &[f32]) -> Gate {
    let config = GateConfig {
        inference,
        ..GateConfig::default()
    };
    let log_alpha = Tensor::new(log_alpha, &Device::Cpu).unwrap();
    Gate::from_log_alpha(interface, &config, &log_alpha, TAU).unwrap()
}

fn through(gate: &Gate, r: &Tensor) -> Tensor {
    gate.forward(r, GateMode::Eval).unwrap()
}

fn max_difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let difference = (a - b).unwrap().abs().unwrap();
    difference
        .flatten_all()
        .unwrap()
        .max(0)
        .unwrap()
        .to_scalar()
        .unwrap()
}

/// Padding and stride of the second convolution: closed channels must not matter at the border either.
const BORDERS: [Conv2dConfig; 2] = [
    Conv2dConfig {
        padding: 1,
        stride: 1,
        dilation: 1,
        groups: 1,
        cudnn_fwd_algo: None,
    },
    Conv2dConfig {
        padding: 2,
        stride: 2,
        dilation: 1,
        groups: 1,
        cudnn_fwd_algo: None,
    },
];

/// conv, batch norm, ReLU, gate, pooling, conv: the outputs of the gated and of the compact layers.
fn two_convolutions(log_alpha: &[f32], inference: InferenceGate, seed: u64, border: usize) -> f32 {
    let mut draw = Draw(Generator::new(seed));
    let channels = log_alpha.len();
    let (first, norm) = (
        draw.conv2d(channels, 2, BORDERS[0]),
        draw.batch_norm(channels),
    );
    let second = draw.conv2d(3, channels, BORDERS[border]);
    let x = draw.input(&[2, 2, 6, 8]);
    let encode = |first: &Conv2d, norm: &BatchNorm| {
        norm.forward_t(&first.forward(&x).unwrap(), false)
            .unwrap()
            .relu()
            .unwrap()
    };
    let gate = gate(Interface::ChannelsFirst { channels }, inference, log_alpha);
    let gated = through(&gate, &encode(&first, &norm))
        .max_pool2d(2)
        .unwrap();
    let expected = second.forward(&gated).unwrap();

    let small = compact(&(first, norm), &gate.deterministic().unwrap(), &second).unwrap();
    let open = gate
        .hard_mask()
        .unwrap()
        .iter()
        .filter(|open| **open)
        .count();
    assert_eq!(small.kept.len(), open.max(1));
    assert_eq!(small.before.0.weight().dims(), [open.max(1), 2, 3, 3]);
    assert_eq!(small.after.weight().dims(), [3, open.max(1), 3, 3]);
    let maps = encode(&small.before.0, &small.before.1)
        .max_pool2d(2)
        .unwrap();
    max_difference(&expected, &small.after.forward(&maps).unwrap())
}

/// conv, ReLU, gate, conv over sequences (batch, channels, length).
fn two_sequence_convolutions(log_alpha: &[f32], inference: InferenceGate, seed: u64) -> f32 {
    let mut draw = Draw(Generator::new(seed));
    let channels = log_alpha.len();
    let config = Conv1dConfig {
        padding: 1,
        ..Conv1dConfig::default()
    };
    let (first, second) = (
        draw.conv1d(channels, 2, config),
        draw.conv1d(3, channels, config),
    );
    let x = draw.input(&[2, 2, 9]);
    let gate = gate(Interface::ChannelsFirst { channels }, inference, log_alpha);
    let maps = first.forward(&x).unwrap().relu().unwrap();
    let expected = second.forward(&through(&gate, &maps)).unwrap();
    let small = compact(&first, &gate.deterministic().unwrap(), &second).unwrap();
    let maps = small.before.forward(&x).unwrap().relu().unwrap();
    max_difference(&expected, &small.after.forward(&maps).unwrap())
}

/// conv, gate, flatten, linear; and linear, gate, linear at every position, flattened at the end.
fn flattened(log_alpha: &[f32], inference: InferenceGate, seed: u64) -> f32 {
    let mut draw = Draw(Generator::new(seed));
    let channels = log_alpha.len();
    let flat = |t: &Tensor| t.flatten_from(1).unwrap();

    let (first, head) = (
        draw.conv2d(channels, 2, BORDERS[0]),
        draw.linear(3, channels * 12),
    );
    let x = draw.input(&[2, 2, 3, 4]);
    let of = gate(Interface::ChannelsFirst { channels }, inference, log_alpha);
    let expected = head
        .forward(&flat(&through(&of, &first.forward(&x).unwrap())))
        .unwrap();
    let after = Flattened {
        layer: head,
        positions: 12,
        channels_last: false,
    };
    let small = compact(&first, &of.deterministic().unwrap(), &after).unwrap();
    let maps = small.before.forward(&x).unwrap();
    let found = small.after.layer.forward(&flat(&maps)).unwrap();
    let maps = max_difference(&expected, &found);

    let (first, head) = (draw.linear(channels, 4), draw.linear(3, channels * 5));
    let x = draw.input(&[2, 5, 4]);
    let of = gate(Interface::ChannelsLast { channels }, inference, log_alpha);
    let expected = head
        .forward(&flat(&through(&of, &first.forward(&x).unwrap())))
        .unwrap();
    let after = Flattened {
        layer: head,
        positions: 5,
        channels_last: true,
    };
    let small = compact(&first, &of.deterministic().unwrap(), &after).unwrap();
    let sequence = small.before.forward(&x).unwrap();
    let found = small.after.layer.forward(&flat(&sequence)).unwrap();
    maps.max(max_difference(&expected, &found))
}

/// linear, gate, linear at every position of (batch, length, channels).
fn positionwise(log_alpha: &[f32], inference: InferenceGate, seed: u64) -> f32 {
    let mut draw = Draw(Generator::new(seed));
    let channels = log_alpha.len();
    let (first, second) = (draw.linear(channels, 4), draw.linear(3, channels));
    let x = draw.input(&[2, 5, 4]);
    let gate = gate(Interface::ChannelsLast { channels }, inference, log_alpha);
    let r = first.forward(&x).unwrap().tanh().unwrap();
    let expected = second.forward(&through(&gate, &r)).unwrap();
    let small = compact(&first, &gate.deterministic().unwrap(), &second).unwrap();
    let r = small.before.forward(&x).unwrap().tanh().unwrap();
    max_difference(&expected, &small.after.forward(&r).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn compact_layers_give_the_outputs_of_the_gated_ones(
        log_alpha in prop::collection::vec(-8.0f32..8.0, 1..12), seed in any::<u64>(), which in 0..3usize,
    ) {
        let rule = RULES[which];
        for difference in [
            two_convolutions(&log_alpha, rule, seed, 0),
            two_convolutions(&log_alpha, rule, seed, 1),
            two_sequence_convolutions(&log_alpha, rule, seed),
            flattened(&log_alpha, rule, seed),
            positionwise(&log_alpha, rule, seed),
        ] {
            prop_assert!(difference < 1e-5, "{}", difference);
        }
    }
}

#[test]
fn with_every_gate_closed_one_channel_stays_and_counts_for_nothing() {
    for rule in RULES {
        let closed = [-10.0; 4];
        assert!(two_convolutions(&closed, rule, 1, 1) < 1e-6);
        assert!(flattened(&closed, rule, 1) < 1e-6);
        assert!(positionwise(&closed, rule, 1) < 1e-6);
    }
}

#[test]
fn compact_layers_stay_as_they_are_when_training_goes_on() {
    let mut draw = Draw(Generator::new(5));
    let variable = |t: Tensor| candle_core::Var::from_tensor(&t).unwrap();
    let (weight, bias) = (variable(draw.tensor(&[3, 4])), variable(draw.tensor(&[3])));
    let layer = Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone()));
    // Open gates alone: nothing is dropped or scaled.
    let small = compact(&layer, &[1.0; 3], &Linear::new(draw.tensor(&[2, 3]), None)).unwrap();
    let after = compact(&(), &[1.0; 4], &layer).unwrap().after;
    let x = draw.input(&[5, 4]);
    let outputs = |layer: &Linear| layer.forward(&x).unwrap().to_vec2::<f32>().unwrap();
    let before = (outputs(&small.before), outputs(&after));
    for variable in [&weight, &bias] {
        variable.set(&variable.zeros_like().unwrap()).unwrap();
    }
    assert_eq!((outputs(&small.before), outputs(&after)), before);
    assert_ne!(outputs(&layer), before.0);
}

#[test]
fn what_makes_the_channels_may_stay_as_it_is() {
    let mut draw = Draw(Generator::new(5));
    let after = draw.linear(3, 4);
    let small = compact(&(), &[0.0, 1.0, 0.5, 0.0], &after).unwrap();
    assert_eq!(small.kept, [1, 2]);
    let r = draw.input(&[6, 4]);
    let z = Tensor::new(&[0f32, 1.0, 0.5, 0.0], &Device::Cpu).unwrap();
    let expected = after.forward(&r.broadcast_mul(&z).unwrap()).unwrap();
    let kept = Tensor::new(small.kept.as_slice(), &Device::Cpu).unwrap();
    let found = small
        .after
        .forward(&r.index_select(&kept, 1).unwrap())
        .unwrap();
    assert!(max_difference(&expected, &found) < 1e-5);
}

#[test]
fn layers_of_half_precision_and_without_a_bias_stay_so() {
    let mut draw = Draw(Generator::new(5));
    let half = |t: Tensor| t.to_dtype(DType::BF16).unwrap();
    let first = Linear::new(half(draw.tensor(&[4, 3])), None);
    let second = Conv1d::new(half(draw.tensor(&[2, 4, 1])), None, Conv1dConfig::default());
    let small = compact(&first, &[0.0, 1.0, 0.5, 0.0], &second).unwrap();
    assert_eq!(small.before.weight().dtype(), DType::BF16);
    assert_eq!(small.after.weight().dtype(), DType::BF16);
    assert!(small.before.bias().is_none() && small.after.bias().is_none());
}

#[test]
fn what_does_not_fit_or_mixes_groups_is_refused() {
    let mut draw = Draw(Generator::new(5));
    let (conv, linear) = (draw.conv2d(4, 2, BORDERS[0]), draw.linear(3, 4));
    let text = compact(&conv, &[1.0; 5], &linear).unwrap_err().to_string();
    assert!(
        text.contains("4 outputs") && text.contains("5 values"),
        "{text}"
    );
    let text = compact(&(), &[1.0; 5], &linear).unwrap_err().to_string();
    assert!(
        text.contains("4 inputs") && text.contains("5 values"),
        "{text}"
    );
    let text = compact(&conv, &[1.0, f32::NAN, 0.0, 1.0], &linear).unwrap_err();
    assert!(text.to_string().contains("z[1] is NaN"), "{text}");
    let norm = draw.batch_norm(3);
    let text = compact(&(conv.clone(), norm), &[1.0; 4], &linear).unwrap_err();
    assert!(text.to_string().contains("4 and 3 channels"), "{text}");
    let grouped = Conv2dConfig {
        groups: 2,
        ..BORDERS[0]
    };
    let grouped = draw.conv2d(4, 4, grouped);
    for text in [
        compact(&conv, &[1.0; 4], &grouped).unwrap_err(),
        compact(&grouped, &[1.0; 4], &linear).unwrap_err(),
    ] {
        assert!(text.to_string().contains("2 groups"), "{text}");
    }
    let flattened = Flattened {
        layer: draw.linear(3, 10),
        positions: 4,
        channels_last: false,
    };
    let text = compact(&(), &[1.0; 2], &flattened).unwrap_err().to_string();
    assert!(
        text.contains("10 inputs") && text.contains("4 positions"),
        "{text}"
    );
}

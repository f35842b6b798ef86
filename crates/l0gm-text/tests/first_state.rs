//! The state computed for the first token alone equals that of the whole forward pass.
#![allow(clippy::unwrap_used, missing_docs)]

use candle_core::{Device, IndexOp, Tensor};
use l0gm_ops::{Generator, Mode};
use l0gm_text::{
    EncoderConfig, Padding, RandomWeights, ScratchSettings, TextInput, Trainable, Transformer,
};

fn encoder(layers: usize) -> Transformer {
    let shape = ScratchSettings {
        layers,
        width: 24,
        heads: 3,
        feed_forward: 40,
        vocabulary: 100,
        ..ScratchSettings::default()
    };
    let config = EncoderConfig::scratch(&shape, 100, 16);
    let trainable = Trainable {
        embeddings: true,
        from_layer: 0,
    };
    let mut weights = RandomWeights::new(Generator::new(3), &Device::Cpu);
    Transformer::new(&config, &mut weights, trainable, false, Some(0.0)).unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    let gap = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
    gap.max(0).unwrap().to_scalar::<f32>().unwrap()
}

#[test]
fn the_first_tokens_state_alone_is_the_first_of_all_states() {
    let rows: [&[u32]; 3] = [&[2, 7, 9, 11, 3], &[2, 3], &[2, 50, 60, 3]];
    let TextInput::Tokens { ids, padding } = TextInput::tokens(&rows, 0, &Device::Cpu).unwrap()
    else {
        panic!("tokens")
    };
    for layers in [1, 3] {
        let encoder = encoder(layers);
        let all = encoder.forward(&ids, &padding, &mut Mode::Eval).unwrap();
        let x = encoder.embed(&ids, &mut Mode::Eval).unwrap();
        let first = encoder
            .first_state(&x, &padding, 0, &mut Mode::Eval)
            .unwrap();
        assert_eq!(first.dims(), [3, 1, 24]);
        let gap = largest_difference(&first.i((.., 0)).unwrap(), &all.i((.., 0)).unwrap());
        assert!(gap < 1e-5, "{layers} layers: {gap}");
        // After the last layer there is nothing left to compute, so the states are only cut.
        let cut = encoder
            .first_state(&all, &padding, layers, &mut Mode::Eval)
            .unwrap();
        assert_eq!(
            largest_difference(&cut.i((.., 0)).unwrap(), &all.i((.., 0)).unwrap()),
            0.0
        );
    }
}

#[test]
fn its_gradients_are_those_of_the_whole_pass() {
    let encoder = encoder(2);
    let ids = Tensor::new(&[[2u32, 7, 9, 3], [2, 8, 8, 3]], &Device::Cpu).unwrap();
    let padding = Padding::new(vec![4, 4], &Device::Cpu).unwrap();
    let gradients = |first_only: bool| {
        let mut generator = Generator::new(0);
        let mut mode = Mode::Train(&mut generator);
        let state = if first_only {
            let x = encoder.embed(&ids, &mut mode).unwrap();
            encoder
                .first_state(&x, &padding, 0, &mut mode)
                .unwrap()
                .i((.., 0))
                .unwrap()
        } else {
            encoder
                .forward(&ids, &padding, &mut mode)
                .unwrap()
                .i((.., 0))
                .unwrap()
        };
        state.sqr().unwrap().sum_all().unwrap().backward().unwrap()
    };
    let (cut, whole) = (gradients(true), gradients(false));
    for parameter in encoder.parameters() {
        let [a, b] = [&cut, &whole].map(|g| g.get(&parameter.var).unwrap().clone());
        let gap = largest_difference(&a, &b);
        assert!(gap < 1e-4, "{}: {gap}", parameter.name);
    }
}

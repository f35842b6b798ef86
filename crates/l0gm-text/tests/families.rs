//! Every family of encoders against Hugging Face's `transformers`: states, pooled embeddings and gradients on tiny
//! random checkpoints. `families/make.py` made them; `families/README.md` says how to run it.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::{DType, Device, IndexOp, Tensor};
use common::families::{FOLDERS, encoder, expected, gap, texts};
use l0gm_ops::{Generator, Mode, Tape};
use l0gm_text::{Padding, TextInput, Transformer};
use std::collections::HashMap;

/// States with zeros at padding.
fn without_padding(states: &Tensor, padding: &Padding) -> Tensor {
    match &padding.mask {
        Some(mask) => {
            let mask = mask.to_dtype(DType::F32).unwrap().unsqueeze(2).unwrap();
            states.broadcast_mul(&mask).unwrap()
        }
        None => states.clone(),
    }
}

#[test]
fn states_and_pooled_embeddings_are_those_of_the_reference() {
    for name in FOLDERS {
        let (encoder, expected) = (encoder(name), expected(name));
        assert_eq!(encoder.has_pooler(), expected.contains_key("long.pooled"));
        for case in ["padded", "long"] {
            let (ids, padding) = texts(&expected, case);
            let states = encoder.forward(&ids, &padding, &mut Mode::Eval).unwrap();
            let found = without_padding(&states, &padding);
            let difference = gap(&found, &expected[&format!("{case}.states")]);
            assert!(difference < 1e-4, "{name}, {case}: {difference}");
            if let Some(pooled) = expected.get(&format!("{case}.pooled")) {
                let found = encoder.pool_pooler(&states, &Mode::Eval).unwrap();
                let difference = gap(&found, pooled);
                assert!(difference < 1e-4, "{name}, {case}, pooled: {difference}");
            }
        }
    }
}

#[test]
fn the_first_tokens_state_alone_and_layers_in_two_parts_are_those_of_the_whole_pass() {
    for name in FOLDERS {
        let (encoder, expected) = (encoder(name), expected(name));
        let (ids, padding) = texts(&expected, "padded");
        let mode = &mut Mode::Eval;
        let all = encoder.forward(&ids, &padding, mode).unwrap();
        let x = encoder.embed(&ids, mode).unwrap();
        let first = encoder.first_state(&x, &padding, 0, mode).unwrap();
        let first = first.squeeze(1).unwrap();
        assert!(gap(&first, &all.i((.., 0)).unwrap()) < 1e-5, "{name}");
        let below = encoder.layers(&x, &padding, 0, 1, mode).unwrap();
        let layers = encoder.shape().layers;
        let both = encoder.layers(&below, &padding, 1, layers, mode).unwrap();
        assert!(gap(&both, &all) < 1e-5, "{name}");
        let cut = encoder.first_state(&all, &padding, layers, mode).unwrap();
        assert_eq!(gap(&cut.squeeze(1).unwrap(), &all.i((.., 0)).unwrap()), 0.0);
    }
}

/// The sum of all numbers, each times the cosine of its place, as in `make.py`.
fn waves(states: &Tensor) -> Tensor {
    let count = states.elem_count();
    let cosines: Vec<f32> = (0..count).map(|i| (i as f32).cos()).collect();
    let cosines = Tensor::from_vec(cosines, count, &Device::Cpu).unwrap();
    let states = states.flatten_all().unwrap();
    (states * cosines).unwrap().sum_all().unwrap()
}

fn loss(encoder: &Transformer, expected: &HashMap<String, Tensor>) -> Tensor {
    let (ids, padding) = texts(expected, "padded");
    let mut generator = Generator::new(1);
    let mode = &mut Mode::Train(&mut generator);
    let states = encoder.forward(&ids, &padding, mode).unwrap();
    let loss = waves(&without_padding(&states, &padding));
    match encoder.has_pooler() {
        true => (loss + waves(&encoder.pool_pooler(&states, mode).unwrap())).unwrap(),
        false => loss,
    }
}

fn norm(tensor: &Tensor) -> f32 {
    let squares = tensor.sqr().unwrap().sum_all().unwrap();
    squares.to_scalar::<f32>().unwrap().sqrt()
}

/// A table's gradient without the padding token's row, to which PyTorch gives none.
fn without_row(gradient: &Tensor, row: usize) -> Tensor {
    let mut keep = vec![1f32; gradient.dim(0).unwrap()];
    keep[row] = 0.0;
    let keep = Tensor::new(keep, &Device::Cpu).unwrap();
    gradient.broadcast_mul(&keep.unsqueeze(1).unwrap()).unwrap()
}

#[test]
fn one_step_moves_every_parameter_along_the_gradient_of_the_reference() {
    for name in FOLDERS {
        let (encoder, expected) = (encoder(name), expected(name));
        let gradients = loss(&encoder, &expected).backward().unwrap();
        // A tape's gradients are what training uses.
        let tape = Tape::start().unwrap();
        let taped = loss(&encoder, &expected);
        let taped = tape.backward(&taped).unwrap();
        let parameters = encoder.parameters();
        let known = expected.keys().filter(|key| key.starts_with("gradient."));
        assert_eq!(known.count(), parameters.len(), "{name}");
        let counts_padding = matches!(name, "roberta" | "xlm-roberta" | "mpnet");
        for parameter in &parameters {
            let of = format!("{name}, {}", parameter.name);
            let [gradient, again] = [&gradients, &taped].map(|all| {
                let found = all.get(&parameter.var);
                found
                    .unwrap_or_else(|| panic!("{of} has no gradient"))
                    .clone()
            });
            let reference = &expected[&format!("gradient.{}", parameter.name)];
            let reference = reference.to_vec1::<f32>().unwrap()[0];
            assert!(gap(&gradient, &again) < 1e-4 * (1.0 + reference), "{of}");
            let words = ["word_embeddings", "tok_embeddings"];
            let padded = words.iter().any(|word| parameter.name.contains(word))
                || (counts_padding && parameter.name.contains("position_embeddings"));
            let pad = encoder.shape().pad as usize;
            let found = match padded {
                true => norm(&without_row(&gradient, pad)),
                false => norm(&gradient),
            };
            assert!(
                (found - reference).abs() < 1e-3 * reference + 1e-4,
                "{of}: {found} for {reference}"
            );
            // The bias of a key shifts all scores of a query equally, which softmax ignores; with DeBERTa's queries
            // of positions, only the bias of a position's key does.
            let shifts = match name {
                "deberta-v3" => false,
                "deberta-v2" => parameter.name.ends_with("pos_key_proj.bias"),
                _ => ["key.bias", "k_lin.bias", "attn.k.bias"]
                    .iter()
                    .any(|end| parameter.name.ends_with(end)),
            };
            if shifts {
                assert!(found < 1e-4, "{of}: {found}");
                continue;
            }
            let before = parameter.var.as_tensor().copy().unwrap();
            let after = (&before - (&gradient * 0.01).unwrap()).unwrap();
            parameter.var.set(&after).unwrap();
            assert!(gap(&before, parameter.var.as_tensor()) > 1e-4, "{of}");
        }
    }
}

#[test]
fn padding_and_what_stands_beside_a_text_change_nothing() {
    for name in FOLDERS {
        let encoder = encoder(name);
        let pad = encoder.shape().pad;
        let (short, long) = ([7u32, 9, 17], [11u32; 20]);
        let states = |rows: &[&[u32]]| {
            let input = TextInput::tokens(rows, pad, &Device::Cpu).unwrap();
            let TextInput::Tokens { ids, padding } = input else {
                panic!("tokens")
            };
            let states = encoder.forward(&ids, &padding, &mut Mode::Eval).unwrap();
            states.i((0, ..3)).unwrap()
        };
        let difference = gap(&states(&[&short]), &states(&[&short, &long]));
        assert!(difference < 1e-5, "{name}: {difference}");
    }
}

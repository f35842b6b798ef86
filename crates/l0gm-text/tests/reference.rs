//! Compares the encoder's states with those of candle_transformers, always on random weights, and on real weights if
//! they are available.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use l0gm_ops::Mode;
use l0gm_text::{FineTune, LoadedEncoder, TextInput, TextSettings};
use std::path::Path;

/// Largest difference of a state over the tokens, without padding.
fn largest_difference(dir: &Path, rows: &[Vec<u32>], max_tokens: usize) -> f32 {
    let device = Device::Cpu;
    let settings = TextSettings {
        fine_tune: FineTune::Full,
        max_tokens,
        ..TextSettings::default()
    };
    let ours = LoadedEncoder::from_folder(dir, &settings, &device).unwrap();
    let rows: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
    let TextInput::Tokens { ids, padding } = TextInput::tokens(&rows, 0, &device).unwrap() else {
        panic!("token ids give tokens");
    };
    let states = ours
        .encoder
        .transformer()
        .forward(&ids, &padding, &mut Mode::Eval)
        .unwrap();

    let config: Config =
        serde_json::from_slice(&std::fs::read(dir.join("config.json")).unwrap()).unwrap();
    let tensors = candle_core::safetensors::load(dir.join("model.safetensors"), &device).unwrap();
    let stock = BertModel::load(
        VarBuilder::from_tensors(tensors, DType::F32, &device),
        &config,
    )
    .unwrap();
    let mask = padding.mask.clone().unwrap_or(ids.ones_like().unwrap());
    let reference = stock
        .forward(
            &ids,
            &ids.zeros_like().unwrap(),
            Some(&mask.to_dtype(DType::U32).unwrap()),
        )
        .unwrap();

    let mut largest = 0f32;
    for (row, &length) in padding.lengths.iter().enumerate() {
        let part = |t: &Tensor| t.get(row).unwrap().narrow(0, 0, length).unwrap();
        let difference = (part(&states) - part(&reference)).unwrap().abs().unwrap();
        largest = largest.max(difference.max_all().unwrap().to_scalar().unwrap());
    }
    largest
}

fn rows(lengths: &[usize], vocabulary: u32) -> Vec<Vec<u32>> {
    lengths
        .iter()
        .enumerate()
        .map(|(r, &n)| {
            (0..n as u32)
                .map(|i| (i * 7919 + r as u32 * 104_729 + 5) % vocabulary)
                .collect()
        })
        .collect()
}

#[test]
fn states_equal_the_stock_bert_on_random_weights() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let difference = largest_difference(dir.path(), &rows(&[12, 5, 9, 1], 40), 12);
    assert!(difference < 1e-4, "{difference}");
}

#[test]
fn states_equal_the_stock_bert_on_real_weights() {
    let Some(dir) = common::real_model() else {
        return;
    };
    for lengths in [vec![7], vec![16, 128, 33], vec![64; 2]] {
        let difference = largest_difference(&dir, &rows(&lengths, 30_000), 128);
        assert!(difference < 1e-4, "{lengths:?}: {difference}");
    }
}

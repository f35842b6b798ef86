//! A tiny random encoder in the hub's layout, and the real one if it is available.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

pub mod families;

use candle_core::{DType, Device, Tensor};
use l0gm_ops::Generator;
use l0gm_text::{Alphabet, TextTokenizer};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Width, feed-forward width, number of layers, vocabulary size and number of positions of the tiny encoder.
pub const SHAPE: (usize, usize, usize, usize, usize) = (16, 24, 3, 120, 24);

/// Texts whose class depends on their adjective.
pub fn texts(count: usize) -> (Vec<String>, Vec<u32>) {
    let good = ["good", "great", "fine", "lovely"];
    let bad = ["bad", "dull", "poor", "awful"];
    (0..count)
        .map(|i| {
            let class = (i % 2) as u32;
            let word = [bad, good][class as usize][(i / 2) % 4];
            let middle = "and so it goes on ".repeat(i % 5);
            (format!("film {i} is {word} {middle}said a viewer"), class)
        })
        .unzip()
}

/// Name and shape of every tensor.
pub fn shapes() -> Vec<(String, Vec<usize>)> {
    let (dim, wide, layers, vocabulary, positions) = SHAPE;
    let mut all = vec![
        (
            "embeddings.word_embeddings.weight".to_string(),
            vec![vocabulary, dim],
        ),
        (
            "embeddings.position_embeddings.weight".into(),
            vec![positions, dim],
        ),
        (
            "embeddings.token_type_embeddings.weight".into(),
            vec![2, dim],
        ),
        ("embeddings.LayerNorm.weight".into(), vec![dim]),
        ("embeddings.LayerNorm.bias".into(), vec![dim]),
        ("pooler.dense.weight".into(), vec![dim, dim]),
        ("pooler.dense.bias".into(), vec![dim]),
    ];
    for i in 0..layers {
        let mut dense = |name: &str, inputs: usize, outputs: usize| {
            all.push((
                format!("encoder.layer.{i}.{name}.weight"),
                vec![outputs, inputs],
            ));
            all.push((format!("encoder.layer.{i}.{name}.bias"), vec![outputs]));
        };
        for name in ["self.query", "self.key", "self.value", "output.dense"] {
            dense(&format!("attention.{name}"), dim, dim);
        }
        dense("intermediate.dense", dim, wide);
        dense("output.dense", wide, dim);
        for name in ["attention.output", "output"] {
            for end in ["weight", "bias"] {
                all.push((
                    format!("encoder.layer.{i}.{name}.LayerNorm.{end}"),
                    vec![dim],
                ));
            }
        }
    }
    all
}

/// Random tensors with these names and shapes.
pub fn tensors(shapes: &[(String, Vec<usize>)], prefix: &str) -> HashMap<String, Tensor> {
    let root = Generator::new(7);
    shapes
        .iter()
        .map(|(name, shape)| {
            let mean = if name.ends_with("LayerNorm.weight") {
                1.0
            } else {
                0.0
            };
            let tensor = root
                .stream(name, 0)
                .normal_tensor(shape.as_slice(), mean, 0.3, DType::F32, &Device::Cpu)
                .unwrap();
            (format!("{prefix}{name}"), tensor)
        })
        .collect()
}

/// Writes `config.json`, `tokenizer.json` and `model.safetensors`.
pub fn write_tiny_model(dir: &Path, prefix: &str) {
    let (dim, wide, layers, vocabulary, positions) = SHAPE;
    let config = serde_json::json!({
        "model_type": "bert", "hidden_size": dim, "intermediate_size": wide,
        "num_hidden_layers": layers, "num_attention_heads": 4, "vocab_size": vocabulary,
        "max_position_embeddings": positions, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
        "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02, "pad_token_id": 0, "position_embedding_type": "absolute",
    });
    std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
    candle_core::safetensors::save(&tensors(&shapes(), prefix), dir.join("model.safetensors"))
        .unwrap();
    let tokenizer = TextTokenizer::train(&texts(40).0, vocabulary, Alphabet::Frequent).unwrap();
    tokenizer.save(&dir.join("tokenizer.json")).unwrap();
}

/// The folder of the real encoder; without it the test counts as skipped.
pub fn real_model() -> Option<PathBuf> {
    l0gm_test_data::model("all-MiniLM-L6-v2")
}

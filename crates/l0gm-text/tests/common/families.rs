//! The tiny checkpoints of `tests/families`, with what the reference implementation computes.

use candle_core::{DType, Device, Tensor};
use l0gm_text::{Checkpoint, EncoderConfig, Padding, Trainable, Transformer};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The folders of `tests/families`.
pub const FOLDERS: [&str; 9] = [
    "bert",
    "distilbert",
    "roberta",
    "xlm-roberta",
    "electra",
    "mpnet",
    "deberta-v3",
    "deberta-v2",
    "modernbert",
];

/// One of the folders.
pub fn folder(name: &str) -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.join("tests/families").join(name)
}

/// The tiny encoder of a family, with the weights in `tests/families/NAME`.
pub fn encoder(name: &str) -> Transformer {
    encoder_in(&folder(name))
}

/// The encoder in a folder with all parameters trainable, without dropout, with its pooler if it has one.
pub fn encoder_in(dir: &Path) -> Transformer {
    let config = EncoderConfig::from_file(&dir.join("config.json")).unwrap();
    let checkpoint = Checkpoint::read_folder(dir).unwrap();
    let trainable = Trainable {
        embeddings: true,
        from_layer: 0,
    };
    let mut tensors = checkpoint.open(&Device::Cpu).unwrap();
    Transformer::new(&config, &mut tensors, trainable, true, Some(0.0)).unwrap()
}

/// What the reference implementation computes.
pub fn expected(name: &str) -> HashMap<String, Tensor> {
    let path = folder(name).join("expected.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

/// The texts of a case: token ids (batch, length) and their lengths.
pub fn texts(expected: &HashMap<String, Tensor>, case: &str) -> (Tensor, Padding) {
    let ids = expected[&format!("{case}.ids")]
        .to_dtype(DType::U32)
        .unwrap();
    let lengths = expected[&format!("{case}.lengths")]
        .to_vec1::<i64>()
        .unwrap();
    let lengths = lengths.into_iter().map(|n| n as usize).collect();
    (ids, Padding::new(lengths, &Device::Cpu).unwrap())
}

/// The largest difference of two tensors.
pub fn gap(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let gap = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
    gap.max(0).unwrap().to_scalar::<f32>().unwrap()
}

//! Every family of encoders against Hugging Face's `transformers`: states, pooled embeddings and gradients on tiny
//! random checkpoints. `families/make.py` made them; `families/README.md` says how to run it.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, IndexOp, Tensor};
use l0gm_ops::{Generator, Mode, Tape};
use l0gm_text::{Checkpoint, EncoderConfig, Padding, TextInput, Trainable, Transformer};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 9] = [
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

fn folder(name: &str) -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.join("tests/families").join(name)
}

/// The encoder of a family.
fn encoder(name: &str) -> Transformer {
    encoder_in(&folder(name))
}

/// The encoder in a folder with all parameters trainable, without dropout, with its pooler if it has one.
fn encoder_in(dir: &Path) -> Transformer {
    let config = EncoderConfig::from_file(&dir.join("config.json")).unwrap();
    let checkpoint = Checkpoint::read_folder(dir).unwrap();
    let trainable = Trainable {
        embeddings: true,
        from_layer: 0,
    };
    let mut tensors = checkpoint.open(&Device::Cpu).unwrap();
    Transformer::new(&config, &mut tensors, trainable, true, Some(0.0)).unwrap()
}

fn expected(name: &str) -> HashMap<String, Tensor> {
    let path = folder(name).join("expected.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

/// The texts of a case: token ids (batch, length) and their lengths.
fn texts(expected: &HashMap<String, Tensor>, case: &str) -> (Tensor, Padding) {
    let ids = expected[&format!("{case}.ids")]
        .to_dtype(DType::U32)
        .unwrap();
    let lengths = expected[&format!("{case}.lengths")]
        .to_vec1::<i64>()
        .unwrap();
    let lengths = lengths.into_iter().map(|n| n as usize).collect();
    (ids, Padding::new(lengths, &Device::Cpu).unwrap())
}

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

fn gap(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let gap = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
    gap.max(0).unwrap().to_scalar::<f32>().unwrap()
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

/// A copy of a family's folder with changed keys and tensors.
fn changed(
    name: &str,
    keys: impl FnOnce(&mut Map<String, Value>),
    tensors: impl Fn(String, Tensor) -> (String, Tensor),
) -> tempfile::TempDir {
    let (from, to) = (folder(name), tempfile::tempdir().unwrap());
    let text = std::fs::read_to_string(from.join("config.json")).unwrap();
    let mut config: Map<String, Value> = serde_json::from_str(&text).unwrap();
    keys(&mut config);
    let text = Value::Object(config).to_string();
    std::fs::write(to.path().join("config.json"), text).unwrap();
    let all = candle_core::safetensors::load(from.join("model.safetensors"), &Device::Cpu).unwrap();
    let all: HashMap<String, Tensor> = all.into_iter().map(|(n, t)| tensors(n, t)).collect();
    candle_core::safetensors::save(&all, to.path().join("model.safetensors")).unwrap();
    to
}

fn states_of(encoder: &Transformer, expected: &HashMap<String, Tensor>) -> Tensor {
    let (ids, padding) = texts(expected, "padded");
    encoder.forward(&ids, &padding, &mut Mode::Eval).unwrap()
}

#[test]
fn names_may_have_prefixes_and_be_older() {
    for name in FOLDERS {
        let expected = expected(name);
        let plain = states_of(&encoder(name), &expected);
        for prefix in ["module.", "0.auto_model.", "_orig_mod.module.", "model."] {
            let dir = changed(
                name,
                |_| {},
                |name, tensor| {
                    let older = name
                        .replace("LayerNorm.weight", "LayerNorm.gamma")
                        .replace("LayerNorm.bias", "LayerNorm.beta");
                    (format!("{prefix}{older}"), tensor)
                },
            );
            let found = states_of(&encoder_in(dir.path()), &expected);
            assert_eq!(gap(&found, &plain), 0.0, "{name}, {prefix}");
        }
    }
}

#[test]
fn modernbert_is_read_from_the_older_form_of_its_configuration() {
    let expected = expected("modernbert");
    let older = |keys: &mut Map<String, Value>| {
        for key in ["layer_types", "rope_parameters", "norm_eps", "mlp_bias"] {
            assert!(keys.remove(key).is_some(), "{key}");
        }
        keys.insert("global_attn_every_n_layers".into(), json!(2));
        keys.insert("global_rope_theta".into(), json!(160000.0));
        keys.insert("local_rope_theta".into(), json!(10000.0));
    };
    let dir = changed("modernbert", older, |name, tensor| (name, tensor));
    let found = states_of(&encoder_in(dir.path()), &expected);
    assert_eq!(
        gap(&found, &states_of(&encoder("modernbert"), &expected)),
        0.0
    );
}

#[test]
fn a_configuration_survives_being_written() {
    for name in FOLDERS {
        let encoder = encoder(name);
        let config = encoder.config();
        let written = serde_json::to_value(config).unwrap();
        let read: EncoderConfig = serde_json::from_value(written).unwrap();
        assert_eq!(&read, config, "{name}");
        assert_eq!(read.shape(), encoder.shape());
    }
    let longest = FOLDERS.map(|name| encoder(name).shape().max_tokens);
    let of = |most| Some(most);
    let expected = [
        of(32),
        of(32),
        of(32),
        of(32),
        of(32),
        of(170),
        None,
        of(32),
        of(64),
    ];
    assert_eq!(longest, expected);
}

#[test]
fn keys_that_are_missing_or_not_supported_are_named() {
    let cases = [
        (
            "bert",
            "position_embedding_type",
            json!("relative_key"),
            "only \"absolute\"",
        ),
        ("bert", "hidden_size", Value::Null, "of the type bert"),
        ("bert", "hidden_act", json!("swish"), "swish"),
        (
            "distilbert",
            "n_heads",
            json!(3),
            "dim 20 is not a multiple of n_heads 3",
        ),
        ("distilbert", "dropout", json!(1.5), "dropout is 1.5"),
        (
            "roberta",
            "max_position_embeddings",
            json!(2),
            "behind pad_token_id 1",
        ),
        ("electra", "embedding_size", json!(0), "embedding_size is 0"),
        (
            "mpnet",
            "relative_attention_num_buckets",
            json!(16),
            "is 16; MPNet has 32",
        ),
        (
            "deberta-v3",
            "conv_kernel_size",
            json!(3),
            "conv_kernel_size is 3",
        ),
        (
            "deberta-v3",
            "relative_attention",
            json!(false),
            "relative_attention is false",
        ),
        (
            "deberta-v3",
            "pos_att_type",
            json!("p2p|c2p"),
            "pos_att_type holds \"p2p\"",
        ),
        (
            "deberta-v2",
            "embedding_size",
            json!(8),
            "embedding_size is 8",
        ),
        (
            "deberta-v2",
            "model_type",
            json!("deberta"),
            "known are bert, distilbert",
        ),
        (
            "modernbert",
            "layer_types",
            json!(["full_attention"]),
            "names 1 layers",
        ),
        (
            "modernbert",
            "num_attention_heads",
            json!(8),
            "2 x num_attention_heads",
        ),
        (
            "modernbert",
            "rope_parameters",
            json!({"full_attention": {"rope_type": "yarn"}}),
            "rope_type is \"yarn\"",
        ),
    ];
    for (name, key, value, word) in cases {
        let change = |keys: &mut Map<String, Value>| {
            match value {
                Value::Null => keys.remove(key),
                value => keys.insert(key.into(), value),
            };
        };
        let dir = changed(name, change, |name, tensor| (name, tensor));
        let error = EncoderConfig::from_file(&dir.path().join("config.json")).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("config.json") && message.contains(word),
            "{name}, {key}: {message}"
        );
    }
}

//! Folders of every family of encoders as people have them: names with prefixes, older forms of configurations, keys
//! that are missing or not supported; and the compact model that is written from each.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::{Device, Tensor};
use common::families::{FOLDERS, encoder, encoder_in, expected, folder, gap, texts};
use l0gm_gate::{Gate, GateConfig, Schedule};
use l0gm_ops::{Generator, Mode};
use l0gm_text::{
    CompactModel, CompactText, EncoderConfig, LoadedEncoder, Pooling, TextHead, TextInput,
    TextSettings, Transformer,
};
use l0gm_train::{CompactFolder, CompactHeader, Encoder, GatedModel, Sizes};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

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
        (
            "modernbert",
            "rope_parameters",
            json!({"sliding_attention": {"partial_rotary_factor": 0.5}}),
            "rope_parameters holds \"partial_rotary_factor\": 0.5",
        ),
        (
            "modernbert",
            "rope_parameters",
            json!({"rope_theta": 1e4}),
            "rope_parameters holds \"rope_theta\"",
        ),
        (
            "modernbert",
            "rope_scaling",
            json!({"type": "linear", "factor": 2.0}),
            "rope_scaling is {",
        ),
        (
            "modernbert",
            "pad_token_id",
            Value::Null,
            "pad_token_id is 50283",
        ),
        ("bert", "pad_token_id", json!(40), "vocab_size is 40"),
        (
            "deberta-v3",
            "max_relative_positions",
            json!(5),
            "position_buckets is 8",
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

#[test]
fn null_counts_as_absent_for_every_key_with_a_default() {
    let needed = [
        "_size",
        "num_hidden_layers",
        "num_attention_heads",
        "max_position_embeddings",
        "dim",
        "n_layers",
        "n_heads",
        "model_type",
        "relative_attention",
        "pos_att_type",
    ];
    for name in FOLDERS {
        let read = |value: Option<Value>| {
            let keys = |keys: &mut Map<String, Value>| {
                let optional = keys.keys().filter(|key| {
                    *key != "type_vocab_size" || name.starts_with("deberta") || name == "mpnet"
                });
                let optional: Vec<String> = optional
                    .filter(|key| {
                        *key == "type_vocab_size" || !needed.iter().any(|n| key.ends_with(n))
                    })
                    .filter(|key| name != "modernbert" || *key != "pad_token_id")
                    .cloned()
                    .collect();
                for key in optional {
                    match &value {
                        Some(value) => keys.insert(key, value.clone()),
                        None => keys.remove(&key),
                    };
                }
            };
            let dir = changed(name, keys, |name, tensor| (name, tensor));
            EncoderConfig::from_file(&dir.path().join("config.json")).unwrap()
        };
        assert_eq!(read(Some(Value::Null)), read(None), "{name}");
    }
}

/// A family's folder with a vocabulary of its own, which is a `vocab.txt` alone.
fn with_vocabulary(name: &str) -> tempfile::TempDir {
    let dir = changed(name, |_| {}, |name, tensor| (name, tensor));
    let special = match encoder(name).shape().pad {
        0 => "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]",
        // MPNet's vocabulary holds BERT's names too.
        _ if name == "mpnet" => "<s>\n<pad>\n</s>\n[UNK]\n<mask>\n[CLS]\n[SEP]\n[MASK]",
        _ => "<s>\n<pad>\n</s>\n[UNK]\n<mask>",
    };
    let first = special.lines().count();
    let words: String = (first..40).map(|i| format!("\nw{i}")).collect();
    std::fs::write(dir.path().join("vocab.txt"), format!("{special}{words}\n")).unwrap();
    dir
}

#[test]
fn a_compact_model_of_every_family_reads_texts_from_its_files() {
    let texts = [
        "w5 w9 w12",
        "w30 unknown",
        "w7 w8 w9 w10 w11 w12 w13 w14 w15",
    ];
    let texts = texts.map(String::from);
    for (name, pooling) in FOLDERS.iter().flat_map(|name| {
        let poolings = [Pooling::Mean, Pooling::Cls, Pooling::Pooler];
        poolings.map(|pooling| (*name, pooling))
    }) {
        let dir = with_vocabulary(name);
        let settings = TextSettings {
            pooling,
            max_tokens: 10,
            ..TextSettings::default()
        };
        let loaded = LoadedEncoder::from_folder(dir.path(), &settings, &Device::Cpu).unwrap();
        let interface = loaded.encoder.interface();
        let width = interface.width();
        let (mut generator, cpu) = (Generator::new(3), &Device::Cpu);
        let head = TextHead::new(width, 2, 0.1, &mut generator, cpu).unwrap();
        let gate = Gate::new(interface, &GateConfig::default(), &Schedule::default(), cpu).unwrap();
        // Every third dimension is closed.
        let log_alpha: Vec<f32> = (0..width).map(|i| [2.0, -9.0, 0.5][i % 3]).collect();
        let log_alpha = Tensor::from_vec(log_alpha, width, cpu).unwrap();
        gate.log_alpha().unwrap().set(&log_alpha).unwrap();
        let model = GatedModel {
            encoder: loaded.encoder,
            gate,
            head,
        };
        let tokens = loaded
            .tokenizer
            .encode(&texts, settings.max_tokens)
            .unwrap();
        let rows: Vec<&[u32]> = (0..tokens.rows()).map(|row| tokens.get(row)).collect();
        let pad = model.encoder.transformer().shape().pad;
        let input = TextInput::tokens(&rows, pad, cpu).unwrap();
        let gated = model.logits(&input).unwrap();
        let compact = CompactModel::new(&model).unwrap();
        let parts = compact.parts(&settings, &loaded.tokenizer, None).unwrap();
        let home = tempfile::tempdir().unwrap();
        CompactFolder::write(home.path(), header(), parts).unwrap();
        let back = CompactText::load(home.path(), None, cpu).unwrap();
        let difference = gap(&back.logits(&texts).unwrap(), &gated);
        assert!(difference < 1e-5, "{name}, {pooling:?}: {difference}");
        let sizes = l0gm_text::sizes(&model.encoder, 2, 10.0);
        let encoder = model.encoder.transformer().elements();
        assert_eq!(sizes.parameters, (encoder + 2 * (width + 1)) as u64);
        assert!(compact.sizes(10.0, 0.0).flops < sizes.flops, "{name}");
    }
}

fn header() -> CompactHeader {
    CompactHeader {
        format: CompactFolder::FORMAT,
        modality: "text".into(),
        run_id: "a-run".into(),
        classes: vec!["no".into(), "yes".into()],
        temperature: 1.0,
        label: None,
        decision: None,
        gated: Sizes::default(),
        compact: Sizes::default(),
        files: BTreeMap::new(),
        model: Value::Null,
    }
}

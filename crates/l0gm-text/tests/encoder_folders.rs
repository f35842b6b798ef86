//! Folders of encoders with keys left out, weights in shards, or a vocabulary without a tokenizer.json. Each gives
//! the same encoder as the complete folder, and errors name what is damaged.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::{Device, Tensor};
use l0gm_ops::Mode;
use l0gm_text::{EncoderConfig, LoadedEncoder, Pooling, TextInput, TextSettings};
use l0gm_train::Encoder;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

fn load(dir: &Path) -> l0gm_text::Result<LoadedEncoder> {
    let settings = TextSettings {
        max_tokens: 20,
        ..TextSettings::default()
    };
    LoadedEncoder::from_folder(dir, &settings, &Device::Cpu)
}

fn refusal(dir: &Path) -> String {
    load(dir).unwrap_err().to_string()
}

/// Pooled embeddings of some texts, bit for bit.
fn embeddings(loaded: &LoadedEncoder) -> Vec<Vec<f32>> {
    let (texts, _) = common::texts(6);
    let tokens = loaded.tokenizer.encode(&texts, 20).unwrap();
    let ids: Vec<&[u32]> = (0..tokens.rows()).map(|row| tokens.get(row)).collect();
    let input = TextInput::tokens(&ids, 0, &Device::Cpu).unwrap();
    let pooled = loaded.encoder.encode(&input, &mut Mode::Eval).unwrap();
    pooled.to_vec2().unwrap()
}

fn whole() -> (tempfile::TempDir, Vec<Vec<f32>>) {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let expected = embeddings(&load(dir.path()).unwrap());
    (dir, expected)
}

fn change_config(dir: &Path, change: impl FnOnce(&mut Value)) {
    let path = dir.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    fs::write(path, config.to_string()).unwrap();
}

fn tensors(dir: &Path) -> BTreeMap<String, Tensor> {
    let all = candle_core::safetensors::load(dir.join("model.safetensors"), &Device::Cpu).unwrap();
    all.into_iter().collect()
}

fn save(tensors: impl IntoIterator<Item = (String, Tensor)>, path: &Path) {
    let tensors: HashMap<String, Tensor> = tensors.into_iter().collect();
    candle_core::safetensors::save(&tensors, path).unwrap();
}

#[test]
fn the_epsilon_of_layer_norm_is_berts_where_the_key_is_absent() {
    let (dir, expected) = whole();
    change_config(dir.path(), |config| {
        config.as_object_mut().unwrap().remove("layer_norm_eps");
    });
    let loaded = load(dir.path()).unwrap();
    let EncoderConfig::Bert(config) = loaded.encoder.transformer().config() else {
        panic!("BERT");
    };
    assert_eq!(config.layer_norm_eps, 1e-12);
    assert_eq!(embeddings(&loaded), expected);
    change_config(dir.path(), |config| config["layer_norm_eps"] = json!(-1.0));
    assert!(refusal(dir.path()).contains("layer_norm_eps is -1"));
}

/// Divides `model.safetensors` into two shards with an index.
fn shard(dir: &Path) {
    let all = tensors(dir);
    fs::remove_file(dir.join("model.safetensors")).unwrap();
    let name = |at: usize| format!("model-0000{}-of-00002.safetensors", 1 + at % 2);
    let map: BTreeMap<&String, String> =
        all.keys().enumerate().map(|(i, n)| (n, name(i))).collect();
    for part in 0..2 {
        let here = all.iter().enumerate().filter(|(i, _)| i % 2 == part);
        let here = here.map(|(_, (name, tensor))| (name.clone(), tensor.clone()));
        save(here, &dir.join(name(part)));
    }
    let index = json!({"metadata": {"total_size": 1}, "weight_map": map});
    fs::write(dir.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

#[test]
fn the_shards_of_an_index_are_read_and_what_does_not_belong_together_is_named() {
    let (dir, expected) = whole();
    shard(dir.path());
    assert_eq!(embeddings(&load(dir.path()).unwrap()), expected);
    let at = |name: &str| dir.path().join(name);
    let (first, second) = (
        at("model-00001-of-00002.safetensors"),
        at("model-00002-of-00002.safetensors"),
    );
    let bytes = fs::read(&second).unwrap();
    fs::copy(&first, &second).unwrap();
    let text = refusal(dir.path());
    assert!(
        text.contains("model-00002-of-00002") && text.contains("do not belong together"),
        "{text}"
    );
    fs::write(&second, &bytes[..bytes.len() / 2]).unwrap();
    let text = refusal(dir.path());
    assert!(
        text.contains("model-00002-of-00002") && text.contains("truncated"),
        "{text}"
    );
    fs::remove_file(&second).unwrap();
    let text = refusal(dir.path());
    assert!(
        text.contains("model-00002-of-00002") && text.contains("cannot be read"),
        "{text}"
    );
    let index = at("model.safetensors.index.json");
    fs::write(&index, r#"{"weight_map": {"a": "../secret"}}"#).unwrap();
    assert!(refusal(dir.path()).contains("not the name of a file beside it"));
    fs::remove_file(&index).unwrap();
    assert!(refusal(dir.path()).contains("neither model.safetensors nor"));
}

#[test]
fn pickled_weights_and_other_tokenizers_are_refused_with_what_converts_them() {
    let (dir, _) = whole();
    let at = |name: &str| dir.path().join(name);
    fs::rename(at("model.safetensors"), at("pytorch_model.bin")).unwrap();
    let text = refusal(dir.path());
    for word in [
        "pytorch_model.bin, a pickle",
        "torch.load('pytorch_model.bin'",
        "save_file",
    ] {
        assert!(text.contains(word), "{text}");
    }
    fs::rename(at("pytorch_model.bin"), at("pytorch_model.bin.index.json")).unwrap();
    assert!(refusal(dir.path()).contains("AutoModel.from_pretrained"));
    fs::rename(at("tokenizer.json"), at("spm.model")).unwrap();
    let text = refusal(dir.path());
    assert!(
        text.contains("spm.model alone") && text.contains("AutoTokenizer"),
        "{text}"
    );
}

#[test]
fn a_pooler_that_the_checkpoint_lacks_leaves_the_first_tokens_state() {
    let (dir, _) = whole();
    let load = |pooling| {
        let settings = TextSettings {
            max_tokens: 20,
            pooling,
            ..TextSettings::default()
        };
        LoadedEncoder::from_folder(dir.path(), &settings, &Device::Cpu).unwrap()
    };
    assert_eq!(load(Pooling::Pooler).encoder.pooling(), Pooling::Pooler);
    let expected = embeddings(&load(Pooling::Cls));
    let without = tensors(dir.path()).into_iter();
    let without = without.filter(|(name, _)| !name.starts_with("pooler."));
    save(without, &dir.path().join("model.safetensors"));
    let loaded = load(Pooling::Pooler);
    assert_eq!(loaded.encoder.pooling(), Pooling::Cls);
    assert_eq!(embeddings(&loaded), expected);
}

#[test]
fn a_vocabulary_alone_is_read_as_wordpiece() {
    let (dir, expected) = whole();
    let path = dir.path().join("tokenizer.json");
    let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut pieces: Vec<(&String, u64)> = json["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(piece, id)| (piece, id.as_u64().unwrap()))
        .collect();
    pieces.sort_by_key(|(_, id)| *id);
    let lines: Vec<&str> = pieces.iter().map(|(piece, _)| piece.as_str()).collect();
    fs::write(dir.path().join("vocab.txt"), lines.join("\n") + "\n").unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(embeddings(&load(dir.path()).unwrap()), expected);
    fs::remove_file(dir.path().join("vocab.txt")).unwrap();
    assert!(refusal(dir.path()).contains("neither tokenizer.json nor vocab.txt"));
}

#[test]
fn of_two_tensors_with_one_name_the_plainer_is_read_and_equals_must_not_differ() {
    let (dir, expected) = whole();
    let name = "encoder.layer.1.output.LayerNorm.weight";
    let older = "encoder.layer.1.output.LayerNorm.gamma";
    let plain = tensors(dir.path());
    let other = (&plain[name] + 1.0).unwrap();
    let path = dir.path().join("model.safetensors");
    let with = |more: &[(&str, &Tensor)], without: &str| {
        let mut all = plain.clone();
        all.remove(without);
        all.extend(more.iter().map(|(n, t)| ((*n).to_owned(), (*t).clone())));
        save(all, &path);
    };
    // Fewer prefixes, and then the newer name.
    let prefixed = format!("bert.{older}");
    with(&[(&prefixed, &other), (older, &other)], "");
    assert_eq!(embeddings(&load(dir.path()).unwrap()), expected);
    let [bert, roberta] = ["bert.", "roberta."].map(|prefix| format!("{prefix}{name}"));
    with(&[(&bert, &plain[name]), (&roberta, &plain[name])], name);
    assert_eq!(embeddings(&load(dir.path()).unwrap()), expected);
    with(&[(&bert, &plain[name]), (&roberta, &other)], name);
    let text = refusal(dir.path());
    assert!(
        text.contains(&bert) && text.contains(&roberta) && text.contains("differ"),
        "{text}"
    );
}

#[test]
fn a_weight_that_is_no_finite_number_is_named_by_its_tensor() {
    let (dir, _) = whole();
    let name = "encoder.layer.1.output.dense.bias";
    for bad in [f32::NAN, f32::INFINITY] {
        let mut all = tensors(dir.path());
        let mut values: Vec<f32> = all[name].to_vec1().unwrap();
        values[3] = bad;
        all.insert(name.into(), Tensor::new(values, &Device::Cpu).unwrap());
        save(all, &dir.path().join("model.safetensors"));
        let text = refusal(dir.path());
        assert!(
            text.contains("model.safetensors") && text.contains(name) && text.contains("NaN or an"),
            "{text}"
        );
    }
}

//! The encoder as a trainable model, on a tiny random checkpoint: what is trained, what is computed in advance, what
//! compaction keeps, and the errors for bad weights.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::{Device, Tensor, Var};
use l0gm_gate::{Gate, GateConfig, GateKind, Granularity, Schedule, Temperature};
use l0gm_ops::{Generator, Mode, cross_entropy};
use l0gm_text::features::{FeatureCache, compute_hidden};
use l0gm_text::{
    CompactModel, FineTune, LoadedEncoder, Pooling, TextEncoder, TextHead, TextInput, TextSettings,
};
use l0gm_train::{Encoder, GatedModel, Gating};
use std::path::Path;

const TAU: Temperature = Temperature(2.0 / 3.0);

fn settings(fine_tune: FineTune, pooling: Pooling) -> TextSettings {
    TextSettings {
        fine_tune,
        pooling,
        max_tokens: 20,
        ..TextSettings::default()
    }
}

fn load(dir: &Path, settings: &TextSettings) -> LoadedEncoder {
    LoadedEncoder::from_folder(dir, settings, &Device::Cpu).unwrap()
}

fn model(encoder: TextEncoder) -> GatedModel<TextEncoder, TextHead> {
    gated(encoder, &GateConfig::default())
}

fn gated(encoder: TextEncoder, config: &GateConfig) -> GatedModel<TextEncoder, TextHead> {
    let interface = encoder.interface();
    let head = TextHead::new(
        interface.width(),
        2,
        0.1,
        &mut Generator::new(3),
        &Device::Cpu,
    )
    .unwrap();
    let gate = Gate::new(interface, config, &Schedule::default(), &Device::Cpu).unwrap();
    GatedModel {
        encoder,
        gate,
        head,
    }
}

fn input() -> TextInput {
    let rows: Vec<Vec<u32>> = [9u32, 5, 14]
        .iter()
        .map(|&n| (0..n).map(|i| (i * 13 + n) % 100).collect())
        .collect();
    let rows: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
    TextInput::tokens(&rows, 0, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn one_step_moves_every_parameter() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    for pooling in [Pooling::Mean, Pooling::Cls, Pooling::Pooler] {
        let model = model(load(dir.path(), &settings(FineTune::Full, pooling)).encoder);
        let parameters = model.parameters();
        // There are 3 tables, 1 norm, 3 layers of 6 linear layers and 2 norms, the gate and the classifier; and the
        // pooler.
        let pooler = if pooling == Pooling::Pooler { 2 } else { 0 };
        assert_eq!(parameters.len(), 3 + 2 + 3 * 16 + 1 + 2 + pooler);
        let mut generator = Generator::new(5);
        let logits = model
            .forward(
                &input(),
                Gating::Sampled(TAU),
                &mut Mode::Train(&mut generator),
            )
            .unwrap()
            .logits;
        let labels = Tensor::new(&[0u32, 1, 1], &Device::Cpu).unwrap();
        let loss =
            (cross_entropy(&logits, &labels).unwrap() + model.gate.penalty(TAU).unwrap()).unwrap();
        let gradients = loss.backward().unwrap();
        for parameter in &parameters {
            let gradient = gradients
                .get(&parameter.var)
                .unwrap_or_else(|| panic!("{} has no gradient", parameter.name));
            let norm: f32 = values(gradient).iter().map(|g| g * g).sum();
            // A key's bias shifts all scores of a query equally, which softmax ignores.
            if parameter.name.ends_with("key.bias") {
                assert!(norm < 1e-8, "{}: {norm}", parameter.name);
            } else {
                assert!(norm > 0.0 && norm.is_finite(), "{}: {norm}", parameter.name);
            }
        }
    }
}

#[test]
fn only_the_last_layers_learn_where_only_they_should() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let names = |fine_tune| -> Vec<String> {
        let encoder = load(dir.path(), &settings(fine_tune, Pooling::Mean)).encoder;
        encoder.parameters().into_iter().map(|p| p.name).collect()
    };
    assert!(names(FineTune::Frozen).is_empty());
    let last = names(FineTune::Last(1));
    assert_eq!(last.len(), 16);
    assert!(
        last.iter().all(|n| n.starts_with("encoder.layer.2.")),
        "{last:?}"
    );
    let error = LoadedEncoder::from_folder(
        dir.path(),
        &settings(FineTune::Last(4), Pooling::Mean),
        &Device::Cpu,
    );
    assert!(error.unwrap_err().to_string().contains("has 3 layers"));
}

#[test]
fn states_computed_beforehand_give_the_same_as_the_whole_encoder() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let loaded = load(dir.path(), &settings(FineTune::Last(2), Pooling::Mean));
    let (texts, _) = common::texts(9);
    let tokens = loaded.tokenizer.encode(&texts, 20).unwrap();
    let hidden =
        compute_hidden(&loaded.encoder, &tokens, &Device::Cpu, &mut |_, _| Ok(())).unwrap();
    let width = loaded.encoder.interface().width();
    let mut start = 0;
    for row in 0..tokens.rows() {
        let ids = tokens.get(row);
        let states = &hidden[start..start + ids.len() * width];
        start += states.len();
        let from_states = TextInput::hidden(&[states], width, &Device::Cpu).unwrap();
        let from_ids = TextInput::tokens(&[ids], 0, &Device::Cpu).unwrap();
        let a = values(
            &loaded
                .encoder
                .encode(&from_states, &mut Mode::Eval)
                .unwrap(),
        );
        let b = values(&loaded.encoder.encode(&from_ids, &mut Mode::Eval).unwrap());
        assert!(
            a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5),
            "row {row}"
        );
    }
    assert_eq!(start, hidden.len());
}

#[test]
fn padding_does_not_change_a_text() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    for pooling in [Pooling::Mean, Pooling::Cls] {
        let encoder = load(dir.path(), &settings(FineTune::Full, pooling)).encoder;
        let (short, long) = ([4u32, 9, 17], [1u32; 15]);
        let alone = TextInput::tokens(&[&short], 0, &Device::Cpu).unwrap();
        let padded = TextInput::tokens(&[&short, &long], 0, &Device::Cpu).unwrap();
        let a = values(&encoder.encode(&alone, &mut Mode::Eval).unwrap());
        let b = values(
            &encoder
                .encode(&padded, &mut Mode::Eval)
                .unwrap()
                .get(0)
                .unwrap(),
        );
        assert!(
            a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5),
            "{pooling:?}"
        );
    }
}

#[test]
fn evaluation_builds_no_graph() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let encoder = load(dir.path(), &settings(FineTune::Full, Pooling::Mean)).encoder;
    assert!(
        !encoder
            .encode(&input(), &mut Mode::Eval)
            .unwrap()
            .track_op()
    );
    let mut generator = Generator::new(1);
    assert!(
        encoder
            .encode(&input(), &mut Mode::Train(&mut generator))
            .unwrap()
            .track_op()
    );
}

#[test]
fn features_are_computed_once_and_anew_for_other_texts() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let loaded = load(dir.path(), &settings(FineTune::Frozen, Pooling::Mean));
    let sha = loaded.weights_sha256.clone().unwrap();
    let cache = FeatureCache::new(dir.path().join("cache"));
    let mut calls = 0;
    let mut features = |count: usize| {
        let tokens = loaded
            .tokenizer
            .encode(&common::texts(count).0, 20)
            .unwrap();
        let before = calls;
        let features = cache
            .pooled(
                &loaded.encoder,
                &sha,
                &tokens,
                20,
                &Device::Cpu,
                &mut |_, _| {
                    calls += 1;
                    Ok(())
                },
            )
            .unwrap();
        (features, calls > before)
    };
    let (first, computed) = features(7);
    assert!(computed);
    let (again, computed) = features(7);
    assert!(!computed);
    assert_eq!(first, again);
    assert!(features(8).1);
    // A damaged file is computed again instead of being used.
    for entry in std::fs::read_dir(dir.path().join("cache")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    let (repaired, computed) = features(7);
    assert!(computed);
    assert_eq!(first.values, repaired.values);
}

#[test]
fn compact_model_keeps_logits() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    for pooling in [Pooling::Mean, Pooling::Cls, Pooling::Pooler] {
        let model = model(load(dir.path(), &settings(FineTune::Full, pooling)).encoder);
        let log_alpha = model.gate.log_alpha().unwrap();
        for open in [7, 0, 16] {
            let values: Vec<f32> = (0..16)
                .map(|i| {
                    if i < open {
                        -0.5 + i as f32 * 0.4
                    } else {
                        -6.0
                    }
                })
                .collect();
            log_alpha
                .set(&Tensor::new(values, &Device::Cpu).unwrap())
                .unwrap();
            let compact = CompactModel::new(&model).unwrap();
            assert_eq!(compact.kept().len(), open, "{pooling:?}");
            let gated = model.logits(&input()).unwrap();
            let difference = (gated - compact.logits(&input()).unwrap())
                .unwrap()
                .abs()
                .unwrap();
            let largest = difference.max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(largest < 1e-5, "{pooling:?}, {open} open: {largest}");
            let whole = l0gm_text::sizes(&model.encoder, 2, 10.0);
            let gone = (16 - open as u64)
                * if pooling == Pooling::Pooler {
                    2 + 17
                } else {
                    2
                };
            let left = match open {
                // Without an encoder, only the classifier's bias is left.
                0 => 2,
                _ => whole.parameters - gone,
            };
            assert_eq!(compact.sizes(10.0, 0.0).parameters, left);
        }
    }
}

#[test]
fn a_closed_group_takes_all_its_columns_along() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let config = GateConfig {
        granularity: Granularity::Group,
        group_width: 4, // a head of the tiny encoder
        ..GateConfig::default()
    };
    for pooling in [Pooling::Mean, Pooling::Pooler] {
        let model = gated(
            load(dir.path(), &settings(FineTune::Full, pooling)).encoder,
            &config,
        );
        let log_alpha = model.gate.log_alpha().unwrap();
        log_alpha
            .set(&Tensor::new(&[-6.0f32, 0.3, -6.0, 9.0], &Device::Cpu).unwrap())
            .unwrap();
        let compact = CompactModel::new(&model).unwrap();
        assert_eq!(compact.kept(), [4, 5, 6, 7, 12, 13, 14, 15]);
        let gated = model.logits(&input()).unwrap();
        let difference = (gated - compact.logits(&input()).unwrap())
            .unwrap()
            .abs()
            .unwrap();
        let largest = difference.max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(largest < 1e-5, "{pooling:?}: {largest}");
    }
}

/// One step on the real encoder, if it is available: twelve heads with a gate each.
#[test]
fn a_gate_a_head_learns_on_the_real_encoder() {
    let Some(dir) = common::real_model() else {
        return;
    };
    let config = GateConfig {
        granularity: Granularity::Group,
        ..GateConfig::default()
    };
    let settings = settings(FineTune::Last(1), Pooling::Cls);
    let model = gated(load(&dir, &settings).encoder, &config);
    let log_alpha = model.gate.log_alpha().unwrap();
    assert_eq!(log_alpha.dims(), [12]);
    let mut mode = Generator::new(5);
    let logits = model
        .forward(&input(), Gating::Sampled(TAU), &mut Mode::Train(&mut mode))
        .unwrap()
        .logits;
    let labels = Tensor::new(&[0u32, 1, 1], &Device::Cpu).unwrap();
    let loss = cross_entropy(&logits, &labels).unwrap();
    let gradients = loss.backward().unwrap();
    let gradient = values(gradients.get(log_alpha).unwrap());
    assert!(
        gradient
            .iter()
            .filter(|g| **g != 0.0 && g.is_finite())
            .count()
            > 6,
        "{gradient:?}"
    );
}

fn refusal(dir: &Path) -> String {
    let error =
        LoadedEncoder::from_folder(dir, &settings(FineTune::Full, Pooling::Mean), &Device::Cpu);
    error.unwrap_err().to_string()
}

#[test]
fn weights_load_with_and_without_the_prefix_and_under_older_names() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let loaded = |dir: &Path| load(dir, &settings(FineTune::Full, Pooling::Mean)).encoder;
    let plain = values(
        &loaded(dir.path())
            .encode(&input(), &mut Mode::Eval)
            .unwrap(),
    );
    let prefixed = tempfile::tempdir().unwrap();
    common::write_tiny_model(prefixed.path(), "bert.");
    let renamed = common::tensors(&common::shapes(), "bert.")
        .into_iter()
        .map(|(n, t)| {
            (
                n.replace("Norm.weight", "Norm.gamma")
                    .replace("Norm.bias", "Norm.beta"),
                t,
            )
        })
        .collect();
    assert_eq!(
        plain,
        values(
            &loaded(prefixed.path())
                .encode(&input(), &mut Mode::Eval)
                .unwrap()
        )
    );
    candle_core::safetensors::save(&renamed, prefixed.path().join("model.safetensors")).unwrap();
    assert_eq!(
        plain,
        values(
            &loaded(prefixed.path())
                .encode(&input(), &mut Mode::Eval)
                .unwrap()
        )
    );
}

#[test]
fn truncated_weights_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let path = dir.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    for keep in [0, 5, bytes.len() / 2] {
        std::fs::write(&path, &bytes[..keep]).unwrap();
        let message = refusal(dir.path());
        assert!(
            message.contains("model.safetensors") && message.contains("truncated"),
            "{message}"
        );
    }
}

#[test]
fn weights_of_another_architecture_are_refused_with_the_nearest_name() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let path = dir.path().join("model.safetensors");
    let other = common::tensors(&common::shapes(), "")
        .into_iter()
        .map(|(n, t)| (n.replace("encoder.layer", "transformer.layer"), t))
        .collect();
    candle_core::safetensors::save(&other, &path).unwrap();
    let message = refusal(dir.path());
    assert!(
        message.contains("no tensor \"encoder.layer.0")
            && message.contains("nearest is \"transformer.layer.0"),
        "{message}"
    );
}

#[test]
fn weights_of_a_wrong_shape_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let mut tensors = common::tensors(&common::shapes(), "");
    let wide = Var::zeros((16, 25), candle_core::DType::F32, &Device::Cpu).unwrap();
    tensors.insert(
        "encoder.layer.1.output.dense.weight".into(),
        wide.as_tensor().clone(),
    );
    candle_core::safetensors::save(&tensors, dir.path().join("model.safetensors")).unwrap();
    let message = refusal(dir.path());
    assert!(
        message.contains("encoder.layer.1.output.dense.weight")
            && message.contains("[16, 25]")
            && message.contains("[16, 24]"),
        "{message}"
    );
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let config = std::fs::read_to_string(dir.path().join("config.json")).unwrap();
    let small = config.replace("\"vocab_size\":120", "\"vocab_size\":30");
    assert_ne!(config, small);
    std::fs::write(dir.path().join("config.json"), small).unwrap();
    let message = refusal(dir.path());
    assert!(
        message.contains("tokenizer.json") && message.contains("30 rows"),
        "{message}"
    );
}

#[test]
fn another_family_and_a_missing_key_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let path = dir.path().join("config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("\"bert\"", "\"distilbert\"")).unwrap();
    assert!(refusal(dir.path()).contains("distilbert"));
    std::fs::write(&path, config.replace("\"bert\"", "\"t5\"")).unwrap();
    let message = refusal(dir.path());
    for word in [
        "model_type is \"t5\"",
        "roberta",
        "deberta-v2",
        "modernbert",
    ] {
        assert!(message.contains(word), "{message}");
    }
    std::fs::write(&path, config.replace("hidden_size", "dim")).unwrap();
    assert!(refusal(dir.path()).contains("hidden_size"));
}

#[test]
fn texts_longer_than_the_position_table_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let settings = TextSettings {
        max_tokens: 25,
        ..settings(FineTune::Full, Pooling::Mean)
    };
    let message = LoadedEncoder::from_folder(dir.path(), &settings, &Device::Cpu)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("max-tokens is 25") && message.contains("24"),
        "{message}"
    );
}

/// The tiny encoder with a gate on each dimension of 20 token positions, and no gate on the interface.
fn token_gated(
    dir: &Path,
    fine_tune: FineTune,
    kind: GateKind,
) -> GatedModel<TextEncoder, TextHead> {
    let config = GateConfig {
        kind,
        granularity: Granularity::Fine,
        ..GateConfig::default()
    };
    let encoder = load(dir, &settings(fine_tune, Pooling::Mean)).encoder;
    let mut model = gated(encoder, &GateConfig::default());
    model.gate = Gate::identity(model.encoder.interface());
    model.encoder = model
        .encoder
        .with_gates(20, &config, &Schedule::default(), &Device::Cpu)
        .unwrap();
    model
}

#[test]
fn token_gates_take_their_own_place_and_dimension_out_of_the_mean() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    let model = token_gated(dir.path(), FineTune::Full, GateKind::PerExample);
    let gate = model.gates()[0].clone();
    let width = model.encoder.interface().width();
    assert_eq!(gate.interface().width(), 20 * width);
    let encode = || {
        let r = model
            .encoder
            .encode_gated(&input(), Gating::Deterministic, &mut Mode::Eval);
        r.unwrap().to_vec2::<f32>().unwrap()
    };
    let set = |closed: &[usize]| {
        let mut log_alpha = vec![20f32; 20 * width];
        for &at in closed {
            log_alpha[at] = -20.0;
        }
        let log_alpha = Tensor::from_vec(log_alpha, 20 * width, &Device::Cpu).unwrap();
        gate.log_alpha().unwrap().set(&log_alpha).unwrap();
    };
    set(&[]);
    let open = encode();
    let plain = model.encoder.encode(&input(), &mut Mode::Eval).unwrap();
    let same = |a: &[Vec<f32>], b: &[Vec<f32>]| {
        let pairs = a.iter().flatten().zip(b.iter().flatten());
        pairs.clone().count() > 0 && pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5)
    };
    assert!(same(&open, &plain.to_vec2().unwrap()));
    // Close position 7, dimension 3: the text of five tokens has no such position; the others change.
    set(&[7 * width + 3]);
    let TextInput::Tokens { ids, padding } = input() else {
        panic!("tokens");
    };
    let transformer = model.encoder.transformer();
    let states = transformer
        .forward(&ids, &padding, &mut Mode::Eval)
        .unwrap();
    let states = states.to_vec3::<f32>().unwrap();
    let mut expected = open.clone();
    for row in [0, 2] {
        expected[row][3] -= states[row][7][3] / padding.lengths[row] as f32;
    }
    let found = encode();
    assert!(same(&found, &expected));
    assert!(!same(&found, &open));
}

#[test]
fn a_step_with_token_gates_reaches_every_parameter_and_the_places_that_texts_have() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    for kind in [GateKind::Static, GateKind::PerExample] {
        let model = token_gated(dir.path(), FineTune::Full, kind);
        let width = model.encoder.interface().width();
        let mut generator = Generator::new(5);
        let mut mode = Mode::Train(&mut generator);
        let forward = model
            .forward(&input(), Gating::Sampled(TAU), &mut mode)
            .unwrap();
        let labels = Tensor::new(&[0u32, 1, 1], &Device::Cpu).unwrap();
        let loss = cross_entropy(&forward.logits, &labels).unwrap();
        let gradients = loss.backward().unwrap();
        for parameter in model.parameters() {
            let gradient = gradients.get(&parameter.var);
            let gradient = values(gradient.unwrap_or_else(|| panic!("{}", parameter.name)));
            if parameter.name == "gate.tokens.log_alpha" {
                // Texts have at most 14 tokens, so the task gives later positions no gradient.
                let used = |place: usize| {
                    let of = &gradient[place * width..(place + 1) * width];
                    of.iter().any(|g| *g != 0.0)
                };
                assert!((0..14).all(used) && !(14..20).any(used), "{kind:?}");
            } else if !parameter.name.ends_with("key.bias") {
                assert!(gradient.iter().any(|g| *g != 0.0), "{}", parameter.name);
            }
        }
        // The penalty gives every position a gradient.
        let penalty = model.penalty(&forward.gated, TAU).unwrap().unwrap();
        let gradients = penalty.backward().unwrap();
        let gate = model.gates()[0].log_alpha().unwrap().clone();
        assert!(
            values(gradients.get(&gate).unwrap())
                .iter()
                .all(|g| *g > 0.0)
        );
        let error = CompactModel::new(&model).unwrap_err().to_string();
        assert!(error.contains("no compact form"), "{error}");
    }
}

//! Class scores in a small model: every part learns, and the compact model needs only what is open.
#![allow(clippy::unwrap_used)]
use crate::{
    Alphabet, CompactModel, CompactText, Corpus, EncoderConfig, FineTune, Pooling, RandomWeights,
    ScratchSettings, TaskScores, TextEncoder, TextHead, TextInput, TextSettings, TextTokenizer,
    Trainable, Transformer,
};
use candle_core::{Device, Tensor};
use l0gm_gate::{Gate, GateConfig, Schedule, Temperature};
use l0gm_ops::{Generator, Mode};
use l0gm_train::{
    ClassScores, CompactFolder, CompactHeader, Condition, ConditionKind, Encoder, GatedModel,
    Gating, Head, ParameterKind, Perturbation, Sizes, Split, StopFlag,
};
use std::collections::BTreeMap;

const WORDS: [&str; 3] = ["dull", "lovely", "odd"];

fn corpus(count: usize, classes: usize) -> Corpus {
    Corpus {
        texts: (0..count)
            .map(|i| {
                // Every seventh text says what another class says.
                let word = WORDS[(i + usize::from(i % 7 == 0)) % classes];
                format!("film {} is {word} said viewer {}", i % 5, i % 3)
            })
            .collect(),
        labels: (0..count).map(|i| (i % classes) as u32).collect(),
        ..Corpus::default()
    }
}

struct Small {
    texts: Vec<String>,
    tokenizer: TextTokenizer,
    scores: TaskScores,
    model: GatedModel<TextEncoder, TextHead>,
}

/// A model from scratch with class scores, whose gates are open where `open` says.
fn small(classes: usize, open: impl Fn(usize) -> bool) -> Small {
    let device = Device::Cpu;
    let (train, valid, test) = (
        corpus(60, classes),
        corpus(40, classes),
        corpus(30, classes),
    );
    let scores = TaskScores::fit(
        [&train, &valid, &test],
        classes,
        &mut (),
        &StopFlag::default(),
    )
    .unwrap();
    let tokenizer = TextTokenizer::train(&train.texts, 120, Alphabet::Frequent).unwrap();
    let shape = ScratchSettings {
        layers: 1,
        width: 16,
        heads: 2,
        feed_forward: 16,
        ..ScratchSettings::default()
    };
    let config = EncoderConfig::scratch(&shape, tokenizer.vocabulary(), 20);
    let all = Trainable {
        embeddings: true,
        from_layer: 0,
    };
    let mut weights = RandomWeights::new(Generator::new(1), &device);
    let transformer = Transformer::new(&config, &mut weights, all, false, Some(0.0)).unwrap();
    let outputs = ClassScores::outputs(classes);
    let encoder = TextEncoder::new(transformer, Pooling::Mean).with_scores(outputs);
    let interface = encoder.interface();
    let gate = Gate::new(
        interface,
        &GateConfig::default(),
        &Schedule::default(),
        &device,
    )
    .unwrap();
    let log_alpha: Vec<f32> = (0..16 + outputs)
        .map(|i| if open(i) { 0.5 + (i % 5) as f32 } else { -9.0 })
        .collect();
    let log_alpha = Tensor::new(log_alpha, &device).unwrap();
    gate.log_alpha().unwrap().set(&log_alpha).unwrap();
    let head = TextHead::new(16, classes, 0.1, &mut Generator::new(3), &device)
        .unwrap()
        .blended(outputs, true)
        .unwrap();
    head.set_intercepts(&scores.intercepts).unwrap();
    Small {
        texts: test.texts,
        tokenizer,
        scores,
        model: GatedModel {
            encoder,
            gate,
            head,
        },
    }
}

impl Small {
    fn input(&self, rows: &[u32]) -> TextInput {
        let texts: Vec<String> = rows
            .iter()
            .map(|&row| self.texts[row as usize].clone())
            .collect();
        let tokens = self.tokenizer.encode(&texts, 20).unwrap();
        let ids: Vec<&[u32]> = (0..tokens.rows()).map(|row| tokens.get(row)).collect();
        let scores = self.scores.of(Split::Test, rows, &Device::Cpu).unwrap();
        let input = TextInput::tokens(&ids, 0, &Device::Cpu).unwrap();
        input.scored(Some(scores))
    }
}

fn largest(difference: &Tensor) -> f32 {
    let largest = difference.abs().unwrap().max_all().unwrap();
    largest.to_scalar().unwrap()
}

#[test]
fn one_step_reaches_every_part_and_the_gates_of_the_scores() {
    for classes in [2, 3] {
        let small = small(classes, |_| true);
        let model = &small.model;
        let labels: Vec<u32> = (0..12).map(|row| row % classes as u32).collect();
        let labels = Tensor::new(labels, &Device::Cpu).unwrap();
        let rows: Vec<u32> = (0..12).collect();
        let mut generator = Generator::new(5);
        let mut mode = Mode::Train(&mut generator);
        let gating = Gating::Sampled(Temperature(2.0 / 3.0));
        let forward = model.forward(&small.input(&rows), gating, &mut mode);
        let loss = model.head.loss(&forward.unwrap(), &labels).unwrap();
        let gradients = loss.backward().unwrap();
        for parameter in model.parameters() {
            let gradient = gradients.get(&parameter.var);
            if parameter.kind == ParameterKind::Fixed {
                continue;
            }
            let gradient = gradient.unwrap_or_else(|| panic!("{}", parameter.name));
            let values: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
            let moved = values.iter().any(|g| *g != 0.0);
            assert!(
                moved || parameter.name.ends_with("key.bias"),
                "{}",
                parameter.name
            );
            if parameter.name == "gate.log_alpha" {
                assert_eq!(values.len(), 16 + ClassScores::outputs(classes));
                let (of_network, of_scores) = values.split_at(16);
                for gates in [of_network, of_scores] {
                    assert!(gates.iter().any(|g| *g != 0.0), "{values:?}");
                }
            }
        }
    }
}

#[test]
fn compact_model_keeps_logits_and_needs_only_what_is_open() {
    for classes in [2, 3] {
        // All, only the scores, only the network, some of each, and nothing.
        for (number, open) in [
            (|_| true) as fn(usize) -> bool,
            |i| i >= 16,
            |i| i < 5,
            |i| i % 3 == 1,
            |_| false,
        ]
        .into_iter()
        .enumerate()
        {
            let small = small(classes, open);
            let rows: Vec<u32> = (0..small.texts.len() as u32).collect();
            let input = small.input(&rows);
            let gated = small.model.logits(&input).unwrap();
            let compact = CompactModel::new(&small.model)
                .unwrap()
                .with_scores(small.scores.fitted())
                .unwrap();
            let own = compact.logits(&input).unwrap();
            assert!(largest(&(&gated - own).unwrap()) < 1e-5);
            let settings = TextSettings {
                fine_tune: FineTune::Full,
                max_tokens: 20,
                ..TextSettings::default()
            };
            let parts = compact.parts(&settings, &small.tokenizer, None).unwrap();
            let home = tempfile::tempdir().unwrap();
            CompactFolder::write(home.path(), header(classes), parts).unwrap();
            let back = CompactText::load(home.path(), None, &Device::Cpu).unwrap();
            let found = back.logits(&small.texts).unwrap();
            let difference = largest(&(&gated - found).unwrap());
            assert!(difference < 1e-5, "{classes}, {number}: {difference}");
            let there = |name: &str| home.path().join(name).exists();
            assert_eq!(there("terms.json"), !compact.kept_scores().is_empty());
            assert_eq!(there("tokenizer.json"), !compact.kept().is_empty());
            let smaller = compact.sizes(8.0, 6.0).parameters;
            let whole = CompactModel::new(&small_open(classes).model)
                .unwrap()
                .with_scores(small.scores.fitted())
                .unwrap();
            assert!(number == 0 || smaller < whole.sizes(8.0, 6.0).parameters);
        }
    }
}

fn small_open(classes: usize) -> Small {
    small(classes, |_| true)
}

fn header(classes: usize) -> CompactHeader {
    CompactHeader {
        format: CompactFolder::FORMAT,
        modality: "text".into(),
        run_id: "a-run".into(),
        classes: (0..classes).map(|class| class.to_string()).collect(),
        temperature: 1.0,
        label: None,
        decision: None,
        gated: Sizes::default(),
        compact: Sizes::default(),
        files: BTreeMap::new(),
        model: serde_json::Value::Null,
    }
}

#[test]
fn scores_are_centred_on_training_texts_and_change_with_hidden_words() {
    let small = small(3, |_| true);
    let rows: Vec<u32> = (0..60).collect();
    let of = |split, rows: &[u32]| small.scores.of(split, rows, &Device::Cpu).unwrap();
    let mean = of(Split::Train, &rows).mean(0).unwrap();
    assert!(largest(&mean) < 1e-5, "{mean}");
    let condition = |severity| Perturbation {
        condition: Condition {
            kind: ConditionKind::Missingness,
            severity,
        },
        seed: 0,
    };
    let rows = [3, 1];
    let hidden = |severity| {
        let perturbation = condition(severity);
        small.scores.hidden(&rows, &perturbation, &Device::Cpu)
    };
    let plain = of(Split::Test, &rows);
    assert_eq!(largest(&(hidden(0.0).unwrap() - &plain).unwrap()), 0.0);
    assert!(largest(&(hidden(1.0).unwrap() - &plain).unwrap()) > 0.01);
}

//! Texts of mixed lengths are judged in batches with a token budget. Every result must be in its text's place, and
//! equal to that of the text alone.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::Device;
use l0gm_gate::{Gate, GateConfig, Schedule};
use l0gm_ops::{Generator, Mode};
use l0gm_text::features::{compute, compute_hidden};
use l0gm_text::{
    FineTune, LoadedEncoder, Pooling, Prepared, TOKEN_BUDGET, TextHead, TextInput, TextRobustness,
    TextRows, TextSettings, TextTask, TokenRows,
};
use l0gm_train::{
    Encoder, GatedModel, Progress, ProgressEvent, Split, StopFlag, Task, latency_rows, predict,
};

/// Texts of 2 to 20 tokens in no particular order of length, enough for several batches.
fn tokens() -> TokenRows {
    TokenRows::new((0..900u32).map(|row| {
        let length = 2 + (row * 37 + row / 7) % 19;
        (0..length).map(|i| (row * 7 + i * 13) % 100).collect()
    }))
}

fn load(dir: &std::path::Path) -> LoadedEncoder {
    common::write_tiny_model(dir, "");
    let settings = TextSettings {
        fine_tune: FineTune::Last(2),
        pooling: Pooling::Mean,
        max_tokens: 20,
        ..TextSettings::default()
    };
    LoadedEncoder::from_folder(dir, &settings, &Device::Cpu).unwrap()
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
}

struct Silent;

impl Progress for Silent {
    fn event(&mut self, _: &ProgressEvent) {}
}

#[test]
fn logits_of_mixed_lengths_come_back_in_the_texts_order_as_if_each_were_alone() {
    let dir = tempfile::tempdir().unwrap();
    let LoadedEncoder { encoder, .. } = load(dir.path());
    let tokens = tokens();
    let hidden = compute_hidden(&encoder, &tokens, &Device::Cpu, &mut |_, _| Ok(())).unwrap();
    let rows = |prepared| TextRows {
        labels: (0..tokens.rows() as u32).map(|row| row % 2).collect(),
        tokens: tokens.clone(),
        prepared,
    };
    let task = TextTask {
        train: rows(Prepared::Tokens),
        valid: rows(Prepared::Hidden(std::sync::Arc::new(hidden))),
        test: rows(Prepared::Tokens),
        classes: 2,
        width: encoder.interface().width(),
        pad: 0,
        scores: None,
        robustness: TextRobustness::default(),
    };
    let mut generator = Generator::new(3);
    let interface = encoder.interface();
    let model = GatedModel {
        gate: Gate::new(
            interface,
            &GateConfig::default(),
            &Schedule::default(),
            &Device::Cpu,
        )
        .unwrap(),
        head: TextHead::new(interface.width(), 2, 0.1, &mut generator, &Device::Cpu).unwrap(),
        encoder,
    };
    let alone: Vec<f32> = (0..tokens.rows())
        .flat_map(|row| {
            let input = TextInput::tokens(&[tokens.get(row)], 0, &Device::Cpu).unwrap();
            let logits = model.logits(&input).unwrap();
            logits.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        })
        .collect();
    for split in [Split::Valid, Split::Test] {
        for rows in [7, 100_000] {
            let plan = task.plan(split, rows, None);
            let padded = |batch: &Vec<u32>| {
                let lengths = batch.iter().map(|&row| tokens.get(row as usize).len());
                batch.len() * lengths.max().unwrap()
            };
            assert!(plan.len() > 2 && plan.iter().all(|b| b.len() <= rows));
            assert!(plan.iter().all(|batch| padded(batch) <= TOKEN_BUDGET));
            let (stop, device) = (StopFlag::default(), Device::Cpu);
            let table = predict(&task, &model, split, rows, &device, &mut Silent, &stop).unwrap();
            assert!(close(&table.logits, &alone), "{split:?} {rows}");
            let labels: Vec<u32> = (0..900).map(|row| row % 2).collect();
            assert_eq!(table.labels, labels);
        }
    }
}

#[test]
fn features_of_mixed_lengths_stand_in_the_texts_order() {
    let dir = tempfile::tempdir().unwrap();
    let encoder = load(dir.path()).encoder;
    let tokens = tokens();
    let mut done = Vec::new();
    let features = compute(&encoder, &tokens, &Device::Cpu, &mut |rows, _| {
        done.push(rows);
        Ok(())
    })
    .unwrap();
    // The longest texts come first, so batches gain more and more rows.
    assert!(done.len() > 3 && done.is_sorted() && done.last() == Some(&900));
    assert!(done[1] < done[2] - done[1], "{done:?}");
    for (row, pooled) in features.values.chunks_exact(features.width).enumerate() {
        let input = TextInput::tokens(&[tokens.get(row)], 0, &Device::Cpu).unwrap();
        let alone = encoder.encode(&input, &mut Mode::Eval).unwrap();
        let alone: Vec<f32> = alone.flatten_all().unwrap().to_vec1().unwrap();
        assert!(close(pooled, &alone), "row {row}");
    }
}

#[test]
fn the_timed_batch_has_the_rows_asked_for_whatever_its_tokens() {
    let rows = TextRows {
        tokens: tokens(),
        labels: vec![0; 900],
        prepared: Prepared::Tokens,
    };
    let task = TextTask {
        train: rows.clone(),
        valid: rows.clone(),
        test: rows,
        classes: 2,
        width: 16,
        pad: 0,
        scores: None,
        robustness: TextRobustness::default(),
    };
    let timed = latency_rows(&task, 300).unwrap();
    assert_eq!(timed.len(), 300);
    let lengths: Vec<usize> = timed
        .iter()
        .map(|&row| task.test.tokens.get(row as usize).len())
        .collect();
    assert!(
        lengths.is_sorted() && lengths[0] > 4 && lengths[299] < 19,
        "{lengths:?}"
    );
}

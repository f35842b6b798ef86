//! Gates on the entries of tables (granularity fine), gates that depend on their rows, and target active fractions,
//! through the real training loop and the modality.
#![allow(clippy::unwrap_used)]

use super::runs::run;
use super::{small_csv, small_input, small_settings, write};
use crate::build_model;
use crate::{NumberEncoding, TableInput, TabularModality, TabularSettings};
use candle_core::{Device, Tensor};
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_gate::{GateKind, Granularity};
use l0gm_ops::{Generator, Mode};
use l0gm_train::{Encoder, Gating, Modality, RunSpec, SpecRequest};
use serde_json::{Value, json};
use std::path::Path;

fn fine() -> TabularSettings {
    let mut settings = small_settings();
    settings.gate.granularity = Granularity::Fine;
    settings
}

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn evaluated(model: &crate::TableModel, input: &TableInput) -> Tensor {
    let gating = Gating::Deterministic;
    model
        .encoder
        .encode_gated(input, gating, &mut Mode::Eval)
        .unwrap()
}

#[test]
fn open_entries_leave_the_embeddings_as_they_are_and_closed_ones_take_out_their_rows_alone() {
    let settings = fine();
    let (_, encoding, input) = small_input(&settings);
    let model = build_model(&encoding, 2, true, &settings, 0, &Device::Cpu).unwrap();
    assert!(model.gate.is_identity());
    let plain = model.encoder.encode(&input, &mut Mode::Eval).unwrap();
    for gate in model.gates() {
        let log_alpha = gate.log_alpha().unwrap();
        log_alpha
            .set(&(log_alpha.ones_like().unwrap() * 20.0).unwrap())
            .unwrap();
    }
    let open = evaluated(&model, &input);
    for (a, b) in values(&plain).iter().zip(values(&open)) {
        assert!((a - b).abs() < 1e-6);
    }

    // Close every entry of one category's row: rows with that category lose the field, and nothing else changes.
    let (rows, dim) = (encoding.category_rows(), settings.model.dim);
    let ids = input
        .categories
        .as_ref()
        .unwrap()
        .ids
        .to_vec2::<u32>()
        .unwrap();
    let closed = ids[0][1];
    let mut log_alpha = vec![20f32; rows * dim];
    log_alpha[closed as usize * dim..(closed as usize + 1) * dim].fill(-20.0);
    let categories = model.gates()[0].clone();
    let log_alpha = Tensor::from_vec(log_alpha, rows * dim, &Device::Cpu).unwrap();
    categories.log_alpha().unwrap().set(&log_alpha).unwrap();
    let after = evaluated(&model, &input).to_vec3::<f32>().unwrap();
    let before = plain.to_vec3::<f32>().unwrap();
    let mut met = 0;
    for (row, ids) in ids.iter().enumerate() {
        for field in 0..before[row].len() {
            let gone = ids.get(field) == Some(&closed);
            met += usize::from(gone);
            for (a, b) in before[row][field].iter().zip(&after[row][field]) {
                let expected = if gone { 0.0 } else { *a };
                assert!((expected - b).abs() < 1e-6, "{row} {field}");
            }
        }
    }
    assert!(met > 0 && met < ids.len() * 2);
}

#[test]
fn a_numbers_embedding_is_the_line_between_its_gated_edges() {
    let mut settings = fine();
    settings.encoding.bins = 30; // Of two fields the one with fewer distinct values has fewer.
    let (_, encoding, input) = small_input(&settings);
    let model = build_model(&encoding, 2, true, &settings, 0, &Device::Cpu).unwrap();
    let gates: Vec<_> = model.gates().into_iter().cloned().collect();
    // There is one gate for each used entry: the missing row and each edge, without the padding of the block.
    let used: usize = encoding.numbers.iter().map(|f| f.edges.len() + 1).sum();
    let dim = settings.model.dim;
    assert_eq!(gates[1].interface().width(), used * dim);
    assert!(used < encoding.numbers.len() * encoding.rows_per_number());
    let open = evaluated(&model, &input);
    // Compare random values of z with the definition, entry by entry.
    let mut generator = Generator::new(8);
    let log_alpha: Vec<f32> = (0..used * dim).map(|_| generator.normal() as f32).collect();
    let tensor = Tensor::from_vec(log_alpha, used * dim, &Device::Cpu).unwrap();
    gates[1].log_alpha().unwrap().set(&tensor).unwrap();
    let z = gates[1].deterministic().unwrap();
    let Some(crate::encoder::NumberEmbedding::PiecewiseLinear(spline)) = &model.encoder.numbers
    else {
        panic!("piecewise-linear is the default");
    };
    let table = spline.table().unwrap().to_vec2::<f32>().unwrap();
    let numbers = input.numbers.as_ref().unwrap();
    let lower = numbers.lower.to_vec2::<u32>().unwrap();
    let position = numbers
        .position
        .squeeze(2)
        .unwrap()
        .to_vec2::<f32>()
        .unwrap();
    let found = evaluated(&model, &input).to_vec3::<f32>().unwrap();
    let fields = encoding.categories.len();
    let block = encoding.rows_per_number();
    let mut first = 0;
    for (number, field) in encoding.numbers.iter().enumerate() {
        for row in 0..lower.len() {
            let low = lower[row][number] as usize;
            let t = position[row][number];
            for d in 0..dim {
                let entry = |at: usize| z[(first + at - number * block) * dim + d] * table[at][d];
                let mut expected = (1.0 - t) * entry(low);
                if t > 0.0 {
                    expected += t * entry(low + 1);
                }
                assert!((found[row][fields + number][d] - expected).abs() < 1e-5);
            }
        }
        first += field.edges.len() + 1;
    }
    assert_eq!(
        open.dims(),
        [lower.len(), fields + encoding.numbers.len(), dim]
    );
}

#[test]
fn fine_gates_are_refused_where_numbers_have_no_table() {
    for numbers in [NumberEncoding::Periodic, NumberEncoding::Scaled] {
        let mut settings = fine();
        settings.encoding.numbers = numbers;
        let text = settings.check().unwrap_err().to_string();
        assert!(
            text.contains("granularity is fine") && text.contains("piecewise-linear"),
            "{text}"
        );
    }
    let mut settings = fine();
    settings.gate.kind = GateKind::Conditional;
    let text = settings.check().unwrap_err().to_string();
    assert!(text.contains("conditional"), "{text}");
}

#[test]
fn models_without_a_compact_form_say_why_and_what_to_train_instead() {
    let mut conditional = small_settings();
    conditional.gate.kind = GateKind::Conditional;
    for (settings, why) in [
        (fine(), "below the interface"),
        (conditional, "each example"),
    ] {
        let (_, encoding, _) = small_input(&settings);
        let model = build_model(&encoding, 2, true, &settings, 0, &Device::Cpu).unwrap();
        let error = crate::CompactModel::new(&model, &encoding)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(why) && error.contains("per-example"),
            "{error}"
        );
    }
}

fn modality() -> TabularModality {
    let options = DataOptions {
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    };
    TabularModality::new(Catalogue::new(options).unwrap())
}

fn spec(path: &Path, lambda: Option<f64>, more: Value) -> l0gm_train::Result<RunSpec> {
    let mut overrides = json!({
        "data": {"label": "label"},
        "encoding": {"bins": 8},
        "model": {"dim": 4, "deep": [16], "cin": {"maps": [4]}},
        "gate": {},
        "train": {"epochs": 12, "batch-size": 64},
    });
    for (table, settings) in more.as_object().unwrap() {
        for (key, value) in settings.as_object().unwrap() {
            overrides[table][key] = value.clone();
        }
    }
    let dataset = path.to_str().unwrap();
    modality().spec(&SpecRequest {
        lambda,
        overrides: &overrides,
        ..SpecRequest::new(dataset, "l0gm")
    })
}

#[test]
fn conditional_and_fine_runs_end_in_records_with_their_own_counts_and_no_compact_model() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(600));
    let conditional = spec(&path, Some(1.0), json!({"gate": {"kind": "conditional"}})).unwrap();
    let record = run(&conditional, &dir.path().join("conditional"));
    let gate = &record.gate;
    assert_eq!(
        (gate.kind, gate.total_dims, gate.z.len()),
        (Some(GateKind::Conditional), 16, 16)
    );
    assert!(
        gate.active_fraction > 0.0 && gate.active_fraction < 1.0,
        "{gate:?}"
    );
    // The dimensions that are open for some row are at least as many as those open on average.
    assert!(gate.open_dims as f64 >= gate.active_fraction * 16.0);
    assert!(record.compact.is_none() && !dir.path().join("conditional/compact").exists());
    assert!(
        record
            .data
            .notes
            .iter()
            .any(|note| note.contains("conditional"))
    );

    let more = json!({"gate": {"granularity": "fine"}});
    let low = run(
        &spec(&path, Some(1e-5), more.clone()).unwrap(),
        &dir.path().join("low"),
    );
    let high = run(
        &spec(&path, Some(1.0), more).unwrap(),
        &dir.path().join("high"),
    );
    for record in [&low, &high] {
        let gate = &record.gate;
        assert_eq!(gate.granularity, Some(Granularity::Fine));
        assert_eq!(gate.total_dims % 4, 0);
        assert!(gate.total_dims > 16, "an entry each: {}", gate.total_dims);
        assert_eq!(gate.open_probability.len(), gate.total_dims);
        let share = gate.open_dims as f64 / gate.total_dims as f64;
        assert!((gate.active_fraction - share).abs() < 1e-12);
        assert!(record.compact.is_none());
    }
    assert!(high.gate.active_fraction < low.gate.active_fraction);
}

#[test]
fn a_target_is_reached_through_the_runners_door_for_every_granularity() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(600));
    for (granularity, kind, target, tolerance) in [
        // With 16 dimensions, a gate is 6.25 points, and the nearest fraction is at most half of that away.
        ("interface", "static", 0.25, 1e-9),
        ("interface", "conditional", 0.2, 0.02),
        ("fine", "per-example", 0.2, 0.01),
        // Of four fields, three are as close as groups can come to 70%.
        ("group", "per-example", 0.7, 0.051),
    ] {
        let more = json!({
            "gate": {"granularity": granularity, "kind": kind},
            "train": {"target": target},
        });
        let spec = spec(&path, None, more).unwrap();
        assert_eq!(spec.lambda, None);
        let record = run(&spec, &dir.path().join(format!("{granularity}-{kind}")));
        let off = (record.gate.active_fraction - target).abs();
        assert!(
            off <= tolerance,
            "{granularity} {kind}: {}",
            record.gate.active_fraction
        );
        assert!(
            record
                .data
                .notes
                .iter()
                .any(|note| note.contains("controller"))
        );
    }
    let both = spec(&path, Some(1e-3), json!({"train": {"target": "15%"}}));
    let text = both.unwrap_err().to_string();
    assert!(
        text.contains("--target") && text.contains("15.0%"),
        "{text}"
    );
}

//! One step of the real training loop must change every parameter of encoder, gate and head, and of the embedding
//! tables exactly the rows that training data use.
#![allow(clippy::unwrap_used)]

use super::{small_csv, write};
use crate::{
    EncodedTable, NumberEncoding, TableModel, TabularModality, TabularSettings, build_model,
};
use candle_core::{Device, Var};
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_gate::{GateKind, Granularity};
use l0gm_train::{Encoder, Head, RunDir, Split, StopFlag, Training, train};
use std::collections::BTreeMap;
use std::path::Path;

/// The default model, for one step on all rows without decay, in which only a gradient changes a parameter.
fn settings() -> TabularSettings {
    let mut settings = TabularModality::defaults();
    settings.data.label = Some("label".into());
    settings.train.epochs = 1;
    settings.train.batch_size = 4096;
    settings.train.optimiser.weight_decay = 0.0;
    settings.train.objective.lambda = 1e-3;
    settings
}

fn values(var: &Var) -> Vec<f32> {
    var.flatten_all().unwrap().to_vec1().unwrap()
}

/// Which numbers of each parameter one step changed.
fn moved(
    table: &EncodedTable,
    model: &TableModel,
    settings: &TabularSettings,
    dir: &Path,
) -> BTreeMap<String, Vec<bool>> {
    let parameters = model.parameters();
    let before: Vec<Vec<f32>> = parameters.iter().map(|p| values(&p.var)).collect();
    let outcome = train(
        Training {
            task: &table.task,
            model,
            config: &settings.train,
            seed: 0,
            device: &Device::Cpu,
        },
        &RunDir::open(dir).unwrap(),
        &mut (),
        &StopFlag::default(),
    )
    .unwrap();
    assert_eq!(outcome.steps, 1);
    let changed = |before: Vec<f32>, var: &Var| {
        before
            .iter()
            .zip(values(var))
            .map(|(a, b)| *a != b)
            .collect()
    };
    let pairs = parameters.iter().zip(before);
    pairs
        .map(|(p, before)| (p.name.clone(), changed(before, &p.var)))
        .collect()
}

#[test]
fn one_training_step_moves_every_parameter_of_every_branch() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(600));
    let options = DataOptions {
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    };
    let tables = TabularModality::new(Catalogue::new(options).unwrap());
    let variants: [fn(&mut TabularSettings); 10] = [
        |_| {},
        |s| s.encoding.shrink = 5.0,
        |s| {
            s.encoding.shrink = 5.0;
            s.gate.granularity = Granularity::Fine;
        },
        |s| s.gate.granularity = Granularity::Fine,
        |s| s.gate.kind = GateKind::Conditional,
        |s| s.model.bypass = false,
        |s| {
            s.model.fm = true;
            s.model.cross.layers = 2;
        },
        |s| {
            s.model.cross.layers = 1;
            s.model.cross.rank = Some(4);
        },
        |s| s.model.members = 3,
        |s| s.encoding.numbers = NumberEncoding::Periodic,
    ];
    for (at, variant) in variants.into_iter().enumerate() {
        for dense in [true, false] {
            let mut settings = settings();
            variant(&mut settings);
            let table = tables
                .prepare(path.to_str().unwrap(), &settings, 0, &Device::Cpu)
                .unwrap();
            let encoding = &table.encoding;
            let model = build_model(encoding, 2, !dense, &settings, 0, &Device::Cpu).unwrap();
            let run = dir.path().join(format!("{at}-{dense}"));
            let moved = moved(&table, &model, &settings, &run);

            let parts = model.encoder.parameters().len() + model.head.parameters().len();
            let fine = settings.gate.granularity == Granularity::Fine;
            let conditional = settings.gate.kind == GateKind::Conditional;
            // Either log_alpha, or the gates of two tables, or a and W.
            let gates = usize::from(!dense) * if fine || conditional { 2 } else { 1 };
            assert_eq!(moved.len(), parts + gates);
            for start in ["categories", "numbers", "linear", "cin", "deep", "bias"] {
                assert!(moved.keys().any(|name| name.starts_with(start)), "{start}");
            }
            for (name, changed) in &moved {
                assert!(changed.contains(&true), "{name} did not move");
            }
            if !dense && !fine {
                let gates = &moved["gate.log_alpha"];
                assert!(gates.iter().all(|&moved| moved), "{gates:?}");
            }
            rows_in_use_moved(&table, &moved);
        }
    }
}

/// Rows of the category tables must change exactly if a training row uses them, and likewise for their gates.
fn rows_in_use_moved(table: &EncodedTable, moved: &BTreeMap<String, Vec<bool>>) {
    let categories = table.task.input(Split::Train).categories.as_ref().unwrap();
    let ids: Vec<u32> = categories.ids.flatten_all().unwrap().to_vec1().unwrap();
    let rows = table.encoding.category_rows();
    let tables = moved
        .iter()
        .filter(|(name, _)| name.contains("categories") && !name.contains("common"));
    for (name, changed) in tables {
        for (row, changed) in changed.chunks(changed.len() / rows).enumerate() {
            let used = ids.contains(&(row as u32));
            let moved = changed.contains(&true);
            if name.starts_with("gate.") && !moved {
                // Embeddings of missing cells start at 0, so their gates get no gradient yet.
                continue;
            }
            assert_eq!(moved, used, "row {row} of {name}");
        }
    }
}

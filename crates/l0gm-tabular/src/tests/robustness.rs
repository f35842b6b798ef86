//! The robustness protocol for tables: what is perturbed, in which rows, and how.
#![allow(clippy::unwrap_used)]

use super::{runs, small_csv, small_settings, write};
use crate::{Encoding, LoadedTable, MISSING, SplitRows, TableInput, TableTask};
use candle_core::Device;
use l0gm_train::{Condition, ConditionKind, Perturbation, RunRecord, Split, Task};

fn task(encoding_bins: usize) -> (Encoding, SplitRows, TableTask, LoadedTable) {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "small.csv", small_csv(200));
    let mut settings = small_settings();
    settings.encoding.bins = encoding_bins;
    let loaded = LoadedTable::load_file(&path, &settings.data).unwrap();
    let split = loaded.split(&settings, 0).unwrap();
    let encoding = Encoding::fit(
        &loaded.table,
        &loaded.schema,
        &split.train,
        &settings.encoding,
    )
    .unwrap();
    let task = TableTask::new(
        &loaded.table,
        &loaded.labels,
        2,
        &encoding,
        &split,
        &Device::Cpu,
    )
    .unwrap();
    (encoding, split, task, loaded)
}

/// Ids of categories, rows of the number table, and positions, row by row.
type Seen = (Vec<Vec<u32>>, Vec<Vec<u32>>, Vec<f32>);

fn seen(input: &TableInput) -> Seen {
    let numbers = input.numbers.as_ref().unwrap();
    (
        input.categories.as_ref().unwrap().ids.to_vec2().unwrap(),
        numbers.lower.to_vec2().unwrap(),
        numbers.position.flatten_all().unwrap().to_vec1().unwrap(),
    )
}

fn perturbed(task: &TableTask, rows: &[u32], kind: ConditionKind, severity: f64) -> Seen {
    let perturbation = Perturbation {
        condition: Condition { kind, severity },
        seed: 7,
    };
    let batch = task.perturbed_batch(rows, &perturbation, &Device::Cpu);
    seen(&batch.unwrap().input)
}

#[test]
fn severities_of_nothing_leave_every_test_row_as_it_is() {
    let (_, _, task, _) = task(8);
    let rows: Vec<u32> = (0..task.rows(Split::Test) as u32).collect();
    let clean = seen(task.input(Split::Test));
    for (kind, severity) in [
        (ConditionKind::Missingness, 0.0),
        (ConditionKind::Noise, 0.0),
        (ConditionKind::Occlusion, 0.0),
    ] {
        assert_eq!(perturbed(&task, &rows, kind, severity), clean, "{kind:?}");
    }
}

#[test]
fn a_row_is_perturbed_the_same_in_any_batch_and_by_any_model() {
    // Another model has other bins, but the same cells must be missing and noisy.
    let (encoding, _, task, _) = task(8);
    let (other_encoding, _, other, _) = self::task(4);
    for condition in Condition::PROTOCOL {
        let (kind, severity) = (condition.kind, condition.severity);
        let all = perturbed(&task, &[0, 1, 2, 3, 4, 5], kind, severity);
        let some = perturbed(&task, &[4, 2], kind, severity);
        assert_eq!(some.0, [all.0[4].clone(), all.0[2].clone()], "{kind:?}");
        assert_eq!(some.1, [all.1[4].clone(), all.1[2].clone()], "{kind:?}");
        let missing = |encoding: &Encoding, seen: &Seen| -> Vec<Vec<bool>> {
            let gone = |(id, field): (&u32, &crate::CategoryField)| *id == field.offset + MISSING;
            let rows = seen.0.iter();
            rows.map(|ids| ids.iter().zip(&encoding.categories).map(gone).collect())
                .collect()
        };
        let others = perturbed(&other, &[0, 1, 2, 3, 4, 5], kind, severity);
        assert_eq!(missing(&encoding, &all), missing(&other_encoding, &others));
    }
}

#[test]
fn everything_missing_is_the_row_of_missing_or_the_training_median() {
    let (encoding, _, task, _) = task(8);
    let rows: Vec<u32> = (0..task.rows(Split::Test) as u32).collect();
    let (ids, knots, _) = perturbed(&task, &rows, ConditionKind::Missingness, 1.0);
    let width = encoding.rows_per_number() as u32;
    for (ids, knots) in ids.iter().zip(&knots) {
        for (id, field) in ids.iter().zip(&encoding.categories) {
            assert_eq!(*id, field.offset + MISSING);
        }
        for (at, (knot, field)) in knots.iter().zip(&encoding.numbers).enumerate() {
            match field.fill {
                // Training had no missing cells (age), so the median is used.
                Some(fill) => assert_eq!(
                    *knot,
                    at as u32 * width + crate::bins::locate(&field.edges, fill).0 as u32 + 1
                ),
                // Training had missing cells (gain) and learned a row for them.
                None => assert_eq!(*knot, at as u32 * width),
            }
        }
    }
    assert!(encoding.numbers.iter().any(|f| f.fill.is_some()));
    assert!(encoding.numbers.iter().any(|f| f.fill.is_none()));
}

#[test]
fn one_bit_moves_each_number_to_the_nearer_end_of_its_training_range() {
    let (encoding, split, task, loaded) = task(8);
    let rows: Vec<u32> = (0..task.rows(Split::Test) as u32).collect();
    let (_, knots, positions) = perturbed(&task, &rows, ConditionKind::Quantisation, 1.0);
    let age = encoding
        .numbers
        .iter()
        .position(|f| f.name == "age")
        .unwrap();
    let field = &encoding.numbers[age];
    let (low, high) = (field.edges[0], field.edges[field.edges.len() - 1]);
    for (i, &row) in split.test.iter().enumerate() {
        let cell = loaded.table.column("age").unwrap().cells.text(row as usize);
        let value: f64 = cell.unwrap().parse().unwrap();
        let nearer = if value - low < high - value {
            low
        } else {
            high
        };
        let slot = i * encoding.numbers.len() + age;
        let expected =
            encoding.place_in_table(age, encoding.rows_per_number(), field, Some(nearer));
        assert_eq!((knots[i][age], positions[slot]), expected, "{value}");
    }
}

#[test]
fn noise_touches_numbers_alone_and_leaves_gaps_gaps() {
    let (encoding, _, task, _) = task(8);
    let rows: Vec<u32> = (0..task.rows(Split::Test) as u32).collect();
    let clean = seen(task.input(Split::Test));
    let noisy = perturbed(&task, &rows, ConditionKind::Noise, 0.2);
    assert_eq!(noisy.0, clean.0);
    assert_ne!(noisy.2, clean.2);
    let gain = encoding
        .numbers
        .iter()
        .position(|f| f.fill.is_none())
        .unwrap();
    let gap = gain as u32 * encoding.rows_per_number() as u32;
    let gaps = |seen: &Seen| -> Vec<bool> { seen.1.iter().map(|k| k[gain] == gap).collect() };
    assert!(gaps(&clean).iter().any(|gap| *gap));
    assert_eq!(gaps(&noisy), gaps(&clean));
}

#[test]
fn a_run_records_twelve_conditions_and_one_of_before_reads_back_without() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(400));
    let folder = dir.path().join("run");
    let spec = runs::spec(&path, "l0gm", Some(1e-3), 60.0);
    let record = runs::run(&spec, &folder);
    let robustness = record.robustness.as_ref().unwrap();
    assert_eq!(robustness.rows, 80);
    let conditions: Vec<Condition> = robustness.conditions.iter().map(|c| c.condition).collect();
    assert_eq!(conditions, Condition::PROTOCOL);
    for result in &robustness.conditions {
        let expected = if result.condition.kind.hides() {
            "fields"
        } else {
            "numeric fields"
        };
        assert_eq!(result.at, expected);
    }
    assert!((robustness.clean.accuracy - record.test.accuracy).abs() < 1e-12);
    assert!((robustness.clean.nll - record.calibration.nll).abs() < 1e-9);
    assert!((robustness.clean.ece_scaled - record.calibration_scaled.ece).abs() < 1e-9);
    // With half of all cells missing, the loss must rise.
    assert!(robustness.conditions[2].score.nll > robustness.clean.nll);
    // A finished run from before this protocol existed.
    let file = folder.join("record.json");
    let mut old: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    old.as_object_mut().unwrap().remove("robustness").unwrap();
    std::fs::write(&file, old.to_string()).unwrap();
    let old: RunRecord = l0gm_train::finished_record(&folder).unwrap().unwrap();
    assert!(old.robustness.is_none());
    assert!(runs::run(&spec, &folder).robustness.is_none());
}

#[test]
fn a_run_that_is_asked_not_to_has_no_robustness() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(200));
    let mut spec = runs::spec(&path, "dense", None, 60.0);
    spec.settings["train"]["robustness"] = false.into();
    let record = runs::run(&spec, &dir.path().join("run"));
    assert!(record.robustness.is_none());
    let text = serde_json::to_string(&record).unwrap();
    assert!(!text.contains("\"robustness\":null"));
}

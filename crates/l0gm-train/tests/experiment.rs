//! Whole runs, from a spec to a record.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::{Device, Tensor};
use l0gm_gate::{Gate, GateConfig, GateKind, Granularity, Interface, Schedule};
use l0gm_train::{
    CompactFolder, CompactParts, CompactSummary, Compacted, DataSummary, GatedFit, PredictionTable,
    RunRecord, Sizes, Split, Task, finished_record, read_predictions,
};
use std::cell::Cell;
use std::path::Path;
use support::{Model, Synthetic, config, context, model, run_gated, spec};

fn run(
    folder: &Path,
    gated: &Model,
    lambda: Option<f64>,
    fields: &[String],
) -> l0gm_train::Result<RunRecord> {
    let config = config(4, lambda.unwrap_or(0.0));
    let asked = Cell::new(false);
    let record = run_gated(
        &spec(lambda, 0, &config),
        DataSummary {
            twin: true,
            source: "twin".to_owned(),
            ..DataSummary::default()
        },
        GatedFit {
            fields,
            sizes: Sizes {
                parameters: 7,
                flops: 8,
                bytes: 9,
            },
            compact: Box::new(|_| {
                asked.set(true);
                let weight = Tensor::new(&[1f32, 2.0], &Device::Cpu)?;
                Ok(Some(Compacted {
                    summary: CompactSummary {
                        max_logit_difference: 0.0,
                        rows: 1,
                        gated: Sizes::default(),
                        compact: Sizes::default(),
                        latency_us_per_example: None,
                    },
                    parts: Some(CompactParts {
                        tensors: [("weight".to_owned(), weight)].into(),
                        ..CompactParts::default()
                    }),
                }))
            }),
            ..GatedFit::new(&Synthetic::new([512, 200, 300], 8, 3, 1), gated, &config)
        },
        &mut context(folder, &mut ()),
    )?;
    assert_eq!(
        asked.get(),
        lambda.is_some(),
        "compaction is for gated models"
    );
    Ok(record)
}

#[test]
fn a_gated_run_leaves_a_record_that_agrees_with_its_predictions() {
    let folder = tempfile::tempdir().unwrap();
    let gated = model(8, 16, Some(&GateConfig::default()), 0);
    let record = run(folder.path(), &gated, Some(3e-3), &[]).unwrap();
    assert_eq!(
        finished_record(folder.path()).unwrap().as_ref(),
        Some(&record)
    );

    let compact = folder.path().join("compact");
    let compact = CompactFolder::load(&compact, "synthetic", &Device::Cpu).unwrap();
    assert_eq!(compact.header().temperature, record.scaling_temperature);
    assert_eq!(compact.header().run_id, record.run_id);
    assert!(compact.tensor("weight", &[2]).is_ok());

    let tables = read_predictions(&folder.path().join("predictions.parquet")).unwrap();
    let splits: Vec<(Split, usize)> = tables.iter().map(|t| (t.split, t.rows.len())).collect();
    assert_eq!(splits, [(Split::Valid, 200), (Split::Test, 300)]);
    let [valid, test]: [PredictionTable; 2] = tables.try_into().unwrap();
    assert_eq!(record.test.accuracy, test.accuracy());
    assert!((record.calibration.nll - test.nll()).abs() < 1e-9);
    let best = &record.history[record.best_epoch - 1];
    assert!((best.valid_loss - valid.nll()).abs() < 1e-6);
    assert!(
        record.test.accuracy > 0.8 && record.test.auc.unwrap() > 0.8,
        "{:?}",
        record.test
    );

    // The temperature is fitted on validation, so it cannot raise the NLL there.
    let scaled = PredictionTable {
        logits: valid
            .logits
            .iter()
            .map(|l| l / record.scaling_temperature as f32)
            .collect(),
        ..valid.clone()
    };
    assert!(scaled.nll() <= valid.nll() + 1e-6);
    assert_eq!(
        record
            .reliability
            .iter()
            .map(|bin| bin.count)
            .sum::<usize>(),
        300
    );
    assert_eq!(
        (record.reliability.len(), record.calibration.bins),
        (15, 15)
    );

    let gate = &record.gate;
    assert_eq!(
        (gate.kind, gate.granularity),
        (Some(GateKind::PerExample), Some(Granularity::Interface))
    );
    assert_eq!(gate.open_dims, gate.z.iter().filter(|z| **z != 0.0).count());
    assert!((gate.active_fraction - gate.open_dims as f64 / 16.0).abs() < 1e-12);
    assert_eq!((gate.total_dims, gate.open_probability.len()), (16, 16));
    assert!(record.compact.is_some());
    assert_eq!((record.latency_batch, record.epochs), (256, 4));
    assert!(record.latency_us_per_example.unwrap() > 0.0);
    for name in ["l0gm", "candle", "rustc"] {
        assert!(
            record.versions[name].starts_with(|c: char| c.is_ascii_digit()),
            "{name}"
        );
    }
}

#[test]
fn a_dense_run_says_that_nothing_is_gated() {
    let folder = tempfile::tempdir().unwrap();
    let record = run(folder.path(), &model(8, 16, None, 0), None, &[]).unwrap();
    assert!(!folder.path().join("compact").exists());
    assert_eq!(record.gate.kind, None);
    assert_eq!(
        (record.gate.open_dims, record.gate.active_fraction),
        (16, 1.0)
    );
    assert_eq!(record.gate.expected_l0, 16.0);
    assert!(record.compact.is_none() && record.gate.z.is_empty());
}

/// A task that must not be used: it refuses to hand out a batch.
struct Untouchable;

impl Task for Untouchable {
    type Input = candle_core::Tensor;

    fn classes(&self) -> usize {
        2
    }

    fn rows(&self, _: Split) -> usize {
        panic!("a finished run was run again")
    }

    fn batch(
        &self,
        _: Split,
        _: &[u32],
        _: &candle_core::Device,
    ) -> l0gm_train::Result<l0gm_train::Batch<candle_core::Tensor>> {
        panic!("a finished run was run again")
    }
}

#[test]
fn a_finished_run_is_not_run_again_and_another_is_not_mixed_into_it() {
    let folder = tempfile::tempdir().unwrap();
    let gated = model(8, 16, Some(&GateConfig::default()), 0);
    let first = run(folder.path(), &gated, Some(1e-3), &[]).unwrap();
    let again = |seed| {
        let config = config(4, 1e-3);
        run_gated(
            &spec(Some(1e-3), seed, &config),
            DataSummary::default(),
            GatedFit {
                fields: &[],
                sizes: Sizes::default(),
                compact: Box::new(|_| Ok(None)),
                ..GatedFit::new(&Untouchable, &gated, &config)
            },
            &mut context(folder.path(), &mut ()),
        )
    };
    assert_eq!(again(0).unwrap(), first);
    let text = again(1).unwrap_err().to_string();
    assert!(
        text.contains("belongs to the run") && text.contains("another output folder"),
        "{text}"
    );
}

#[test]
fn a_finished_run_of_data_that_changed_since_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let gated = model(8, 16, Some(&GateConfig::default()), 0);
    let config = config(2, 1e-3);
    let with = |sum: &str| {
        run_gated(
            &spec(Some(1e-3), 0, &config),
            DataSummary {
                checksums: [("table.csv".to_owned(), sum.to_owned())].into(),
                ..DataSummary::default()
            },
            GatedFit {
                fields: &[],
                sizes: Sizes::default(),
                compact: Box::new(|_| Ok(None)),
                ..GatedFit::new(&Synthetic::new([256, 100, 100], 8, 3, 1), &gated, &config)
            },
            &mut context(folder.path(), &mut ()),
        )
    };
    let first = with("aa").unwrap();
    assert_eq!(with("aa").unwrap(), first);
    let text = with("bb").unwrap_err().to_string();
    assert!(
        text.contains("the data changed since this run was made: table.csv;")
            && text.contains(&format!("delete {}", folder.path().display())),
        "{text}"
    );
    // Without its record the run would continue from its checkpoint, which must be refused for other data as well.
    std::fs::remove_file(folder.path().join("record.json")).unwrap();
    let text = with("bb").unwrap_err().to_string();
    assert!(
        text.contains("checkpoint.safetensors") && text.contains("data.table.csv"),
        "{text}"
    );
    assert_eq!(with("aa").unwrap().best_epoch, first.best_epoch);
}

#[test]
fn a_gated_interface_of_fields_counts_the_open_dimensions_of_each_field() {
    // The gate sees the interface as four fields of four dimensions; the encoder's own stays flat.
    let interface = Interface::Fields { fields: 4, dim: 4 };
    let mut gated = model(8, 16, Some(&GateConfig::default()), 0);
    let device = candle_core::Device::Cpu;
    gated.gate = Gate::new(
        interface,
        &GateConfig::default(),
        &Schedule::default(),
        &device,
    )
    .unwrap();
    let names: Vec<String> = ["age", "work", "sex", "hours"].map(str::to_owned).into();
    let folder = tempfile::tempdir().unwrap();
    let model = support::with_fields(gated, 4, 4);
    let config = config(2, 1e-2);
    let record = run_gated(
        &spec(Some(1e-2), 0, &config),
        DataSummary::default(),
        GatedFit {
            fields: &names,
            sizes: Sizes::default(),
            compact: Box::new(|_| Ok(None)),
            ..GatedFit::new(&Synthetic::new([256, 100, 100], 8, 3, 1), &model, &config)
        },
        &mut context(folder.path(), &mut ()),
    )
    .unwrap();
    let fields: Vec<&str> = record
        .gate
        .fields
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(fields, names);
    let open: usize = record.gate.fields.iter().map(|(_, open)| open).sum();
    assert_eq!(open, record.gate.open_dims);
}

#[test]
fn a_record_of_another_version_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.json");
    std::fs::write(&path, r#"{"format": 99, "something": "else"}"#).unwrap();
    let text = finished_record(folder.path()).unwrap_err().to_string();
    assert!(
        text.contains("format 99") && text.contains("another output folder"),
        "{text}"
    );
    std::fs::write(&path, "{\"format\": 1").unwrap();
    let text = finished_record(folder.path()).unwrap_err().to_string();
    assert!(
        text.contains("record.json") && text.contains("delete"),
        "{text}"
    );
}

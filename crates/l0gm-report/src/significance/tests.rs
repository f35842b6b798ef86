//! Comparisons made from runs on disk, including the reasons for missing ones.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixtures;
use crate::grouping::studies;
use l0gm_train::{Legend, PredictionTable, write_predictions};

/// Writes 400 examples; a model of quality q gives the true label the logit q.
fn write(out: &OutDir, run: &RunRecord, quality: f32) {
    let labels: Vec<u32> = (0..400u32)
        .map(|i| (i + run.spec.seed as u32) % 2)
        .collect();
    let logits = labels.iter().enumerate().flat_map(|(i, &label)| {
        let toward = if i % 10 == 0 { -0.5 } else { quality };
        if label == 1 {
            [0.0, toward]
        } else {
            [toward, 0.0]
        }
    });
    let table = PredictionTable {
        split: Split::Test,
        rows: (0..400).collect(),
        logits: logits.collect(),
        labels,
        classes: 2,
    };
    let folder = out.run(&run.run_id);
    std::fs::create_dir_all(&folder).unwrap();
    write_predictions(
        &folder.join("predictions.parquet"),
        &[table],
        Legend::default(),
    )
    .unwrap();
}

#[test]
fn a_clear_winner_is_named_and_the_same_folder_gives_the_same_numbers() {
    let temporary = tempfile::tempdir().unwrap();
    let out = OutDir::create(temporary.path()).unwrap();
    let records: Vec<RunRecord> = fixtures::real_records()
        .into_iter()
        .filter(|r| r.spec.dataset == "adult")
        .collect();
    for record in &records {
        write(
            &out,
            record,
            if record.spec.lambda.is_some() {
                3.0
            } else {
                1.0
            },
        );
    }
    let found = compare(&out, &records, &Choices::of(&out, &records));
    assert_eq!(found, compare(&out, &records, &Choices::of(&out, &records)));
    assert!(!found.is_empty());
    for comparison in &found {
        assert_eq!((comparison.rival.as_str(), comparison.seeds), ("dense", 3));
        // Each seed has its own labels, so there are three strata.
        assert_eq!(comparison.examples, 1200);
        // Both models are right on the same nine tenths; ours gives them higher confidence.
        let outcome = |measure| comparison.test(measure).unwrap().outcome();
        assert_eq!(outcome(Measure::Accuracy), Outcome::Same);
        assert_eq!(comparison.test(Measure::Accuracy).unwrap().p, 1.0);
        assert_eq!(outcome(Measure::Nll), Outcome::Better);
        assert!(comparison.test(Measure::Nll).unwrap().difference < 0.0);
    }
    let tests = || found.iter().flat_map(|c| c.tests.iter().flatten());
    assert!(tests().all(|test| test.p_holm >= test.p));
    assert!(tests().any(|test| test.p_holm > test.p));
}

#[test]
fn a_run_without_predictions_is_named_instead_of_left_out() {
    let temporary = tempfile::tempdir().unwrap();
    let out = OutDir::create(temporary.path()).unwrap();
    let records = fixtures::real_records();
    let found = compare(&out, &records, &Choices::of(&out, &records));
    assert!(!found.is_empty());
    for comparison in &found {
        let error = comparison.tests.as_ref().unwrap_err();
        assert!(
            error.contains("predictions.parquet") && error.contains("and record.json there"),
            "{error}"
        );
    }
    let studies = studies(&records);
    let blocks = blocks(&studies[0], &found);
    assert!(blocks.iter().any(|b| matches!(
        b,
        crate::document::Block::List(items) if items[0].starts_with("Not tested: L0GM")
    )));
}

#[test]
fn predictions_cut_off_name_their_file_and_what_to_do() {
    let temporary = tempfile::tempdir().unwrap();
    let out = OutDir::create(temporary.path()).unwrap();
    let run = fixtures::real_records().remove(0);
    write(&out, &run, 1.0);
    assert!(scored(&out, &run, Split::Test).is_ok());
    let path = out.run(&run.run_id).join("predictions.parquet");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = scored(&out, &run, Split::Test).err().unwrap();
    assert!(
        error.contains(&run.run_id) && error.contains("run the same command again"),
        "{error}"
    );
}

#[test]
fn a_family_is_corrected_for_its_own_tests_alone() {
    let of = |family| Comparison {
        study: "s".to_owned(),
        family,
        ours: "a".to_owned(),
        rival: "b".to_owned(),
        seeds: 1,
        examples: 10,
        tests: Ok(vec![Test {
            measure: Measure::Nll,
            difference: -0.1,
            low: -0.2,
            high: 0.0,
            p: 0.03,
            p_holm: 0.03,
        }]),
    };
    let mut all = [Family::Rivals, Family::Designs, Family::Designs].map(of);
    for family in [Family::Rivals, Family::Designs] {
        correct(&mut all, family);
    }
    let holm: Vec<f64> = all
        .iter()
        .map(|c| c.test(Measure::Nll).unwrap().p_holm)
        .collect();
    assert_eq!(holm, [0.03, 0.06, 0.06]);
}

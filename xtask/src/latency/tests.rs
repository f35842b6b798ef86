//! Which runs are timed, what is kept of it, and what the report makes of that.
#![allow(clippy::unwrap_used)]

use super::record::TurnsRecord;
use super::*;
use crate::flags::{Command, Flags};
use crate::report::fixtures;
use clap::Parser;
use l0gm_train::Sizes;

fn flags(arguments: &[&str]) -> LatencyFlags {
    let words = ["xtask", "latency", "out"].iter().chain(arguments);
    match Flags::try_parse_from(words).unwrap().command {
        Command::Latency(flags) => flags,
        other => panic!("{other:?}"),
    }
}

fn times(median_us: f64, spread: f64) -> ModelTimes {
    ModelTimes {
        median_us,
        p95_us: median_us * 1.25,
        passes: 150,
        round_medians_us: vec![median_us; 3],
        spread,
    }
}

/// Made up: none of it was measured.
pub(crate) fn made_up(run_id: &str, spread: f64) -> LatencyRecord {
    let size = |parameters| Sizes {
        parameters,
        flops: 3 * parameters,
        bytes: 4 * parameters,
    };
    let named = |name: &str, median| (name.to_owned(), times(median, spread));
    LatencyRecord {
        format: LatencyRecord::FORMAT,
        run_id: run_id.to_owned(),
        dense_run_id: Some("dense".to_owned()),
        device: "cpu".to_owned(),
        threads: 1,
        turns: TurnsRecord {
            rounds: 15,
            warmup: 3,
            repeats: 50,
            turn_seconds: 0.2,
        },
        sizes: [("dense", 4000), ("gated", 4000), ("compact", 1000)]
            .map(|(name, n)| (name.to_owned(), size(n)))
            .into(),
        compact_logit_difference: Some(9.5e-7),
        rebuilt_logit_difference: 0.0,
        preparation: vec![("reading 48,842 rows".to_owned(), 0.4)],
        notes: vec![],
        before: None,
        batches: vec![BatchTimes {
            batch: 64,
            gathering_us: 2.0,
            models: [
                named("dense", 300.0),
                named("gated", 312.4),
                named("compact", 201.0),
            ]
            .into(),
            before: None,
            compact_to_dense: Some(Ratio {
                ratio: 0.67,
                spread,
            }),
            compact_to_gated: Some(Ratio {
                ratio: 0.644,
                spread,
            }),
            compact_logit_difference: Some(1e-7),
        }],
        versions: BTreeMap::new(),
    }
}

#[test]
fn of_each_gated_point_the_lowest_seed_is_timed_beside_dense_of_that_seed() {
    let records = fixtures::records();
    let pairs = chosen(&records, &flags(&[])).unwrap();
    assert_eq!(pairs.len(), 3 * 5, "three studies of five lambdas");
    for pair in &pairs {
        assert_eq!(
            (pair.run.spec.method.as_str(), pair.run.spec.seed),
            ("l0gm", 0)
        );
        let dense = &pair.dense.unwrap().spec;
        assert_eq!((dense.method.as_str(), dense.seed), ("dense", 0));
        assert_eq!(dense.dataset, pair.run.spec.dataset);
    }
    let some = flags(&[
        "--dataset",
        "adult",
        "--lambda",
        "1e-3,0.01",
        "--seeds",
        "1,2",
    ]);
    let pairs = chosen(&records, &some).unwrap();
    let found: Vec<_> = pairs
        .iter()
        .map(|p| (p.run.spec.lambda.unwrap(), p.run.spec.seed))
        .collect();
    assert_eq!(found, [(1e-3, 1), (1e-3, 2), (1e-2, 1), (1e-2, 2)]);
    assert!(
        pairs
            .iter()
            .all(|p| p.dense.unwrap().spec.seed == p.run.spec.seed)
    );
}

#[test]
fn dense_runs_without_gated_ones_are_timed_alone() {
    let mut records = fixtures::records();
    records.retain(|record| record.spec.method == "dense" && record.spec.dataset == "imdb");
    let pairs = chosen(&records, &flags(&[])).unwrap();
    assert!(pairs.len() == 1 && pairs[0].dense.is_none());
}

#[test]
fn what_cannot_be_timed_is_a_usage_error() {
    let records = fixtures::records();
    for bad in [
        &["--modality", "tabluar"][..],
        &["--lambda", "0.5"],
        &["--seeds", "9"],
    ] {
        let error = chosen(&records, &flags(bad)).err().unwrap();
        assert_eq!(crate::usage::exit_code(&error), 2, "{bad:?}: {error}");
    }
    for bad in [&["--batch", "0,64"][..], &["--rounds", "2"]] {
        let error = protocol(&flags(bad)).err().unwrap();
        assert_eq!(crate::usage::exit_code(&error), 2, "{bad:?}: {error}");
    }
}

#[test]
fn a_modality_without_a_finished_run_is_not_called_unknown() {
    let mut records = fixtures::records();
    records.retain(|record| record.spec.modality == "tabular");
    let error = chosen(&records, &flags(&["--modality", "graph"])).err();
    let error = error.unwrap();
    assert_eq!(crate::usage::exit_code(&error), 2);
    let text = error.to_string();
    assert!(
        text.contains("no finished graph run") && text.contains("tabular"),
        "{text}"
    );
}

#[test]
fn where_no_batch_was_timed_the_earlier_record_stays() {
    let folder = tempfile::tempdir().unwrap();
    let out = OutDir::create(folder.path()).unwrap();
    let earlier = made_up("a", 0.002);
    earlier.write(&out).unwrap();
    let mut none = made_up("a", 0.002);
    none.batches.clear();
    none.notes = vec!["batch 1000000 left out: the test split has fewer rows".to_owned()];
    let error = none.write(&out).unwrap_err().to_string();
    assert!(
        error.contains("1000000") && error.contains("--batch"),
        "{error}"
    );
    assert_eq!(read_all(&out).unwrap(), [earlier]);
}

#[test]
fn what_was_timed_is_read_back_and_another_version_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = OutDir::create(folder.path()).unwrap();
    assert!(read_all(&out).unwrap().is_empty());
    let records = [made_up("a", 0.002), made_up("b", 0.2)];
    for record in records.iter().rev() {
        record.write(&out).unwrap();
    }
    assert_eq!(read_all(&out).unwrap(), records);
    out.write("latency/c.json", br#"{"format": 9}"#).unwrap();
    let error = read_all(&out).unwrap_err().to_string();
    assert!(
        error.contains("c.json") && error.contains("layout 9"),
        "{error}"
    );
}

#[test]
fn a_joined_folder_holds_what_either_timed_and_keeps_its_own() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, into) = (
        OutDir::create(a.path()).unwrap(),
        OutDir::create(b.path()).unwrap(),
    );
    let own = made_up("both", 0.002);
    own.write(&into).unwrap();
    made_up("both", 0.3).write(&from).unwrap();
    made_up("theirs", 0.3).write(&from).unwrap();
    take_over(&from, &into).unwrap();
    assert_eq!(read_all(&into).unwrap(), [own, made_up("theirs", 0.3)]);
}

#[test]
fn a_third_digit_is_noise_where_rounds_differ_by_more_than_a_hundredth() {
    assert!(!made_up("a", 0.009).batches[0].is_noisy());
    assert!(made_up("a", 0.011).batches[0].is_noisy());
    assert!(made_up("a", f64::NAN).batches[0].is_noisy());
}

#[test]
fn a_line_says_what_compact_takes() {
    let quiet = line(&made_up("a", 0.002).batches[0]);
    assert_eq!(
        quiet,
        "batch 64: compact 201 µs, dense 300 µs, gated 312 µs; compact takes 67.0% of dense's time; spread 0.2%"
    );
    let noisy = line(&made_up("a", 0.08).batches[0]);
    assert!(noisy.contains("gated 310 µs"), "{noisy}");
}

//! Which runs are timed, and how the times are reported.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::flags::{Command, Flags};
use clap::Parser;
use l0gm_report::fixtures;

fn flags(arguments: &[&str]) -> LatencyFlags {
    let words = ["xtask", "latency", "out"].iter().chain(arguments);
    match Flags::try_parse_from(words).unwrap().command {
        Command::Latency(flags) => flags,
        other => panic!("{other:?}"),
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
fn a_line_says_what_compact_takes() {
    let quiet = line(&fixtures::timed("a", 0.002).batches[0]);
    assert_eq!(
        quiet,
        "batch 64: compact 201 µs, dense 300 µs, gated 312 µs; compact takes 67.0% of dense's time; spread 0.2%"
    );
    let noisy = line(&fixtures::timed("a", 0.08).batches[0]);
    assert!(noisy.contains("gated 310 µs"), "{noisy}");
}

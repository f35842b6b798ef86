#![allow(clippy::unwrap_used)]
use super::*;
use crate::fixtures;
use crate::grouping::studies;
use crate::significance::Family;

/// The headline on Adult's made-up runs of three seeds, changed by `change`, which is told whether a run is gated.
/// Every test of dense has this p value.
fn headline(p: f64, change: impl Fn(&mut RunRecord, bool)) -> String {
    let mut records = fixtures::real_records();
    records.retain(|r| r.spec.dataset == "adult");
    for run in &mut records {
        let gated = run.spec.lambda.is_some();
        change(run, gated);
    }
    let studies = studies(&records);
    let adult = &studies[0];
    let test = |measure| Test {
        measure,
        difference: 0.0,
        low: 0.0,
        high: 0.0,
        p,
        p_holm: p,
    };
    let comparisons = [Comparison {
        study: adult.slug(),
        family: Family::Rivals,
        ours: adult.pick().unwrap().label(),
        rival: "dense".to_owned(),
        seeds: 3,
        examples: 9769,
        tests: Ok([Measure::Accuracy, Measure::Nll, Measure::Brier]
            .map(test)
            .to_vec()),
    }];
    sentence(adult, &comparisons).unwrap()
}

fn part<'t>(text: &'t str, name: &str) -> &'t str {
    let parts = text.split(';');
    let mut parts = parts.filter(|part| part.contains(name));
    parts.next().unwrap_or_else(|| panic!("{name}: {text}"))
}

/// Sets every measure of a run so that the gated ones are better by `gain`, give or take `wobble` by the seed.
fn shifted(gain: f64, wobble: f64) -> impl Fn(&mut RunRecord, bool) {
    move |run, gated| {
        let by = match gated {
            true => gain + wobble * (run.spec.seed as f64 - 1.0),
            false => 0.0,
        };
        run.test.accuracy = 0.8 + by;
        run.calibration.nll = 0.3 - by;
        run.calibration.brier = 0.2 - by;
        run.calibration.ece = 0.03;
        run.calibration_scaled.ece = 0.02 - by;
    }
}

#[test]
fn a_difference_is_named_where_seeds_and_rows_both_allow_it() {
    // Three seeds with a deviation of .001: the interval over seeds reaches 4.3 x .001 / 1.73 = .0025 to either side.
    let text = headline(0.001, shifted(0.006, 0.001));
    assert!(text.contains("on 3 seeds"), "{text}");
    assert!(
        part(&text, "accuracy").ends_with("0.6 points better"),
        "{text}"
    );
    for name in ["NLL", "Brier", "ECE"] {
        assert!(part(&text, name).contains("0.0060 better"), "{text}");
    }
    let text = headline(0.001, shifted(-0.006, 0.001));
    for name in ["accuracy", "NLL", "Brier", "ECE"] {
        assert!(part(&text, name).contains(" worse"), "{text}");
    }
}

#[test]
fn a_difference_within_the_luck_of_the_rows_is_not_named() {
    let text = headline(0.2, shifted(0.003, 0.0001));
    for name in ["accuracy", "NLL", "Brier", "ECE"] {
        // An ECE counts from .0044 on in the fixtures.
        assert!(part(&text, name).contains("no difference shown"), "{text}");
    }
}

#[test]
fn a_difference_within_the_spread_of_the_seeds_is_not_named() {
    let text = headline(0.001, shifted(0.006, 0.004));
    for name in ["accuracy", "NLL", "Brier", "ECE"] {
        let said = "no difference beyond the spread of the seeds";
        assert!(part(&text, name).contains(said), "{text}");
    }
    // On average .0036 better, and .0099 on one seed: the spread of the seeds explains it.
    let text = headline(0.001, |run, gated| {
        let of_seed = if run.spec.seed == 0 { 0.0051 } else { 0.0145 };
        run.calibration_scaled.ece = if gated { of_seed } else { 0.0150 };
        run.calibration.ece = 0.02;
    });
    assert!(!part(&text, "ECE").contains("better"), "{text}");
}

#[test]
fn one_seed_claims_nothing() {
    let mut records = fixtures::real_records();
    records.retain(|r| r.spec.dataset == "adult" && r.spec.seed == 0);
    for run in &mut records {
        let gated = run.spec.lambda.is_some();
        shifted(0.01, 0.0)(run, gated);
    }
    let studies = studies(&records);
    let text = sentence(&studies[0], &[]).unwrap();
    assert!(text.contains("on one seed"), "{text}");
    assert!(!text.contains("better"), "{text}");
    assert!(part(&text, "NLL").ends_with("not tested"), "{text}");
    assert!(
        part(&text, "ECE").contains("more than the luck of the test rows"),
        "{text}"
    );
}

#[test]
fn students_percentiles_are_those_of_the_tables() {
    for (degrees, value) in [(1, 12.706), (2, 4.303), (10, 2.228), (20, 2.086), (60, 2.0)] {
        assert!(
            (student(degrees) - value).abs() < 0.01,
            "{degrees}: {}",
            student(degrees)
        );
    }
    assert_eq!(beyond_spread(&[0.1]), None);
    assert_eq!(beyond_spread(&[0.10, 0.11]), Some(true));
    assert_eq!(beyond_spread(&[0.0, 0.1]), Some(false));
}

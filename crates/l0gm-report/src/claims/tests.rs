//! Every verdict of every claim, from made-up runs; and a check that docs/claims.md agrees with the code.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::context::ReportContext;
use crate::fixtures;
use crate::grouping::studies;
use crate::out::CommandRecord;
use crate::significance::{Family, Measure, Test};
use l0gm_train::{MethodInfo, Role, RunRecord};
use serde_json::{Value, json};

fn claim(id: &str) -> &'static Claim {
    CLAIMS.iter().find(|c| c.id == id).unwrap()
}

/// The verdict on the Adult dataset.
fn on_adult(id: &str, records: &[RunRecord], comparisons: &[Comparison]) -> Finding {
    let studies = studies(records);
    let judged = super::judge(
        claim(id),
        &studies,
        comparisons,
        &[],
        &Paper::load().unwrap(),
    );
    let at = studies.iter().position(|s| s.dataset == "adult").unwrap();
    judged.findings[at].clone()
}

/// Copies of Adult's runs at one lambda with other settings and shifted accuracy and ECE.
fn ablation(
    records: &[RunRecord],
    lambda: f64,
    settings: &Value,
    accuracy: f64,
    ece: f64,
) -> Vec<RunRecord> {
    let mut runs = fixtures::variant(records, "adult", lambda, settings);
    for run in &mut runs {
        run.test.accuracy += accuracy;
        run.calibration.ece += ece;
    }
    runs
}

/// Changes Adult's records at one lambda (`None` means dense).
fn change(records: &mut [RunRecord], lambda: Option<f64>, f: impl Fn(&mut RunRecord)) {
    let runs = records.iter_mut();
    for run in runs.filter(|r| r.spec.dataset == "adult" && r.spec.lambda == lambda) {
        f(run);
    }
}

#[test]
fn f1_holds_in_part_or_not_as_the_active_fraction_falls() {
    let verdict = |change_to: &[(f64, f64)], only: Option<f64>| {
        let mut records = fixtures::real_records();
        for &(lambda, active) in change_to {
            change(&mut records, Some(lambda), |r| {
                r.gate.active_fraction = active
            });
        }
        records.retain(|r| only.is_none() || r.spec.lambda == only || r.spec.lambda.is_none());
        on_adult("F1", &records, &[])
    };
    assert_eq!(verdict(&[], None).verdict, Verdict::Holds);
    // The active fraction rises once in between.
    assert_eq!(verdict(&[(1e-3, 0.9)], None).verdict, Verdict::InPart);
    assert_eq!(verdict(&[(1e-2, 0.99)], None).verdict, Verdict::DoesNotHold);
    let untested = verdict(&[], Some(1e-3));
    assert_eq!(untested.verdict, Verdict::Untested);
    assert_eq!(
        untested.missing,
        [Missing::Flags("--method l0gm".to_owned())]
    );
}

#[test]
fn f3_counts_the_moderate_points_that_beat_dense_by_more_than_noise() {
    // The fixtures' noise floor has mean .0067 and 95th percentile .0098, so differences count from .0044.
    let verdict = |eces: &[(f64, f64)]| {
        let mut records = fixtures::real_records();
        change(&mut records, None, |r| r.calibration.ece = 0.02);
        for (lambda, active) in [(3e-4, 0.45), (1e-3, 0.3), (3e-3, 0.15)] {
            change(&mut records, Some(lambda), |r| {
                (r.gate.active_fraction, r.calibration.ece) = (active, 0.018);
            });
        }
        for &(lambda, ece) in eces {
            change(&mut records, Some(lambda), |r| r.calibration.ece = ece);
        }
        on_adult("F3", &records, &[]).verdict
    };
    assert_eq!(verdict(&[(1e-3, 0.01), (3e-3, 0.01)]), Verdict::Holds);
    assert_eq!(verdict(&[(1e-3, 0.01)]), Verdict::InPart);
    // All are better, but only within the noise.
    assert_eq!(verdict(&[]), Verdict::DoesNotHold);
    // A perfectly calibrated gate has an ECE of .0067, so it would count as better than dense from .0111 on.
    for (dense, tested) in [(0.0110, false), (0.0112, true)] {
        let mut records = fixtures::real_records();
        change(&mut records, None, |r| r.calibration.ece = dense);
        let finding = on_adult("F3", &records, &[]);
        let within = finding.evidence.contains("is within the noise");
        assert_eq!(within, !tested, "{}", finding.evidence);
        assert_eq!(finding.verdict == Verdict::Untested, within);
    }
    let mut records = fixtures::real_records();
    records.retain(|r| r.spec.lambda.is_some());
    let untested = on_adult("F3", &records, &[]);
    assert_eq!(untested.verdict, Verdict::Untested);
    assert_eq!(
        untested.missing,
        [Missing::Flags("--method dense".to_owned())]
    );
}

/// Claims F2, G and I ask the same of pairs: accuracy (of the worst seed) and ECE.
#[test]
fn designs_are_judged_by_accuracy_and_ece_of_pairs() {
    for (id, settings) in [
        ("F2", json!({"train": {"schedule": {"kind": "none"}}})),
        ("G", json!({"gate": {"granularity": "fine"}})),
        ("I", json!({"gate": {"kind": "static"}})),
    ] {
        let finding = |accuracy: f64, ece: f64| {
            let mut records = fixtures::real_records();
            records.extend(ablation(&records, 1e-3, &settings, accuracy, ece));
            on_adult(id, &records, &[])
        };
        // The standard error on 9,769 rows is .0034; a difference of ECEs counts from .0044.
        assert_eq!(finding(-0.02, 0.02).verdict, Verdict::Holds, "{id}");
        assert_eq!(finding(-0.02, 0.001).verdict, Verdict::InPart, "{id}");
        assert_eq!(finding(0.001, 0.02).verdict, Verdict::InPart, "{id}");
        assert_eq!(finding(0.0, 0.0).verdict, Verdict::DoesNotHold, "{id}");
        assert_eq!(finding(0.02, 0.02).verdict, Verdict::DoesNotHold, "{id}");
        let untested = on_adult(id, &fixtures::real_records(), &[]);
        assert_eq!(untested.verdict, Verdict::Untested, "{id}");
        let Missing::Flags(flags) = &untested.missing[0] else {
            panic!("{id}: no flags");
        };
        assert!(flags.contains("--ablation "), "{id}: {flags}");
    }
}

#[test]
fn annealing_cannot_be_judged_on_one_seed() {
    let mut records = fixtures::real_records();
    let settings = json!({"train": {"schedule": {"kind": "none"}}});
    records.extend(ablation(&records, 1e-3, &settings, -0.02, 0.02));
    records.retain(|r| r.spec.seed == 0);
    let finding = on_adult("F2", &records, &[]);
    assert_eq!(finding.verdict, Verdict::Untested);
    assert!(matches!(&finding.missing[0], Missing::Flags(f) if f.contains("--seeds 0,1,2")));
}

#[test]
fn a_suggestion_asks_for_the_runs_that_a_claim_needs() {
    let flags = |id: &str, records: &[RunRecord]| match &on_adult(id, records, &[]).missing[0] {
        Missing::Flags(flags) => flags.clone(),
        other => panic!("{other:?}"),
    };
    let mut records = fixtures::real_records();
    // Three seeds are there, so the command takes those; on one seed F2 needs others.
    assert!(!flags("F2", &records).contains("--seeds"));
    records.retain(|r| r.spec.seed == 0);
    let f2 = "--method l0gm --ablation no-annealing --seeds 0,1,2";
    assert_eq!(flags("F2", &records), f2);
    // A sweep of other λ: the ablation is run at those.
    records.retain(|r| [None, Some(1e-4), Some(1e-2)].contains(&r.spec.lambda));
    assert_eq!(
        flags("I", &records),
        "--method l0gm --ablation static --lambda 1e-4,1e-2 --seeds 0,1,2"
    );
    // Without annealing fewer are open than at any λ of the sweep, so smaller λ are asked for.
    let mut records = fixtures::real_records();
    let settings = json!({"train": {"schedule": {"kind": "none"}}});
    let mut sparser = ablation(&records, 1e-3, &settings, 0.0, 0.0);
    for run in &mut sparser {
        run.gate.active_fraction = 0.01;
    }
    records.extend(sparser);
    assert_eq!(
        flags("F2", &records),
        "--method l0gm --ablation no-annealing --lambda 1e-4,3.3e-4"
    );
    let mut records = fixtures::real_records();
    records.retain(|r| r.spec.seed == 0);
    records.retain(|r| [None, Some(1e-4), Some(1e-2)].contains(&r.spec.lambda));
    // Of these two, one is above and one below the moderate range; λ between them are asked for.
    assert_eq!(
        flags("F3", &records),
        "--method l0gm --lambda 3.2e-4,1e-3,3.2e-3"
    );
}

/// F2 and G compare at the same active fraction, not at the same lambda.
#[test]
fn designs_that_close_gates_further_are_held_against_the_sweep_where_it_is_as_sparse() {
    for (id, settings) in [
        ("F2", json!({"train": {"schedule": {"kind": "none"}}})),
        ("G", json!({"gate": {"granularity": "fine"}})),
    ] {
        // The sweep falls from .90 at 40% active to .80 at 10%; at their geometric mean, 20%, it gives .85.
        let finding = |active: f64, accuracy: f64, seeds: u64| {
            let mut records = fixtures::real_records();
            records.retain(|r| r.spec.lambda != Some(3e-3));
            for (lambda, active, accuracy) in [(1e-3, 0.4, 0.9), (1e-2, 0.1, 0.8)] {
                change(&mut records, Some(lambda), |r| {
                    (r.gate.active_fraction, r.test.accuracy) = (active, accuracy);
                });
            }
            let mut runs = ablation(&records, 1e-3, &settings, 0.0, 0.0);
            runs.retain(|r| r.spec.seed < seeds);
            for run in &mut runs {
                (run.gate.active_fraction, run.test.accuracy) = (active, accuracy);
            }
            records.extend(runs);
            on_adult(id, &records, &[])
        };
        // Compared at the same lambda (.90), all of these would lose.
        let equal = finding(0.2, 0.85, 3);
        assert_eq!(equal.verdict, Verdict::DoesNotHold, "{}", equal.evidence);
        let said = ["changes Worst by 0.0000", "accuracy differs by 0.0000"];
        let said = said.iter().any(|said| equal.evidence.contains(said));
        assert!(said, "{}", equal.evidence);
        assert_eq!(finding(0.2, 0.84, 3).verdict, Verdict::InPart, "{id}");
        assert_eq!(finding(0.2, 0.86, 3).verdict, Verdict::DoesNotHold, "{id}");
        // Just outside the sweep, its end is used; farther out, there is no comparison.
        assert_eq!(finding(0.085, 0.79, 3).verdict, Verdict::InPart, "{id}");
        assert_eq!(finding(0.07, 0.79, 3).verdict, Verdict::Untested, "{id}");
        // With no gate open, there is no active fraction to compare at.
        assert_eq!(finding(0.0, 0.79, 3).verdict, Verdict::Untested, "{id}");
        // The seeds differ from the sweep's.
        assert_eq!(finding(0.2, 0.84, 2).verdict, Verdict::Untested, "{id}");
    }
}

#[test]
fn a_design_with_another_recipe_is_not_held_against_the_sweep() {
    for (id, settings) in [
        (
            "F2",
            json!({"train": {"schedule": {"kind": "none"}, "epochs": 3}}),
        ),
        (
            "G",
            json!({"gate": {"granularity": "fine"}, "train": {"epochs": 3}}),
        ),
    ] {
        let mut records = fixtures::real_records();
        records.extend(ablation(&records, 1e-3, &settings, -0.02, 0.02));
        let finding = on_adult(id, &records, &[]);
        assert_eq!(finding.verdict, Verdict::Untested, "{id}");
    }
}

#[test]
fn an_ece_within_the_noise_cannot_be_beaten_by_luck() {
    // Perfect calibration gives .0067 and differences count from .0044, so .0105 cannot be beaten even by a measured
    // .0055.
    let fixed = json!({"gate": {"kind": "static"}});
    let verdict = |others: f64| {
        let mut records = fixtures::real_records();
        records.extend(ablation(&records, 1e-3, &fixed, -0.02, 0.0));
        for run in records.iter_mut().filter(|r| r.spec.dataset == "adult") {
            let is_static = run.spec.settings["gate"]["kind"] == "static";
            run.calibration.ece = if is_static { others } else { others - 0.005 };
        }
        on_adult("I", &records, &[]).verdict
    };
    assert_eq!(verdict(0.0105), Verdict::InPart);
    assert_eq!(verdict(0.0125), Verdict::Holds);
}

#[test]
fn points_of_other_seeds_are_no_pair() {
    let mut records = fixtures::real_records();
    let fixed = json!({"gate": {"kind": "static"}});
    let mut runs = ablation(&records, 1e-3, &fixed, -0.02, 0.02);
    runs.retain(|r| r.spec.seed == 0);
    records.extend(runs);
    assert_eq!(on_adult("I", &records, &[]).verdict, Verdict::Untested);
    records.retain(|r| r.spec.seed == 0);
    assert_eq!(on_adult("I", &records, &[]).verdict, Verdict::Holds);
}

#[test]
fn coupling_must_help_below_a_tenth_and_leave_the_rest_alone() {
    let term = json!({"train": {"objective": {"coupling": {"kind": "mmce", "weight": 0.3}}}});
    let of = |without: f64, aggressive: Option<f64>, moderate: Option<f64>| {
        let mut records = fixtures::real_records();
        // Lambda 1e-2 has 5% active, 1e-3 has 40%.
        change(&mut records, Some(1e-2), |r| r.calibration.ece = without);
        for (lambda, ece) in [(1e-2, aggressive), (1e-3, moderate)] {
            if let Some(ece) = ece {
                records.extend(ablation(&records, lambda, &term, 0.0, ece));
            }
        }
        on_adult("C", &records, &[])
    };
    let finding = |aggressive, moderate| of(0.016, aggressive, moderate);
    assert_eq!(finding(Some(-0.008), Some(0.0)).verdict, Verdict::Holds);
    assert_eq!(finding(Some(-0.008), Some(-0.008)).verdict, Verdict::InPart);
    assert_eq!(finding(Some(0.0), Some(0.0)).verdict, Verdict::DoesNotHold);
    assert_eq!(finding(Some(0.02), Some(0.0)).verdict, Verdict::DoesNotHold);
    // Perfect calibration gives .0067 and differences count from .0044, so nothing below .0111 can be improved on.
    let calibrated = of(0.0110, Some(-0.008), Some(0.0));
    assert_eq!(calibrated.verdict, Verdict::Untested);
    assert!(
        calibrated.evidence.contains("within the noise"),
        "{}",
        calibrated.evidence
    );
    let half = finding(Some(-0.008), None);
    assert_eq!(half.verdict, Verdict::Untested);
    assert!(
        half.evidence.contains("10% active or more"),
        "{}",
        half.evidence
    );
    // Only λ 1e-2 was run, which is aggressive; the moderate ones have smaller λ.
    let smaller = "--method l0gm --ablation soft-ece --lambda 1e-3,3e-3";
    assert_eq!(half.missing, [Missing::Flags(smaller.to_owned())]);
}

/// A made-up test of Adult's best point against a rival, with this outcome.
fn tested(records: &[RunRecord], rival: &str, difference: f64, p: f64) -> Comparison {
    let studies = studies(records);
    let adult = studies.iter().find(|s| s.dataset == "adult").unwrap();
    Comparison {
        family: Family::Rivals,
        study: adult.slug(),
        ours: crate::arms::best(adult).unwrap().label(),
        rival: rival.to_owned(),
        seeds: 3,
        examples: 9769,
        tests: Ok(vec![Test {
            measure: Measure::Accuracy,
            difference,
            low: difference - 0.002,
            high: difference + 0.002,
            p,
            p_holm: p,
        }]),
    }
}

/// Adult with a run of each of the paper's rivals.
fn with_all_rivals() -> Vec<RunRecord> {
    let mut records = fixtures::real_records();
    for (method, row) in [
        ("xgboost", "XGBoost"),
        ("lightgbm", "LightGBM"),
        ("catboost", "CatBoost"),
    ] {
        let dense = records
            .iter()
            .filter(|r| r.spec.dataset == "adult" && r.spec.method == "dense");
        let mut runs: Vec<RunRecord> = dense.cloned().collect();
        for run in &mut runs {
            run.spec.method = method.to_owned();
            run.method = MethodInfo {
                name: method.into(),
                label: method.into(),
                role: Role::Rival,
                rival_of: Some(row.into()),
                ..run.method.clone()
            };
            run.run_id = run.spec.id();
        }
        records.extend(runs);
    }
    records
}

#[test]
fn q1_and_q2_need_every_rival_no_loss_and_a_faster_model() {
    let records = with_all_rivals();
    let all = |difference: f64, p: f64| -> Vec<Comparison> {
        ["dense", "xgboost", "lightgbm", "catboost"]
            .iter()
            .map(|rival| tested(&records, rival, difference, p))
            .collect()
    };
    let verdict =
        |id: &str, comparisons: &[Comparison]| on_adult(id, &records, comparisons).verdict;
    // Lower accuracy that may be chance; higher accuracy; significantly lower accuracy.
    assert_eq!(verdict("Q1", &all(-0.001, 0.4)), Verdict::Holds);
    assert_eq!(verdict("Q1", &all(0.01, 0.001)), Verdict::Holds);
    assert_eq!(verdict("Q1", &all(-0.01, 0.001)), Verdict::DoesNotHold);
    assert_eq!(verdict("Q1", &[]), Verdict::Untested);
    assert_eq!(verdict("Q2", &all(0.01, 0.001)), Verdict::Holds);
    assert_eq!(verdict("Q2", &all(-0.01, 0.001)), Verdict::InPart);
    assert_eq!(verdict("Q2", &[]), Verdict::Untested);
    let mut slow = records.clone();
    for run in &mut slow {
        if let Some(compact) = &mut run.compact {
            compact.latency_us_per_example = Some(3.1);
        }
    }
    assert_eq!(
        on_adult("Q2", &slow, &all(0.01, 0.001)).verdict,
        Verdict::DoesNotHold
    );
    // Timed by turns it is a third faster, whatever times the runs themselves recorded.
    let studies = studies(&slow);
    let adult = studies.iter().find(|s| s.dataset == "adult").unwrap();
    let best = crate::arms::best(adult).unwrap();
    let turns = crate::fixtures::timed(&best.first().run_id, 0.002);
    let evidence = Evidence {
        study: adult,
        comparisons: &all(0.01, 0.001),
        latencies: &[turns],
        paper: &Paper::load().unwrap(),
    };
    let timed = (claim("Q2").judge)(&evidence);
    assert_eq!(timed.verdict, Verdict::Holds);
    let said = "By turns the compact model takes 67.0% of dense's time at batch 64 (cpu, 1 threads, one seed timed)";
    assert!(timed.evidence.starts_with(said), "{}", timed.evidence);
    let mut miscalibrated = records.clone();
    for run in &mut miscalibrated {
        if run.spec.lambda.is_some() {
            run.calibration.ece += 0.05;
        }
    }
    assert_eq!(
        on_adult("Q1", &miscalibrated, &all(0.01, 0.001)).verdict,
        Verdict::DoesNotHold
    );
    // With dense alone, the finding names the missing rivals.
    let few = fixtures::real_records();
    let finding = on_adult("Q1", &few, &[tested(&few, "dense", 0.001, 0.4)]);
    assert_eq!(finding.verdict, Verdict::InPart);
    assert_eq!(
        finding.missing,
        [Missing::Rivals(
            ["XGBoost", "LightGBM", "CatBoost"]
                .map(str::to_owned)
                .to_vec()
        )]
    );
}

#[test]
fn twins_never_count_and_all_three_modalities_must_hold() {
    use Verdict::{DoesNotHold, Holds, InPart, Untested};
    let all = |a, b, c| overall(&[("tabular", a), ("text", b), ("graph", c)]);
    assert_eq!(all(Holds, Holds, Holds), Holds);
    assert_eq!(all(Holds, Holds, Untested), InPart);
    assert_eq!(all(Holds, DoesNotHold, Holds), InPart);
    assert_eq!(all(DoesNotHold, DoesNotHold, DoesNotHold), DoesNotHold);
    assert_eq!(all(DoesNotHold, Untested, DoesNotHold), DoesNotHold);
    assert_eq!(all(Untested, Untested, Untested), Untested);
    assert_eq!(overall(&[("tabular", Holds)]), InPart);
    assert_eq!(overall(&[]), Untested);

    let verdict = |records: &[RunRecord]| {
        let studies = studies(records);
        super::judge(claim("F1"), &studies, &[], &[], &Paper::load().unwrap()).verdict
    };
    assert_eq!(verdict(&fixtures::real_records()), Holds);
    // Only Adult is real data: text and graph are twins.
    assert_eq!(verdict(&fixtures::records()), InPart);
    let mut twins = fixtures::records();
    twins.retain(|r| r.spec.twin);
    assert_eq!(verdict(&twins), Untested);
}

#[test]
fn the_section_names_each_claim_its_rule_and_the_commands_that_are_missing() {
    let records = fixtures::records();
    let studies = studies(&records);
    let context = ReportContext {
        program: "cargo xtask".to_owned(),
        command: CommandRecord {
            profile: "quick".to_owned(),
            ..CommandRecord::default()
        },
        ..ReportContext::default()
    };
    let section = section(&studies, &context, &Paper::load().unwrap());
    let text = format!("{:?}", section.blocks);
    for claim in &CLAIMS {
        assert!(
            text.contains(claim.rule) && text.contains(claim.says),
            "{}",
            claim.id
        );
    }
    assert!(text.contains("--profile quick --modality tabular --dataset adult --method l0gm"));
    assert!(text.contains("No real data of modality graph"));
    assert!(text.contains("cannot be tested here"));
}

#[test]
fn the_page_on_claims_quotes_every_claim_and_its_rule() {
    let page = include_str!("../../../../docs/claims.md");
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for claim in &CLAIMS {
        for quote in [claim.name, claim.place, claim.says, claim.rule] {
            assert!(page.contains(quote), "docs/claims.md lacks: {quote}");
        }
    }
    assert!(page.contains(OVERALL), "docs/claims.md lacks: {OVERALL}");
}

//! The arithmetic of the table, on made-up records.
#![allow(clippy::unwrap_used)]

use super::carried::Carried;
use super::demands::{DEMANDS, Verdict};
use super::figures::Figures;
use super::members::{Kind, Member, Size, members};
use super::suite::{Block, LAMBDA, LeftOut};
use super::table::Table;
use l0gm::modalities;
use l0gm_report::fixtures;
use l0gm_train::{MethodInfo, Role, RunRecord, Selection, Warning, WarningKind};

/// A made-up record of a table with this method, seed and NLL.
fn record(method: &MethodInfo, seed: u64, nll: f64) -> RunRecord {
    let all = fixtures::records();
    let like = |record: &&RunRecord| record.method.gated == method.gated && record.spec.seed == 0;
    let mut record = all.iter().find(like).unwrap().clone();
    record.method = method.clone();
    record.spec.method = method.name.to_string();
    record.spec.seed = seed;
    record.spec.lambda = None;
    record.calibration.nll = nll;
    record.selection = (!record.history.is_empty()).then_some(Selection {
        chosen: nll,
        best_seen: nll,
        best_seen_epoch: 3,
        start: None,
        by: l0gm_train::SelectBy::Loss,
    });
    record
}

fn baseline(name: &'static str) -> MethodInfo {
    MethodInfo {
        name: name.into(),
        label: name.into(),
        role: Role::Baseline,
        ..MethodInfo::dense("a test")
    }
}

fn dense() -> MethodInfo {
    MethodInfo::dense("a test")
}

fn l0gm() -> MethodInfo {
    MethodInfo::l0gm("a test")
}

/// A block with one seed: logistic regression, the majority class, boosting, dense and L0GM with these NLLs.
fn block_of(nll: [f64; 5]) -> Vec<RunRecord> {
    let methods = [
        baseline("logistic"),
        baseline("majority"),
        baseline("forust"),
        dense(),
        l0gm(),
    ];
    let records = methods.iter().zip(nll);
    records
        .map(|(method, nll)| record(method, 0, nll))
        .collect()
}

/// A run of L0GM that was given the suite's lambda and leaves this share open.
fn by_lambda(active: f64) -> RunRecord {
    let mut record = record(&l0gm(), 0, 0.3);
    record.spec.lambda = Some(LAMBDA);
    record.gate.active_fraction = active;
    record
}

fn verdicts(records: &[RunRecord]) -> Vec<Option<Verdict>> {
    let figures = Figures::of(records).unwrap();
    let judged = DEMANDS.iter();
    judged
        .map(|demand| demand.of(&figures, Kind::Table))
        .collect()
}

fn member(name: &str) -> Member {
    members().into_iter().find(|m| m.name == name).unwrap()
}

#[test]
fn a_row_has_means_over_seeds_and_the_worst_gap() {
    let mut records: Vec<RunRecord> = [0.30, 0.32, 0.34]
        .iter()
        .enumerate()
        .map(|(seed, nll)| record(&l0gm(), seed as u64, *nll))
        .collect();
    records[1].selection = Some(Selection {
        chosen: 0.33,
        best_seen: 0.30,
        best_seen_epoch: 2,
        start: None,
        by: l0gm_train::SelectBy::Loss,
    });
    records[2].gate.expected_l0 = 0.5 * records[2].gate.total_dims as f64;
    records[2].gate.active_fraction = 0.47;
    records[0].warnings = vec![Warning {
        kind: WarningKind::LossRises,
        text: "a test".to_owned(),
    }];
    let figures = Figures::of(&records).unwrap();
    let row = &figures.rows[0];
    assert!((row.nll.mean - 0.32).abs() < 1e-12);
    assert!((row.nll.std.unwrap() - 0.02).abs() < 1e-12);
    assert!((row.gap.unwrap() - 0.1).abs() < 1e-12);
    assert!(row.apart.unwrap() >= 0.03 - 1e-12);
    assert_eq!((row.seeds, row.warnings, row.rank), (3, 1, Some(1)));
    assert!(Figures::of(&[]).is_none());
}

#[test]
fn ranks_go_by_nll_among_methods_with_the_same_seeds() {
    let (logistic, majority) = (baseline("logistic"), baseline("majority"));
    let records = [
        record(&logistic, 0, 0.30),
        record(&logistic, 1, 0.40),
        record(&majority, 0, 0.50),
        record(&majority, 1, 0.60),
        record(&dense(), 0, 0.10),
        record(&l0gm(), 0, 0.34),
        record(&l0gm(), 1, 0.34),
    ];
    let figures = Figures::of(&records).unwrap();
    let ranks: Vec<Option<usize>> = figures.rows.iter().map(|row| row.rank).collect();
    // The backbone lacks a seed, so its mean is of other rows.
    assert_eq!(ranks, [Some(2), Some(3), None, Some(1)]);
    let judged = verdicts(&records);
    assert_eq!(judged[0], None, "a mean over other seeds is not judged");
    assert!(judged[3].as_ref().unwrap().holds);
}

#[test]
fn equal_losses_share_a_rank() {
    let figures = Figures::of(&block_of([0.3, 0.5, 0.2, 0.3, 0.3])).unwrap();
    let ranks: Vec<usize> = figures.rows.iter().filter_map(|row| row.rank).collect();
    assert_eq!(ranks, [2, 5, 1, 2, 2]);
}

#[test]
fn only_models_with_an_interface_have_an_active_fraction() {
    let figures = Figures::of(&block_of([0.3, 0.5, 0.2, 0.3, 0.3])).unwrap();
    let active: Vec<bool> = figures
        .rows
        .iter()
        .map(|row| row.active.is_some())
        .collect();
    assert_eq!(active, [false, false, false, true, true]);
}

#[test]
fn each_demand_compares_what_it_says() {
    // Dense is better than logistic regression, 1% behind boosting, and L0GM is half a percent behind dense.
    let mut records = block_of([0.30, 0.60, 0.2772, 0.28, 0.2814]);
    let gate = &mut records[4].gate;
    gate.expected_l0 = gate.active_fraction * gate.total_dims as f64;
    records.push(by_lambda(0.17));
    let shown: Vec<String> = verdicts(&records)
        .into_iter()
        .map(|verdict| {
            let verdict = verdict.unwrap();
            assert!(verdict.holds, "{verdict:?}");
            verdict.shown
        })
        .collect();
    assert_eq!(
        shown,
        ["0.933", "1.010", "1.005", "0.938", "0.0%", "0.0", "17.0%"]
    );
}

#[test]
fn each_demand_can_be_missed() {
    // Boosting is far ahead, but it is no simple baseline.
    let mut records = block_of([0.30, 0.60, 0.20, 0.31, 0.32]);
    records[3].selection = Some(Selection {
        chosen: 0.31,
        best_seen: 0.30,
        best_seen_epoch: 2,
        start: None,
        by: l0gm_train::SelectBy::Loss,
    });
    let gate = &mut records[4].gate;
    gate.expected_l0 = (gate.active_fraction + 0.021) * gate.total_dims as f64;
    records.push(by_lambda(0.25));
    let verdicts = verdicts(&records);
    assert!(
        verdicts
            .iter()
            .all(|verdict| !verdict.as_ref().unwrap().holds)
    );
    let shown: Vec<&str> = verdicts
        .iter()
        .flatten()
        .map(|verdict| verdict.shown.as_str())
        .collect();
    assert_eq!(
        shown,
        ["1.033", "1.550", "1.032", "1.067", "3.3%", "2.1", "25.0%"]
    );
}

#[test]
fn a_demand_without_its_runs_is_not_judged() {
    let mut records = block_of([0.30, 0.60, 0.28, 0.28, 0.28]);
    records.remove(2);
    assert_eq!(verdicts(&records)[1], None);
    let figures = Figures::of(&records).unwrap();
    assert_eq!(DEMANDS[1].of(&figures, Kind::Graph), None);
    records.truncate(2);
    assert!(verdicts(&records).iter().all(Option::is_none));
}

#[test]
fn the_methods_that_the_demands_name_exist() {
    for (kind, name) in [
        (Kind::Table, "logistic"),
        (Kind::Table, "forust"),
        (Kind::Texts, "tfidf"),
        (Kind::Graph, "logistic"),
    ] {
        let all = modalities::methods();
        let (_, infos) = all.iter().find(|(m, _)| *m == kind.modality()).unwrap();
        let info = infos.iter().find(|info| info.name == name).unwrap();
        assert_eq!(info.role, Role::Baseline);
    }
}

#[test]
fn the_page_shows_every_block_and_says_what_is_missing() {
    let block = Block {
        member: member("bank"),
        size: Size::Rows(2000),
        runs: 0..5,
    };
    let unfinished = Block {
        member: member("telescope"),
        size: Size::All,
        runs: 5..10,
    };
    let left_out = [LeftOut {
        member: member("movielens"),
        why: "its data are not at hand".to_owned(),
        details: String::new(),
    }];
    let records = block_of([0.30, 0.60, 0.20, 0.31, 0.32]);
    let table = Table {
        blocks: vec![(&block, Figures::of(&records)), (&unfinished, None)],
        carried: Vec::new(),
        left_out: &left_out,
        seeds: &[0],
        runs: [10, 5],
        failed: vec!["tabular-telescope-dense-s0-0123456789".to_owned()],
    };
    let page = table.markdown();
    for said in [
        "5 of 10 runs are finished",
        "- `tabular-telescope-dense-s0-0123456789`",
        "- movielens (movielens-100k/ratings.csv): its data are not at hand",
        "- **A** holds in 0 of 1 blocks; not in bank, 2,000 (1.033).",
        "### bank, 35,166 training rows (3,907 validate, 9,769 test)",
        "Without the column `duration`",
        "### telescope, all\n\nNo run is finished.",
        "| tabular  | forust   |      1.00 |      1 |",
    ] {
        assert!(page.contains(said), "{said}\n{page}");
    }
    for line in page.lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
    let csv = String::from_utf8(table.csv().unwrap()).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 6);
    assert!(lines[0].starts_with("member,modality,size,train_rows"));
    assert!(lines[1].starts_with("bank,tabular,2000,35166,3907,9769,logistic,baseline,1,0.3,"));
}

#[test]
fn a_page_of_three_seeds_stays_within_its_width() {
    let block = Block {
        member: member("amazon-computers-low-label"),
        size: Size::All,
        runs: 0..6,
    };
    let two_hop = baseline("two-hop");
    let records = [
        record(&two_hop, 0, 0.25),
        record(&two_hop, 1, 0.35),
        record(&dense(), 0, 1.25),
        record(&dense(), 1, 1.35),
        record(&dense(), 2, 1.36),
    ];
    let table = Table {
        blocks: vec![(&block, Figures::of(&records))],
        carried: Vec::new(),
        left_out: &[],
        seeds: &[0, 1, 2],
        runs: [6, 5],
        failed: Vec::new(),
    };
    let page = table.markdown();
    assert!(
        page.contains("| two-hop (2/3) | 0.3000 ± 0.0707 |"),
        "{page}"
    );
    for line in page.lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
}

#[test]
fn a_block_that_is_carried_over_has_the_figures_of_the_earlier_table_and_is_named() {
    let block = Block {
        member: member("bank"),
        size: Size::Rows(2000),
        runs: 0..6,
    };
    let mut records = block_of([0.30, 0.60, 0.20, 0.31, 0.32]);
    records.push(by_lambda(0.25));
    let page = |figures: Figures, carried: Vec<String>| {
        let table = Table {
            blocks: vec![(&block, Some(figures))],
            carried,
            left_out: &[],
            seeds: &[0],
            runs: [6, 6],
            failed: Vec::new(),
        };
        (table.markdown(), table.csv().unwrap())
    };
    let (first, rows) = page(Figures::of(&records).unwrap(), Vec::new());
    let earlier = Carried::of_csv(&rows).unwrap();
    let figures = earlier.of(&block).unwrap().clone();
    let (again, same_rows) = page(figures, vec![block.name()]);
    assert_eq!(String::from_utf8(same_rows), String::from_utf8(rows));
    let words: Vec<&str> = again.split_whitespace().collect();
    let named = "not at hand (they were made with the defaults of that time): bank, 2,000.";
    assert!(words.join(" ").contains(named), "{again}");
    let without_head = |page: &str| page[page.find("## The demands").unwrap()..].to_owned();
    assert_eq!(without_head(&again), without_head(&first));
    let other = Block {
        size: Size::All,
        ..block.clone()
    };
    assert!(earlier.of(&other).is_none());
}

#[test]
fn an_earlier_table_without_later_columns_is_read_and_a_damaged_one_is_named() {
    let header = "member,modality,size,train_rows,valid_rows,test_rows,method,role,seeds,nll,nll_std,auc,ece,ece_noise,\
                  accuracy,active_fraction,train_seconds,rank,warnings,selection_gap,fractions_apart\n";
    let row = "bank,tabular,2000,2000,3,4,l0gm,subject,3,0.3,,,0.1,0.1,0.9,0.15,1,2,0,,0\n";
    let block = Block {
        member: member("bank"),
        size: Size::Rows(2000),
        runs: 0..0,
    };
    let read = |text: String| Carried::of_csv(text.as_bytes());
    let earlier = read(format!("{header}{row}")).unwrap();
    let figures = earlier.of(&block).unwrap();
    assert_eq!((figures.rows[0].rank, figures.by_lambda), (Some(2), None));
    for (wrong, said) in [("0.3", "nll is \"x\""), ("l0gm", "no method x")] {
        let error = read(format!("{header}{}", row.replace(wrong, "x"))).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("line 2") && text.contains(said), "{text}");
    }
}

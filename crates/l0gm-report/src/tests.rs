//! The report of made-up records holds what it must, marks every twin and loads nothing.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::grouping::studies;
use crate::out::CommandRecord;
use crate::table::Cell;
use std::collections::BTreeMap;
use std::path::Path;

fn context() -> ReportContext {
    ReportContext {
        program: "cargo xtask".to_owned(),
        command: CommandRecord {
            command: "cargo xtask reproduce --out out/test".to_owned(),
            profile: "quick".to_owned(),
            planned: vec![],
        },
        failures: BTreeMap::from([("text-imdb-dense-s1".to_owned(), "disk <full>".to_owned())]),
        unfinished: vec!["graph-x".to_owned()],
        disagreements: BTreeMap::from([(
            "text-imdb-dense-s2".to_owned(),
            "node2 has test.accuracy 0.5, here 0.6".to_owned(),
        )]),
        rivals: Default::default(),
        choices: Default::default(),
        comparisons: vec![],
        latencies: vec![],
        peers: vec![],
    }
}

fn render(records: &[RunRecord]) -> (document::Document, String, String) {
    let document = content::document(records, &context(), &paper::Paper::load().unwrap());
    let html = html::page(&document).unwrap();
    let markdown = markdown::text(&document);
    (document, html, markdown)
}

#[test]
fn html_and_markdown_hold_what_the_report_must_say() {
    let (document, html, markdown) = render(&fixtures::records());
    for text in [&html, &markdown] {
        for needed in [
            "At a glance",
            "ECE (15 bins)",
            "latency (cpu, 2 threads, batch 512)",
            "The paper's tables, one by one",
            "ours amazon-computers TWIN",
            "No real data of modality text",
            "F2: annealing is the key to stability",
            "Where the paper is silent or at odds with itself",
            "linear branch reads raw inputs (eq. 20)",
            "Reduced: 18 of 40 epochs",
            "candle 0.11.1",
            "cargo xtask reproduce --out out/test",
            "text-imdb-dense-s1",
            "graph-x",
            "node2 has test.accuracy 0.5",
            "--data-dir DIR",
            "worst",
            "noise",
        ] {
            assert!(text.contains(needed), "missing: {needed}");
        }
    }
    assert!(html.contains("name=\"viewport\""));
    assert!(
        html.contains("disk &lt;full&gt;"),
        "text from outside is escaped"
    );
    let figures = document.figures().count();
    assert_eq!(html.matches("<svg role").count(), figures);
    // Every claim's evidence is folded away in both.
    for text in [&html, &markdown] {
        let claims = text.matches("<summary>F2: annealing is the key to stability: ");
        assert_eq!(claims.count(), 1);
    }
    assert_eq!(markdown.matches("](figures/").count(), figures);
}

#[test]
fn every_report_starts_with_the_frontiers_before_anything_else() {
    let (document, ..) = render(&fixtures::records());
    let document::Block::Figures(first) = &document.sections[0].blocks[0] else {
        panic!("{:?}", document.sections[0].blocks[0]);
    };
    let ids: Vec<&str> = first.iter().map(|figure| figure.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "frontier-tabular-adult",
            "frontier-text-imdb-twin",
            "frontier-graph-amazon-computers-twin"
        ]
    );
    assert_eq!(document.sections[1].id, "missing");
}

#[test]
fn the_frontier_has_bars_of_the_seeds_for_accuracy_and_ece() {
    let (document, ..) = render(&fixtures::records());
    let points = |id: &str| {
        let figure = document.figures().find(|figure| figure.id == id).unwrap();
        match &figure.plot {
            figures::Plot::Frontier(plot) => plot.points.clone(),
            other => panic!("{other:?}"),
        }
    };
    for point in points("frontier-tabular-adult") {
        assert!(point.accuracy_std.is_some() && point.ece_std.is_some());
        assert!(point.ece_scaled_std.is_some());
    }
    for point in points("frontier-text-imdb-twin") {
        assert!(point.accuracy_std.is_none() && point.ece_std.is_none());
    }
}

#[test]
fn the_page_loads_nothing() {
    let (_, html, _) = render(&fixtures::records());
    for loading in [
        "src=", "@import", "url(", "<link", "<script", "<iframe", "<img", "<object",
    ] {
        assert!(!html.contains(loading), "{loading}");
    }
    // The namespace of SVG is a name, not an address that a browser loads.
    let rest = html.replace("http://www.w3.org/2000/svg", "");
    assert!(!rest.contains("http://") && !rest.contains("https://"));
}

#[test]
fn twins_are_called_twins_everywhere() {
    let (document, html, _) = render(&fixtures::records());
    assert!(document.title.contains("TWINS"));
    assert!(html.contains("<title>L0GM on real data and TWINS"));
    let of_twin = |id: &str| id.contains("-twin");
    let tables: Vec<_> = document.tables().filter(|t| of_twin(&t.id)).collect();
    let figures: Vec<_> = document.figures().filter(|f| of_twin(&f.id)).collect();
    assert!(tables.len() >= 8 && figures.len() >= 12);
    for table in tables {
        assert!(table.title.contains("TWIN"), "{}", table.title);
    }
    for figure in figures {
        assert!(figure.caption.contains("TWIN"), "{}", figure.caption);
        assert!(
            figure.svg().unwrap().contains("TWIN"),
            "the picture itself says so"
        );
    }
    let glance = document.tables().find(|t| t.id == "glance").unwrap();
    let twin_rows = glance.rows.iter().filter(|r| r[0].shown().contains("TWIN"));
    assert_eq!(twin_rows.count(), 4);
    assert!(glance.title.contains("TWIN"));
    for section in document.sections.iter().filter(|s| of_twin(&s.id)) {
        assert!(section.heading.contains("TWIN"), "{}", section.heading);
    }
}

#[test]
fn real_data_alone_is_never_called_a_twin() {
    let (document, html, markdown) = render(&fixtures::real_records());
    assert!(!document.title.contains("TWIN"));
    assert!(!html.contains("TWIN") && !markdown.contains("TWIN"));
}

#[test]
fn no_number_is_shown_with_more_digits_than_it_deserves() {
    let (_, html, markdown) = render(&fixtures::records());
    let text = strip_pictures(&html);
    for text in [text.as_str(), markdown.as_str()] {
        for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.')) {
            if let Some((whole, digits)) = word.split_once('.') {
                let number = whole.chars().all(|c| c.is_ascii_digit())
                    && digits.chars().all(|c| c.is_ascii_digit());
                // "arXiv:2603.26801" is a name, not an address that a browser loads.
                assert!(
                    !number || digits.len() <= 4 || word == "2603.26801",
                    "{word}"
                );
            }
        }
    }
}

/// Removes pictures, because the test is about numbers that people read, not coordinates.
fn strip_pictures(html: &str) -> String {
    html.split("<svg ")
        .map(|part| part.split_once("</svg>").map_or(part, |(_, rest)| rest))
        .collect()
}

#[test]
fn seeds_are_averaged_and_other_settings_kept_apart() {
    let mut records = fixtures::records();
    let changed = records
        .iter()
        .position(|r| r.spec.lambda == Some(1e-3))
        .unwrap();
    let mut other = records[changed].clone();
    other.spec.settings["train"]["epochs"] = 3.into();
    other.run_id = other.spec.id();
    records.push(other);
    let studies = studies(&records);
    let adult = &studies[0];
    let at: Vec<_> = adult.gated().filter(|p| p.lambda == Some(1e-3)).collect();
    assert_eq!(at.iter().map(|p| p.runs.len()).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(at[0].variant, "epochs 18");
    assert_eq!(at[1].label(), "L0GM, λ 1e-3 (epochs 3)");
    let dense = adult.dense().unwrap();
    let estimate = dense.over(|r| r.test.accuracy);
    let values: Vec<f64> = dense.runs.iter().map(|r| r.test.accuracy).collect();
    assert!((estimate.mean - values.iter().sum::<f64>() / 3.0).abs() < 1e-12);
    assert!(estimate.std.unwrap() > 0.0 && values.contains(&estimate.min));
}

#[test]
fn another_split_is_never_averaged_as_if_it_were_another_seed() {
    let mut records = fixtures::real_records();
    for record in &mut records {
        // Every modality writes lambda again in its settings, and a seed for the split.
        record.spec.settings["train"]["objective"] =
            serde_json::json!({"lambda": record.spec.lambda.unwrap_or(0.0)});
        record.spec.settings["split"] = serde_json::json!({"seed": 0});
    }
    let points = |records: &[RunRecord]| studies(records)[0].points.len();
    assert_eq!(points(&records), 6);
    let mut other = records[0].clone();
    other.spec.settings["split"]["seed"] = 1.into();
    other.run_id = other.spec.id();
    records.push(other);
    assert_eq!(points(&records), 7);
}

#[test]
fn gated_runs_are_held_against_dense_with_their_own_settings_or_against_none() {
    let mut records = fixtures::real_records();
    // Adds a second recipe with a dense point and one lambda, whose variant sorts before the first recipe's. Also
    // adds a gated run of a third recipe that has no dense point.
    for (lambda, epochs, accuracy) in [
        (None, 10, 0.7),
        (Some(1e-3), 10, 0.69),
        (Some(1e-3), 11, 0.68),
    ] {
        let mut other = records
            .iter()
            .find(|r| r.spec.lambda == lambda && r.spec.seed == 0)
            .unwrap()
            .clone();
        other.spec.settings["train"]["epochs"] = epochs.into();
        // Settings of the gate must not separate a gated run from its dense one.
        if lambda.is_some() {
            other.spec.settings["gate"]["inference"] = "median".into();
        }
        (other.test.accuracy, other.valid.accuracy) = (accuracy, accuracy);
        other.run_id = other.spec.id();
        records.push(other);
    }
    let studies = studies(&records);
    let adult = &studies[0];
    assert!(
        adult.points[0].first().test.accuracy < 0.71,
        "the weaker dense comes first"
    );
    let table = tables::quality(adult);
    let column = |id: &str| table.columns.iter().position(|c| c.key == id).unwrap();
    let (method, against) = (column("method"), column("accuracy_against_dense"));
    let of = |variant: &str| {
        let row = table
            .rows
            .iter()
            .find(|r| r[method].shown().starts_with("L0GM") && r[method].shown().contains(variant));
        row.unwrap()[against].shown()
    };
    assert!(of("epochs 10").contains("0.0100"), "{}", of("epochs 10"));
    assert_eq!(of("epochs 11"), Cell::Empty.shown());
    let near = adult.gated().find(|p| p.variant.is_empty()).unwrap();
    let dense = adult.dense_beside(near).unwrap();
    assert_eq!(dense.runs.len(), 3);
    // The pick must not be a point that merely beats the weakest dense point.
    assert_eq!(adult.dense().unwrap().runs.len(), 3);
    assert_eq!(
        adult
            .dense_beside_all(&adult.gated().collect::<Vec<_>>())
            .map(|p| p.label()),
        None
    );
}

#[test]
fn the_pick_is_made_on_validation_alone() {
    let mut records = fixtures::real_records();
    // Spoil the test accuracy of all points but not their validation losses: the pick must not move.
    let before = studies(&records)[0].pick().unwrap().lambda;
    for record in &mut records {
        record.test.accuracy = 0.1;
    }
    assert_eq!(studies(&records)[0].pick().unwrap().lambda, before);
    // Spoil the validation losses of the pick: now it must move.
    for record in &mut records {
        if record.spec.lambda == before {
            record
                .history
                .iter_mut()
                .for_each(|epoch| epoch.valid_loss = 9.0);
        }
    }
    assert_ne!(studies(&records)[0].pick().unwrap().lambda, before);
}

/// Writes a whole output folder. Set `L0GM_SHOW_REPORT=DIR` to keep it.
#[test]
fn an_output_folder_is_written_whole_and_again() {
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("L0GM_SHOW_REPORT");
    let folder = kept.as_deref().map_or(temporary.path(), Path::new);
    let out = OutDir::create(folder).unwrap();
    let records = fixtures::records();
    for record in &records {
        let bytes = serde_json::to_vec(record).unwrap();
        out.write(&format!("runs/{}/record.json", record.run_id), &bytes)
            .unwrap();
    }
    out.write_command(&context().command).unwrap();
    out.write_failures(&context().failures).unwrap();
    out.write("figures/of-an-older-report.png", b"x").unwrap();
    let read_back = out.records().unwrap();
    aggregate::write_summary(&out, &read_back).unwrap();
    let written = write(&out, &read_back, "cargo xtask", &Rivals::default()).unwrap();
    publish::publish(&written, &temporary.path().join("published")).unwrap();
    let document = content::document(&records, &context(), &paper::Paper::load().unwrap());
    assert!(!folder.join("figures/of-an-older-report.png").exists());
    let published = temporary.path().join("published");
    assert!(published.join("report.md").exists());
    assert!(published.join("tables/claims.csv").exists());
    let svg = |entry: std::io::Result<std::fs::DirEntry>| {
        entry
            .unwrap()
            .path()
            .extension()
            .is_some_and(|kind| kind == "svg")
    };
    assert!(published.join("figures").read_dir().unwrap().all(svg));
    for name in [
        "report.html",
        "report.md",
        "summary.json",
        "summary.csv",
        "summary.parquet",
    ] {
        assert!(folder.join(name).metadata().unwrap().len() > 100, "{name}");
    }
    for table in document.tables() {
        for ending in ["csv", "parquet"] {
            assert!(
                folder
                    .join(format!("tables/{}.{ending}", table.id))
                    .exists()
            );
        }
    }
    for figure in document.figures() {
        let png = std::fs::read(folder.join(format!("figures/{}.png", figure.id))).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() > 2000);
        assert!(folder.join(format!("figures/{}.svg", figure.id)).exists());
    }
    assert_eq!(
        file_count(&folder.join("figures")),
        2 * document.figures().count()
    );
}

fn file_count(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_picture_that_cannot_be_put_in_its_place_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("frontier.png");
    std::fs::create_dir(&in_the_way).unwrap();
    let (document, ..) = render(&fixtures::records());
    let figure = document.figures().next().unwrap();
    figure.write_png(&in_the_way).unwrap_err();
    assert_eq!(file_count(folder.path()), 1);
}

#[test]
fn ids_of_tables_and_figures_are_unique() {
    let (document, ..) = render(&fixtures::records());
    let mut ids: Vec<_> = document.tables().map(|t| &t.id).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
    let mut ids: Vec<_> = document.figures().map(|f| &f.id).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn runs_with_a_target_are_gated_points_of_their_own_named_by_what_was_asked_for() {
    let mut records = fixtures::real_records();
    let a_run = records
        .iter()
        .find(|r| r.spec.lambda == Some(1e-3))
        .unwrap()
        .clone();
    for target in [0.1, 0.25] {
        for seed in [0, 1] {
            let mut aimed = a_run.clone();
            aimed.spec.lambda = None;
            aimed.spec.seed = seed;
            aimed.spec.settings["train"]["target"] = target.into();
            aimed.run_id = aimed.spec.id();
            records.push(aimed);
        }
    }
    for record in &mut records {
        // Every modality writes its settings in this form.
        let train = &mut record.spec.settings["train"];
        if train.get("target").is_none() {
            train["target"] = serde_json::Value::Null;
        }
    }
    let studies = studies(&records);
    let adult = &studies[0];
    let aimed: Vec<_> = adult.gated().filter(|p| p.lambda.is_none()).collect();
    let labels: Vec<String> = aimed.iter().map(|p| p.label()).collect();
    assert_eq!(labels, ["L0GM (target 10.0%)", "L0GM (target 25.0%)"]);
    assert_eq!(aimed[0].sparsity_in_words(), "target 10.0%");
    // The lambda points keep their names, and all are compared with the same dense point.
    let plain = adult.gated().filter(|p| p.variant.is_empty()).count();
    assert_eq!(plain, adult.gated().count() - 2);
    assert!(
        aimed
            .iter()
            .all(|p| p.runs.len() == 2 && adult.dense_beside(p).is_some())
    );
    let (document, ..) = render(&records);
    let mut ids: Vec<_> = document.tables().map(|t| &t.id).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn the_report_on_data_of_ones_own_starts_with_the_frontier_and_leaves_the_paper_out() {
    let mut records = fixtures::real_records();
    records.retain(|r| r.spec.dataset == "adult");
    for record in &mut records {
        record.spec.dataset = "/home/me/churn.csv".to_owned();
        // What was asked for, in the order of the lambdas.
        let target = record.spec.lambda.take().map(|lambda| 1e-4 / lambda);
        record.spec.settings["train"]["target"] = serde_json::to_value(target).unwrap();
        record.run_id = record.spec.id();
    }
    let (document, html, markdown) = render(&records);
    assert_eq!(
        document.title,
        "churn.csv: how small a calibrated model can be"
    );
    assert!(
        document.lead[0].starts_with("On churn.csv, target "),
        "{:?}",
        document.lead
    );
    let of_study = document
        .sections
        .iter()
        .find(|s| s.id == "tabular-churn-csv")
        .unwrap();
    let document::Block::Figures(first) = &of_study.blocks[0] else {
        panic!("{:?}", of_study.blocks[0]);
    };
    assert_eq!(first[0].id, "frontier-tabular-churn-csv");
    for id in [
        "gate-map-tabular-churn-csv",
        "gates-tabular-churn-csv",
        "learning-tabular-churn-csv",
    ] {
        assert!(document.figures().any(|figure| figure.id == id), "{id}");
    }
    let fields = document
        .tables()
        .find(|t| t.id == "fields-tabular-churn-csv")
        .unwrap();
    assert!(fields.columns.iter().any(|column| column.header == "10.0%"));
    for text in [&html, &markdown] {
        for foreign in ["paper", "claim", "arXiv", "Adult"] {
            assert!(!text.contains(foreign), "{foreign}");
        }
    }
}

#[test]
fn what_was_timed_by_turns_is_said_with_by_how_much_compact_falls() {
    let records = fixtures::records();
    let run = records
        .iter()
        .find(|r| r.spec.dataset == "adult" && r.spec.lambda == Some(1e-3))
        .unwrap();
    let with = |spread| {
        let context = ReportContext {
            latencies: vec![crate::fixtures::timed(&run.run_id, spread)],
            peers: vec![crate::fixtures::peers(&run.run_id)],
            ..context()
        };
        let document = content::document(&records, &context, &paper::Paper::load().unwrap());
        assert!(document.figures().any(|f| f.id == "latency-tabular-adult"));
        markdown::text(&document)
    };
    let quiet = with(0.002);
    assert!(
        quiet.contains("### Latency: dense, gated and compact by turns"),
        "{quiet}"
    );
    assert!(
        quiet.contains("against dense, parameters −75.0%, bytes −75.0%, time −33.0% at batch 64"),
        "{quiet}"
    );
    assert!(
        quiet.contains("| 312 µs | 390 µs |") || quiet.contains("| 312 µs | 391 µs |"),
        "{quiet}"
    );
    assert!(!quiet.contains("too noisy"), "{quiet}");
    let noisy = with(0.02);
    assert!(
        noisy.contains("too noisy for the third digit at 1 of 1 batches"),
        "{noisy}"
    );
    assert!(noisy.contains("| 310 µs | 390 µs |"), "{noisy}");
    assert!(
        quiet.contains("### Latency beside other projects' programs"),
        "{quiet}"
    );
    assert!(
        quiet.contains("| ours against the fastest peer | 0.50x |")
            && quiet.contains("Not timed: catboost: is not installed"),
        "{quiet}"
    );
    // Without a latency record the report must not mention the timing.
    assert!(!render(&records).2.contains("compact by turns"));
}

#[test]
fn other_designs_are_named_by_what_they_change_and_never_stand_for_the_study() {
    let mut records = fixtures::real_records();
    let plain = records.clone();
    for settings in [
        serde_json::json!({"gate": {"granularity": "fine"}}),
        serde_json::json!({"gate": {"kind": "conditional"}}),
        serde_json::json!({"train": {"schedule": {"kind": "none"}}}),
        serde_json::json!({"train": {"objective": {"coupling": {"kind": "mmce", "weight": 0.3}}}}),
    ] {
        // Far sparser than any point of the default design.
        let mut others = fixtures::variant(&plain, "adult", 1e-3, &settings);
        for record in &mut others {
            record.gate.active_fraction = 0.001;
        }
        records.extend(others);
    }
    let studies = studies(&records);
    let adult = &studies[0];
    let mut labels: Vec<String> = adult.designs().iter().map(|p| p.label()).collect();
    labels.sort();
    assert_eq!(
        labels,
        [
            "L0GM, λ 1e-3 (conditional gate)",
            "L0GM, λ 1e-3 (fine gates)",
            "L0GM, λ 1e-3 (mmce 0.3)",
            "L0GM, λ 1e-3 (no annealing)",
        ]
    );
    let mut main = adult.gated();
    assert!(main.all(|p| p.variant.is_empty() && p.active() > 0.01));
    assert!(adult.pick().unwrap().active() > 0.01);
    let (document, ..) = render(&records);
    let table = document
        .tables()
        .find(|t| t.id.starts_with("designs-"))
        .unwrap();
    assert_eq!(table.rows.len(), 4);
}

#[test]
fn the_first_column_of_every_table_of_points_tells_its_rows_apart() {
    let mut records = fixtures::real_records();
    let plain = records.clone();
    for kind in ["soft-ece", "mmce"] {
        for weight in [0.1, 0.3, 1.0] {
            for lambda in [1e-3, 3e-3] {
                let term = serde_json::json!({"kind": kind, "weight": weight});
                let settings = serde_json::json!({"train": {"objective": {"coupling": term}}});
                records.extend(fixtures::variant(&plain, "adult", lambda, &settings));
            }
        }
    }
    let schedule = serde_json::json!({"train": {"schedule": {"kind": "none"}}});
    for lambda in [1e-3, 3e-3] {
        records.extend(fixtures::variant(&plain, "adult", lambda, &schedule));
    }
    let (document, ..) = render(&records);
    let mut seen = 0;
    for table in document.tables() {
        let of_points = [
            "glance",
            "designs-",
            "quality-",
            "calibration-",
            "size-and-speed-",
            "robustness-",
            "conditions-",
            "paper-table-8",
        ];
        if !of_points.iter().any(|id| table.id.starts_with(id)) {
            continue;
        }
        seen += 1;
        let mut names: Vec<&str> = table.rows.iter().map(|row| row[0].shown()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{}", table.id);
        assert!(table.columns[0].text);
        assert_eq!(table.columns[0].audience, table::Audience::People);
    }
    assert!(seen >= 18, "{seen}");
    let designs = document
        .tables()
        .find(|t| t.id == "designs-tabular-adult")
        .unwrap();
    assert_eq!(designs.rows.len(), 14);
}

#[test]
fn the_lead_calls_a_difference_noise_by_the_rule_of_the_claims() {
    // Differences of √2 (.0098 - .0067) = .0044 or more count, given the fixtures' noise floors.
    for (ece, said) in [
        (0.0143, "against 0.0100: no difference shown"),
        (0.0150, "0.0050 worse"),
        (0.0050, "0.0050 better"),
    ] {
        let mut records = fixtures::records();
        records.retain(|r| r.spec.dataset == "adult");
        for run in &mut records {
            let gated = run.spec.lambda.is_some();
            run.calibration_scaled.ece = if gated { ece } else { 0.01 };
        }
        let (_, _, text) = render(&records);
        let line = text.lines().find(|line| line.starts_with("On adult"));
        assert!(line.unwrap().contains(said), "{ece}: {line:?}");
    }
}

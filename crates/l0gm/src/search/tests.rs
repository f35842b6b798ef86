//! Which points a search tries, how they are compared, and what the file of chosen settings says.
#![allow(clippy::unwrap_used)]

use super::space::{Space, Trial, get};
use super::*;
use crate::flags::{Command, Flags};
use clap::Parser;
use l0gm_data::{DataOptions, FetchPolicy};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn modality(name: &str) -> Box<dyn Modality> {
    let twins = DataOptions {
        fetch: FetchPolicy::LocalOnly,
        allow_twin: true,
        force_twin: true,
        ..DataOptions::default()
    };
    let all = crate::modalities::looking(&twins).unwrap();
    all.into_iter().find(|m| m.name() == name).unwrap()
}

fn space(name: &str, held: &Value) -> Space {
    Space::new(modality(name).as_ref(), held).unwrap()
}

fn flags(arguments: &[&str]) -> SearchFlags {
    let words = ["xtask", "search"].iter().chain(arguments);
    match Flags::try_parse_from(words).unwrap().command {
        Command::Search(flags) => *flags,
        other => panic!("{other:?}"),
    }
}

fn origin<'a>(command: &'a str, flags: &'a SearchFlags) -> file::Origin<'a> {
    file::Origin {
        program: "cargo xtask",
        command,
        flags,
    }
}

#[test]
fn trials_begin_with_the_defaults_and_never_repeat_a_backbone() {
    let space = space("tabular", &json!({}));
    for way in [Way::Random, Way::Grid] {
        let trials = space.trials(Trial::default(), way, 40, 3).unwrap();
        assert_eq!((trials.len(), &trials[0]), (40, &Trial::default()));
        let backbones: BTreeSet<String> =
            trials.iter().map(|t| format!("{:?}", t.backbone)).collect();
        assert_eq!(backbones.len(), 40);
        assert_eq!(
            space.trials(Trial::default(), way, 40, 3).unwrap(),
            trials,
            "the same seed, the same trials"
        );
        assert_ne!(space.trials(Trial::default(), way, 40, 4).unwrap(), trials);
        for trial in &trials[1..] {
            let table = trial.settings(true);
            let number = |key| get(&table, key).unwrap().as_f64().unwrap();
            assert!([1e-4, 3e-4, 1e-3].contains(&number("train.optimiser.learning-rate")));
            assert!([0.0, 1e-6, 1e-5, 1e-4].contains(&number("train.optimiser.weight-decay")));
            assert!([0.0, 0.05, 0.1, 0.15].contains(&number("model.dropout")));
            assert!([64.0, 128.0, 256.0, 512.0].contains(&number("train.batch-size")));
            assert!((0.05..=0.2).contains(&number("train.schedule.warmup")));
            assert!((0.5..=2.0).contains(&number("train.schedule.end-temperature")));
            assert_eq!(
                trial.settings(false).get("train").unwrap().get("schedule"),
                None
            );
        }
    }
}

#[test]
fn a_grid_with_the_whole_budget_is_the_whole_product() {
    let space = space("tabular", &json!({}));
    let points = 3 * 4 * 4 * 4;
    assert_eq!(
        space
            .trials(Trial::default(), Way::Grid, points + 1, 0)
            .unwrap()
            .len(),
        points + 1
    );
    for bad in [0, points + 2] {
        let error = space
            .trials(Trial::default(), Way::Grid, bad, 0)
            .unwrap_err();
        assert_eq!(crate::usage::exit_code(&error), 2, "{error}");
    }
}

#[test]
fn what_is_set_or_has_no_effect_is_not_searched() {
    let keys = |space: &Space| -> Vec<String> {
        let axes = space.backbone.iter().chain(&space.gate);
        axes.map(|axis| axis.key.clone()).collect()
    };
    let graph = keys(&space("graph", &json!({})));
    assert!(graph.contains(&"gcn.dropout".to_owned()), "{graph:?}");
    assert!(
        !graph.contains(&"train.batch-size".to_owned()),
        "full batch: {graph:?}"
    );
    let held = json!({"train": {"batch-size": 128, "schedule": {"warmup": 0.1}}});
    let text = keys(&space("text", &held));
    assert_eq!(
        text,
        [
            "train.optimiser.learning-rate",
            "train.optimiser.weight-decay",
            "dropout",
            "train.schedule.end-temperature"
        ]
    );
}

#[test]
fn every_method_gets_the_same_budget_and_the_same_backbones() {
    let modalities = [modality("tabular")];
    let flags = flags(&["--trials", "5", "--seeds", "0,1"]);
    let cells = checked(&flags).unwrap();
    let mut studies = Vec::new();
    let choice = Choice::new(&cells, &Runner::new("cargo xtask")).unwrap();
    let none = Overrides::default();
    let plan = plan(
        &flags,
        &modalities,
        &choice,
        Profile::Quick,
        &none,
        &mut studies,
    )
    .unwrap();
    assert_eq!(plan.runs.len(), 2 * 5 * 2);
    let of = |method: &str, trial: usize| -> Vec<&RunSpec> {
        let runs = studies[0].runs.iter().filter(|r| r.trial == trial);
        runs.map(|r| &r.spec)
            .filter(|s| s.method == method)
            .collect()
    };
    for trial in 0..5 {
        let (dense, gated) = (of("dense", trial), of("l0gm", trial));
        assert_eq!((dense.len(), gated.len()), (2, 2));
        assert!(
            gated
                .iter()
                .all(|spec| spec.lambda.is_none() && spec.settings["train"]["target"] == 0.15)
        );
        for axis in &studies[0].space.backbone {
            let value = |spec: &RunSpec| get(&spec.settings, &axis.key).cloned();
            assert_eq!(value(dense[0]), value(gated[1]), "{}", axis.key);
        }
    }
}

#[test]
fn what_a_search_cannot_do_is_a_usage_error() {
    for bad in [
        &["--lambda", "1e-3,1e-2"][..],
        &["--target", "10%,20%"],
        &["--target", "10%", "--lambda", "1e-3"],
        &["--ablation", "static"],
    ] {
        let error = checked(&flags(bad)).unwrap_err();
        assert_eq!(crate::usage::exit_code(&error), 2, "{bad:?}: {error}");
    }
}

/// A study whose records hold these losses for dense and l0gm, and nothing about the test split.
fn searched(out: &OutDir, losses_of: &[[Option<f64>; 2]]) -> Study {
    let flags = flags(&["--trials", &losses_of.len().to_string()]);
    let modalities = [modality("tabular")];
    let mut studies = Vec::new();
    let choice = Choice::new(&checked(&flags).unwrap(), &Runner::new("cargo xtask")).unwrap();
    let none = Overrides::default();
    plan(
        &flags,
        &modalities,
        &choice,
        Profile::Quick,
        &none,
        &mut studies,
    )
    .unwrap();
    let study = studies.remove(0);
    for run in &study.runs {
        let method = usize::from(run.spec.method == "l0gm");
        let Some(loss) = losses_of[run.trial][method] else {
            continue;
        };
        let epoch = |epoch: usize, valid_loss: f64| {
            json!({"epoch": epoch, "train_loss": 0.1, "valid_loss": valid_loss, "valid_accuracy": 0.9,
                "active_fraction": 0.25 + 0.01 * run.trial as f64, "expected_l0": 1.0, "temperature": 1.0, "lambda": 0.0, "seconds": 1.0})
        };
        // A lower loss at an epoch that was not selected must not count.
        let record = json!({"history": [epoch(1, 0.01), epoch(2, loss)], "best_epoch": 2});
        let name = format!("runs/{}/record.json", run.spec.id());
        out.write(&name, record.to_string().as_bytes()).unwrap();
    }
    study
}

#[test]
fn the_choice_is_by_validation_loss_alone_and_its_file_is_read_by_reproduce() {
    let folder = tempfile::tempdir().unwrap();
    let out = OutDir::create(folder.path()).unwrap();
    // Dense is best in trial 1, l0gm in trial 2, and both together in trial 3; trial 4 failed for one of them.
    let study = searched(
        &out,
        &[
            [Some(0.30), Some(0.32)],
            [Some(0.26), Some(0.40)],
            [Some(0.36), Some(0.27)],
            [Some(0.28), Some(0.29)],
            [Some(0.10), None],
        ],
    );
    let runs: Vec<&TrialRun> = study.runs.iter().collect();
    let by_method = losses(&runs, None, &out).unwrap();
    assert_eq!(best(&joint(&by_method)), Some(3));
    assert_eq!(
        (best(&by_method["dense"]), best(&by_method["l0gm"])),
        (Some(4), Some(2))
    );
    let flags = flags(&["--trials", "5"]);
    let chosen = [(&study, by_method)];
    let files = file::write(
        &out,
        &chosen,
        &origin("cargo xtask search --trials 5", &flags),
    )
    .unwrap();
    assert_eq!(files.len(), 3);
    let text = std::fs::read_to_string(out.path().join("chosen.toml")).unwrap();
    for expected in [
        "# Command: cargo xtask search --trials 5\n",
        "5 trials for each method",
        "mean of all methods: chosen 0.28500, the defaults 0.31000",
        "active: chosen 28.0%, the defaults 25.0% (15.0% asked;",
        "dense: chosen 0.28000, the defaults 0.30000, its own best 0.10000 (trial 4)",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let known = ["tabular", "text", "graph"].map(str::to_owned);
    let read = |name: &str| {
        let path = out.path().join(name);
        Overrides::new(Some(&path), &[], &known)
            .unwrap()
            .of("tabular")
            .clone()
    };
    assert_eq!(read("chosen.toml"), study.trials[3].settings(true));
    assert_eq!(read("chosen-l0gm.toml"), study.trials[2].settings(true));
    assert_eq!(read("chosen-dense.toml"), study.trials[4].settings(false));
    // The modality accepts the chosen settings.
    let spec = modality("tabular").spec(&SpecRequest {
        overrides: &read("chosen.toml"),
        ..SpecRequest::new("adult", "dense")
    });
    let settings = spec.unwrap().settings;
    for (key, value) in &study.trials[3].backbone {
        assert_eq!(get(&settings, key), Some(value), "{key}");
    }
}

#[test]
fn the_file_holds_what_the_search_held_and_the_command_its_profile() {
    let folder = tempfile::tempdir().unwrap();
    let out = OutDir::create(folder.path()).unwrap();
    let mut study = searched(&out, &[[Some(0.2), Some(0.2)], [Some(0.1), Some(0.1)]]);
    study.held = json!({"train": {"epochs": 3, "optimiser": {"learning-rate": 9.0}}, "cin": [8]});
    let runs: Vec<&TrialRun> = study.runs.iter().collect();
    let chosen = [(&study, losses(&runs, None, &out).unwrap())];
    let paper = flags(&["--trials", "2", "--profile", "paper"]);
    file::write(&out, &chosen, &origin("x", &paper)).unwrap();
    let path = out.path().join("chosen.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let used = "cargo xtask reproduce --profile paper --settings THIS_FILE";
    assert!(text.contains(used), "{text}");
    let read = Overrides::new(Some(&path), &[], &["tabular".to_owned()]).unwrap();
    let table = read.of("tabular");
    assert_eq!(
        (&table["train"]["epochs"], &table["cin"]),
        (&json!(3), &json!([8]))
    );
    // The searched value replaces the one in the file.
    let rate = get(table, "train.optimiser.learning-rate");
    let trial = study.trials[1].settings(true);
    assert_eq!(rate, get(&trial, "train.optimiser.learning-rate"));
}

#[test]
fn where_the_defaults_are_best_the_file_says_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let out = OutDir::create(folder.path()).unwrap();
    let study = searched(&out, &[[Some(0.1), Some(0.1)], [Some(0.2), Some(0.2)]]);
    let runs: Vec<&TrialRun> = study.runs.iter().collect();
    let chosen = [(&study, losses(&runs, None, &out).unwrap())];
    file::write(&out, &chosen, &origin("x", &flags(&["--trials", "2"]))).unwrap();
    let text = std::fs::read_to_string(out.path().join("chosen.toml")).unwrap();
    assert!(text.contains("trial 0 of 0 to 1 (the defaults)"), "{text}");
    let table: toml::Table = toml::from_str(&text).unwrap();
    let rate = study.runs[0].spec.settings["train"]["optimiser"]["learning-rate"].as_f64();
    let found = table["tabular"]["train"]["optimiser"]["learning-rate"].as_float();
    assert_eq!(found, rate);
}

#[test]
fn a_trial_that_ends_far_from_its_target_is_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let out = OutDir::create(folder.path()).unwrap();
    // The trials end at 25%, 26%, 27% and 28% open.
    let losses_of = [0.3, 0.2, 0.1, 0.1].map(|loss| [Some(loss); 2]);
    let study = searched(&out, &losses_of);
    assert_eq!(study.target, Some(0.15), "the default");
    let runs: Vec<&TrialRun> = study.runs.iter().collect();
    let judged = |target: f64| losses(&runs, Some(target), &out).unwrap();
    let by_method = judged(0.25);
    // A distance of exactly two percentage points still counts.
    assert_eq!(by_method["l0gm"][&2], Judged::Loss(0.1));
    assert_eq!(by_method["l0gm"][&3], Judged::Missed(0.28));
    let by_method = judged(0.24);
    assert_eq!(best(&by_method["l0gm"]), Some(1));
    // A dense model has no target, so it cannot miss it.
    assert_eq!(best(&by_method["dense"]), Some(2));
    assert_eq!(best(&joint(&by_method)), Some(1));
    let shown = shown_loss(joint(&by_method).get(&2));
    assert_eq!(shown, "missed (27.0% active)");
    // A trial that closes more gates than the target is not compared either.
    assert_eq!(best(&judged(0.28)["l0gm"]), Some(2));
    let none = losses(&runs, study.target, &out).unwrap();
    assert_eq!(best(&joint(&none)), None);
    let chosen = [(&study, none)];
    file::write(&out, &chosen, &origin("x", &flags(&["--trials", "4"]))).unwrap();
    let text = std::fs::read_to_string(out.path().join("chosen.toml")).unwrap();
    assert!(text.contains("no trial that could be compared"), "{text}");
}

#[test]
fn a_failure_is_not_called_a_missed_target() {
    let by_method = ByMethod::from([
        ("dense".to_owned(), [(0, Judged::Failed)].into()),
        ("l0gm".to_owned(), [(0, Judged::Missed(0.5))].into()),
    ]);
    assert_eq!(joint(&by_method)[&0], Judged::Failed);
}

/// The only study of tables that these flags plan.
fn studied(arguments: &[&str]) -> anyhow::Result<Study> {
    let flags = flags(arguments);
    let cells = checked(&flags)?;
    let modalities = [modality("tabular")];
    let mut studies = Vec::new();
    let known = ["tabular".to_owned()];
    let overrides = Overrides::new(None, &cells.set, &known)?;
    let choice = Choice::new(&cells, &Runner::new("cargo xtask"))?;
    let profile = Profile::Quick;
    plan(
        &flags,
        &modalities,
        &choice,
        profile,
        &overrides,
        &mut studies,
    )?;
    Ok(studies.remove(0))
}

/// The usage error that these flags give.
fn refused(arguments: &[&str]) -> String {
    let error = studied(arguments).map(|_| ()).unwrap_err();
    assert_eq!(crate::usage::exit_code(&error), 2, "{error:#}");
    format!("{error:#}")
}

#[test]
fn an_incumbent_stands_in_for_the_defaults_and_is_searched_around() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.toml");
    let file = path.to_str().unwrap();
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    write(
        "[tabular.train]\nepochs = 3\noptimiser = { learning-rate = 0.05 }\nschedule = { warmup = 0.3 }\n",
    );
    let study = studied(&["--trials", "4", "--incumbent", file]).unwrap();
    assert_eq!(shown(&study, 0), "the incumbent");
    for run in &study.runs {
        let value = |key: &str| get(&run.spec.settings, key).and_then(Value::as_f64);
        assert_eq!(value("train.epochs"), Some(3.0));
        let (first, trial) = (run.trial == 0, run.trial);
        let rate = value("train.optimiser.learning-rate");
        assert_eq!(rate == Some(0.05), first, "{trial}");
        if run.spec.method == "l0gm" {
            assert_eq!(value("train.schedule.warmup") == Some(0.3), first);
        }
    }
    // Fixed settings hold in trial 0 too.
    let held = "tabular.train.optimiser.learning-rate=0.01";
    let study = studied(&["--trials", "3", "--incumbent", file, "--set", held]).unwrap();
    let rate = |run: &TrialRun| get(&run.spec.settings, "train.optimiser.learning-rate").cloned();
    assert!(study.runs.iter().all(|run| rate(run) == Some(json!(0.01))));
    // A point that is trial 0 already must not be drawn again.
    let drawn = studied(&["--trials", "4"]).unwrap().trials[2].settings(true);
    let drawn = toml::to_string(&json!({ "tabular": drawn })).unwrap();
    write(&drawn);
    let study = studied(&["--trials", "4", "--incumbent", file]).unwrap();
    let backbones: BTreeSet<String> = study
        .trials
        .iter()
        .map(|t| format!("{:?}", t.settings(false)))
        .collect();
    assert_eq!(backbones.len(), 4);

    write("[text]\ndropout = 0.1\n");
    let outside = refused(&["--incumbent", file]);
    assert!(
        outside.contains("unknown") || outside.contains("text"),
        "{outside}"
    );
    write("");
    let empty = refused(&["--incumbent", file]);
    assert!(empty.contains("no table of a modality"), "{empty}");
    write("[tabular]\nnonsense = 1\n");
    let unknown = refused(&["--incumbent", file]);
    assert!(
        unknown.contains("nonsense") && unknown.contains(file),
        "{unknown}"
    );
    let missing = refused(&["--incumbent", "nowhere.toml"]);
    let expected = "--incumbent nowhere.toml: cannot be read";
    assert!(missing.contains(expected), "{missing}");
}

#[test]
fn a_target_among_the_settings_is_refused_and_dense_has_none() {
    let twice = refused(&["--set", "tabular.train.target=0.25"]);
    assert!(twice.contains("--target"), "{twice}");
    for dense in ["dense", "dense,dense"] {
        let study = studied(&["--method", dense, "--trials", "2"]).unwrap();
        assert_eq!((study.target, study.runs.len()), (None, 2));
    }
    refused(&["--method", "dense", "--target", "10%"]);
    let study = studied(&["--target", "20%,20%", "--trials", "2"]).unwrap();
    assert_eq!(study.target, Some(0.2));
    let study = studied(&["--lambda", "1e-3", "--trials", "2"]).unwrap();
    assert_eq!(study.target, None);
}

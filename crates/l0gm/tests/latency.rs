//! `cargo xtask latency` on twins of all three modalities: every run's models are built again, predict what the run
//! predicted, and are timed side by side.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

fn l0gm(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_l0gm"))
        .args(arguments)
        .env_remove("L0GM_DATA_DIR")
        .env_remove("L0GM_MODEL_DIR")
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

/// Dense and one gated run, as `reproduce` is asked for them.
const GATED: [&str; 4] = ["--method", "dense,l0gm", "--lambda", "1e-2"];

/// Trains runs of these methods on a modality's twin.
fn train(out: &Path, modality: &str, methods: &[&str], settings: &[&str]) {
    let mut arguments = vec!["reproduce", "--twin", "--modality", modality];
    arguments.extend(methods);
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    arguments.extend(["--out", out.to_str().unwrap()]);
    let done = l0gm(&arguments);
    assert!(done.status.success(), "{}", text(&done));
}

fn record(out: &Path) -> serde_json::Value {
    let mut files: Vec<_> = std::fs::read_dir(out.join("latency"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let file = files.pop().unwrap();
    assert!(files.is_empty(), "one gated run, one file");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[test]
fn finished_runs_of_every_modality_are_timed_beside_dense() {
    let folder = tempfile::tempdir().unwrap();
    for (modality, settings, sizes) in [
        ("tabular", &["tabular.train.epochs=2"][..], &[1, 8][..]),
        (
            "text",
            &[
                "text.train.epochs=1",
                "text.train-rows=200",
                "text.valid-rows=50",
                "text.test-rows=80",
                "text.max-tokens=24",
            ],
            &[1, 8],
        ),
        // Full batch: all test nodes, whatever batch size the flags name.
        (
            "graph",
            &["graph.train.epochs=4", "graph.gcn.width=16"],
            &[],
        ),
    ] {
        let out = folder.path().join(modality);
        train(&out, modality, &GATED, settings);
        let path = out.to_str().unwrap();
        let timed = l0gm(&["latency", path, "--batch", "1,8", "--rounds", "3"]);
        assert!(timed.status.success(), "{}", text(&timed));
        let record = record(&out);
        let difference = record["rebuilt_logit_difference"].as_f64().unwrap();
        assert!(difference < 1e-3, "{difference}");
        let batches = record["batches"].as_array().unwrap();
        let found: Vec<u64> = batches
            .iter()
            .map(|b| b["batch"].as_u64().unwrap())
            .collect();
        if sizes.is_empty() {
            assert!(found.len() == 1 && found[0] > 8, "{found:?}");
        } else {
            assert_eq!(found, sizes);
        }
        for batch in batches {
            for model in ["dense", "gated", "compact"] {
                let times = &batch["models"][model];
                let (median, p95) = (times["median_us"].as_f64(), times["p95_us"].as_f64());
                assert!(median.unwrap() > 0.0 && p95 >= median, "{model}: {times}");
                assert_eq!(times["round_medians_us"].as_array().unwrap().len(), 3);
            }
            let logits = batch["compact_logit_difference"].as_f64().unwrap();
            assert!(logits < 1e-5, "{modality}: {logits}");
        }
        let page = std::fs::read_to_string(out.join("report.md")).unwrap();
        assert!(page.contains("dense, gated and compact by turns"), "{page}");
    }
}

#[test]
fn a_baseline_is_timed_alone_where_its_model_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    train(&out, "tabular", &["--method", "logistic"], &[]);
    let path = out.to_str().unwrap();
    let time = || l0gm(&["latency", path, "--batch", "1,8", "--rounds", "3"]);
    let timed = time();
    assert!(timed.status.success(), "{}", text(&timed));
    let record = record(&out);
    assert!(record["rebuilt_logit_difference"].as_f64().unwrap() < 1e-5);
    let batches = record["batches"].as_array().unwrap();
    assert_eq!(batches.len(), 2);
    for batch in batches {
        let models = batch["models"].as_object().unwrap();
        assert!(models.len() == 1 && models["other"]["median_us"].as_f64().unwrap() > 0.0);
    }
    let page = std::fs::read_to_string(out.join("report.md")).unwrap();
    assert!(page.contains("the method itself"), "{page}");
    // A run of a version that kept no model is left out, and that is no failure.
    let run = std::fs::read_dir(out.join("runs")).unwrap().next();
    std::fs::remove_file(run.unwrap().unwrap().path().join("logistic.safetensors")).unwrap();
    let timed = time();
    assert!(timed.status.success(), "{}", text(&timed));
    assert!(text(&timed).contains("left out: "), "{}", text(&timed));
}

#[test]
fn a_run_whose_predictions_are_not_its_models_is_not_timed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    train(&out, "tabular", &GATED, &["tabular.train.epochs=1"]);
    let runs: Vec<_> = std::fs::read_dir(out.join("runs"))
        .unwrap()
        .map(|run| run.unwrap().path())
        .collect();
    assert_eq!(runs.len(), 2);
    // Swap the predictions of the dense and the gated run.
    let file = |run: &Path| run.join("predictions.parquet");
    let kept = folder.path().join("kept");
    std::fs::rename(file(&runs[0]), &kept).unwrap();
    std::fs::rename(file(&runs[1]), file(&runs[0])).unwrap();
    std::fs::rename(&kept, file(&runs[1])).unwrap();
    let timed = l0gm(&["latency", out.to_str().unwrap(), "--rounds", "3"]);
    assert_eq!(timed.status.code(), Some(1), "{}", text(&timed));
    assert!(
        text(&timed).contains("is not the run's"),
        "{}",
        text(&timed)
    );
    assert!(!out.join("latency").exists());
}

/// Times the peers of the run in `out`, with programs of this folder.
fn time_peers(out: &Path, rivals: &Path) -> Output {
    let path = out.to_str().unwrap();
    let arguments = ["--batch", "1,8", "--rounds", "3", "--time-limit", "2"];
    Command::new(env!("CARGO_BIN_EXE_l0gm"))
        .args(["latency", path, "--peers"])
        .args(arguments)
        .env_remove("L0GM_DATA_DIR")
        .env_remove("L0GM_MODEL_DIR")
        .env("L0GM_RIVALS_DIR", rivals)
        .output()
        .unwrap()
}

/// Puts a program in the place of Python, and empty scripts for it.
#[cfg(unix)]
fn in_place_of_python(rivals: &Path, program: &str) {
    use std::os::unix::fs::PermissionsExt;
    let python = l0gm_train::venv_python(&rivals.join("venv"));
    std::fs::create_dir_all(python.parent().unwrap()).unwrap();
    std::fs::write(&python, format!("#!/bin/sh\n{program}\n")).unwrap();
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["xgboost", "lightgbm", "catboost", "onnx"] {
        std::fs::write(rivals.join(format!("{name}_peer.py")), "").unwrap();
    }
}

#[test]
fn a_compact_model_is_timed_where_peers_are_missing_crash_hang_or_answer_garbage() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let settings = ["tabular.train.epochs=1", "tabular.model.bypass=false"];
    train(&out, "tabular", &GATED, &settings);
    let rivals = folder.path().join("rivals");
    let none = time_peers(&out, &rivals);
    assert!(none.status.success(), "{}", text(&none));
    for name in ["xgboost", "lightgbm", "catboost", "onnx"] {
        let line = format!("not timed: {name}: ");
        assert!(text(&none).contains(&line), "{}", text(&none));
    }
    assert!(text(&none).contains("`methods install`"), "{}", text(&none));
    // Copies of rows are not left behind.
    assert!(!out.join("latency/peers-files").exists());
    let page = std::fs::read_to_string(out.join("report.md")).unwrap();
    assert!(
        page.contains("Latency beside other projects' programs"),
        "{page}"
    );
    assert!(page.contains("| L0GM, compact |"), "{page}");
    #[cfg(unix)]
    for (program, said) in [
        ("echo hello", "answered \"hello\"; expected a JSON object"),
        ("echo no disk >&2; exit 3", "exit status: 3): no disk"),
        ("sleep 60", "no answer within 2 s"),
        ("echo '{\"forms\": 5}'", "in which ways it can be called"),
        ("echo '{\"error\": \"out of memory\"}'", "out of memory"),
    ] {
        in_place_of_python(&rivals, program);
        let timed = time_peers(&out, &rivals);
        assert!(timed.status.success(), "{}", text(&timed));
        assert!(text(&timed).contains(said), "{said}: {}", text(&timed));
        assert!(text(&timed).contains("L0GM, compact, from a file"));
        // One run was timed, and its files have a folder of its own.
        let mut left = std::fs::read_dir(out.join("latency/peers-files")).unwrap();
        let of_run = left.next().unwrap().unwrap().path();
        assert!(out.join("runs").join(of_run.file_name().unwrap()).exists());
        for program in std::fs::read_dir(of_run).unwrap() {
            let files = std::fs::read_dir(program.unwrap().path()).unwrap();
            let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
            assert_eq!(names, ["log.txt"]);
        }
    }
}

#[test]
fn peers_are_timed_on_one_thread_and_beside_compact_models() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    train(&out, "tabular", &["--method", "logistic"], &[]);
    let path = out.to_str().unwrap();
    for (flags, said) in [
        (&["--peers", "--threads", "2"][..], "one thread"),
        (&["--peers"], "compact model"),
        (&["--time-limit", "5"], "--peers"),
    ] {
        let arguments = [&["latency", path], flags].concat();
        let refused = l0gm(&arguments);
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
        assert!(text(&refused).contains(said), "{}", text(&refused));
    }
}

//! The command as people use it: plans, mistakes, and a whole small job on twins.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn l0gm(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_l0gm"))
        .args(arguments)
        .env_remove("L0GM_DATA_DIR")
        .env_remove("L0GM_MODEL_DIR")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every file and folder below `folder`, by name.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

/// A dry run of everything, in an empty folder that must stay empty.
fn dry_run(flags: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_l0gm"))
        .args(["reproduce", "--dry-run"])
        .args(flags)
        .current_dir(folder.path())
        .env_remove("L0GM_DATA_DIR")
        .env_remove("L0GM_MODEL_DIR")
        .output()
        .unwrap();
    assert_eq!(tree(folder.path()), Vec::<PathBuf>::new());
    output
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing_not_even_a_twin() {
    for flag in ["--twin", "--offline"] {
        let output = dry_run(&[flag]);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = stdout(&output);
        assert!(text.lines().next().unwrap().contains("TWINS"), "{text}");
        assert!(
            text.contains("adult (TWIN)") && text.contains("dense") && text.contains("1e-4"),
            "{text}"
        );
        assert!(
            text.contains("29 runs, 0 finished before; estimated"),
            "{text}"
        );
        assert!(
            text.lines().last().unwrap().contains("--data-dir"),
            "{text}"
        );
        assert!(!text.contains("would be downloaded"), "{text}");
    }
}

#[test]
#[cfg(unix)]
fn a_reader_that_goes_away_is_no_panic() {
    let commands: [&[&str]; 3] = [
        &["reproduce", "--dry-run", "--twin"],
        &["search", "--dry-run", "--twin", "--modality", "tabular"],
        &["plan", "--twin"],
    ];
    for command in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_l0gm"))
            .args(command)
            .env_remove("L0GM_DATA_DIR")
            .stdout(writer)
            .stderr(std::process::Stdio::piped())
            .output()
            .unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(141), "{command:?}: {told}");
        assert!(
            !told.contains("error") && !told.contains("panicked"),
            "{told}"
        );
    }
}

#[test]
fn a_dry_run_says_what_would_be_downloaded_and_from_where() {
    let output = dry_run(&[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    for (name, address) in [
        ("adult", "https://archive.ics.uci.edu/"),
        ("imdb", "https://"),
        ("amazon-computers", "https://github.com/"),
        ("all-MiniLM-L6-v2", "https://huggingface.co/"),
    ] {
        let line = format!("Not here: {name} would be downloaded from {address}");
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(text.contains("(else its twin)"), "{text}");
    assert!(
        !text.contains("TWIN") && !text.contains("real data"),
        "{text}"
    );

    let paper = dry_run(&["--profile", "paper"]);
    let text = stdout(&paper);
    assert!(paper.status.success(), "{}", stderr(&paper));
    assert!(
        text.contains("would be downloaded") && !text.to_lowercase().contains("twin"),
        "{text}"
    );
    let refused = dry_run(&["--profile", "paper", "--offline"]);
    assert!(!refused.status.success());
    assert!(
        stderr(&refused).contains("cannot be had"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn mistakes_end_with_one_clear_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.toml");
    std::fs::write(&broken, "[tabular\n").unwrap();
    let broken = broken.to_str().unwrap().to_owned();
    let cases: &[(&[&str], &str)] = &[
        (&["--modality", "tabluar"], "did you mean `tabular`"),
        (&["--dataset", "adlut"], "did you mean `adult`"),
        (&["--method", "l0mg"], "did you mean `l0gm`"),
        (&["--seeds", "0,x"], "--seeds x"),
        (&["--lambda", "-1"], "at least 0"),
        (&["--lambda", "1e-3,nan"], "at least 0"),
        (
            &["--method", "dense", "--lambda", "1e-3"],
            "leave --lambda out",
        ),
        (&["--threads", "0"], "--threads 0"),
        (&["--device", "gpu"], "expected cpu"),
        (&["--device", "cuda:9"], "--device cpu"),
        (&["--set", "tabular"], "expected MODALITY.setting=VALUE"),
        (
            &["--modality", "tabular", "--set", "tabular.train.epocs=3"],
            "epochs",
        ),
        (
            &["--modality", "tabular", "--set", "tabular.gate.gamma=0.5"],
            "gamma",
        ),
        (&["--settings", &broken], "not valid TOML"),
        (&["--profile", "paper"], "refuses twins"),
    ];
    for (flags, expected) in cases {
        let mut arguments = vec!["reproduce", "--twin", "--dry-run"];
        arguments.extend(*flags);
        let output = l0gm(&arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {text}");
        assert!(
            text.starts_with("error: ") && text.contains(expected),
            "{flags:?}: {text}"
        );
        assert_eq!(text.trim_end().lines().count(), 1, "{flags:?}: {text}");
    }
}

#[test]
fn a_folder_of_data_or_models_that_cannot_be_there_is_refused() {
    for flag in ["--data-dir", "--model-dir"] {
        for command in [&["reproduce", "--dry-run"][..], &["datasets"]] {
            let output = l0gm(&[command, &[flag, "/no-such-folder/files"]].concat());
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{flag}: {text}");
            assert!(
                text.starts_with("error: ") && text.contains("/no-such-folder/files"),
                "{flag}: {text}"
            );
            assert_eq!(text.trim_end().lines().count(), 1, "{flag}: {text}");
        }
    }
}

#[test]
fn a_column_that_is_not_there_is_said_once_while_planning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("churn.csv");
    let rows =
        (0..40).map(|row| format!("{},{}\n", row % 7, if row % 2 == 0 { "yes" } else { "no" }));
    std::fs::write(&file, format!("age,left\n{}", rows.collect::<String>())).unwrap();
    let out = folder.path().join("out");
    for dry in [&["--dry-run"][..], &[]] {
        let output = l0gm(
            &[
                &[
                    "reproduce",
                    "--modality",
                    "tabular",
                    "--dataset",
                    file.to_str().unwrap(),
                ][..],
                &[
                    "--set",
                    "tabular.data.label=lef",
                    "--out",
                    out.to_str().unwrap(),
                ],
                dry,
            ]
            .concat(),
        );
        let text = stderr(&output);
        assert!(
            !output.status.success() && stdout(&output).is_empty(),
            "{}",
            stdout(&output)
        );
        assert!(
            text.starts_with("error: ") && text.contains("lef"),
            "{text}"
        );
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        assert!(!out.exists());
    }
}

#[test]
fn a_report_of_no_output_folder_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let output = l0gm(&["report", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("not an output folder"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_catalogue_is_listed_with_what_is_here() {
    let folder = tempfile::tempdir().unwrap();
    let output = l0gm(&["datasets", "--data-dir", folder.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    for name in [
        "adult",
        "imdb",
        "ogbn-products",
        "amazon-computers",
        "all-MiniLM-L6-v2",
    ] {
        assert!(stdout(&output).contains(name), "{name}");
    }
}

#[test]
fn a_tiny_job_on_twins_runs_once_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let run = || {
        l0gm(&[
            "reproduce",
            "--twin",
            "--modality",
            "tabular",
            "--lambda",
            "1e-3",
            "--set",
            "tabular.train.epochs=1",
            "--out",
            out.to_str().unwrap(),
        ])
    };
    let first = run();
    assert!(
        first.status.success(),
        "{}{}",
        stdout(&first),
        stderr(&first)
    );
    let text = stdout(&first);
    assert!(
        text.contains("6 of 6 runs done (6 now, 0 before), 0 failed"),
        "{text}"
    );
    assert!(text.lines().next().unwrap().contains("TWINS"), "{text}");
    assert!(
        text.lines().last().unwrap().contains("--data-dir"),
        "{text}"
    );
    let html = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(html.contains("TWIN"));
    // A baseline is judged and reported like the others, and what it does not offer is said.
    assert!(html.contains("Not offered by logistic regression: compact form"));
    let others = out.join("tables/conditions-others-tabular-adult-twin.csv");
    let others = std::fs::read_to_string(others).unwrap();
    assert_eq!(others.matches("logistic regression").count(), 13);
    assert_eq!(others.matches("boosted trees").count(), 13);
    // The robustness protocol: dense and gated, unperturbed and under twelve conditions.
    let conditions = out.join("tables/conditions-tabular-adult-twin.csv");
    let conditions = std::fs::read_to_string(conditions).unwrap();
    assert_eq!(conditions.lines().count(), 1 + 13 * 2, "{conditions}");
    assert!(conditions.contains("numeric fields"), "{conditions}");
    let rob_mu = std::fs::read_to_string(out.join("tables/robustness-tabular-adult-twin.csv"));
    assert_eq!(rob_mu.unwrap().lines().count(), 7);
    for ending in ["svg", "png"] {
        let figure = out.join(format!("figures/robustness-tabular-adult-twin.{ending}"));
        assert!(figure.metadata().unwrap().len() > 2000, "{ending}");
    }
    let before = modified(&out);
    let second = run();
    assert!(second.status.success(), "{}", stderr(&second));
    let text = stdout(&second);
    assert!(
        text.contains("6 of 6 runs done (0 now, 6 before), 0 failed"),
        "{text}"
    );
    assert_eq!(modified(&out), before, "no run's folder was touched");
}

/// When each run's record was written.
fn modified(out: &Path) -> Vec<std::time::SystemTime> {
    let mut times: Vec<_> = std::fs::read_dir(out.join("runs"))
        .unwrap()
        .map(|run| {
            run.unwrap()
                .path()
                .join("record.json")
                .metadata()
                .unwrap()
                .modified()
                .unwrap()
        })
        .collect();
    times.sort();
    assert_eq!(times.len(), 6);
    times
}

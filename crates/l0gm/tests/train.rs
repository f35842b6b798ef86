//! `l0gm train`, `inspect` and `explain` through the command, on small tables that are made up for these tests.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn l0gm(dir: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_l0gm"))
        .args(words)
        .current_dir(dir)
        .env("RAYON_NUM_THREADS", "2")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line of an error.
fn refused(dir: &Path, words: &[&str]) -> String {
    let output = l0gm(dir, words);
    let text = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("error"))
        .collect();
    assert_eq!(errors.len(), 1, "{words:?}: {text}");
    assert!(!output.status.success());
    errors[0].to_owned()
}

/// 300 rows; the label follows one of three columns, with some noise. `day` orders them.
fn table(dir: &Path) {
    let mut text = String::from("day,customer,plan,use,noise,left\n");
    for row in 0..300u32 {
        let mixed = row.wrapping_mul(2_654_435_761) >> 8;
        let usage = mixed % 100;
        let plan = ["basic", "plus", "pro"][(mixed / 100 % 3) as usize];
        let left = usage < 30 || mixed % 17 == 0;
        text.push_str(&format!(
            "2024-{:02}-{:02},c{},{plan},{usage},{},{}\n",
            1 + row / 28 % 12,
            1 + row % 28,
            row % 60,
            mixed / 7 % 50,
            if left { "yes" } else { "no" }
        ));
    }
    std::fs::write(dir.join("churn.csv"), text).unwrap();
}

const SHORT: [&str; 8] = [
    "train",
    "churn.csv",
    "--label",
    "left",
    "--set",
    "train.epochs=3",
    "--target",
    "50%,25%",
];

fn short<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SHORT.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn a_study_shows_every_model_and_leaves_its_files() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path());
    let output = l0gm(dir.path(), &short(&["--threshold", "recall=0.8"]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let screen = stdout(&output);
    for part in [
        "majority class",
        "logistic regression",
        "boosted trees",
        "dense",
        "L0GM 25%",
        "after temperature scaling",
        "recall=0.8",
        "reads ",
        "report.html",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    assert!(
        screen.lines().all(|line| line.chars().count() <= 82),
        "{screen}"
    );
    let out = dir.path().join("out/churn");
    for file in ["report.html", "result.json", "split.csv", "summary.csv"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    // The same command again trains nothing, and says the same for a program.
    let json = l0gm(dir.path(), &short(&["--format", "json", "-q"]));
    let found: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json.stderr.is_empty(), "{json:?}");
    let models = found["models"].as_array().unwrap();
    assert_eq!(models.iter().filter(|m| m["chosen"] == true).count(), 1);
    assert_eq!(found["data"]["classes"][0][0], "no");
    // The model in use decides by its threshold.
    let predicted = l0gm(dir.path(), &["predict", "out/churn", "churn.csv", "-q"]);
    let lines = stdout(&predicted);
    assert_eq!(lines.lines().count(), 301, "{predicted:?}");
    assert!(
        lines.starts_with("source_row,predicted_class,p_no,p_yes"),
        "{lines}"
    );
    let explained = l0gm(dir.path(), &["explain", "out/churn", "--permutations", "2"]);
    assert!(stdout(&explained).contains("95% interval"), "{explained:?}");
    assert!(out.join("explain.svg").is_file() && out.join("explain.png").is_file());
}

#[test]
fn another_tools_probabilities_are_a_row_and_a_wrong_file_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path());
    let done = l0gm(dir.path(), &short(&["-q"]));
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let split = std::fs::read_to_string(dir.path().join("out/churn/split.csv")).unwrap();
    let judged: Vec<&str> = split
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap())
        .collect();
    let write = |name: &str, header: &str, row: &dyn Fn(&str) -> String| {
        let rows: String = judged.iter().map(|key| row(key)).collect();
        std::fs::write(dir.path().join(name), format!("{header}\n{rows}")).unwrap();
    };
    write("good.csv", "source_row,p_no,p_yes", &|key| {
        format!("{key},0.7,0.3\n")
    });
    write("one.csv", "source_row,p", &|key| format!("{key},0.3\n"));
    write("sum.csv", "source_row,p_no,p_yes", &|key| {
        format!("{key},0.7,0.7\n")
    });
    write("names.csv", "source_row,a,b", &|key| {
        format!("{key},0.7,0.3\n")
    });
    write("rows.csv", "p_no,p_yes", &|_| "0.7,0.3\n".to_owned());
    for file in ["even=good.csv", "even=one.csv"] {
        let screen = stdout(&l0gm(dir.path(), &short(&["-q", "--rival", file])));
        let row = screen.lines().find(|line| line.contains("  even")).unwrap();
        assert!(row.contains(".5000"), "{screen}");
    }
    let runs = std::fs::read_dir(dir.path().join("out/churn/runs")).unwrap();
    let rivals = runs.filter(|run| {
        let name = run.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("rival-even")
    });
    assert_eq!(rivals.count(), 1, "the first file's run is replaced");
    for (file, part) in [
        ("even=sum.csv", "sum of 1"),
        ("even=names.csv", "p_no"),
        ("even=rows.csv", "source_row"),
        ("even=none.csv", "no file"),
        ("even", "NAME=FILE"),
    ] {
        let told = refused(dir.path(), &short(&["-q", "--rival", file]));
        assert!(told.contains(part), "{file}: {told}");
    }
}

#[test]
fn balanced_classes_are_trained_and_said() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path());
    let screen = stdout(&l0gm(dir.path(), &short(&["-q", "--balanced"])));
    // The screen is broken into lines.
    let words: Vec<&str> = screen.split_whitespace().collect();
    assert!(
        words.join(" ").contains("every class counting the same"),
        "{screen}"
    );
    let other = l0gm(dir.path(), &short(&["-q", "--out", "out/plain"]));
    let nll = |text: &str| {
        let row = text.lines().find(|line| line.contains("  dense ")).unwrap();
        row.split_whitespace().nth(4).unwrap().to_owned()
    };
    assert_ne!(nll(&screen), nll(&stdout(&other)), "{screen}");
}

#[test]
fn a_folder_keeps_one_study() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path());
    assert_eq!(l0gm(dir.path(), &short(&["-q"])).status.code(), Some(0));
    let other = ["train", "churn.csv", "--label", "plan", "-q"];
    let told = refused(dir.path(), &other);
    assert!(told.contains("label is left, not plan"), "{told}");
    let told = refused(
        dir.path(),
        &short(&["--seeds", "0-1", "--rival", "a=churn.csv"]),
    );
    assert!(told.contains("one seed"), "{told}");
    let before = std::fs::read(dir.path().join("out/churn/result.json")).unwrap();
    let path = dir.path().join("churn.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("basic", "plus", 1)).unwrap();
    let told = refused(dir.path(), &short(&["-q"]));
    assert!(told.contains("changed since the study"), "{told}");
    let after = std::fs::read(dir.path().join("out/churn/result.json")).unwrap();
    assert_eq!(before, after);
}

#[test]
fn a_split_by_group_or_time_is_said_and_what_cannot_be_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path());
    let look = |words: &[&str]| {
        let all: Vec<&str> = ["inspect", "churn.csv", "--label", "left"]
            .iter()
            .copied()
            .chain(words.iter().copied())
            .collect();
        stdout(&l0gm(dir.path(), &all))
    };
    let grouped = look(&["--group", "customer"]);
    assert!(grouped.contains("each of 60 groups"), "{grouped}");
    let timed = look(&["--time", "day"]);
    assert!(timed.contains("the latest rows"), "{timed}");
    for (words, part) in [
        (vec!["train", "churn.csv", "--label", "lef"], "did you mean"),
        (vec!["train", "churn.csv"], "--label is missing"),
        (short(&["--threshold", "best"]), "max-f1"),
        (short(&["--positive", "yes"]), "--threshold"),
        (short(&["--time", "plan"]), "expected dates or numbers"),
        (short(&["--seeds", "4-2"]), "--seeds"),
        (short(&["--tune", "1"]), "at least 2"),
    ] {
        let told = refused(dir.path(), &words);
        assert!(told.contains(part), "{words:?}: {told}");
    }
    for (words, part) in [
        (short(&["--ignore", "left"]), "the label's column"),
        (short(&["--test", "churn.csv"]), "the same file"),
        (
            short(&["--threshold", "max-f1", "--positive", "maybe"]),
            "no and yes",
        ),
        (
            vec![
                "train",
                "churn.csv",
                "--label",
                "plan",
                "--threshold",
                "max-f1",
            ],
            "3 classes",
        ),
    ] {
        let told = refused(dir.path(), &words);
        assert!(told.contains(part), "{words:?}: {told}");
    }
    assert!(!dir.path().join("out").exists(), "nothing is left behind");
    let one: String = (0..60).map(|row| format!("{row},yes\n")).collect();
    std::fs::write(dir.path().join("one.csv"), format!("x,y\n{one}")).unwrap();
    let told = refused(dir.path(), &["train", "one.csv", "--label", "y"]);
    assert!(told.contains("class"), "{told}");
}

#[test]
fn settings_are_searched_first_and_the_report_is_there_for_programs() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path());
    let tuned = short(&["--tune", "2", "--time", "day", "-q"]);
    let output = l0gm(dir.path(), &tuned);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let screen = stdout(&output);
    // The screen is broken into lines.
    let words: Vec<&str> = screen.split_whitespace().collect();
    assert!(words.join(" ").contains("for test (2024-09-"), "{screen}");
    let chosen = dir.path().join("out/churn/search/chosen.toml");
    let chosen = std::fs::read_to_string(chosen).unwrap();
    assert!(chosen.contains("learning-rate"), "{chosen}");

    let printed = l0gm(dir.path(), &["report", "out/churn", "--format", "json"]);
    let report: Value = serde_json::from_slice(&printed.stdout).unwrap();
    let tables = report["tables"].as_object().unwrap();
    assert!(report["runs"].as_u64() >= Some(5), "{report}");
    let quality = tables.iter().find(|(name, _)| name.starts_with("quality"));
    let rows = quality.unwrap().1.as_array().unwrap();
    assert!(
        rows.iter().all(|row| row["accuracy"].is_number()),
        "{rows:?}"
    );
}

#[test]
fn messages_name_flags_where_there_are_flags() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path());
    let path = dir.path().join("churn.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    // A word among numbers.
    let odd = text.replacen(",basic,", ",basic,x", 1);
    std::fs::write(&path, odd).unwrap();
    let told = refused(dir.path(), &short(&[]));
    assert!(told.contains("--set data.missing"), "{told}");
    assert!(told.contains("--categorical"), "{told}");
}

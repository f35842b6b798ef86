//! Programs of their own as methods, through the command: a tool that answers is judged as any method, and each mistake
//! of a tool is one clear line, while the rest of the plan goes on.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The example `external_tool` of l0gm-train, which `cargo test --workspace` builds. `None` where only this crate was
/// built.
fn tool() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_BIN_EXE_l0gm")).parent()?;
    let name = format!("external_tool{}", std::env::consts::EXE_SUFFIX);
    let tool = folder.join("examples").join(name);
    if !tool.is_file() {
        println!(
            "skipped: {} is not built (cargo build --example external_tool -p l0gm-train)",
            tool.display()
        );
        return None;
    }
    Some(tool)
}

fn table(dir: &Path) {
    let mut text = String::from("plan,use,left\n");
    for row in 0..200u32 {
        let mixed = row.wrapping_mul(2_654_435_761) >> 8;
        let plan = ["basic", "plus", ""][(mixed % 3) as usize];
        text.push_str(&format!(
            "{plan},{},{}\n",
            mixed % 97,
            if mixed % 97 < 40 { "yes" } else { "no" }
        ));
    }
    std::fs::write(dir.join("churn.csv"), text).unwrap();
}

/// Runs the majority class and a tool with this command.
fn run(dir: &Path, command: &[&str], more: &[&str]) -> Output {
    let command = serde_json::to_string(command).unwrap();
    Command::new(env!("CARGO_BIN_EXE_l0gm"))
        .args(["run", "--modality", "tabular", "--dataset", "churn.csv"])
        .args([
            "--set",
            "tabular.data.label=left",
            "--method",
            "majority,external",
        ])
        .args(["--seeds", "0", "--out", "out"])
        .arg("--set")
        .arg(format!("tabular.method.external.command={command}"))
        .args(more)
        .current_dir(dir)
        .output()
        .unwrap()
}

#[test]
fn a_tool_that_answers_is_judged_as_any_method() {
    let Some(tool) = tool() else { return };
    let dir = tempfile::tempdir().unwrap();
    table(dir.path());
    let output = run(dir.path(), &[tool.to_str().unwrap()], &[]);
    assert!(output.status.success(), "{output:?}");
    let runs = std::fs::read_dir(dir.path().join("out/runs")).unwrap();
    let mut records: Vec<Value> = runs
        .map(|entry| std::fs::read(entry.unwrap().path().join("record.json")).unwrap())
        .map(|text| serde_json::from_slice(&text).unwrap())
        .collect();
    records.sort_by_key(|record| record["method"]["name"].to_string());
    let [external, majority] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!(external["method"]["name"], "external");
    // The same rows, the same measures: class shares are what the majority class predicts too.
    let nll = |record: &Value| record["calibration"]["nll"].as_f64().unwrap();
    assert!((nll(external) - nll(majority)).abs() < 0.02, "{records:?}");
    assert_eq!(
        external["robustness"]["conditions"]
            .as_array()
            .unwrap()
            .len(),
        12
    );
    assert_eq!(external["sizes"]["parameters"], 2);
    let folder = dir
        .path()
        .join("out/runs")
        .join(external["run_id"].as_str().unwrap())
        .join("external");
    let task: Value =
        serde_json::from_slice(&std::fs::read(folder.join("task.json")).unwrap()).unwrap();
    assert_eq!(task["columns"][0]["kind"], "category");
    assert_eq!(task["columns"][1]["kind"], "number");
    assert!(!folder.join("train.parquet").exists(), "rows are not kept");
}

#[test]
fn each_mistake_of_a_tool_is_one_line_and_the_plan_goes_on() {
    let Some(tool) = tool() else { return };
    let tool = tool.to_str().unwrap();
    let dir = tempfile::tempdir().unwrap();
    table(dir.path());
    let limit = ["--set", "tabular.method.external.time-limit=1"];
    let none: [&str; 0] = [];
    for (command, more, part) in [
        (
            vec!["no-such-program"],
            &none[..],
            "no-such-program cannot be started",
        ),
        (vec![tool, "crash"], &none[..], "the tool ran out of luck"),
        (
            vec![tool, "hang"],
            &limit[..],
            "ended after 1 s, its time limit",
        ),
        (vec![tool, "silence"], &none[..], "ended without an answer"),
        (vec![tool, "garbage"], &none[..], "not a Parquet file"),
        (vec![tool, "rows"], &none[..], "rows; expected"),
        (
            vec![tool, "order"],
            &none[..],
            "in the order in which they were given",
        ),
        (vec![tool, "sum"], &none[..], "with a sum of 1"),
        (vec![tool, "classes"], &none[..], "has no column p_no"),
        (vec![tool, "run"], &none[..], "answered the run another-run"),
    ] {
        let output = run(dir.path(), &command, more);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {text}");
        let told: Vec<&str> = text.lines().filter(|line| line.contains(part)).collect();
        assert_eq!(told.len(), 1, "{command:?}: {text}");
        let result = String::from_utf8(output.stdout).unwrap();
        assert!(result.contains("1 failed"), "{command:?}: {result}");
    }
    // The other method of the plan has its record.
    let runs = std::fs::read_dir(dir.path().join("out/runs")).unwrap();
    let finished = runs.filter(|entry| entry.as_ref().unwrap().path().join("record.json").exists());
    assert_eq!(finished.count(), 1);
}

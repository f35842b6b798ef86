//! `cargo xtask` as people type it: its own chores, and the runner's commands beside them.

use std::process::Command;

fn xtask(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(arguments)
        .output()
        .expect("xtask can be started");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn ci_lists_its_checks_cheapest_first() {
    let text = xtask(&["ci", "--dry-run"]);
    let at = |name: &str| {
        text.find(name)
            .unwrap_or_else(|| panic!("{name} in {text}"))
    };
    assert!(at("formatting") < at("layering") && at("layering") < at("clippy"));
    assert!(at("clippy") < at("docs") && at("docs") < at("tests"));
}

#[test]
fn the_runners_commands_stand_before_the_chores_and_call_the_program_by_its_name() {
    let text = xtask(&["--help"]);
    let commands = [
        "reproduce",
        "plan",
        "run",
        "report",
        "search",
        "latency",
        "calibration",
        "predict",
        "datasets",
        "bench",
        "generality",
        "ci",
    ];
    let places: Vec<usize> = commands
        .iter()
        .filter_map(|name| text.find(&format!("\n  {name} ")))
        .collect();
    assert_eq!(places.len(), commands.len(), "{text}");
    assert!(places.is_sorted(), "{text}");
    let plan = xtask(&["plan", "--help"]);
    assert!(plan.contains("cargo xtask plan --profile paper"), "{plan}");
}

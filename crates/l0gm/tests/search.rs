//! `cargo xtask search` as people use it, on a twin: a plan that writes nothing, a small search, the same search
//! again, and its choice read by `reproduce`.

#![allow(clippy::unwrap_used)]

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

#[test]
fn a_search_spends_its_budget_once_and_reproduce_reads_its_choice() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let path = out.to_str().unwrap();
    let search = |more: &[&str]| {
        let fixed = [
            "search",
            "--twin",
            "--modality",
            "tabular",
            "--trials",
            "2",
            "--out",
            path,
        ];
        let length = [
            "--set",
            "tabular.train.epochs=1",
            "--set",
            "tabular.train.batch-size=512",
        ];
        l0gm(&[&fixed[..], &length, more].concat())
    };
    let planned = search(&["--dry-run"]);
    assert!(planned.status.success(), "{}", text(&planned));
    assert!(
        text(&planned).contains("trial 1: learning-rate"),
        "{}",
        text(&planned)
    );
    assert!(
        !text(&planned).contains("batch-size,"),
        "what --set names is held"
    );
    assert!(!out.exists(), "a dry run writes nothing");

    let first = search(&[]);
    assert!(first.status.success(), "{}", text(&first));
    let said = text(&first);
    assert!(
        said.contains("4 of 4 runs done (4 now, 0 before)"),
        "{said}"
    );
    assert!(
        said.contains("trial  0: dense 0.") && said.contains("<- chosen"),
        "{said}"
    );
    // The last line about a trial is about validation, whereas the usual line about a finished run is about the test
    // split.
    assert!(
        said.contains("validation loss 0.") && !said.contains("ECE"),
        "{said}"
    );
    let again = text(&search(&[]));
    assert!(
        again.contains("4 of 4 runs done (0 now, 4 before)"),
        "{again}"
    );

    let file = out.join("search/chosen.toml");
    let chosen = std::fs::read_to_string(&file).unwrap();
    assert!(chosen.contains("# Command: l0gm search --twin"), "{chosen}");
    assert!(
        chosen.contains("validation loss, dense: chosen 0."),
        "{chosen}"
    );
    for name in ["chosen.toml", "chosen-dense.toml", "chosen-l0gm.toml"] {
        let settings = out.join("search").join(name);
        let plan = l0gm(&[
            "reproduce",
            "--twin",
            "--dry-run",
            "--modality",
            "tabular",
            "--settings",
            settings.to_str().unwrap(),
            "--out",
            path,
        ]);
        assert!(plan.status.success(), "{name}: {}", text(&plan));
    }
}

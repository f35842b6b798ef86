//! Tests an invariant of `docs/architecture.md`: code compares a method's name with a string only in the file that
//! defines the method. Everything else that code needs to know about a method is in its `MethodInfo`.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Every `.rs` file below `dir`, except build outputs.
fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().unwrap() != "target" {
                sources(&path, into);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The names of all methods, from the lists that the runner prints.
fn names() -> Vec<String> {
    let mut names: Vec<String> = l0gm::modalities::methods()
        .into_iter()
        .flat_map(|(_, infos)| infos)
        .map(|info| info.name.into_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Whether a line compares something with `name`: by an operator, a match arm or `matches!`. Using the name in a
/// value, such as the key of a table, is allowed.
fn compares(line: &str, name: &str) -> bool {
    let quoted = format!("\"{name}\"");
    let method = line.contains("method");
    line.match_indices(&quoted).any(|(at, _)| {
        let before = line[..at].trim_end();
        let after = line[at + quoted.len()..].trim_start();
        let arm = after.starts_with("=>") || (after.starts_with('|') && !after.starts_with("||"));
        let compared = ["==", "!="]
            .iter()
            .any(|op| before.ends_with(op) || after.starts_with(op));
        let matched = arm || before.ends_with('|') || line.contains("matches!");
        compared || (matched && method)
    })
}

/// Whether the file at `path` may name methods, because it defines one or is a test.
fn may_name(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.contains("/methods/")
        || text.contains("/tests/")
        || text.contains("tests.rs")
        || text.contains("/bench/")
}

#[test]
fn no_method_name_is_compared_with_a_string_outside_its_own_file() {
    let mut files = Vec::new();
    sources(&root().join("crates"), &mut files);
    sources(&root().join("xtask"), &mut files);
    assert!(files.len() > 200, "the sources were not found");
    let names = names();
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !may_name(file)) {
        let text = fs::read_to_string(file).unwrap();
        // Unit tests are at the end of a file.
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in code.lines().enumerate() {
            let line = line.trim();
            if !line.starts_with("//") && names.iter().any(|name| compares(line, name)) {
                found.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    assert!(
        found.is_empty(),
        "ask the MethodInfo (role, gated, knob, rival_of) instead of the name:\n{}",
        found.join("\n")
    );
}

#[test]
fn the_search_finds_what_it_looks_for() {
    for line in [
        r#"if method == "dense" {"#,
        r#"point.method != "l0gm""#,
        r#"Some("dense") if "dense" == name => 1,"#,
        r#"matches!(spec.method.as_str(), "dense")"#,
    ] {
        assert!(
            ["dense", "l0gm"].iter().any(|name| compares(line, name)),
            "{line}"
        );
    }
    for line in [
        r#"for model in ["dense", "gated"] {"#,
        r#"insert("dense".to_owned(), sizes)"#,
    ] {
        assert!(!compares(line, "dense"), "{line}");
    }
}

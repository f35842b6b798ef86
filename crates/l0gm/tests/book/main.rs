//! Runs the commands of the book: README and every page of `docs/`. Blocks of `sh` and `python` run in order, in a
//! folder of the page's own. Blocks that say why they cannot, such as `sh hours`, are held against the command line.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod churn;
mod page;

use clap::Parser;
use page::{Block, commands};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::time::Instant;

/// What may stand behind `sh`: a block takes long, or needs something that a test cannot count on.
const REASONS: [&str; 5] = ["hours", "data", "network", "gpu", "cluster"];

/// Commands of `cargo xtask` that `l0gm` does not have.
const CHORES: [&str; 3] = ["bench", "ci", "generality"];

/// Stands in for cargo. What a block says to build is built already, or is not and then the page cannot go on.
const CARGO: &str = r#"#!/usr/bin/env bash
set -eu
case "$1" in
  install | build) ;;
  xtask) shift; exec l0gm "$@" ;;
  run)
    [ "$2" = --example ] || { echo "the test of the book does not know: cargo $*" >&2; exit 1; }
    name=$3
    shift 3
    if [ "${1-}" = -- ]; then shift; fi
    [ -x "$EXAMPLES/$name" ] || { echo "example $name is not built" > "$MISSING"; exit 1; }
    exec "$EXAMPLES/$name" "$@" ;;
  *) echo "the test of the book does not know: cargo $*" >&2; exit 1 ;;
esac
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pages() -> Vec<(String, String)> {
    let mut paths = vec![root().join("README.md")];
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        paths.push(entry.unwrap().path());
    }
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "md"));
    // The longest pages, the tutorials, begin first.
    paths.sort_by(|a, b| b.cmp(a));
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

fn works(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// A folder in which a page's blocks run.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let tools = desk.at("tools");
        std::fs::create_dir(&tools).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_l0gm"), tools.join("l0gm")).unwrap();
        std::fs::write(tools.join("cargo"), CARGO).unwrap();
        std::fs::set_permissions(tools.join("cargo"), PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::create_dir_all(desk.at("page/docs/data")).unwrap();
        for file in std::fs::read_dir(root().join("docs/data")).unwrap() {
            let file = file.unwrap();
            let copy = desk.at("page/docs/data").join(file.file_name());
            std::fs::copy(file.path(), copy).unwrap();
        }
        desk
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Without data and models, so that catalogue names mean twins.
    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let beside = Path::new(env!("CARGO_BIN_EXE_l0gm")).with_file_name("examples");
        Command::new(program)
            .args(arguments)
            .current_dir(self.at("page"))
            .env("PATH", format!("{}:{path}", self.at("tools").display()))
            .env("EXAMPLES", beside)
            .env("MISSING", self.at("missing"))
            .env("RAYON_NUM_THREADS", "1")
            .env_remove("L0GM_DATA_DIR")
            .env_remove("L0GM_MODEL_DIR")
            .output()
            .unwrap()
    }

    /// Runs a block, or says why it cannot be run here.
    fn carry_out(&self, block: &Block) -> Result<Output, String> {
        if block.info == "sh" {
            let output = self.run("bash", &["-euo", "pipefail", "-c", &block.text]);
            return match std::fs::read_to_string(self.at("missing")) {
                Ok(missing) => Err(missing.trim().to_owned()),
                Err(_) => Ok(output),
            };
        }
        let mut modules: Vec<&str> = block.text.lines().filter_map(imported).collect();
        if modules.contains(&"pandas") {
            modules.push("pyarrow"); // with which pandas reads Parquet
        }
        let imports = format!("import {}", modules.join(", "));
        if !works(Command::new("python3").args(["-c", &imports])) {
            return Err(format!("python3 cannot {imports}"));
        }
        Ok(self.run("python3", &["-c", &block.text]))
    }
}

/// The module that a line of Python imports.
fn imported(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("import ")
        .or_else(|| line.strip_prefix("from "))?;
    rest.split_whitespace().next()
}

/// Runs a page's blocks. Returns how many were run and what went wrong.
fn run_page(name: &str, text: &str) -> (usize, Result<(), String>) {
    let runs = |block: &&Block| block.info == "sh" || block.info == "python";
    let (blocks, _) = page::read(text);
    let (desk, began) = (Desk::new(), Instant::now());
    let mut done = 0;
    for block in blocks.iter().filter(runs) {
        let place = format!("{name}, line {}", block.line);
        match desk.carry_out(block) {
            Ok(output) if output.status.success() => done += 1,
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                return (done, Err(format!("{place}:\n{}\n{said}", block.text)));
            }
            Err(why) => {
                println!("{place}: this block and the rest of the page are skipped: {why}");
                break;
            }
        }
    }
    if done > 0 {
        println!(
            "{name}: {done} blocks in {:.1} s",
            began.elapsed().as_secs_f64()
        );
    }
    (done, Ok(()))
}

#[test]
fn every_block_of_commands_in_the_book_runs() {
    if !works(Command::new("bash").args(["-c", "true"])) {
        println!("skipped: this machine has no bash");
        return;
    }
    let pages = pages();
    let waiting = Mutex::new(pages.iter());
    let results = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get().min(4));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().next();
                    let Some((name, text)) = next else { break };
                    let result = run_page(name, text);
                    results.lock().unwrap().push(result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let failed: Vec<String> = results
        .iter()
        .filter_map(|(_, result)| result.as_ref().err().cloned())
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    let done: usize = results.iter().map(|(done, _)| done).sum();
    assert!(done >= 25, "only {done} blocks were run");
}

/// Whether there is a program `crates/*/examples/NAME.rs`.
fn is_example(name: &str) -> bool {
    let mut crates = std::fs::read_dir(root().join("crates")).unwrap();
    crates.any(|folder| {
        let examples = folder.unwrap().path().join("examples");
        examples.join(format!("{name}.rs")).is_file()
    })
}

/// Holds a command against the command line of today.
fn check(command: &[String]) -> Result<(), String> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let words = match words[..] {
        ["exec", ref rest @ ..] => rest,
        ref all => all,
    };
    let flags = match words {
        ["cargo", "xtask", chore, ..] if CHORES.contains(chore) => return Ok(()),
        ["cargo", "run", "--example", name, ..] => {
            return is_example(name)
                .then_some(())
                .ok_or_else(|| format!("there is no example {name}"));
        }
        ["cargo", "run", "-p", "xtask", rest @ ..] => {
            let own = rest.iter().skip_while(|word| **word != "--").skip(1);
            own.copied().collect()
        }
        ["cargo", "xtask", rest @ ..] | ["l0gm", rest @ ..] => rest.to_vec(),
        _ => return Ok(()),
    };
    match l0gm::flags::Flags::try_parse_from([&["l0gm"], &flags[..]].concat()) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn every_command_of_the_book_parses() {
    let mut checked = 0;
    for (name, text) in pages() {
        for block in page::read(&text).0 {
            let Some(reason) = block.info.strip_prefix("sh") else {
                continue;
            };
            let (line, reason) = (block.line, reason.trim());
            assert!(
                reason.is_empty() || REASONS.contains(&reason),
                "{name}, line {line}: `sh {reason}`, but a block is not run for one of {REASONS:?}"
            );
            for command in commands(&block.text) {
                if let Err(error) = check(&command) {
                    panic!("{name}, line {line}: {}\n{error}", command.join(" "));
                }
                checked += 1;
            }
        }
    }
    assert!(checked >= 80, "only {checked} commands were found");
    let wrong: Vec<String> = ["l0gm", "train", "a.csv", "--lable", "b"]
        .map(str::to_owned)
        .into();
    assert!(check(&wrong).is_err());
}

#[test]
fn no_command_stands_outside_a_block_that_is_tested() {
    for (name, text) in pages() {
        let (blocks, outside) = page::read(&text);
        for (line, text) in outside {
            let code = text.strip_prefix("    ").unwrap_or_default();
            let code = code.trim_start_matches("$ ");
            assert!(
                !code.starts_with("l0gm ") && !code.starts_with("cargo "),
                "{name}, line {line}: put this command into a block ```sh"
            );
        }
        for block in blocks {
            let language = block.info.split([' ', ',']).next().unwrap();
            assert!(
                !["bash", "shell", "console", "py", "shell-session"].contains(&language),
                "{name}, line {}: name the language `sh` or `python`, so that the block is tested",
                block.line
            );
        }
    }
}

#[test]
fn the_made_up_customers_are_as_their_program_makes_them() {
    let tables = [
        ("churn.csv", churn::table(1, 1500, true)),
        ("new-customers.csv", churn::table(1501, 50, false)),
    ];
    for (name, table) in tables {
        let path = root().join("docs/data").join(name);
        if std::env::var_os("L0GM_WRITE_DOCS").is_some() {
            std::fs::write(&path, &table).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == table,
            "docs/data/{name} is out of date; write it with L0GM_WRITE_DOCS=1 cargo test -p l0gm --test book"
        );
    }
}

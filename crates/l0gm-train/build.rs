//! Passes the versions of the compiler and of candle to the crate, which writes them into each run record.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let rustc = Command::new(compiler)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| text.split_whitespace().nth(1).map(str::to_owned));
    println!(
        "cargo::rustc-env=L0GM_RUSTC={}",
        rustc.as_deref().unwrap_or("unknown")
    );

    let lock = lock_file();
    if let Some(lock) = &lock {
        println!("cargo::rerun-if-changed={}", lock.display());
    }
    let candle = lock.and_then(|lock| locked_version(&lock, "candle-core"));
    println!(
        "cargo::rustc-env=L0GM_CANDLE={}",
        candle.as_deref().unwrap_or("unknown")
    );
}

/// The nearest Cargo.lock above this crate.
fn lock_file() -> Option<PathBuf> {
    let crate_folder = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    crate_folder
        .ancestors()
        .map(|folder| folder.join("Cargo.lock"))
        .find(|lock| lock.exists())
}

/// The version of a package in Cargo.lock, which stands on the line after `name = "PACKAGE"`.
fn locked_version(lock: &Path, package: &str) -> Option<String> {
    let text = std::fs::read_to_string(lock).ok()?;
    let name = format!("name = \"{package}\"");
    let line = text.lines().skip_while(|line| *line != name).nth(1)?;
    Some(
        line.strip_prefix("version = \"")?
            .trim_end_matches('"')
            .to_owned(),
    )
}

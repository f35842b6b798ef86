//! A report as the small files that a repository can hold: the page as Markdown, its figures as SVG, its
//! tables as CSV. Runs, predictions and pictures in pixels stay in the output folder.

use super::document::Document;
use super::markdown;
use anyhow::{Context, bail};
use l0gm_train::write_atomically;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

const PAGE: &str = "report.md";
const TABLES: &str = "tables";
const FIGURES: &str = "figures";

/// Writes the document into `dir`; tables and figures of an older report there are removed.
///
/// # Errors
/// Where the folder holds something else than a report, or cannot be written.
pub(super) fn publish(document: &Document, dir: &Path) -> anyhow::Result<()> {
    if !dir.join(PAGE).exists() && holds_files(dir)? {
        bail!(
            "--publish {}: holds files, and no {PAGE} among them; name an empty folder or one that was published into",
            dir.display()
        );
    }
    let mut tables = BTreeSet::new();
    for table in document.tables() {
        let name = format!("{}.csv", table.id);
        write(&dir.join(TABLES).join(&name), &table.frame().to_csv()?)?;
        tables.insert(OsString::from(name));
    }
    let mut figures = BTreeSet::new();
    for figure in document.figures() {
        let name = format!("{}.svg", figure.id);
        write(&dir.join(FIGURES).join(&name), figure.svg()?.as_bytes())?;
        figures.insert(OsString::from(name));
    }
    remove_others(&dir.join(TABLES), "csv", &tables)?;
    remove_others(&dir.join(FIGURES), "svg", &figures)?;
    write(&dir.join(PAGE), markdown::text(document).as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    write_atomically(path, bytes)?;
    Ok(())
}

/// Settings files beside a report are not in the way.
fn holds_files(dir: &Path) -> anyhow::Result<bool> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Ok(false);
    };
    for entry in entries {
        let path = entry.with_context(|| dir.display().to_string())?.path();
        if path.extension().is_none_or(|kind| kind != "toml") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn remove_others(dir: &Path, kind: &str, keep: &BTreeSet<OsString>) -> anyhow::Result<()> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry.with_context(|| dir.display().to_string())?;
        let path = entry.path();
        if path.extension().is_some_and(|k| k == kind) && !keep.contains(&entry.file_name()) {
            std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::report::table::{Cell, Table, words};
    use crate::report::{document::Block, document::Section};

    fn document(table: &str) -> Document {
        let mut rows = Table::new(table, "A table", "", vec![words("a", "a")]);
        rows.push(vec![Cell::text("x")]);
        Document {
            title: "T".to_owned(),
            lead: vec![],
            sections: vec![Section {
                id: "s".to_owned(),
                heading: "S".to_owned(),
                blocks: vec![Block::Table(rows)],
            }],
        }
    }

    #[test]
    fn a_newer_report_takes_an_older_ones_place_and_leaves_settings_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("imdb.toml"), "").unwrap();
        publish(&document("one"), folder.path()).unwrap();
        publish(&document("two"), folder.path()).unwrap();
        assert!(folder.path().join("imdb.toml").exists());
        assert!(!folder.path().join("tables/one.csv").exists());
        let table = std::fs::read_to_string(folder.path().join("tables/two.csv")).unwrap();
        assert_eq!(table, "a\nx\n");
        let page = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
        assert!(page.starts_with("# T"), "{page}");
    }

    #[test]
    fn somebodys_folder_is_refused_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.tex"), "x").unwrap();
        let error = publish(&document("one"), folder.path()).unwrap_err();
        assert!(error.to_string().contains("holds files"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

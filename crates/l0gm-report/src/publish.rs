//! Publishes a report as files small enough for a repository: the page as Markdown, its figures as SVG and its tables
//! as CSV. Runs, predictions and PNG pictures stay in the output folder.

use super::document::Document;
use super::markdown;
use crate::error::At;
use crate::{Error, Result};
use l0gm_train::write_atomically;
use std::collections::BTreeSet;
use std::path::Path;

/// File that names the files of a published report, one on each line. Only files named here are ever replaced.
const LIST: &str = "published.txt";

/// Writes the document into `dir` and removes the files of the report published there before.
///
/// # Errors
/// Fails if a file from elsewhere is in the way, if `dir` is an output folder, or if it cannot be written.
pub fn publish(document: &Document, dir: &Path) -> Result<()> {
    if dir.join("l0gm-out.json").exists() {
        return Err(Error::Refused(format!(
            "--publish {}: is an output folder, whose report is there already; name another folder",
            dir.display()
        )));
    }
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for table in document.tables() {
        files.push((format!("tables/{}.csv", table.id), table.frame().to_csv()?));
    }
    for figure in document.figures() {
        let name = format!("figures/{}.svg", figure.id);
        files.push((name, figure.svg()?.into_bytes()));
    }
    files.push((
        "report.md".to_owned(),
        markdown::text(document).into_bytes(),
    ));
    let before = listed(dir);
    if let Some((name, _)) = files
        .iter()
        .find(|(name, _)| !before.contains(name) && dir.join(name).exists())
    {
        return Err(Error::Refused(format!(
            "--publish {}: {name} is there and was not published by this command; name another folder, or move it",
            dir.display()
        )));
    }
    let names: BTreeSet<String> = files.iter().map(|(name, _)| name.clone()).collect();
    // Until all files are written, list the old and the new names, so that an interruption leaves only files known as
    // ours.
    write(&dir.join(LIST), &lines(before.union(&names)))?;
    for (name, bytes) in &files {
        write(&dir.join(name), bytes)?;
    }
    for name in before.difference(&names) {
        let path = dir.join(name);
        if path.exists() {
            std::fs::remove_file(&path).at(&path, "cannot be removed")?;
        }
    }
    write(&dir.join(LIST), &lines(names.iter()))
}

/// The files that a folder's list names, as far as they can belong to a report.
fn listed(dir: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(dir.join(LIST)).unwrap_or_default();
    let of_a_report = |name: &&str| {
        let inside = ["tables/", "figures/"]
            .iter()
            .find_map(|f| name.strip_prefix(f));
        *name == "report.md" || inside.is_some_and(|name| !name.contains(['/', '\\']))
    };
    text.lines()
        .filter(of_a_report)
        .map(str::to_owned)
        .collect()
}

fn lines<'a>(names: impl Iterator<Item = &'a String>) -> Vec<u8> {
    names
        .flat_map(|name| format!("{name}\n").into_bytes())
        .collect()
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).at(folder, "cannot be created")?;
    write_atomically(path, bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::table::{Cell, Table, words};
    use crate::{document::Block, document::Section};

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
    fn somebodys_files_are_neither_replaced_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mine = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "mine").unwrap();
        };
        mine("tables/grades.csv");
        mine("figures/logo.svg");
        publish(&document("one"), folder.path()).unwrap();
        mine("tables/two.csv");
        let error = publish(&document("two"), folder.path()).unwrap_err();
        assert!(
            error.to_string().contains("tables/two.csv is there"),
            "{error}"
        );
        for name in ["tables/grades.csv", "figures/logo.svg", "tables/two.csv"] {
            assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), b"mine");
        }
        assert!(folder.path().join("tables/one.csv").exists());
    }

    #[test]
    fn an_output_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        crate::out::OutDir::create(folder.path()).unwrap();
        let error = publish(&document("one"), folder.path()).unwrap_err();
        assert!(error.to_string().contains("is an output folder"), "{error}");
    }
}

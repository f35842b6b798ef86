//! Every link from one document of this repository to another leads to an existing file, and to a heading in it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Markdown files that readers see first.
fn documents() -> Vec<PathBuf> {
    let root = root();
    let mut found: Vec<PathBuf> = ["README.md", "CHANGELOG.md", "xtask/README.md"]
        .map(|name| root.join(name))
        .to_vec();
    for page in std::fs::read_dir(root.join("docs")).unwrap() {
        found.push(page.unwrap().path());
    }
    for folder in std::fs::read_dir(root.join("crates")).unwrap() {
        found.push(folder.unwrap().path().join("README.md"));
    }
    found.retain(|path| path.is_file() && path.extension().is_some_and(|kind| kind == "md"));
    found.sort();
    found
}

#[test]
fn the_book_lists_every_page_of_docs_once() {
    let docs = root().join("docs");
    let summary = read(&docs.join("SUMMARY.md"));
    for page in std::fs::read_dir(&docs).unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && name != "SUMMARY.md" {
            let listed = summary.matches(&format!("]({name})")).count();
            assert_eq!(listed, 1, "docs/SUMMARY.md lists {name} {listed} times");
        }
    }
}

/// The lines outside code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// The anchor of a heading, by which pages link to it: "## One knob, and why" has "one-knob-and-why".
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    headings.map(anchor).collect()
}

/// The targets of `[words](target)`, without those on the web.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        for part in line.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            if !target.starts_with("http") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut checked = 0;
    for document in documents() {
        let text = read(&document);
        for link in links(&text) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => document.clone(),
                file => document.parent().unwrap().join(file),
            };
            let place = document.strip_prefix(root()).unwrap().display();
            assert!(target.exists(), "{place}: {link} leads to no file");
            if !heading.is_empty() {
                assert!(
                    anchors(&read(&target)).contains(heading),
                    "{place}: {link} leads to no heading"
                );
            }
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} links were found");
}

#[test]
fn a_heading_is_linked_to_by_its_words_without_their_marks() {
    assert_eq!(
        anchor("## One knob, and why it needs care"),
        "one-knob-and-why-it-needs-care"
    );
    assert_eq!(
        anchor("# `reproduce` uses the gate's own"),
        "reproduce-uses-the-gates-own"
    );
}

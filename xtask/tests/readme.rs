//! The figures that README quotes equal those of `results/reference`, to the last quoted digit.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A row of a CSV table, by column name.
type Row = BTreeMap<String, String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rows(path: &Path) -> Vec<Row> {
    let mut reader =
        csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader.deserialize().map(|row| row.unwrap()).collect()
}

/// The cells of a row of a Markdown table.
fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner
        .split('|')
        .map(|cell| cell.trim().to_owned())
        .collect()
}

/// The row of a model, such as "dense" or "λ 1e-3".
fn of_model<'a>(rows: &'a [Row], model: &str) -> &'a Row {
    let lambda: Option<f64> = model.strip_prefix("λ ").map(|text| text.parse().unwrap());
    let found = rows.iter().find(|row| match lambda {
        None => row["method"] == model,
        Some(lambda) => row["method"] == "L0GM" && row["lambda"].parse() == Ok(lambda),
    });
    found.unwrap_or_else(|| panic!("no row of {model}"))
}

/// Reads ".8758" or "27.5%" as a number, and returns it with one unit of its last digit.
fn quoted(text: &str) -> (f64, f64) {
    let digits = text.trim_end_matches('%');
    let scale = if text.ends_with('%') { 0.01 } else { 1.0 };
    let decimals = digits.split_once('.').map_or(0, |(_, d)| d.len());
    let value: f64 = digits.parse().unwrap();
    (value * scale, scale * 10f64.powi(-(decimals as i32)))
}

#[test]
fn every_figure_in_readmes_table_is_the_reference_results() {
    let readme = read(&root().join("README.md"));
    let start = readme
        .find("<!-- figures of results/reference -->")
        .unwrap();
    let end = readme.find("<!-- end of figures -->").unwrap();
    let mut data = None;
    let mut checked = 0;
    for line in readme[start..end]
        .lines()
        .filter(|line| line.starts_with('|'))
    {
        let cells = cells(line);
        if cells[0] == "data" || cells[0].starts_with("--") {
            continue;
        }
        // A link such as [words](results/reference/FOLDER/report.md#DATASET) belongs to
        // tables/quality-MODALITY-DATASET.csv.
        if let Some((_, link)) = cells[0].split_once("](") {
            let (page, dataset) = link.split_once(')').unwrap().0.split_once('#').unwrap();
            let folder = root().join(page).parent().unwrap().join("tables");
            let of_dataset = |modality: &&&str| {
                let name = format!("quality-{modality}-{dataset}.csv");
                folder.join(name).exists()
            };
            let modality = ["tabular", "text", "graph"].iter().find(of_dataset);
            let modality = modality.unwrap_or_else(|| panic!("{link}: no table"));
            data = Some((folder.clone(), format!("{modality}-{dataset}")));
        }
        let (folder, slug) = data.as_ref().unwrap();
        let table = |name: &str| rows(&folder.join(format!("{name}-{slug}.csv")));
        let (quality, calibration) = (table("quality"), table("calibration"));
        let (quality, calibration) = (
            of_model(&quality, &cells[1]),
            of_model(&calibration, &cells[1]),
        );
        for (cell, row, column) in [
            (2, quality, "active_fraction"),
            (3, quality, "accuracy"),
            (4, calibration, "nll"),
            (5, calibration, "ece"),
        ] {
            // A model without a gate has no active fraction.
            if cells[cell].is_empty() {
                continue;
            }
            let (value, unit) = quoted(&cells[cell]);
            let found: f64 = row[column].parse().unwrap();
            assert!(
                (value - found).abs() <= 0.5000001 * unit,
                "{slug}, {}: README has {column} {}, the reference {found}",
                cells[1],
                cells[cell]
            );
            checked += 1;
        }
    }
    assert!(checked >= 40, "only {checked} figures were found");
}

#[test]
fn every_verdict_in_the_list_of_claims_is_the_reference_reports() {
    let reference = rows(&root().join("results/reference/tables/claims.csv"));
    let claims = read(&root().join("docs/claims.md"));
    let listed: Vec<Vec<String>> = claims
        .lines()
        .skip_while(|line| !line.starts_with("| claim |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(cells)
        .collect();
    let found: Vec<[String; 3]> = reference
        .iter()
        .map(|row| ["id", "name", "verdict"].map(|column| row[column].clone()))
        .collect();
    let listed: Vec<[String; 3]> = listed
        .into_iter()
        .map(|cells| [cells[0].clone(), cells[1].clone(), cells[2].clone()])
        .collect();
    assert_eq!(listed, found);
    assert_eq!(found.len(), 8);
}

#[test]
fn the_count_of_verdicts_in_readme_is_the_reference_reports() {
    let claims = rows(&root().join("results/reference/tables/claims.csv"));
    let count = |verdict: &str| {
        claims
            .iter()
            .filter(|row| row["verdict"] == verdict)
            .count()
    };
    assert_eq!(claims.len(), 8);
    let readme = read(&root().join("README.md"));
    for said in [
        format!("eight claims {} holds (", count("holds")),
        format!(", {} hold in part", count("holds in part")),
        format!(" and {} do not:", count("does not hold")),
    ] {
        assert!(readme.contains(&said), "README.md lacks: {said}");
    }
}

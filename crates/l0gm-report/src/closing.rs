//! The sections around the figures: missing runs, how to read the report, where the paper contradicts itself,
//! settings, versions, and the commands that make the report again.

use super::context::ReportContext;
use super::document::{Block, Section};
use super::format;
use super::settings::flat;
use super::study::Study;
use super::table::{Cell, Table, words};
use l0gm_train::RunRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn section(id: &str, heading: &str, blocks: Vec<Block>) -> Section {
    Section {
        id: id.to_owned(),
        heading: heading.to_owned(),
        blocks,
    }
}

/// Lists failed and unfinished runs, and runs with two different results; `None` if there are none.
pub(super) fn missing(context: &ReportContext) -> Option<Section> {
    let mut blocks = Vec::new();
    if !context.failures.is_empty() {
        blocks.push(Block::Warning(
            "These runs failed and are in no table. The same command tries them again.".to_owned(),
        ));
        let failures = context.failures.iter();
        blocks.push(Block::List(
            failures
                .map(|(id, error)| format!("`{id}`: {error}"))
                .collect(),
        ));
    }
    if !context.unfinished.is_empty() {
        blocks.push(Block::Warning(
            "These runs were planned and have not finished. The same command goes on with them."
                .to_owned(),
        ));
        blocks.push(Block::List(
            context
                .unfinished
                .iter()
                .map(|id| format!("`{id}`"))
                .collect(),
        ));
    }
    if !context.disagreements.is_empty() {
        blocks.push(Block::Warning(
            "These runs were made twice, in folders that were joined, and their results differ. The tables \
             hold the first folder's."
                .to_owned(),
        ));
        let disagreements = context.disagreements.iter();
        blocks.push(Block::List(
            disagreements
                .map(|(id, what)| format!("`{id}`: {what}"))
                .collect(),
        ));
    }
    (!blocks.is_empty()).then(|| section("missing", "What is missing or in doubt", blocks))
}

/// Describes the data that a study's runs read: rows, notes, reductions and source.
pub(super) fn what_it_saw(study: &Study<'_>) -> Vec<Block> {
    let mut rows = BTreeSet::new();
    let mut sources = BTreeSet::new();
    let mut notes = BTreeSet::new();
    let mut refused = BTreeSet::new();
    let mut reductions = BTreeSet::new();
    for run in study.runs() {
        let split = |name: &str| run.data.rows.get(name).map(|&n| format::count(n as u64));
        let parts: Vec<String> = ["train", "valid", "test"]
            .iter()
            .filter_map(|name| split(name).map(|n| format!("{n} {name}")))
            .collect();
        rows.insert(parts.join(", "));
        sources.insert(without_machine(&run.data.source));
        // Notes of the backbone and of L0GM concern the whole study; notes of other methods name their method.
        let whose = match run.method.is_backbone() || run.method.is_subject() {
            true => String::new(),
            false => format!("{}: ", run.method.label),
        };
        notes.extend(run.data.notes.iter().map(|note| format!("{whose}{note}")));
        if !whose.is_empty() {
            refused.extend(
                run.not_offered
                    .iter()
                    .map(|not| format!("Not offered by {whose}{} ({})", not.what, not.reason)),
            );
        }
        reductions.extend(run.data.reductions.iter().cloned());
    }
    let joined = |set: BTreeSet<String>| {
        let items: Vec<String> = set.into_iter().filter(|s| !s.is_empty()).collect();
        items.join("; ")
    };
    let mut list = vec![
        format!("Rows: {}", joined(rows)),
        format!("Source: {}", joined(sources)),
    ];
    list.extend(notes.into_iter().map(|note| format!("Note: {note}")));
    list.extend(refused);
    if reductions.is_empty() {
        list.push("Reduced against the full job: nothing".to_owned());
    }
    list.extend(reductions.into_iter().map(|r| format!("Reduced: {r}")));
    vec![Block::Heading("What it saw".to_owned()), Block::List(list)]
}

/// Shortens absolute paths to their last two folders, because the report must not depend on where somebody keeps
/// files.
fn without_machine(source: &str) -> String {
    let words = source.split(' ').map(|word| {
        let path = Path::new(word);
        if !path.is_absolute() {
            return word.to_owned();
        }
        let mut last: Vec<_> = path.iter().rev().take(2).collect();
        last.reverse();
        last.iter().collect::<PathBuf>().display().to_string()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Explains the terms that the tables use.
pub(super) fn how_to_read() -> Section {
    let mut items = vec!["Worst: the lowest accuracy over seeds, as the paper defines it."];
    items.extend(READING);
    reading(&items)
}

/// Explains the terms of a report that is not about the paper.
pub(super) fn how_to_read_own() -> Section {
    reading(&READING)
}

fn reading(items: &[&str]) -> Section {
    let items = items.iter().map(|item| (*item).to_owned()).collect();
    section(
        "reading",
        "How to read the numbers",
        vec![Block::List(items)],
    )
}

const READING: [&str; 5] = [
    "Active: the share of the interface's dimensions that the deterministic gate leaves non-zero. \
         Expected L0 is another number: the expected count of non-zero gates under training noise.",
    "ECE depends on its bins and is never zero on finite data: hold every difference against the \
         noise floor beside it. NLL and Brier are proper scores, so they rank.",
    "Temperature scaling costs one number fitted on validation. A method that improves calibration \
         has to beat it.",
    "The checkpoint is selected by validation loss, unless a run's notes say by validation accuracy; the test split is \
         read once, at the end of a run.",
    "Frontier: points that no other point beats in sparsity, accuracy and ECE together.",
];

/// Lists the questions that the paper leaves open, and the answer this project chose.
pub(super) fn at_odds() -> Section {
    let items = [
        "Equation 6 penalises the mean of z, Algorithm 1 the probability that z is not zero. We use Algorithm 1's.",
        "The gates are called instance-conditioned, yet Algorithm 1's gate parameters do not see the instance. We train gates that are shared, with noise of its own for every example.",
        "The introduction gates raw node attributes, sections 3 and 5 the final node embedding. We gate the latter.",
        "In training the representation is scaled by z between 0 and 1, at inference by 0 or 1. Each table's runs state the inference gate; the summary has it as a column.",
        "Equation 13 lacks a minus sign in its exponent; the output weight absorbs it. We use the plain sigmoid.",
        "Equation 10's interaction network has neither the activation nor the split of the code it builds on. As written is our default.",
        "An accuracy of 0.8906 on Adult lies more than three standard errors above what the best boosted trees reach on such a split (0.877 to 0.879), and XGBoost's worst of 0.7804 cannot come from seeds, which move it by 0.002.",
        "The graph rows of Table 3 lie below published results of the same methods on ogbn-products (GCN 0.756, GraphSAGE 0.787).",
        "Worst for text is far below the mean and reads as a loss; graph Rob µ equals the average of metric and worst to three digits.",
        "7 microseconds a review are out of reach of any current GPU; milliseconds would fit. And a gate behind the encoder cannot save the encoder's time. Our latencies state batch, threads and device.",
        "Section 5.3 mentions a click-through data set and link prediction that no table shows.",
    ];
    section(
        "at-odds",
        "Where the paper is silent or at odds with itself",
        vec![Block::List(items.map(str::to_owned).to_vec())],
    )
}

/// Lists the settings that all runs of a study share, and the software versions.
pub(super) fn settings_and_versions(records: &[RunRecord], studies: &[Study<'_>]) -> Section {
    let mut blocks = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for record in records {
        for (name, version) in &record.versions {
            versions.entry(name).or_default().insert(version);
        }
    }
    let list: Vec<String> = versions
        .into_iter()
        .map(|(name, found)| {
            format!(
                "{name} {}",
                found.into_iter().collect::<Vec<_>>().join(" and ")
            )
        })
        .collect();
    if !list.is_empty() {
        blocks.push(Block::Paragraph(format!("Versions: {}.", list.join("; "))));
    }
    for study in studies {
        let mut table = Table::new(
            format!("settings-{}", study.slug()),
            format!("{}: settings", study.name()),
            "Complete; where runs differ, all values are listed.",
            vec![words("setting", "setting"), words("value", "value")],
        );
        let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for run in study.runs() {
            for (key, value) in flat(&run.spec.settings) {
                values.entry(key).or_default().insert(value);
            }
        }
        for (key, values) in values {
            let values: Vec<String> = values.into_iter().collect();
            table.push(vec![Cell::text(key), Cell::text(values.join(" or "))]);
        }
        blocks.push(Block::Folded(table));
        let checksums: BTreeSet<String> = study
            .runs()
            .flat_map(|run| &run.data.checksums)
            .map(|(file, sum)| format!("{file}  {sum}"))
            .collect();
        if !checksums.is_empty() {
            let mut table = Table::new(
                format!("checksums-{}", study.slug()),
                format!("{}: sha256 of the files read", study.name()),
                "",
                vec![words("file", "file"), words("sha256", "sha256")],
            );
            for line in checksums {
                let (file, sum) = line.split_once("  ").unwrap_or((&line, ""));
                table.push(vec![Cell::text(file), Cell::text(sum)]);
            }
            blocks.push(Block::Folded(table));
        }
    }
    section("settings", "Settings and versions", blocks)
}

/// Gives the command that makes the report again.
pub(super) fn how_to_reproduce(context: &ReportContext, studies: &[Study<'_>]) -> Section {
    let mut blocks = Vec::new();
    if context.command.command.is_empty() {
        blocks.push(Block::Paragraph(
            "The command that made these runs was not recorded.".to_owned(),
        ));
    } else {
        blocks.push(Block::Paragraph(
            match context.command.command.contains('\n') {
                true => "The commands, each the last into the folder that it wrote; runs that it found finished it left \
                         as they were:",
                false => "The last command into this folder; runs that it found finished it left as they were:",
            }
            .to_owned(),
        ));
        blocks.push(Block::Code(context.command.command.clone()));
    }
    if studies.iter().any(|study| study.twin) {
        blocks.push(Block::Paragraph(
            format!(
                "To run on real data instead of TWINS, name its folder (`{} datasets` says what it must hold and where it comes from):",
                context.program
            ),
        ));
        blocks.push(Block::Code(format!(
            "{} reproduce --data-dir DIR --out out/real",
            context.program
        )));
    }
    blocks.push(Block::Paragraph(
        "The same seed on the same device gives the same run. In the output folder every run's settings, checkpoint, \
         predictions and record stand under `runs/`; `summary.parquet` and `summary.csv` hold a row a \
         run, `tables/` every table and `figures/` every figure of this page."
            .to_owned(),
    ));
    if !studies.iter().all(Study::is_own) {
        blocks.push(Block::Paragraph("The paper: arXiv:2603.26801.".to_owned()));
    }
    section("reproduce", "How to reproduce this", blocks)
}

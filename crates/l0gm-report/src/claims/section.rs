//! The report's section on the claims: a table with a row for each claim, then each claim, folded, with its rule, its
//! evidence and what is missing.

use super::{CLAIMS, Claim, Finding, Judged, Missing, OVERALL, Verdict, judge};
use crate::context::ReportContext;
use crate::document::{Block, Section};
use crate::format;
use crate::paper::Paper;
use crate::paper_tables::Command;
use crate::study::Study;
use crate::table::{Cell, Table, words};
use std::collections::BTreeSet;

pub(crate) fn section(studies: &[Study<'_>], context: &ReportContext, paper: &Paper) -> Section {
    let profile = &context.command.profile;
    let command = Command::new(context);
    let judged: Vec<(&Claim, Judged)> = CLAIMS
        .iter()
        .map(|claim| {
            (
                claim,
                judge(
                    claim,
                    studies,
                    &context.comparisons,
                    &context.latencies,
                    paper,
                ),
            )
        })
        .collect();
    let mut blocks = vec![
        Block::Paragraph(format!(
            "What the paper claims, in our words, and what the runs of this report say of it, by the rules given \
             with each; a claim's rule, evidence and missing runs unfold below the table. {OVERALL}"
        )),
        Block::Table(table(studies, &judged)),
    ];
    blocks.extend(caveat(studies, profile).map(Block::Paragraph));
    let absent = ["tabular", "text", "graph"]
        .into_iter()
        .filter(|modality| !studies.iter().any(|s| !s.twin && s.modality == *modality));
    let absent: Vec<String> = absent
        .map(|modality| {
            let command = command.of_modality(modality);
            format!("No real data of modality {modality}, and so no verdict on it: `{command}`")
        })
        .collect();
    if !absent.is_empty() {
        blocks.push(Block::List(absent));
    }
    for (claim, judged) in &judged {
        let mut items = vec![
            format!("The paper ({}): {}", claim.place, claim.says),
            format!("Rule: {}", claim.rule),
        ];
        items.extend(
            studies
                .iter()
                .zip(&judged.findings)
                .map(|(study, finding)| line(study, finding, &command)),
        );
        items.push(format!(
            "Verdict over all: {} ({}).",
            judged.verdict.text(),
            coverage(studies, judged)
        ));
        blocks.push(Block::FoldedList {
            title: format!("{}: {}: {}", claim.id, claim.name, judged.verdict.text()),
            items,
        });
    }
    Section {
        id: "claims".to_owned(),
        heading: "The paper's claims".to_owned(),
        blocks,
    }
}

/// States how much was tested, such as "tested on 2 of 3 modalities".
fn coverage(studies: &[Study<'_>], judged: &Judged) -> String {
    let tested: BTreeSet<&str> = studies
        .iter()
        .zip(&judged.findings)
        .filter(|(study, finding)| !study.twin && finding.verdict != Verdict::Untested)
        .map(|(study, _)| study.modality)
        .collect();
    format!("tested on {} of 3 modalities", tested.len())
}

/// States what makes these verdicts weaker than those of the whole protocol.
fn caveat(studies: &[Study<'_>], profile: &str) -> Option<String> {
    let mut reasons = Vec::new();
    if profile != "paper" {
        reasons.push(format!("the profile is {profile}"));
    }
    let seeds = studies.iter().flat_map(|s| &s.points).map(|p| p.runs.len());
    if seeds.max().is_none_or(|most| most < 3) {
        reasons.push("there are fewer than three seeds".to_owned());
    }
    (!reasons.is_empty()).then(|| {
        format!(
            "The rules are the same for every report, but these runs are less than the paper's protocol: {}. What is \
             said here of a claim is said of these runs.",
            format::list(&reasons)
        )
    })
}

fn table(studies: &[Study<'_>], judged: &[(&Claim, Judged)]) -> Table {
    let mut columns = vec![
        words("claim", "claim").on_the_page_only(),
        words("id", "claim").in_files_only(),
        words("name", "name").in_files_only(),
        words("verdict", "verdict"),
    ];
    columns.extend(
        studies
            .iter()
            .map(|study| words(format!("verdict_{}", study.slug()), study.tag())),
    );
    columns.push(words("evidence", "evidence").in_files_only());
    let mut table = Table::new(
        "claims",
        "The claims and their verdicts",
        if studies.iter().any(|study| study.twin) {
            "A TWIN's column shows that the rule can be worked out; it says nothing about the paper and does not \
             count in the verdict."
        } else {
            ""
        },
        columns,
    );
    for (claim, judged) in judged {
        let mut row = vec![
            Cell::text(format!("{}: {}", claim.id, claim.name)),
            Cell::text(claim.id),
            Cell::text(claim.name),
            Cell::text(judged.verdict.text()),
        ];
        let verdicts = judged.findings.iter();
        row.extend(verdicts.map(|finding| Cell::text(finding.verdict.text())));
        let evidence: Vec<String> = studies
            .iter()
            .zip(&judged.findings)
            .map(|(study, finding)| format!("{}: {}", study.tag(), finding.evidence))
            .collect();
        row.push(Cell::text(format!("{}.", evidence.join(". "))));
        table.push(row);
    }
    table
}

fn line(study: &Study<'_>, finding: &Finding, command: &Command) -> String {
    let mut text = format!(
        "{}: {}. {}.",
        study.tag(),
        finding.verdict.text(),
        capital(&finding.evidence)
    );
    let missing: Vec<String> = finding
        .missing
        .iter()
        .map(|missing| match missing {
            Missing::Flags(flags) => {
                format!("`{}`", command.of(study, flags))
            }
            Missing::Rivals(rows) => match command.rivals_flag(study.modality, rows) {
                Some(flag) => format!("`{}`", command.of(study, &flag)),
                None => format!("runs of {}", format::list(rows)),
            },
            Missing::Words(words) => words.clone(),
        })
        .collect();
    if !missing.is_empty() {
        text.push_str(&format!(" Missing: {}.", format::list(&missing)));
    } else if finding.verdict == Verdict::Untested {
        text.push_str(" Nothing is known to be missing.");
    }
    text
}

/// Capitalises the first letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

//! Decides what the report says and in which order. Pure: takes run records and the context, returns a document.

use super::context::ReportContext;
use super::document::{Block, Document, Fact, Section};
use super::paper::Paper;
use super::paper_tables::Command;
use super::study::{Point, Study};
use super::table::{Cell, Table, numbers, words};
use super::{
    arms, claims, closing, detail_tables, format, gate_maps, headline, latency, own_data,
    paper_tables, peers, plots, robustness, significance, tables,
};
use l0gm_train::RunRecord;

pub(crate) fn document(records: &[RunRecord], context: &ReportContext, paper: &Paper) -> Document {
    let studies = context.choices.studies(records);
    if !studies.is_empty() && studies.iter().all(Study::is_own) {
        return own_data::document(records, &studies, context);
    }
    let mut first = glance(&studies);
    let frontiers: Vec<_> = studies.iter().filter_map(plots::frontier).collect();
    if !frontiers.is_empty() {
        first.blocks.insert(0, Block::Figures(frontiers));
    }
    let mut sections = vec![first];
    sections.extend(closing::missing(context));
    let command = Command::new(context);
    sections.push(claims::section(&studies, context, paper));
    let of_study = |study| study_section(study, context);
    sections.extend(studies.iter().map(of_study));
    sections.push(paper_tables::section(&studies, records, &command, paper));
    sections.push(closing::how_to_read());
    sections.push(closing::at_odds());
    sections.push(closing::settings_and_versions(records, &studies));
    sections.push(closing::how_to_reproduce(context, &studies));
    Document {
        title: title(&studies),
        lead: lead(&studies, context),
        sections,
    }
}

fn title(studies: &[Study<'_>]) -> String {
    let twins = studies.iter().filter(|s| s.twin).count();
    let what = match twins {
        0 => "",
        n if n == studies.len() => " on TWINS (synthetic stand-ins)",
        _ => " on real data and TWINS (synthetic stand-ins)",
    };
    format!("L0GM{what}: accuracy, sparsity and calibration")
}

fn lead(studies: &[Study<'_>], context: &ReportContext) -> Vec<String> {
    let real: Vec<String> = studies.iter().filter(|s| !s.twin).map(Study::tag).collect();
    let twins: Vec<String> = studies.iter().filter(|s| s.twin).map(Study::tag).collect();
    let mut lead = vec![
        "One gate on the representation that the classifier reads, one number λ that closes it: how \
         much of the representation is needed, and what does closing the rest do to accuracy and \
         calibration?"
            .to_owned(),
    ];
    for study in studies {
        if let Some(sentence) = headline::sentence(study, &context.comparisons) {
            lead.push(sentence);
        }
    }
    let mut ran_on = String::from("What this ran on: ");
    if !real.is_empty() {
        ran_on.push_str(&format!("real data ({})", format::list(&real)));
    }
    if !twins.is_empty() {
        if !real.is_empty() {
            ran_on.push_str("; ");
        }
        ran_on.push_str(&format!(
            "synthetic twins ({}), which have the real data's schema and nothing else of it",
            format::list(&twins)
        ));
    }
    let seeds = studies
        .iter()
        .flat_map(|s| &s.points)
        .map(|p| p.runs.len())
        .max();
    ran_on.push_str(&format!(
        ". {}{}.",
        if context.command.profile.is_empty() {
            String::new()
        } else {
            format!("Profile {}, ", context.command.profile)
        },
        match seeds {
            Some(1) | None => "one seed a point".to_owned(),
            Some(n) => format!("up to {n} seeds a point"),
        }
    ));
    lead.push(ran_on);
    lead
}

pub(super) fn glance(studies: &[Study<'_>]) -> Section {
    let mut table = Table::new(
        "glance",
        if studies.iter().any(|s| s.twin) {
            "Dense, and the gated model we would deploy (TWIN marks synthetic data)"
        } else {
            "Dense, and the gated model we would deploy"
        },
        "The gated model is chosen on the validation split alone: the sparsest whose validation NLL lies within one \
         standard error of the best one's, by paired differences over the validation rows. Dense with the same settings \
         stands above it. All figures are on the test split.",
        vec![
            words("name", "model").on_the_page_only(),
            words("dataset", "dataset").in_files_only(),
            words("model", "model").in_files_only(),
            numbers("active_fraction", "active"),
            numbers("accuracy", "accuracy"),
            numbers("auc", "AUC"),
            numbers("nll", "NLL"),
            numbers("brier", "Brier"),
            numbers("ece", "ECE"),
            numbers("ece_noise", "noise floor"),
            numbers("ece_scaled", "ECE scaled"),
        ],
    );
    for study in studies {
        let dense = study.dense().into_iter();
        for point in dense.chain(study.others()).chain(study.pick()) {
            table.push(vec![
                Cell::text(match study.is_own() {
                    true => point.label(),
                    false => format!("{}: {}", study.tag(), point.label()),
                }),
                Cell::text(study.tag()),
                Cell::text(point.label()),
                tables::active_cell(point),
                tables::estimate(point.over(|r| r.test.accuracy), format::fraction),
                match point.maybe(|r| r.test.auc) {
                    Some(auc) => tables::estimate(auc, format::fraction),
                    None => Cell::Empty,
                },
                tables::estimate(point.over(|r| r.calibration.nll), format::fraction),
                tables::estimate(point.over(|r| r.calibration.brier), format::fraction),
                tables::estimate(point.over(|r| r.calibration.ece), format::fraction),
                Cell::number(
                    point.over(|r| r.calibration.ece_noise).mean,
                    format::fraction,
                ),
                tables::estimate(point.over(|r| r.calibration_scaled.ece), format::fraction),
            ]);
        }
    }
    Section {
        id: "glance".to_owned(),
        heading: "At a glance".to_owned(),
        blocks: vec![Block::Table(table)],
    }
}

/// Most warnings that a study's section shows in full.
const MOST_WARNINGS: usize = 12;

/// What the study's runs say about themselves: signs that a model failed, with what to try.
pub(super) fn warnings(study: &Study<'_>) -> Vec<Block> {
    let of_point = |point: &Point<'_>| -> Vec<String> {
        let runs = point.runs.iter();
        runs.flat_map(|run| {
            let who = format!("{}, seed {}", point.label(), run.spec.seed);
            let texts = run.warnings.iter();
            texts
                .map(move |warning| format!("{who}: {}", warning.text))
                .collect::<Vec<_>>()
        })
        .collect()
    };
    let all: Vec<String> = study.points.iter().flat_map(of_point).collect();
    let more = all.len().saturating_sub(MOST_WARNINGS);
    let mut blocks: Vec<Block> = all
        .into_iter()
        .take(MOST_WARNINGS)
        .map(Block::Warning)
        .collect();
    if more > 0 {
        blocks.push(Block::Warning(format!(
            "{more} more warnings stand in the runs' records"
        )));
    }
    blocks
}

fn study_section(study: &Study<'_>, context: &ReportContext) -> Section {
    let mut blocks = Vec::new();
    if study.twin {
        blocks.push(Block::Warning(format!(
            "TWIN: {} here is a synthetic stand-in with the real data's schema. Its figures show that \
             the machinery works; they say nothing about the real data or the paper.",
            study.dataset
        )));
    }
    blocks.push(Block::Facts(facts(study)));
    blocks.extend(warnings(study));
    blocks.extend(sweep_sentence(study).map(Block::Paragraph));
    blocks.push(Block::Heading("Accuracy against sparsity".to_owned()));
    blocks.push(Block::Table(tables::quality(study)));
    blocks.push(Block::Figures(vec![plots::learning(study)]));
    if let Some(designs) = tables::designs(study) {
        blocks.push(Block::Heading("Other designs of the gate".to_owned()));
        blocks.push(Block::Table(designs));
    }
    blocks.extend(significance::blocks(study, &context.comparisons));
    blocks.push(Block::Heading("Calibration".to_owned()));
    blocks.push(Block::Table(tables::calibration(study)));
    blocks.push(Block::Figures(plots::reliability(study)));
    for point in [study.dense(), study.pick()].into_iter().flatten() {
        let run = point.first();
        for (state, id, bins) in [
            ("before scaling", "before", &run.reliability),
            ("after scaling", "after", &run.reliability_scaled),
        ] {
            blocks.push(Block::Folded(detail_tables::bins(
                study,
                &format!("{}, {state}", point.label()),
                &format!("{}-{id}", plots::point_slug(point)),
                bins,
            )));
        }
    }
    blocks.extend(robustness::blocks(study));
    blocks.push(Block::Heading(
        "The gate, and what is left of the model".to_owned(),
    ));
    blocks.push(Block::Table(tables::size_and_speed(study)));
    blocks.extend(latency::blocks(study, &context.latencies));
    blocks.extend(peers::blocks(study, &context.peers));
    blocks.extend(detail_tables::fields(study).map(Block::Table));
    let mut figures: Vec<_> = gate_maps::figure(study).into_iter().collect();
    figures.extend(plots::gates(study));
    figures.extend(plots::confusion(study));
    blocks.push(Block::Figures(figures));
    blocks.extend(closing::what_it_saw(study));
    Section {
        id: study.slug(),
        heading: study.name(),
        blocks,
    }
}

pub(super) fn facts(study: &Study<'_>) -> Vec<Fact> {
    let mut facts = Vec::new();
    let accuracy = |p: &Point<'_>| p.over(|r| r.test.accuracy).mean;
    if let Some(dense) = study.dense() {
        facts.push(Fact {
            value: format::percent(accuracy(dense)),
            label: "accuracy, dense".to_owned(),
            note: format!(
                "NLL {}",
                format::fraction(dense.over(|r| r.calibration.nll).mean)
            ),
        });
    }
    let Some(pick) = study.pick() else {
        return facts;
    };
    let ece = pick.over(|r| r.calibration.ece).mean;
    facts.push(Fact {
        value: format::percent(accuracy(pick)),
        label: format!("accuracy, {}", pick.label()),
        note: format!(
            "NLL {}",
            format::fraction(pick.over(|r| r.calibration.nll).mean)
        ),
    });
    facts.push(Fact {
        value: format::percent(pick.active()),
        label: "of the interface active".to_owned(),
        note: format!(
            "{} of {} dimensions",
            format::count(pick.over(|r| r.gate.open_dims as f64).mean.round() as u64),
            format::count(pick.first().gate.total_dims as u64)
        ),
    });
    facts.push(Fact {
        value: format::fraction(ece),
        label: "ECE of it".to_owned(),
        note: format!(
            "noise floor {}; dense {}",
            format::fraction(pick.over(|r| r.calibration.ece_noise).mean),
            study.dense().map_or_else(
                || "not run with these settings".to_owned(),
                |d| format::fraction(d.over(|r| r.calibration.ece).mean)
            )
        ),
    });
    if let Some(compact) = &pick.first().compact {
        facts.push(Fact {
            value: format::bytes(compact.compact.bytes),
            label: "compact model".to_owned(),
            note: format!("gated: {}", format::bytes(compact.gated.bytes)),
        });
    }
    facts
}

/// Says whether a larger lambda closes more gates, as it should.
fn sweep_sentence(study: &Study<'_>) -> Option<String> {
    let sweep = arms::sweep(study);
    let (first, last) = (sweep.first()?, sweep.last()?);
    if sweep.len() < 2 {
        return None;
    }
    let falls = sweep.windows(2).all(|w| w[1].active() < w[0].active());
    Some(format!(
        "The active fraction goes from {} at λ {} to {} at λ {}; it {} at every step.",
        format::percent(first.active()),
        format::lambda(first.lambda?),
        format::percent(last.active()),
        format::lambda(last.lambda?),
        if falls { "falls" } else { "does not fall" }
    ))
}

//! The report on data of the user's own: the frontier and the recommendation first, then what the models read, how far
//! their probabilities can be trusted, and how they were made. The paper and its claims have no place in it.

use super::context::ReportContext;
use super::document::{Block, Document, Section};
use super::study::Study;
use super::{
    closing, content, detail_tables, gate_maps, headline, latency, peers, plots, robustness,
    significance, tables,
};
use l0gm_train::RunRecord;

pub(super) fn document(
    records: &[RunRecord],
    studies: &[Study<'_>],
    context: &ReportContext,
) -> Document {
    let mut sections: Vec<Section> = studies.iter().map(in_short).collect();
    sections.extend(closing::missing(context));
    sections.extend(studies.iter().map(|study| section(study, context)));
    sections.push(closing::how_to_read_own());
    sections.push(closing::settings_and_versions(records, studies));
    sections.push(closing::how_to_reproduce(context, studies));
    let names: Vec<String> = studies.iter().map(Study::name).collect();
    Document {
        title: format!(
            "{}: how small a calibrated model can be",
            super::format::list(&names)
        ),
        lead: studies
            .iter()
            .filter_map(|study| recommendation(study, context))
            .collect(),
        sections,
    }
}

/// What to take, and what is wrong with it.
fn recommendation(study: &Study<'_>, context: &ReportContext) -> Option<String> {
    let said = headline::sentence(study, &context.comparisons)?;
    Some(format!("{said}{}", beaten(study)))
}

/// Names the baseline or rival with a lower validation loss than the recommended model's by more than a percent;
/// empty if there is none.
fn beaten(study: &Study<'_>) -> String {
    let Some(pick) = study.pick() else {
        return String::new();
    };
    let loss = pick.valid_loss();
    let best = study
        .others()
        .filter(|point| point.valid_loss() * 1.01 < loss)
        .min_by(|a, b| a.valid_loss().total_cmp(&b.valid_loss()));
    match best {
        None => String::new(),
        Some(best) => format!(
            " But {} has a lower validation NLL ({} against {}): use that one, or take more rows or other settings.",
            best.label(),
            super::format::fraction(best.valid_loss()),
            super::format::fraction(loss)
        ),
    }
}

/// The picture and the key figures.
fn in_short(study: &Study<'_>) -> Section {
    let mut blocks = vec![Block::Figures(plots::frontier(study).into_iter().collect())];
    blocks.push(Block::Facts(content::facts(study)));
    for block in content::glance(std::slice::from_ref(study)).blocks {
        blocks.push(match block {
            Block::Table(mut table) => {
                table.id = format!("glance-{}", study.slug());
                Block::Table(table)
            }
            other => other,
        });
    }
    blocks.extend(content::warnings(study));
    Section {
        id: study.slug(),
        heading: study.name(),
        blocks,
    }
}

/// Everything else about the study.
fn section(study: &Study<'_>, context: &ReportContext) -> Section {
    let mut blocks = vec![Block::Heading("All models".to_owned())];
    blocks.push(Block::Table(tables::quality(study)));
    blocks.extend(tables::designs(study).map(Block::Table));
    blocks.extend(significance::blocks(study, &context.comparisons));
    blocks.push(Block::Heading("What they read".to_owned()));
    blocks.extend(detail_tables::fields(study).map(Block::Table));
    let mut figures: Vec<_> = gate_maps::figure(study).into_iter().collect();
    figures.extend(plots::gates(study));
    blocks.push(Block::Figures(figures));
    blocks.push(Block::Heading("Calibration".to_owned()));
    blocks.push(Block::Table(tables::calibration(study)));
    blocks.push(Block::Figures(plots::reliability(study)));
    blocks.push(Block::Heading("Right and wrong answers".to_owned()));
    blocks.push(Block::Figures(plots::confusion(study)));
    blocks.extend(robustness::blocks(study));
    blocks.push(Block::Heading("Size and speed".to_owned()));
    blocks.push(Block::Table(tables::size_and_speed(study)));
    blocks.extend(latency::blocks(study, &context.latencies));
    blocks.extend(peers::blocks(study, &context.peers));
    blocks.push(Block::Heading("Training".to_owned()));
    blocks.push(Block::Figures(vec![plots::learning(study)]));
    blocks.extend(closing::what_it_saw(study));
    Section {
        id: format!("{}-in-detail", study.slug()),
        heading: format!("{} in detail", study.name()),
        blocks,
    }
}

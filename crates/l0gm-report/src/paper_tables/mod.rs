//! Every table of the paper that holds figures: its rows with ours beside them. If nothing was run for a row, the
//! table gives the command that would make it, or says what is not implemented.

mod command;
mod datasets;
mod environment;
mod lines;
mod methods;
mod search;
mod sweeps;

pub(super) use command::Command;
pub(super) use methods::ours as rival;
pub(super) use sweeps::flags_of;

use super::document::{Block, Section};
use super::paper::Paper;
use super::study::Study;
use l0gm_train::RunRecord;

/// One modality of the paper, with our study of it if there is one.
struct Place<'s, 'a> {
    modality: &'s str,
    /// The dataset that the paper uses.
    dataset: &'s str,
    study: Option<&'s Study<'a>>,
    /// Whether the study uses the paper's dataset, so that differences are meaningful.
    comparable: bool,
}

impl Place<'_, '_> {
    /// Name for the table, such as "adult" or "ogbn-products; ours amazon-computers".
    fn name(&self) -> String {
        match self.study {
            Some(study) if study.dataset != self.dataset => {
                format!("{}; ours {}", self.dataset, study.tag())
            }
            Some(study) => study.tag(),
            None => self.dataset.to_owned(),
        }
    }
}

/// The modalities in the paper's order, each with every study of ours, or once without a study.
fn places<'s, 'a>(studies: &'s [Study<'a>], paper: &'s Paper) -> Vec<Place<'s, 'a>> {
    let mut places = Vec::new();
    for dataset in &paper.dataset {
        let mut ours: Vec<_> = studies
            .iter()
            .filter(|study| study.modality == dataset.modality)
            .map(Some)
            .collect();
        if ours.is_empty() {
            ours.push(None);
        }
        places.extend(ours.into_iter().map(|study| Place {
            modality: &dataset.modality,
            dataset: &dataset.name,
            study,
            comparable: study.is_some_and(|s| paper.has(s) && !s.twin),
        }));
    }
    places
}

pub(super) fn section(
    studies: &[Study<'_>],
    records: &[RunRecord],
    command: &Command,
    paper: &Paper,
) -> Section {
    let places = places(studies, paper);
    let mut blocks = vec![Block::Paragraph(
        "Each table of the paper with its own rows, and ours beside them. Differences are ours minus the \
         paper's and are shown only where the data are the paper's: not for synthetic twins, and not where \
         another dataset stands in. Every ECE has 15 bins unless its table says otherwise, and beside it the \
         noise floor: what perfectly calibrated predictions of the same confidences would read, mean and 95th \
         percentile. Worst is the lowest accuracy over seeds. Under Worst the paper's text rows give a number \
         far below the mean, which reads as a loss; there we give the lowest accuracy and, in a column of its \
         own, the highest NLL over seeds, and no difference. What rows without a figure of ours lack unfolds below their table; \
         their commands go on with the settings, data and seeds of the runs here; OUT, where it stands, is the \
         folder of this report."
            .to_owned(),
    )];
    let mut add = |heading: &str, tables: Vec<super::table::Table>| {
        blocks.push(Block::Heading(heading.to_owned()));
        for table in tables {
            let missing = lines::missing(&table);
            blocks.push(Block::Table(table));
            blocks.extend(missing);
        }
    };
    add("Table 2: the data", vec![datasets::table(&places, paper)]);
    add(
        "Table 3, Q1: the gate as a module",
        vec![methods::table(
            &places,
            &paper.q1,
            methods::Block::Q1,
            command,
        )],
    );
    add(
        "Table 3, Q2: the system",
        vec![methods::table(
            &places,
            &paper.q2,
            methods::Block::Q2,
            command,
        )],
    );
    add(
        "Table 4: the machine",
        vec![environment::table(records, paper)],
    );
    add(
        "Table 6: ablations",
        vec![sweeps::ablations(&places, paper, command)],
    );
    add(
        "Table 7: the search space",
        vec![search::table(studies, &paper.search)],
    );
    add(
        "Table 8 (F1): the λ sweep",
        vec![sweeps::lambdas(&places, paper, command)],
    );
    add(
        "Table 9 (F2): annealing",
        vec![sweeps::annealing(&places, paper, command)],
    );
    add(
        "Table 10 (F3): calibration coupling",
        vec![sweeps::coupling(&places, paper, command)],
    );
    Section {
        id: "paper-tables".to_owned(),
        heading: "The paper's tables, one by one".to_owned(),
        blocks,
    }
}

#[cfg(test)]
mod tests;

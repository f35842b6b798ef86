//! The chosen part of the suite as a plan: every member that is at hand, at every size that it has, with every method
//! and seed.

use super::choice::Choice;
use super::members::{Member, Size, Source};
use super::presence::{Presence, look};
use anyhow::Context;
use l0gm::outlook::Outlook;
use l0gm::plan::{Cost, Plan, PlannedRun, merged, spec_error};
use l0gm::usage::one_line;
use l0gm_report::format::count;
use l0gm_train::{Modality, Profile, Role, SpecRequest};
use serde_json::json;
use std::ops::Range;

/// The active fraction at which gated methods aim.
pub(super) const TARGET: f64 = 0.15;

/// The suite, ready to be run or tabulated.
#[derive(Debug)]
pub(super) struct Suite {
    /// All runs, block after block.
    pub(super) plan: Plan,
    pub(super) blocks: Vec<Block>,
    /// Members that are not run.
    pub(super) left_out: Vec<LeftOut>,
    /// What would be downloaded, by member.
    pub(super) downloads: Vec<(&'static str, String)>,
}

/// A member at one size: the runs that are compared with each other.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) member: Member,
    pub(super) size: Size,
    /// Where its runs are in the plan.
    pub(super) runs: Range<usize>,
}

/// A member that is not run.
#[derive(Clone, Debug)]
pub(super) struct LeftOut {
    pub(super) member: Member,
    /// What is missing, without paths.
    pub(super) why: String,
    /// Details for the console; may be empty.
    pub(super) details: String,
}

impl Suite {
    /// Plans the choice. A member whose data are not at hand is left out and named.
    ///
    /// # Errors
    /// A setting that a modality refuses, or data that are there and damaged.
    pub(super) fn new(
        choice: &Choice,
        modalities: &[Box<dyn Modality>],
        outlook: &Outlook,
    ) -> anyhow::Result<Self> {
        let (mut runs, mut blocks) = (Vec::new(), Vec::new());
        let (mut left_out, mut downloads) = (Vec::new(), Vec::new());
        for member in &choice.members {
            let wanted = member.kind.modality();
            let (index, modality) = modalities
                .iter()
                .enumerate()
                .find(|(_, modality)| modality.name() == wanted)
                .with_context(|| format!("there is no modality {wanted}"))?;
            let dataset = match look(member, modality.as_ref(), outlook)? {
                Presence::Here(dataset) => dataset,
                Presence::ToDownload { dataset, address } => {
                    downloads.push((member.name, address));
                    dataset
                }
                Presence::Absent(why) => {
                    left_out.push(LeftOut {
                        member: member.clone(),
                        why,
                        details: String::new(),
                    });
                    continue;
                }
            };
            let planned = blocks_of(member, &dataset, choice, (index, modality.as_ref()));
            let to_download = downloads
                .last()
                .is_some_and(|(name, _)| *name == member.name);
            match planned {
                Ok(planned) => {
                    for (size, of_block) in planned {
                        let start = runs.len();
                        runs.extend(of_block);
                        blocks.push(Block {
                            member: member.clone(),
                            size,
                            runs: start..runs.len(),
                        });
                    }
                }
                // The download failed.
                Err(error) if to_download => {
                    downloads.pop();
                    left_out.push(LeftOut {
                        member: member.clone(),
                        why: "its data are not at hand and could not be downloaded".to_owned(),
                        details: one_line(&error),
                    });
                }
                Err(error) => return Err(error.context(format!("planning {}", member.name))),
            }
        }
        Ok(Self {
            plan: Plan::of(runs),
            blocks,
            left_out,
            downloads,
        })
    }

    /// The runs of a block.
    pub(super) fn runs(&self, block: &Block) -> &[PlannedRun] {
        &self.plan.runs[block.runs.clone()]
    }
}

fn blocks_of(
    member: &Member,
    dataset: &str,
    choice: &Choice,
    (index, modality): (usize, &dyn Modality),
) -> anyhow::Result<Vec<(Size, Vec<PlannedRun>)>> {
    let mut methods = modality.methods();
    methods.retain(|method| choice.takes(method));
    // Baselines come first, so that every other run can say whether it beats them.
    methods.sort_by_key(|method| method.role != Role::Baseline);
    let mut blocks = Vec::new();
    for &size in choice.sizes.iter().filter(|size| member.has(**size)) {
        let plain = member.settings_at(size);
        let aimed = merged(&plain, &json!({"train": {"target": TARGET}}));
        let block = format!("on {}", name(member, size));
        let mut runs = Vec::new();
        for method in &methods {
            for &seed in &choice.seeds {
                let request = SpecRequest {
                    seed,
                    profile: Profile::General,
                    overrides: match method.has_knob() {
                        true => &aimed,
                        false => &plain,
                    },
                    ..SpecRequest::new(dataset, &method.name)
                };
                let spec = modality
                    .spec(&request)
                    .map_err(|error| spec_error(modality.name(), dataset, error))?;
                let cost = Cost::of(modality, &spec)?;
                let method = method.clone();
                runs.push(PlannedRun::new(
                    index,
                    spec,
                    method,
                    Some(block.clone()),
                    cost,
                ));
            }
        }
        blocks.push((size, runs));
    }
    Ok(blocks)
}

impl Block {
    /// For messages and the summary: "telescope, 500".
    pub(super) fn name(&self) -> String {
        name(&self.member, self.size)
    }
}

fn name(member: &Member, size: Size) -> String {
    match size {
        Size::All => format!("{}, all", member.name),
        Size::Rows(rows) => format!("{}, {}", member.name, count(rows as u64)),
    }
}

impl LeftOut {
    /// A line for the console and the table.
    pub(super) fn line(&self) -> String {
        let place = match self.member.source {
            Source::Catalogue(_) => String::new(),
            Source::File(path) => format!(" ({path})"),
        };
        format!("{}{place}: {}", self.member.name, self.why)
    }
}

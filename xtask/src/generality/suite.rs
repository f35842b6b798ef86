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

/// The lambda, in units of the task's force on the gates, that should leave about [`TARGET`] open on every member.
pub(super) const LAMBDA: f64 = 2.0;

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
        let by_lambda = methods.iter().filter(|method| method.is_subject());
        let methods = methods.iter().map(|method| (method, None));
        for (method, lambda) in methods.chain(by_lambda.map(|method| (method, Some(LAMBDA)))) {
            for &seed in &choice.seeds {
                let request = SpecRequest {
                    seed,
                    profile: Profile::General,
                    lambda,
                    overrides: match method.has_knob() && lambda.is_none() {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::flags::GeneralityFlags;
    use l0gm::modalities::{self, Purpose};
    use l0gm::runner::Runner;
    use l0gm_data::{DataOptions, FetchPolicy};
    use std::path::Path;

    /// The suite on a data folder of this test, without a network.
    fn suite(data: &Path, arguments: &[&str]) -> Suite {
        let options = DataOptions {
            data_dir: Some(data.to_path_buf()),
            model_dir: Some(data.to_path_buf()),
            fetch: FetchPolicy::LocalOnly,
            ..DataOptions::default()
        };
        let choice = Choice::new(&GeneralityFlags::of(arguments), &Runner::new("test")).unwrap();
        let modalities = modalities::of(&options, Purpose::Look).unwrap();
        Suite::new(&choice, &modalities, &Outlook::new(&options).unwrap()).unwrap()
    }

    #[test]
    fn a_member_without_data_is_left_out_and_named() {
        let data = tempfile::tempdir().unwrap();
        let all = suite(
            data.path(),
            &["--member", "bank,telescope,coauthor-physics"],
        );
        assert!(all.plan.runs.is_empty() && all.blocks.is_empty());
        let lines: Vec<String> = all.left_out.iter().map(LeftOut::line).collect();
        assert!(lines[0].starts_with("bank (own-files/bank.csv): its data are not at hand"));
        assert!(lines[2].contains("its .npz is downloaded"), "{lines:?}");
    }

    #[test]
    fn a_size_of_its_own_changes_the_training_rows_alone() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("own-files");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("telescope.csv"), "a,Class\n1,g\n2,h\n").unwrap();
        let chosen = suite(
            data.path(),
            &[
                "--member",
                "telescope",
                "--size",
                "all,500,20000",
                "--seeds",
                "0,1",
                "--method",
                "dense,l0gm",
            ],
        );
        // 20,000 rows are more than there are.
        let sizes: Vec<Size> = chosen.blocks.iter().map(|block| block.size).collect();
        assert_eq!(sizes, [Size::All, Size::Rows(500)]);
        // Dense, L0GM with a target and L0GM with a lambda, of two seeds each.
        assert_eq!(chosen.plan.runs.len(), 12);
        let of = |block: usize| &chosen.runs(&chosen.blocks[block])[0].spec.settings;
        assert!(of(0)["data"].get("train-rows").is_none());
        assert_eq!(of(1)["data"]["train-rows"], 500);
        assert_eq!(of(0)["data"]["label"], "Class");
        for run in &chosen.plan.runs {
            let target = run.spec.settings["train"]["target"].as_f64();
            let aims = run.method.has_knob() && run.spec.lambda.is_none();
            assert_eq!(target, aims.then_some(0.15), "{}", run.spec.id());
            assert_eq!(run.spec.settings["train"]["robustness"], false);
        }
    }
}

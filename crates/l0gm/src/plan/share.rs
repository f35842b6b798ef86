//! The cells of a plan that one process takes: those it names, or every N-th.

use super::{Plan, PlannedRun};
use crate::usage::usage;

/// Number of matching cells that an error lists.
const LISTED: usize = 5;

/// A part of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// The whole plan.
    All,
    /// Cells named by the first letters of their hash or of their run's id.
    Cells(Vec<String>),
    /// Cells number `index`, `index + of`, ... of the plan.
    Shard {
        /// Position of the first cell, from 0.
        index: usize,
        /// Distance between cells; at least 1.
        of: usize,
    },
}

impl Share {
    /// Parses `--cell` and `--shard`.
    pub fn new(cells: &[String], shard: Option<&str>) -> anyhow::Result<Self> {
        match (cells, shard) {
            ([], None) => Ok(Self::All),
            ([], Some(text)) => Self::shard(text),
            (cells, _) => Ok(Self::Cells(cells.to_vec())),
        }
    }

    fn shard(text: &str) -> anyhow::Result<Self> {
        let parsed = text.split_once('/').and_then(|(index, of)| {
            let number = |text: &str| text.trim().parse::<usize>().ok();
            Some((number(index)?, number(of)?))
        });
        match parsed {
            Some((index, of)) if index < of => Ok(Self::Shard { index, of }),
            _ => Err(usage(format!(
                "--shard {text}: expected I/N with I from 0 to N - 1, for example 0/4, 1/4, 2/4 and 3/4"
            ))),
        }
    }

    /// The share's cells in the plan's order. A shard may be empty if the plan has fewer cells than shards.
    pub fn of(&self, plan: &Plan) -> anyhow::Result<Plan> {
        let runs = match self {
            Self::All => plan.runs.clone(),
            Self::Shard { index, of } => {
                // Neighbouring cells have similar costs, so taking turns divides the work almost evenly.
                plan.runs
                    .iter()
                    .skip(*index)
                    .step_by(*of)
                    .cloned()
                    .collect()
            }
            Self::Cells(names) => {
                let mut chosen = Vec::new();
                for name in names {
                    chosen.push(find(plan, name)?.spec.id());
                }
                let runs = plan.runs.iter();
                runs.filter(|run| chosen.contains(&run.spec.id()))
                    .cloned()
                    .collect()
            }
        };
        Ok(Plan::of(runs))
    }
}

/// The only cell whose hash or id begins with `name`.
fn find<'a>(plan: &'a Plan, name: &str) -> anyhow::Result<&'a PlannedRun> {
    let name = name.trim();
    let begins =
        |run: &&PlannedRun| run.spec.hash().starts_with(name) || run.spec.id().starts_with(name);
    let found: Vec<&PlannedRun> = plan.runs.iter().filter(begins).collect();
    // A complete id may be the beginning of another one.
    if let Some(whole) = found.iter().find(|run| run.spec.id() == name) {
        return Ok(whole);
    }
    match found.as_slice() {
        [one] if !name.is_empty() => Ok(one),
        [] => Err(usage(format!(
            "--cell {name}: no cell of this plan ({} cells) begins so; `plan` with the same flags lists \
             them (other flags, other data or a twin give a cell another hash)",
            plan.runs.len()
        ))),
        several => {
            let shown = several.iter().take(LISTED).map(|run| run.spec.id());
            Err(usage(format!(
                "--cell {name}: {} cells begin so ({}{}); give more letters",
                several.len(),
                shown.collect::<Vec<_>>().join(", "),
                if several.len() > LISTED { ", ..." } else { "" }
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::Cost;
    use l0gm_train::RunSpec;
    use std::time::Duration;

    fn plan(cells: u64) -> Plan {
        let run = |seed| PlannedRun {
            ablation: None,
            method: l0gm_train::MethodInfo::dense("a test"),
            modality: 0,
            spec: RunSpec {
                modality: "tabular".to_owned(),
                dataset: "adult".to_owned(),
                method: "dense".to_owned(),
                lambda: None,
                seed,
                twin: true,
                settings: serde_json::json!({}),
            },
            cost: Cost::default(),
            estimate: Duration::ZERO,
        };
        Plan::of((0..cells).map(run).collect())
    }

    fn ids(plan: &Plan) -> Vec<String> {
        plan.runs.iter().map(|run| run.spec.id()).collect()
    }

    #[test]
    fn shards_cover_the_plan_and_share_no_cell() {
        for (cells, of) in [(18, 4), (3, 5), (7, 1), (0, 2)] {
            let plan = plan(cells);
            let mut all = Vec::new();
            for index in 0..of {
                let share = Share::new(&[], Some(&format!("{index}/{of}"))).unwrap();
                let runs = ids(&share.of(&plan).unwrap());
                assert!(runs.len() <= plan.runs.len().div_ceil(of));
                all.extend(runs);
            }
            let mut expected = ids(&plan);
            all.sort();
            expected.sort();
            assert_eq!(all, expected, "{cells} cells in {of} shards");
        }
    }

    #[test]
    fn a_cell_is_found_by_the_beginning_of_its_hash_or_its_id() {
        let plan = plan(12);
        let wanted = &plan.runs[7].spec;
        let hash = wanted.hash();
        assert!(wanted.id().ends_with(&hash));
        // The shortest prefix that does not name another cell.
        let others = |length: usize| {
            let same = |run: &&PlannedRun| run.spec.hash().starts_with(&hash[..length]);
            plan.runs.iter().filter(same).count()
        };
        let short = (1..=10).find(|&length| others(length) == 1).unwrap();
        for name in [&hash[..short], &hash, &wanted.id()] {
            let share = Share::new(&[name.to_owned()], None).unwrap();
            assert_eq!(ids(&share.of(&plan).unwrap()), [wanted.id()]);
        }
        for name in ["tabular-adult", "xyz", ""] {
            let share = Share::new(&[name.to_owned()], None).unwrap();
            let error = share.of(&plan).unwrap_err();
            assert_eq!(crate::usage::exit_code(&error), 2, "{error}");
        }
    }

    #[test]
    fn a_shard_that_cannot_be_is_refused() {
        for bad in ["4/4", "0/0", "1", "a/2", "-1/2", "1/2/3"] {
            let error = Share::new(&[], Some(bad)).unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("0/4"), "{error}");
        }
    }
}

//! What the flags choose: members, sizes, methods and seeds.

use super::members::{Member, Size, members};
use crate::flags::GeneralityFlags;
use l0gm::flags::{CellFlags, ProfileFlag};
use l0gm::plan::Choice as CellChoice;
use l0gm::runner::Runner;
use l0gm::usage::usage;
use l0gm::{modalities, names};
use l0gm_train::{MethodInfo, Role};

/// The chosen part of the suite.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// In the order of the table.
    pub(super) members: Vec<Member>,
    /// In the order of the flag, without repetitions.
    pub(super) sizes: Vec<Size>,
    /// Names of methods; empty for the default ones.
    methods: Vec<String>,
    pub(super) seeds: Vec<u64>,
}

impl Choice {
    /// Parses the flags.
    ///
    /// # Errors
    /// A name or a number that cannot be used; the message says what can be.
    pub(super) fn new(flags: &GeneralityFlags, runner: &Runner) -> anyhow::Result<Self> {
        let members = chosen_members(&flags.member)?;
        let known: Vec<String> = modalities::methods()
            .into_iter()
            .filter(|(modality, _)| members.iter().any(|m| m.kind.modality() == *modality))
            .flat_map(|(_, infos)| infos)
            .map(|info| info.name.into_owned())
            .collect();
        for name in &flags.method {
            names::check("--method", name, &known)?;
        }
        let cells = CellFlags {
            profile: ProfileFlag::General,
            seeds: flags.seeds.clone(),
            ..CellFlags::default()
        };
        Ok(Self {
            members,
            sizes: sizes(&flags.size)?,
            methods: flags.method.clone(),
            seeds: CellChoice::new(&cells, runner)?.seeds,
        })
    }

    /// Whether the flags ask for this method: they name it, or they name none and it belongs to every study. A variant
    /// is what L0GM is under the profile `general` anyway.
    pub(super) fn takes(&self, method: &MethodInfo) -> bool {
        match self.methods.is_empty() {
            true => method.is_planned_by_default() && method.role != Role::Variant,
            false => self.methods.iter().any(|name| *name == *method.name),
        }
    }
}

fn chosen_members(wanted: &[String]) -> anyhow::Result<Vec<Member>> {
    let all = members();
    let known: Vec<String> = all.iter().map(|member| member.name.to_owned()).collect();
    for name in wanted {
        names::check("--member", name, &known)?;
    }
    let is_wanted = |member: &Member| wanted.is_empty() || wanted.iter().any(|n| n == member.name);
    Ok(all.into_iter().filter(is_wanted).collect())
}

fn sizes(texts: &[String]) -> anyhow::Result<Vec<Size>> {
    let mut sizes = Vec::new();
    for text in texts {
        let size = match text.trim() {
            "all" => Size::All,
            number => number
                .parse()
                .ok()
                .filter(|rows| *rows >= 2)
                .map(Size::Rows)
                .ok_or_else(|| {
                    usage(format!(
                        "--size {text}: expected `all` or numbers of training rows, for example --size all,500"
                    ))
                })?,
        };
        if !sizes.contains(&size) {
            sizes.push(size);
        }
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn choice(arguments: &[&str]) -> anyhow::Result<Choice> {
        Choice::new(&GeneralityFlags::of(arguments), &Runner::new("test"))
    }

    #[test]
    fn without_flags_it_is_every_member_at_four_sizes_with_three_seeds() {
        let all = choice(&[]).unwrap();
        assert_eq!(all.members.len(), members().len());
        let sizes = [500, 2000, 5000].map(Size::Rows);
        assert_eq!(all.sizes, [&[Size::All][..], &sizes].concat());
        assert_eq!(all.seeds, [0, 1, 2]);
    }

    #[test]
    fn slips_are_named() {
        for (arguments, said) in [
            (["--member", "telescop"], "did you mean `telescope`"),
            (["--size", "some"], "expected `all` or numbers"),
            (["--seeds", "x"], "whole numbers"),
            (["--method", "logistik"], "did you mean `logistic`"),
        ] {
            let error = choice(&arguments).unwrap_err();
            assert_eq!(l0gm::usage::exit_code(&error), 2);
            assert!(error.to_string().contains(said), "{error}");
        }
        let error = choice(&["--member", "telescope", "--method", "tfidf"]).unwrap_err();
        assert!(error.to_string().contains("--method"), "{error}");
    }
}

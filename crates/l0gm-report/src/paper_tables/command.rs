//! Builds the command that would make the runs which a table or a claim lacks: into the same folder, with the settings,
//! the data and the seeds of the runs that exist, because runs that differ in any of these are no part of the same
//! comparison.

use super::Place;
use crate::context::{ReportContext, Rivals};
use crate::study::Study;
use std::collections::BTreeSet;

/// The λ of a sweep under the profile `general`, which plans targets unless λ are named. Its λ are multiples of the
/// task's force on the gates: these leave from about a half to a twentieth of a table's dimensions open.
const GENERAL_SWEEP: &str = "0.3,1,3,10";

/// Builds commands like those that made the existing runs.
pub(crate) struct Command {
    program: String,
    profile: String,
    recorded: Recorded,
    rivals: Rivals,
}

impl Command {
    /// `context` has the command that made the runs. If no profile is recorded, the paper's is used.
    pub(crate) fn new(context: &ReportContext) -> Self {
        // Folders that were joined may have several profiles; settings of the first are as good as any.
        let profile = context.command.profile.split(" and ").next();
        let profile = profile.filter(|profile| !profile.is_empty());
        Self {
            program: context.program.clone(),
            profile: profile.unwrap_or("paper").to_owned(),
            recorded: Recorded::of(&context.command.command),
            rivals: context.rivals.clone(),
        }
    }

    /// The flag that runs the methods of these rows of the paper's tables; `None` if one of them has no method.
    pub(crate) fn rivals_flag(&self, modality: &str, rows: &[String]) -> Option<String> {
        let names: Option<Vec<&str>> = rows
            .iter()
            .map(|row| self.rivals.method(modality, row))
            .collect();
        names.map(|names| format!("--method {}", names.join(",")))
    }

    /// The command for one place of a table, with further flags appended.
    pub(super) fn at(&self, place: &Place<'_, '_>, flags: &str) -> String {
        match place.study {
            Some(study) => self.of(study, flags),
            None => self.line(&self.profile, place.modality, "", flags),
        }
    }

    /// The command for more runs of a study. Unless `flags` name seeds, these are the study's.
    pub(crate) fn of(&self, study: &Study<'_>, flags: &str) -> String {
        let mut text = format!(" --dataset {}", quoted(study.dataset));
        if study.twin {
            text.push_str(" --twin");
        }
        let mut flags = flags.to_owned();
        if !flags.contains("--seeds") {
            let seeds: BTreeSet<u64> = study.runs().map(|run| run.spec.seed).collect();
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            flags.push_str(&format!(" --seeds {}", seeds.join(",")));
        }
        // The profile `paper` refuses twins.
        let profile = match (study.twin, self.profile.as_str()) {
            (true, "paper") => "quick",
            (_, profile) => profile,
        };
        self.line(profile, study.modality, &text, flags.trim())
    }

    /// The command for a modality that has no run on real data, under the paper's profile.
    pub(crate) fn of_modality(&self, modality: &str) -> String {
        self.line("paper", modality, "", "")
    }

    fn line(&self, profile: &str, modality: &str, dataset: &str, flags: &str) -> String {
        let mut flags = flags.to_owned();
        let named = ["--lambda", "--target"].iter().any(|f| flags.contains(f));
        if profile == "general" && flags.contains("l0gm") && !named {
            flags.push_str(&format!(" --lambda {GENERAL_SWEEP}"));
        }
        let mut words = vec![format!(
            "{} reproduce --profile {profile} --modality {modality}{dataset}",
            self.program
        )];
        words.extend((!flags.is_empty()).then_some(flags));
        words.extend(self.recorded.flags_of(modality));
        words.push(format!(
            "--out {}",
            self.recorded.out.as_deref().unwrap_or("OUT")
        ));
        words.join(" ")
    }
}

/// What the recorded commands say of settings, data and folder. Values are as typed, quotes included.
#[derive(Debug, Default, PartialEq)]
struct Recorded {
    /// The values of `--set`, each of which begins with its modality.
    set: Vec<String>,
    /// Flags with their values that every further command needs too.
    kept: Vec<(String, String)>,
    /// The folder, if all commands name the same one.
    out: Option<String>,
}

/// Flags that say where runs find their settings, data and device.
const KEPT: [&str; 5] = [
    "--settings",
    "--data-dir",
    "--model-dir",
    "--device",
    "--threads",
];

impl Recorded {
    /// Reads the recorded commands, one a line.
    fn of(commands: &str) -> Self {
        let mut recorded = Self::default();
        let mut folders: Vec<Option<String>> = Vec::new();
        for line in commands.lines() {
            let mut folder = None;
            let mut words = words(line).into_iter();
            while let Some(word) = words.next() {
                let (flag, value) = match word.split_once('=') {
                    Some((flag, value)) if flag.starts_with("--") => {
                        (flag.to_owned(), Some(value.to_owned()))
                    }
                    _ => (word, None),
                };
                let is_known = KEPT.contains(&flag.as_str());
                if !is_known && flag != "--set" && flag != "--out" {
                    continue;
                }
                let Some(value) = value.or_else(|| words.next()) else {
                    continue;
                };
                match flag.as_str() {
                    "--out" => folder = Some(value),
                    "--set" if !recorded.set.contains(&value) => recorded.set.push(value),
                    _ if is_known && !recorded.kept.iter().any(|(known, _)| *known == flag) => {
                        recorded.kept.push((flag, value));
                    }
                    _ => {}
                }
            }
            folders.push(folder);
        }
        folders.dedup();
        if let [one] = folders.as_mut_slice() {
            recorded.out = one.take();
        }
        recorded
    }

    /// The flags for a command that plans this modality alone: a `--set` for another one would be refused.
    fn flags_of(&self, modality: &str) -> Vec<String> {
        let own = self.set.iter().filter(|value| {
            let rest = value.trim_start_matches('\'').strip_prefix(modality);
            rest.is_some_and(|rest| rest.starts_with('.'))
        });
        let set = own.map(|value| format!("--set {value}"));
        let kept = self.kept.iter();
        set.chain(kept.map(|(flag, value)| format!("{flag} {value}")))
            .collect()
    }
}

/// Splits a command as a shell would, but leaves quotes in their words.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.push(letter);
            }
            '\\' if !quoted => {
                word.push(letter);
                word.extend(letters.next());
            }
            letter if letter.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            letter => word.push(letter),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Quotes a word for a shell if it needs that.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:+,=@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixtures;
    use crate::grouping::studies;
    use crate::out::CommandRecord;

    fn command(text: &str, profile: &str) -> Command {
        Command::new(&ReportContext {
            program: "cargo xtask".to_owned(),
            command: CommandRecord {
                command: text.to_owned(),
                profile: profile.to_owned(),
                planned: vec![],
            },
            ..ReportContext::default()
        })
    }

    #[test]
    fn a_suggestion_has_the_settings_data_seeds_and_folder_of_the_runs() {
        let records = fixtures::real_records();
        let studies = studies(&records);
        let typed = "cargo xtask reproduce --set tabular.train.epochs=3 --set 'text.a=[1, 2]' \
                     --settings=my.toml --data-dir '/my data' --lambda 1e-3 --out out/mine";
        let command = command(typed, "quick");
        assert_eq!(
            command.of(&studies[0], "--method dense"),
            "cargo xtask reproduce --profile quick --modality tabular --dataset adult --method dense --seeds 0,1,2 \
             --set tabular.train.epochs=3 --settings my.toml --data-dir '/my data' --out out/mine"
        );
        let text = command.of(&studies[1], "--method l0gm --seeds 0,1,2");
        assert!(text.contains("--set 'text.a=[1, 2]' --settings"), "{text}");
        assert!(
            !text.contains("tabular") && !text.contains("--seeds 0 "),
            "{text}"
        );
    }

    #[test]
    fn a_suggestion_can_be_run_under_its_profile() {
        let records = fixtures::records();
        let studies = studies(&records);
        // The paper's profile refuses twins, and `general` plans targets unless λ are named.
        let twin = command("", "").of(&studies[1], "--method l0gm");
        assert!(
            twin.contains("--profile quick") && twin.ends_with("--out OUT"),
            "{twin}"
        );
        let general = command("l0gm reproduce", "general");
        let sweep = general.of(&studies[0], "--method l0gm --ablation static");
        assert!(
            sweep.contains(&format!("--lambda {GENERAL_SWEEP}")),
            "{sweep}"
        );
        let dense = general.of(&studies[0], "--method dense");
        assert!(!dense.contains("--lambda"), "{dense}");
        let joined = command("a --out x\na --out y", "quick and paper");
        let joined = joined.of(&studies[0], "--method dense");
        assert!(
            joined.contains("--profile quick --") && joined.ends_with("--out OUT"),
            "{joined}"
        );
    }
}

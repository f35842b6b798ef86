//! Builds the command that would make the runs which a table or a claim lacks.

use super::Place;

/// Builds commands with the profile of the existing runs.
pub(crate) struct Command {
    program: String,
    profile: String,
}

impl Command {
    /// `program` is what people type before a command. If no profile is recorded, the paper's is used.
    pub(crate) fn new(program: &str, profile: &str) -> Self {
        let profile = if profile.is_empty() { "paper" } else { profile };
        Self {
            program: program.to_owned(),
            profile: profile.to_owned(),
        }
    }

    /// The command for one place of a table, with further flags appended.
    pub(super) fn at(&self, place: &Place<'_, '_>, flags: &str) -> String {
        let dataset = place.study.map(|study| (study.dataset, study.twin));
        self.of(place.modality, dataset, flags)
    }

    /// The command for a modality, on its default dataset if none is named.
    pub(crate) fn of(&self, modality: &str, dataset: Option<(&str, bool)>, flags: &str) -> String {
        let mut text = format!(
            "{} reproduce --profile {} --modality {modality}",
            self.program, self.profile
        );
        if let Some((dataset, twin)) = dataset {
            text.push_str(&format!(" --dataset {dataset}"));
            if twin {
                text.push_str(" --twin");
            }
        }
        if !flags.is_empty() {
            text.push_str(&format!(" {flags}"));
        }
        text.push_str(" --out OUT");
        text
    }
}

//! The command that would make the runs that a table or a claim lacks.

use super::Place;

/// Makes commands of the profile that the runs at hand were made with.
pub(crate) struct Command {
    program: String,
    profile: String,
}

impl Command {
    /// `program`: what people type before a command. `profile` as recorded; where none was, the paper's.
    pub(crate) fn new(program: &str, profile: &str) -> Self {
        let profile = if profile.is_empty() { "paper" } else { profile };
        Self {
            program: program.to_owned(),
            profile: profile.to_owned(),
        }
    }

    /// Runs of a place, with more flags behind.
    pub(super) fn at(&self, place: &Place<'_, '_>, flags: &str) -> String {
        let dataset = place.study.map(|study| (study.dataset, study.twin));
        self.of(place.modality, dataset, flags)
    }

    /// Runs of a modality; without a dataset its default.
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

//! Describes the data of a plan: real data and where they were found, or twins and then how to use real data. These
//! are the first and last lines of `reproduce`.

use crate::outlook::{Outlook, Standing};
use crate::plan::Plan;
use l0gm_data::DataOptions;
use std::collections::BTreeSet;

/// The origin of every dataset in a plan.
#[derive(Debug, Default, PartialEq)]
pub struct DataReport {
    /// What people type before a command.
    program: String,
    /// Descriptions of real datasets, such as "adult (files in DIR)".
    real: Vec<String>,
    /// Names of datasets that are replaced by their twins.
    twins: Vec<String>,
    /// Datasets that a run would download, such as "adult would be downloaded from URL (else its twin)". Filled for a
    /// dry run only.
    missing: Vec<String>,
}

/// Describes the plan's datasets without fetching anything.
pub fn describe(plan: &Plan, options: &DataOptions, program: &str) -> DataReport {
    let outlook = Outlook::new(options).ok();
    let mut report = DataReport {
        program: program.to_owned(),
        ..DataReport::default()
    };
    for (dataset, _, twin) in plan.data() {
        if twin {
            report.twins.push(dataset);
            continue;
        }
        match outlook
            .as_ref()
            .map(|outlook| (outlook, outlook.of(&dataset)))
        {
            Some((_, Standing::Here(found))) => {
                report.real.push(format!("{dataset} ({})", found.source));
            }
            Some((outlook, Standing::ToDownload(address))) => report.missing.push(format!(
                "{dataset} would be downloaded from {address}{}",
                if outlook.allows_twins() {
                    " (else its twin)"
                } else {
                    ""
                }
            )),
            _ => report.real.push(dataset),
        }
    }
    if let Some(outlook) = &outlook {
        report.missing.extend(missing_weights(plan, outlook));
    }
    report
}

/// Pretrained models that the settings name and that are not present yet.
fn missing_weights(plan: &Plan, outlook: &Outlook) -> Vec<String> {
    let models = outlook.local().names("model");
    let mut named = BTreeSet::new();
    for run in &plan.runs {
        let settings = run.spec.settings.as_object().into_iter().flatten();
        named.extend(
            settings
                .filter_map(|(_, value)| value.as_str())
                .filter(|name| models.contains(name)),
        );
    }
    named
        .into_iter()
        .filter_map(|name| {
            let address = outlook.weights(name)?;
            Some(format!("{name} would be downloaded from {address}"))
        })
        .collect()
}

impl DataReport {
    /// The lines before the runs: one line, or two if the plan has both real data and twins.
    pub fn first_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.twins.is_empty() {
            lines.push(format!(
                "Running on TWINS (built-in synthetic stand-ins, not real data): {}",
                self.twins.join(", ")
            ));
        }
        if !self.real.is_empty() {
            lines.push(format!("Running on real data: {}", self.real.join(", ")));
        }
        lines.extend(self.missing.iter().map(|what| format!("Not here: {what}")));
        lines
    }

    /// The lines after the runs: the data again and, for twins, how to use real data.
    pub fn last_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.real.is_empty() {
            lines.push(format!("Ran on real data: {}", self.real.join(", ")));
        }
        if !self.twins.is_empty() {
            lines.push(format!(
                "Ran on TWINS (synthetic stand-ins, not real data): {}; their figures say nothing about the paper's",
                self.twins.join(", ")
            ));
        }
        lines.extend(self.real_data_hint());
        lines
    }

    /// How to use real data; `None` if there are no twins.
    pub fn real_data_hint(&self) -> Option<String> {
        let program = &self.program;
        (!self.twins.is_empty()).then(|| {
            format!(
                "To run on real data: {program} reproduce --data-dir DIR (or set L0GM_DATA_DIR); \
                 `{program} datasets` says which files DIR must hold and where they come from"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_named_first_and_last_with_the_way_to_real_data() {
        let report = DataReport {
            program: "l0gm".to_owned(),
            real: vec!["adult (files in data)".to_owned()],
            twins: vec!["imdb".to_owned()],
            missing: vec![],
        };
        let first = report.first_lines();
        assert!(first[0].contains("TWINS") && first[0].contains("imdb"));
        assert!(first[1].contains("real data: adult (files in data)"));
        let last = report.last_lines();
        assert!(
            last.iter()
                .any(|l| l.contains("TWINS") && l.contains("imdb"))
        );
        assert!(
            last.iter()
                .any(|l| l.contains("--data-dir") && l.contains("L0GM_DATA_DIR"))
        );
    }

    #[test]
    fn real_data_alone_mentions_no_twin() {
        let report = DataReport {
            real: vec!["adult".to_owned()],
            ..DataReport::default()
        };
        let lines = [report.first_lines(), report.last_lines()].concat();
        assert!(
            lines.iter().all(|l| !l.to_lowercase().contains("twin")),
            "{lines:?}"
        );
    }
}

//! What a plan runs on, in words: real data and where it was found, or twins, and then how to run on
//! real data. These are the first and last lines of `reproduce`.

use crate::plan::Plan;
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};

/// What every dataset of a plan is.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct DataReport {
    /// "adult (files in DIR)".
    real: Vec<String>,
    /// Names of datasets that a twin stands in for.
    twins: Vec<String>,
}

/// Looks at the plan's datasets without fetching anything.
pub(crate) fn describe(plan: &Plan, options: &DataOptions) -> DataReport {
    let local = DataOptions {
        fetch: FetchPolicy::LocalOnly,
        allow_twin: false,
        ..options.clone()
    };
    let catalogue = Catalogue::new(local).ok();
    let mut report = DataReport::default();
    for (dataset, _, twin) in plan.data() {
        if twin {
            report.twins.push(dataset);
            continue;
        }
        let source = catalogue
            .as_ref()
            .and_then(|catalogue| catalogue.dataset(&dataset).ok())
            .map(|found| found.source);
        report.real.push(match source {
            Some(source) => format!("{dataset} ({source})"),
            None => dataset,
        });
    }
    report
}

impl DataReport {
    /// One line, two where real data and twins are mixed.
    pub(crate) fn first_lines(&self) -> Vec<String> {
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
        lines
    }

    /// What it ran on again, and for twins how to run on real data.
    pub(crate) fn last_lines(&self) -> Vec<String> {
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
        lines.extend(self.real_data_hint().map(str::to_owned));
        lines
    }

    /// How to run on real data, where twins stand in.
    pub(crate) fn real_data_hint(&self) -> Option<&'static str> {
        (!self.twins.is_empty()).then_some(
            "To run on real data: cargo xtask reproduce --data-dir DIR (or set L0GM_DATA_DIR); \
             `cargo xtask datasets` says which files DIR must hold and where they come from",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_named_first_and_last_with_the_way_to_real_data() {
        let report = DataReport {
            real: vec!["adult (files in data)".to_owned()],
            twins: vec!["imdb".to_owned()],
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
            twins: vec![],
        };
        let lines = [report.first_lines(), report.last_lines()].concat();
        assert!(
            lines.iter().all(|l| !l.to_lowercase().contains("twin")),
            "{lines:?}"
        );
    }
}

//! What a report needs besides the run records.

use crate::choice::Choices;
use crate::latency_record::LatencyRecord;
use crate::out::CommandRecord;
use crate::significance::Comparison;
use std::collections::BTreeMap;

/// What a report needs besides the run records.
#[derive(Clone, Debug, Default)]
pub struct ReportContext {
    /// What people type before a command of the runner, such as "l0gm" or "cargo xtask".
    pub program: String,
    /// The last command that filled the output folder.
    pub command: CommandRecord,
    /// Error message of each failed run, by run id.
    pub failures: BTreeMap<String, String>,
    /// Ids of planned runs that neither finished nor failed.
    pub unfinished: Vec<String>,
    /// Where the results differ, by id, for runs of which joined folders hold different results.
    pub disagreements: BTreeMap<String, String>,
    /// Results of the `latency` command.
    pub latencies: Vec<LatencyRecord>,
    /// The recommended point of each study, chosen on validation predictions.
    pub choices: Choices,
    /// Paired tests of L0GM against each rival, made from the runs' predictions.
    pub comparisons: Vec<Comparison>,
}

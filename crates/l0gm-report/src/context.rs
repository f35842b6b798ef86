//! What a report says beyond its records.

use crate::latency_record::LatencyRecord;
use crate::out::CommandRecord;
use crate::significance::Comparison;
use std::collections::BTreeMap;

/// What a report says beyond its records.
#[derive(Clone, Debug, Default)]
pub struct ReportContext {
    /// What people type before a command of the runner: "l0gm", "cargo xtask".
    pub program: String,
    /// What was last asked for.
    pub command: CommandRecord,
    /// Failed runs: id to error.
    pub failures: BTreeMap<String, String>,
    /// Planned runs that neither finished nor failed.
    pub unfinished: Vec<String>,
    /// Runs that joined folders have different results of: id to where.
    pub disagreements: BTreeMap<String, String>,
    /// What was timed by itself.
    pub latencies: Vec<LatencyRecord>,
    /// L0GM against each rival, from the runs' predictions.
    pub comparisons: Vec<Comparison>,
}

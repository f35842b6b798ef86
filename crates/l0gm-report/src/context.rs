//! What a report needs besides the run records.

use crate::choice::Choices;
use crate::latency_record::LatencyRecord;
use crate::out::CommandRecord;
use crate::peers_record::PeersRecord;
use crate::significance::Comparison;
use l0gm_train::MethodInfo;
use std::collections::BTreeMap;

/// What a report needs besides the run records.
#[derive(Clone, Debug, Default)]
pub struct ReportContext {
    /// What people type before a command of the runner, such as "l0gm" or "cargo xtask".
    pub program: String,
    /// The methods that can be run for rows of the paper's tables.
    pub rivals: Rivals,
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
    /// Results of the command `latency` with `--peers`.
    pub peers: Vec<PeersRecord>,
    /// The recommended point of each study, chosen on validation predictions.
    pub choices: Choices,
    /// Paired tests of L0GM against each rival, made from the runs' predictions.
    pub comparisons: Vec<Comparison>,
}

/// The methods that can be run for rows of the paper's tables, with which a report says how to make what it lacks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rivals {
    /// The method's name by modality and row: ("tabular", "XGBoost") has "xgboost".
    methods: BTreeMap<(String, String), String>,
}

impl Rivals {
    /// Collects them from the methods of each modality.
    pub fn of<'m>(methods: impl IntoIterator<Item = (&'m str, &'m [MethodInfo])>) -> Self {
        let all = methods.into_iter().flat_map(|(modality, infos)| {
            infos.iter().filter_map(move |info| {
                let row = info.rival_of.as_ref()?;
                let key = (modality.to_owned(), row.clone().into_owned());
                Some((key, info.name.clone().into_owned()))
            })
        });
        Self {
            methods: all.collect(),
        }
    }

    /// The method that reproduces a row of the paper's tables.
    pub(crate) fn method(&self, modality: &str, row: &str) -> Option<&str> {
        let key = (modality.to_owned(), row.to_owned());
        self.methods.get(&key).map(String::as_str)
    }
}

//! Starts the programs of other projects on a run's rows.

use super::Trial;
use super::expected::Expected;
use super::models::Program;
use super::process::Peer;
use crate::methods::install;
use anyhow::Context;
use l0gm_train::{ExternalCall, Modality, RunRecord, RunSpec};

impl Trial<'_> {
    /// Starts a program, lets it train as the rival of its name does, and compares what it predicts.
    pub(super) fn start(
        &self,
        name: &'static str,
        modality: &dyn Modality,
        ours: &Expected,
        notes: &mut Vec<String>,
    ) -> anyhow::Result<Program> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("{}: cannot be created", folder.display()))?;
        // The program runs elsewhere.
        let folder = std::path::absolute(folder)?;
        let [python, script] = install::peer(name);
        let is_method = modality.methods().iter().any(|info| info.name == name);
        if !is_method {
            if let Some(reason) = self.beside.compact.write_onnx(&folder)? {
                anyhow::bail!("{reason}");
            }
            let mut peer = Peer::start(&python, &script, &folder.join("task.json"), self.limit)?;
            let begun = peer.begin()?;
            return Ok(Program::new(name, peer, begun, ours.of_our_model()));
        }
        let (spec, threads, rival) = self.rival(name, notes);
        let call = ExternalCall::write(
            &folder,
            self.beside.rows,
            &self.run.spec,
            self.beside.classes,
            threads,
            spec,
            &self.timing.machine.stop,
        )?;
        let mut peer = Peer::start(&python, &script, &call.task(), self.limit)?;
        let begun = peer.begin()?;
        let answered =
            Expected::answered(call.test_probabilities(name)?, self.beside.classes.len());
        if let Some(rival) = rival {
            let before = Expected::of_rival(rival, self.timing.out)?;
            let difference = answered.largest_difference(&before)?;
            notes.push(format!(
                "{name}'s probabilities of the test rows differ by at most {difference:.0e} from those of its run here"
            ));
        }
        Ok(Program::new(name, peer, begun, answered))
    }

    /// The settings and threads of the rival's finished run on the same rows, and the run; its defaults where there is
    /// none.
    fn rival(
        &self,
        name: &str,
        notes: &mut Vec<String>,
    ) -> (serde_json::Value, usize, Option<&RunRecord>) {
        let mut runs = self.records.iter().filter(|r| r.method.name == name);
        if let Some(run) = runs.clone().find(|rival| have_same_rows(rival, self.run)) {
            let settings = run.spec.method_settings().unwrap_or_default();
            return (settings, run.threads, Some(run));
        }
        if runs.any(|rival| rival.spec.dataset == self.run.spec.dataset) {
            notes.push(format!(
                "{name}'s runs here are of other rows or another seed, so it was trained with its defaults"
            ));
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (serde_json::Value::Null, threads, None)
    }
}

/// Whether two runs have the same rows in each part of the same split: the same files, read and divided by the same
/// settings.
fn have_same_rows(a: &RunRecord, b: &RunRecord) -> bool {
    /// The settings that say which rows and columns are read, and how rows are divided.
    const DATA: &str = "data";
    let spec = |r: &RunRecord| {
        let RunSpec {
            modality,
            dataset,
            seed,
            twin,
            settings,
            ..
        } = r.spec.clone();
        (modality, dataset, seed, twin, settings.get(DATA).cloned())
    };
    let data = |r: &RunRecord| {
        let data = r.data.clone();
        (data.checksums, data.rows, data.classes)
    };
    spec(a) == spec(b) && data(a) == data(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn runs_of_other_files_splits_or_columns_have_other_rows() {
        let run = || {
            let mut run = l0gm_report::fixtures::records().remove(0);
            run.spec.seed = 0;
            run.spec.settings = json!({"data": {"test-fraction": 0.2}, "train": {"epochs": 3}});
            run
        };
        let mut rival = run();
        rival.spec.method = "xgboost".into();
        rival.spec.lambda = None;
        rival.spec.settings["train"] = json!({"epochs": 9});
        assert!(have_same_rows(&run(), &rival));
        let changes: [fn(&mut RunRecord); 6] = [
            |r| r.spec.seed = 1,
            |r| r.spec.twin = !r.spec.twin,
            |r| r.spec.settings["data"]["test-fraction"] = json!(0.3),
            |r| r.spec.settings["data"]["ignore"] = json!(["age"]),
            |r| {
                r.data.checksums.insert("data.csv".into(), "cd".into());
            },
            |r| {
                r.data.rows.insert("train".into(), 1);
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = rival.clone();
            change(&mut other);
            assert!(!have_same_rows(&run(), &other), "{number}");
        }
    }
}

//! Starts the programs of other projects on a run's rows.

use super::Trial;
use super::expected::Expected;
use super::models::Program;
use super::process::Peer;
use crate::methods::install;
use anyhow::Context;
use l0gm_train::{ExternalCall, Modality, RunRecord};

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
            let (version, forms) = peer.begin()?;
            return Ok(Program::new(peer, version, forms, ours.of_our_model()));
        }
        let (spec, threads, rival) = self.rival(name);
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
        let (version, forms) = peer.begin()?;
        let answered =
            Expected::answered(call.test_probabilities(name)?, self.beside.classes.len());
        if let Some(rival) = rival {
            let before = Expected::of_rival(rival, self.timing.out)?;
            let difference = answered.largest_difference(&before);
            notes.push(format!(
                "{name}'s probabilities of the test rows differ by at most {difference:.0e} from those of its run here"
            ));
        }
        Ok(Program::new(peer, version, forms, answered))
    }

    /// The settings and threads of the rival's finished run on the same rows, and the run; its defaults where there is
    /// none.
    fn rival(&self, name: &str) -> (serde_json::Value, usize, Option<&RunRecord>) {
        let spec = &self.run.spec;
        let same = |r: &&RunRecord| {
            r.method.name == name
                && r.spec.modality == spec.modality
                && r.spec.dataset == spec.dataset
                && r.spec.seed == spec.seed
                && r.spec.twin == spec.twin
        };
        match self.records.iter().find(same) {
            Some(run) => {
                let settings = run.spec.method_settings().unwrap_or_default();
                (settings, run.threads, Some(run))
            }
            None => {
                let threads = std::thread::available_parallelism().map_or(1, usize::from);
                (serde_json::Value::Null, threads, None)
            }
        }
    }
}

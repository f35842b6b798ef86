//! Logistic regression on two-hop means: the attributes of everything within two steps of a node, averaged twice over
//! neighbours (a graph convolution without weights and without an activation in between).

use super::logistic::{estimate, run, timed};
use crate::GraphModality;
use crate::scores::Reach;
use candle_core::Device;
use l0gm_train::{
    Knob, LogisticSettings, Method, MethodInfo, Result, Role, RunContext, RunRecord, RunSpec,
    TimedRun,
};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

pub(super) struct TwoHop;

impl Method<GraphModality> for TwoHop {
    fn info(&self) -> MethodInfo {
        MethodInfo {
            name: "two-hop".into(),
            label: "two-hop means + logistic regression".into(),
            summary: "logistic regression on attributes averaged over two steps of the graph"
                .into(),
            source: "simplified graph convolution, arXiv:1902.07153".into(),
            role: Role::Baseline,
            gated: false,
            knob: Knob::None,
            rival_of: None,
            needs: None,
        }
    }

    fn settings(&self) -> Value {
        let settings = LogisticSettings {
            // The means are dense, so an iteration takes long; each strength starts from the one before.
            max_iterations: 60,
            ..LogisticSettings::default()
        };
        settings.to_value()
    }

    fn check(&self, settings: &Value) -> Result<()> {
        LogisticSettings::from_value(settings).map(|_| ())
    }

    fn estimate(&self, modality: &GraphModality, spec: &RunSpec) -> Result<Duration> {
        estimate(modality, spec, Reach::TwoHops)
    }

    fn run(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        run(modality, self.info(), Reach::TwoHops, spec, context)
    }

    fn timed(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        dir: &Path,
        _: &Device,
    ) -> Result<TimedRun> {
        timed(modality, Reach::TwoHops, spec, dir)
    }
}

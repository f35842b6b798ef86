//! Logistic regression on a node's own attributes, which shows how much they tell without the graph.
//!
//! The L2 penalty is chosen on the validation nodes. Under the robustness protocol the attributes of the test nodes are
//! perturbed, as for every method.

use super::node_regression::{NodeRegression, Part, nodes_of};
use crate::estimate::logistic;
use crate::extent::Extent;
use crate::modality::LoadedGraph;
use crate::rows::NodeFeatures;
use crate::scores::Reach;
use crate::{GraphModality, GraphSettings, GraphTensors, NodeId};
use candle_core::Device;
use l0gm_train::{
    Experiment, Knob, LogisticPredictor, LogisticRegression, LogisticSettings, Method, MethodInfo,
    Result, Role, RunContext, RunRecord, RunSpec, Split, TimedRows, TimedRun,
};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) struct Logistic;

impl Method<GraphModality> for Logistic {
    fn info(&self) -> MethodInfo {
        MethodInfo {
            name: "logistic".into(),
            label: "logistic regression".into(),
            summary: "logistic regression on a node's own attributes, without the graph".into(),
            source: "Cox 1958".into(),
            role: Role::Baseline,
            gated: false,
            knob: Knob::None,
            rival_of: None,
            needs: None,
        }
    }

    fn settings(&self) -> Value {
        LogisticSettings::default().to_value()
    }

    fn check(&self, settings: &Value) -> Result<()> {
        LogisticSettings::from_value(settings).map(|_| ())
    }

    fn estimate(&self, modality: &GraphModality, spec: &RunSpec) -> Result<Duration> {
        estimate(modality, spec, Reach::Own)
    }

    fn run(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        run(modality, self.info(), Reach::Own, spec, context)
    }

    fn timed(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        dir: &Path,
        _: &Device,
    ) -> Result<TimedRun> {
        timed(modality, Reach::Own, spec, dir)
    }
}

/// The estimated time of a run on features of this reach.
pub(super) fn estimate(modality: &GraphModality, spec: &RunSpec, reach: Reach) -> Result<Duration> {
    let settings: GraphSettings = spec.modality_settings()?;
    let own: LogisticSettings = spec.method_settings()?;
    let extent = Extent::of(modality, &spec.dataset, &settings);
    Ok(logistic(&extent, reach, own.max_iterations))
}

/// Fits the classifier on the features that `reach` names and judges it.
pub(super) fn run(
    modality: &GraphModality,
    info: MethodInfo,
    reach: Reach,
    spec: &RunSpec,
    context: &mut RunContext<'_>,
) -> Result<RunRecord> {
    let settings: GraphSettings = spec.modality_settings()?;
    let own: LogisticSettings = spec.method_settings()?;
    let loaded = modality.load(spec, &settings, &Device::Cpu)?;
    context.progress.found(&loaded.summary.to_string());
    let notes = vec![format!("split {}", settings.split.kind)];
    let experiment = Experiment {
        spec,
        method: info,
        data: loaded.data_summary(Vec::new(), notes),
        origins: Some(loaded.origins.clone()),
        robustness: settings.train.robustness,
    };
    experiment.run(
        |sitting, context| {
            let features =
                |graph: &GraphTensors, nodes: &[NodeId]| NodeFeatures::new(graph, reach, nodes);
            let task = NodeRegression::new(&loaded, parts_of(&loaded, reach)?, features)?;
            LogisticPredictor::fit(task, &own, sitting, context)
        },
        context,
    )
}

/// Builds the classifier of a finished run again to time it, on the features of the same nodes.
pub(super) fn timed(
    modality: &GraphModality,
    reach: Reach,
    spec: &RunSpec,
    dir: &Path,
) -> Result<TimedRun> {
    let settings: GraphSettings = spec.modality_settings()?;
    let start = Instant::now();
    let loaded = modality.load(spec, &settings, &Device::Cpu)?;
    let test = nodes_of(&loaded, Split::Test)?;
    let features = NodeFeatures::new(loaded.task.graph(), reach, &test)?.into_csr()?;
    let seconds = start.elapsed().as_secs_f64();
    let mut timed = LogisticRegression::timed(dir, &spec.id(), features, TimedRows::All)?;
    let nodes = loaded.graph.nodes();
    let what = match reach {
        Reach::Own => format!("reading {nodes} nodes"),
        Reach::TwoHops => format!("reading {nodes} nodes and averaging over their neighbours once"),
    };
    timed.preparation.push((what, seconds));
    timed
        .notes
        .push("a pass gives the logits of all test nodes".to_owned());
    Ok(timed)
}

/// The nodes of the three parts, with what `reach` makes of their attributes.
fn parts_of(loaded: &LoadedGraph, reach: Reach) -> crate::Result<[Part; 3]> {
    let graph = loaded.task.graph();
    let part = |split| -> crate::Result<Part> {
        let features = NodeFeatures::new(graph, reach, &nodes_of(loaded, split)?)?;
        Ok((features, loaded.task.labels(split)?))
    };
    Ok([part(Split::Train)?, part(Split::Valid)?, part(Split::Test)?])
}

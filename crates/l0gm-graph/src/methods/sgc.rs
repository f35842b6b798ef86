//! SGC (Wu et al. 2019): logistic regression on Â^K X, a graph convolutional network without activations between its
//! layers. Features are propagated once, and the penalty is chosen on the validation nodes.
//!
//! [`two_hop`](super::two_hop) averages over neighbours instead of weighting them by degrees, and never writes out the
//! means of features that are mostly 0.

use super::node_regression::{NodeRegression, Part, nodes_of};
use crate::estimate_hops;
use crate::extent::Extent;
use crate::hops::{SgcSettings, check_memory, propagate};
use crate::modality::LoadedGraph;
use crate::rows::NodeFeatures;
use crate::{GraphModality, GraphSettings, GraphTensors, NodeId};
use candle_core::Device;
use l0gm_train::{
    Experiment, Knob, LogisticPredictor, LogisticRegression, Method, MethodInfo, Result, Role,
    RunContext, RunRecord, RunSpec, Split, TimedRows, TimedRun,
};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) struct Sgc;

const NAME: &str = "sgc";

impl Method<GraphModality> for Sgc {
    fn info(&self) -> MethodInfo {
        MethodInfo {
            name: NAME.into(),
            label: "SGC".into(),
            summary: "logistic regression on features propagated along edges beforehand".into(),
            source: "arXiv:1902.07153".into(),
            role: Role::Rival,
            gated: false,
            knob: Knob::None,
            rival_of: None,
            needs: None,
        }
    }

    fn settings(&self) -> Value {
        serde_json::to_value(SgcSettings::default()).unwrap_or_default()
    }

    fn check(&self, settings: &Value) -> Result<()> {
        SgcSettings::from_value(NAME, settings)?;
        Ok(())
    }

    fn estimate(&self, modality: &GraphModality, spec: &RunSpec) -> Result<Duration> {
        let settings: GraphSettings = spec.modality_settings()?;
        let extent = Extent::of(modality, &spec.dataset, &settings);
        Ok(estimate_hops::sgc(&extent, &own_of(spec)?))
    }

    fn run(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let settings: GraphSettings = spec.modality_settings()?;
        let own = own_of(spec)?;
        let loaded = modality.load(spec, &settings, &Device::Cpu)?;
        context.progress.found(&loaded.summary.to_string());
        let notes = vec![
            format!("split {}", settings.split.kind),
            format!("features propagated {} times before training", own.hops),
        ];
        let experiment = Experiment {
            spec,
            method: self.info(),
            data: loaded.data_summary(Vec::new(), notes),
            origins: Some(loaded.origins.clone()),
            robustness: settings.train.robustness,
        };
        experiment.run(
            |sitting, context| {
                let features =
                    |graph: &GraphTensors, nodes: &[NodeId]| features_of(graph, own.hops, nodes);
                let task = NodeRegression::new(&loaded, parts_of(&loaded, &own)?, features)?;
                LogisticPredictor::fit(task, &own.regression, sitting, context)
            },
            context,
        )
    }

    fn timed(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        dir: &Path,
        _: &Device,
    ) -> Result<TimedRun> {
        let settings: GraphSettings = spec.modality_settings()?;
        let own = own_of(spec)?;
        let start = Instant::now();
        let loaded = modality.load(spec, &settings, &Device::Cpu)?;
        let graph = loaded.task.graph();
        check_memory(NAME, graph, 1, own.memory_gib)?;
        let test = nodes_of(&loaded, Split::Test)?;
        let features = features_of(graph, own.hops, &test)?.into_csr()?;
        let seconds = start.elapsed().as_secs_f64();
        let mut timed = LogisticRegression::timed(dir, &spec.id(), features, TimedRows::All)?;
        let nodes = loaded.graph.nodes();
        let what = format!("reading {nodes} nodes and propagating features once");
        timed.preparation.push((what, seconds));
        let note = "a pass gives the logits of all test nodes";
        timed.notes.push(note.to_owned());
        Ok(timed)
    }
}

fn own_of(spec: &RunSpec) -> Result<SgcSettings> {
    Ok(SgcSettings::from_value(NAME, &spec.method_settings()?)?)
}

/// Â^K X of some nodes.
fn features_of(graph: &GraphTensors, hops: usize, nodes: &[NodeId]) -> crate::Result<NodeFeatures> {
    let mut matrices = propagate(graph, hops..=hops, Some(nodes))?;
    Ok(NodeFeatures::Dense(matrices.swap_remove(0)))
}

/// The nodes of the three parts with their propagated features.
fn parts_of(loaded: &LoadedGraph, own: &SgcSettings) -> crate::Result<[Part; 3]> {
    let graph = loaded.task.graph();
    check_memory(NAME, graph, 1, own.memory_gib)?;
    let splits = [Split::Train, Split::Valid, Split::Test];
    // All parts at once, because each would propagate the whole graph.
    let mut nodes = Vec::new();
    for split in splits {
        nodes.extend(nodes_of(loaded, split)?);
    }
    let mut all = propagate(graph, own.hops..=own.hops, Some(&nodes))?;
    let all = all.swap_remove(0);
    let mut first = 0;
    let mut part = |split| -> crate::Result<Part> {
        let labels = loaded.task.labels(split)?;
        let rows = all.narrow(0, first, labels.len())?;
        first += labels.len();
        Ok((NodeFeatures::Dense(rows), labels))
    };
    Ok([part(Split::Train)?, part(Split::Valid)?, part(Split::Test)?])
}

//! Logistic regression on a node's own attributes, which shows how much they tell without the graph.
//!
//! The L2 penalty is chosen on the validation nodes. Under the robustness protocol the attributes of the test nodes are
//! perturbed, as for every method.

use crate::modality::LoadedGraph;
use crate::robustness::{feature_scales, perturbed};
use crate::rows::{mean_over_neighbours, sparse_rows, two_hop_means};
use crate::{GraphModality, GraphSettings, GraphTensors, NodeId};
use candle_core::{Device, Tensor};
use l0gm_ops::{Csr, SparseMatrix};
use l0gm_train::{
    Experiment, FeatureScale, FeatureTask, Knob, Labelled, LogisticPredictor, LogisticRegression,
    LogisticSettings, Method, MethodInfo, Perturbation, PerturbedLogits, Result, Role, RunContext,
    RunRecord, RunSpec, Split, Task, TimedRows, TimedRun,
};
use serde_json::Value;
use std::path::Path;
use std::sync::OnceLock;
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

    fn estimate(&self, _: &GraphModality, spec: &RunSpec) -> Result<Duration> {
        // 31 s on amazon-computers, two busy cores.
        estimate(spec, 30.0)
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

/// Which attributes are a node's features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The node's own attributes.
    Own,
    /// The means of the attributes of all nodes within two steps.
    TwoHops,
}

/// A run's time, scaled by the number of nodes from `seconds` on amazon-computers.
pub(super) fn estimate(spec: &RunSpec, seconds: f64) -> Result<Duration> {
    let nodes = match spec.dataset.as_str() {
        "amazon-photo" => 7_650.0,
        "ogbn-products" => 2_449_029.0,
        _ => 13_752.0,
    };
    Ok(Duration::from_secs_f64(2.0 + seconds * nodes / 13_752.0))
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
            let task = NodeFeatures::new(&loaded, reach.mean(&loaded)?)?;
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
    let graph = loaded.task.graph();
    let features = around(graph, reach.mean(&loaded)?.as_ref())?;
    let features = sparse_rows(&features, &nodes_of(&loaded, Split::Test)?)?;
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

impl Reach {
    /// The averages that this reach needs; `None` where a node's own attributes are its features.
    fn mean(self, loaded: &LoadedGraph) -> crate::Result<Option<SparseMatrix>> {
        match self {
            Self::Own => Ok(None),
            Self::TwoHops => mean_over_neighbours(loaded.graph.adjacency()).map(Some),
        }
    }
}

fn nodes_of(loaded: &LoadedGraph, split: Split) -> crate::Result<Vec<NodeId>> {
    let ids: Vec<u32> = loaded.task.input(split).rows.ids().to_vec1()?;
    Ok(ids.into_iter().map(NodeId).collect())
}

/// Nodes of three splits with their features.
struct NodeFeatures<'a> {
    graph: &'a GraphTensors,
    classes: usize,
    /// Averages over a node and its neighbours; `None` if a node's own attributes are its features.
    mean: Option<SparseMatrix>,
    test: Vec<NodeId>,
    /// Training, validation and test.
    parts: [(Csr, Vec<u32>); 3],
    scales: OnceLock<Vec<FeatureScale>>,
}

impl<'a> NodeFeatures<'a> {
    /// Features from the two-hop means of `mean`, or from the attributes themselves.
    fn new(loaded: &'a LoadedGraph, mean: Option<SparseMatrix>) -> crate::Result<Self> {
        let graph = loaded.task.graph();
        let features = around(graph, mean.as_ref())?;
        let part = |split| -> crate::Result<(Csr, Vec<u32>)> {
            let features = sparse_rows(&features, &nodes_of(loaded, split)?)?;
            Ok((features, loaded.task.labels(split)?))
        };
        Ok(Self {
            graph,
            classes: loaded.task.classes(),
            mean,
            test: nodes_of(loaded, Split::Test)?,
            parts: [part(Split::Train)?, part(Split::Valid)?, part(Split::Test)?],
            scales: OnceLock::new(),
        })
    }
}

fn around(graph: &GraphTensors, mean: Option<&SparseMatrix>) -> crate::Result<Tensor> {
    match mean {
        Some(mean) => two_hop_means(mean, graph.features()),
        None => Ok(graph.features().clone()),
    }
}

impl FeatureTask for NodeFeatures<'_> {
    fn classes(&self) -> usize {
        self.classes
    }

    fn split(&self, split: Split) -> Labelled<'_> {
        let (rows, labels) = &self.parts[split as usize];
        Labelled { rows, labels }
    }

    fn perturbed(
        &self,
        model: &LogisticRegression,
        rows: &[u32],
        perturbation: &Perturbation,
    ) -> Result<PerturbedLogits> {
        let scales = match self.scales.get() {
            Some(scales) => scales,
            None => {
                let scales = feature_scales(self.graph)?;
                self.scales.get_or_init(|| scales)
            }
        };
        let graph = perturbed(self.graph, &self.test, perturbation, scales)?;
        let nodes: Vec<NodeId> = rows.iter().map(|&row| self.test[row as usize]).collect();
        let features = sparse_rows(&around(&graph, self.mean.as_ref())?, &nodes)?;
        Ok(PerturbedLogits {
            at: "features of test nodes".to_owned(),
            logits: model.logits(&features)?,
        })
    }
}

//! A graph as the training loop uses it: one batch per epoch and per split, with all nodes of the split. The graph's
//! tensors and each split's rows are made once and shared by every step.
use crate::robustness::{feature_scales, perturbed};
use crate::settings::FeatureScaling;
use crate::{Error, Graph, GraphInput, GraphTensors, NodeId, NodeRows, NodeSplit, Result};
use candle_core::{Device, Tensor};
use l0gm_ops::Generator;
use l0gm_train::{Batch, ConditionKind, FeatureScale, Perturbation, Split, Task};
use std::sync::{Arc, OnceLock};

/// Node classification on one graph. Copies share its tensors.
#[derive(Clone, Debug)]
pub struct GraphTask {
    graph: Arc<GraphTensors>,
    split: NodeSplit,
    labels: Vec<Option<u32>>,
    classes: usize,
    /// Rows and labels of training, validation and test.
    whole: [(Arc<NodeRows>, Tensor); 3],
    /// Scales of the features, for the robustness protocol.
    scales: OnceLock<Vec<FeatureScale>>,
}

impl GraphTask {
    /// Puts the graph on `device`.
    pub fn new(graph: &Graph, split: NodeSplit, device: &Device) -> Result<Self> {
        let tensors = Arc::new(GraphTensors::new(graph, device)?);
        let labels = graph.labels();
        let part = |which| -> Result<(Arc<NodeRows>, Tensor)> {
            let nodes = split.part(which);
            Ok((
                Arc::new(NodeRows::new(&tensors, nodes)?),
                labels_of(labels, nodes, device)?,
            ))
        };
        let whole = [part(Split::Train)?, part(Split::Valid)?, part(Split::Test)?];
        Ok(Self {
            graph: tensors,
            labels: labels.to_vec(),
            classes: graph.classes().len(),
            split,
            whole,
            scales: OnceLock::new(),
        })
    }
    /// The same task with its features scaled; they must not be scaled yet.
    pub(crate) fn scaled(&self, scaling: FeatureScaling) -> Result<Self> {
        if matches!(scaling, FeatureScaling::None | FeatureScaling::Auto) {
            return Ok(self.clone());
        }
        Ok(Self {
            graph: Arc::new(self.graph.scaled(scaling)?),
            scales: OnceLock::new(),
            ..self.clone()
        })
    }
    /// The graph's tensors.
    pub fn graph(&self) -> &Arc<GraphTensors> {
        &self.graph
    }
    /// The input that selects all nodes of a split.
    pub fn input(&self, split: Split) -> GraphInput {
        GraphInput {
            graph: self.graph.clone(),
            rows: self.whole(split).0.clone(),
        }
    }
    /// The class of every node of a split, in the order of [`input`](Self::input)'s rows.
    pub(crate) fn labels(&self, split: Split) -> Result<Vec<u32>> {
        Ok(self.whole(split).1.to_vec1()?)
    }
    fn whole(&self, split: Split) -> &(Arc<NodeRows>, Tensor) {
        match split {
            Split::Train => &self.whole[0],
            Split::Valid => &self.whole[1],
            Split::Test => &self.whole[2],
        }
    }
}

fn labels_of(labels: &[Option<u32>], nodes: &[NodeId], device: &Device) -> Result<Tensor> {
    let label = |node: &NodeId| {
        labels[node.0 as usize].ok_or_else(|| {
            let message = format!("node {} stands in the split, but has no label", node.0);
            Error::Graph(message)
        })
    };
    let labels = nodes.iter().map(label).collect::<Result<Vec<u32>>>()?;
    let count = labels.len();
    Ok(Tensor::from_vec(labels, count, device)?)
}

impl Task for GraphTask {
    type Input = GraphInput;

    fn classes(&self) -> usize {
        self.classes
    }

    fn rows(&self, split: Split) -> usize {
        self.split.part(split).len()
    }

    fn plan(
        &self,
        split: Split,
        _batch_size: usize,
        _shuffle: Option<&mut Generator>,
    ) -> Vec<Vec<u32>> {
        vec![(0..self.rows(split) as u32).collect()]
    }

    fn batch(
        &self,
        split: Split,
        rows: &[u32],
        device: &Device,
    ) -> l0gm_train::Result<Batch<GraphInput>> {
        let (whole, labels) = self.whole(split);
        let all = rows.len() == whole.len()
            && rows.iter().enumerate().all(|(at, &row)| at == row as usize);
        let (part, labels) = if all {
            (whole.clone(), labels.clone())
        } else {
            let nodes = self.split.part(split);
            let nodes: Vec<NodeId> = rows.iter().map(|&row| nodes[row as usize]).collect();
            (
                Arc::new(NodeRows::new(&self.graph, &nodes)?),
                labels_of(&self.labels, &nodes, device)?,
            )
        };
        Ok(Batch {
            input: GraphInput {
                graph: self.graph.clone(),
                rows: part,
            },
            labels,
            rows: rows.to_vec(),
        })
    }

    fn perturbs(&self, _kind: ConditionKind) -> Option<String> {
        Some("features of test nodes".to_owned())
    }

    fn perturbed_batch(
        &self,
        rows: &[u32],
        perturbation: &Perturbation,
        device: &Device,
    ) -> l0gm_train::Result<Batch<GraphInput>> {
        let scales = match self.scales.get() {
            Some(scales) => scales,
            None => {
                let scales = feature_scales(&self.graph)?;
                self.scales.get_or_init(|| scales)
            }
        };
        let nodes = self.split.part(Split::Test);
        let mut batch = self.batch(Split::Test, rows, device)?;
        batch.input.graph = Arc::new(perturbed(&self.graph, nodes, perturbation, scales)?);
        Ok(batch)
    }
}

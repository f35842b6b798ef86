//! What every logistic regression on nodes shares: the nodes of the three parts with their features, and the features of
//! test nodes in a perturbed graph.

use crate::modality::LoadedGraph;
use crate::robustness::{feature_scales, perturbed};
use crate::rows::NodeFeatures;
use crate::{GraphTensors, NodeId};
use l0gm_train::{
    FeatureScale, FeatureTask, Labelled, LogisticRegression, Perturbation, PerturbedLogits, Result,
    Split,
};
use std::sync::OnceLock;

/// The nodes of one part: their features and labels.
pub(super) type Part = (NodeFeatures, Vec<u32>);

/// A regression's data. `features_of` makes what it reads of some nodes of a graph.
pub(super) struct NodeRegression<'a, F> {
    graph: &'a GraphTensors,
    classes: usize,
    test: Vec<NodeId>,
    /// Training, validation and test.
    parts: [Part; 3],
    scales: OnceLock<Vec<FeatureScale>>,
    features_of: F,
}

impl<'a, F> NodeRegression<'a, F> {
    pub(super) fn new(
        loaded: &'a LoadedGraph,
        parts: [Part; 3],
        features_of: F,
    ) -> crate::Result<Self> {
        Ok(Self {
            graph: loaded.task.graph(),
            classes: loaded.graph.classes().len(),
            test: nodes_of(loaded, Split::Test)?,
            parts,
            scales: OnceLock::new(),
            features_of,
        })
    }
}

/// The nodes of a part, in its order.
pub(super) fn nodes_of(loaded: &LoadedGraph, split: Split) -> crate::Result<Vec<NodeId>> {
    let ids: Vec<u32> = loaded.task.input(split).rows.ids().to_vec1()?;
    Ok(ids.into_iter().map(NodeId).collect())
}

impl<F> FeatureTask for NodeRegression<'_, F>
where
    F: Fn(&GraphTensors, &[NodeId]) -> crate::Result<NodeFeatures>,
{
    fn classes(&self) -> usize {
        self.classes
    }

    fn split(&self, split: Split) -> Labelled<'_> {
        let (features, labels) = &self.parts[split as usize];
        Labelled {
            rows: features.rows(),
            labels,
        }
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
        let features = (self.features_of)(&graph, &nodes)?;
        Ok(PerturbedLogits {
            at: "features of test nodes".to_owned(),
            logits: model.logits_of(features.rows())?,
        })
    }
}

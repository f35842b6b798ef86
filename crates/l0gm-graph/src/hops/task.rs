//! Nodes with propagated features as the training loop uses them: rows of a few matrices, in mini-batches. No batch needs
//! the graph.

use super::encoder::HopInput;
use super::propagate;
use crate::robustness::{feature_scales, perturbed};
use crate::{GraphTask, NodeId, Result};
use candle_core::{Device, Tensor};
use l0gm_ops::embedding;
use l0gm_train::{Batch, ConditionKind, FeatureScale, Perturbation, Split, Task};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Node classification on propagated features.
#[derive(Debug)]
pub(crate) struct HopTask {
    task: GraphTask,
    /// X, Â X, ..., Â^K X of all nodes, (nodes, features) each.
    hops: Vec<Tensor>,
    /// Nodes and labels of training, validation and test.
    parts: [(Vec<u32>, Vec<u32>); 3],
    /// Scales of the features, for the robustness protocol.
    scales: OnceLock<Vec<FeatureScale>>,
    /// The test nodes' rows under the condition that was asked for last. A condition perturbs all test nodes at once,
    /// because each may be a neighbour of another, and its batches are asked for one after the other.
    last: Mutex<Option<(Perturbation, Arc<Vec<Tensor>>)>>,
}

impl HopTask {
    /// Propagates the features of `task` up to `hops` times.
    pub(crate) fn new(task: GraphTask, hops: usize) -> Result<Self> {
        let graph = task.graph();
        let matrices = match graph.is_sparse() {
            true => propagate(graph, 0..=hops, None)?,
            // X is there already.
            false => {
                let mut all = vec![graph.features()?.clone()];
                all.extend(propagate(graph, 1..=hops, None)?);
                all
            }
        };
        let part = |split| -> Result<(Vec<u32>, Vec<u32>)> {
            Ok((task.input(split).rows.ids().to_vec1()?, task.labels(split)?))
        };
        let parts = [part(Split::Train)?, part(Split::Valid)?, part(Split::Test)?];
        Ok(Self {
            hops: matrices,
            parts,
            task,
            scales: OnceLock::new(),
            last: Mutex::new(None),
        })
    }

    /// Nodes and labels of a split.
    #[cfg(test)]
    pub(super) fn parts_of(&self, split: Split) -> &(Vec<u32>, Vec<u32>) {
        &self.parts[split as usize]
    }

    /// The same nodes with their graph.
    #[cfg(test)]
    pub(super) fn graph_task(&self) -> &GraphTask {
        &self.task
    }

    /// A batch of these rows of a split, from matrices in which row i of the batch is row `at[i]`.
    fn batch_from(
        &self,
        split: Split,
        rows: &[u32],
        (matrices, at): (&[Tensor], Vec<u32>),
        device: &Device,
    ) -> Result<Batch<HopInput>> {
        let labels = &self.parts[split as usize].1;
        let labels: Vec<u32> = rows.iter().map(|&row| labels[row as usize]).collect();
        let count = rows.len();
        let at = Tensor::from_vec(at, count, self.task.graph().device())?;
        let hops = matrices.iter().map(|all| embedding(all, &at));
        Ok(Batch {
            input: HopInput {
                hops: hops.collect::<candle_core::Result<_>>()?,
            },
            labels: Tensor::from_vec(labels, count, device)?,
            rows: rows.to_vec(),
        })
    }

    /// The test nodes' rows of all matrices after the features of the test nodes have been perturbed.
    fn under(&self, perturbation: &Perturbation) -> Result<Arc<Vec<Tensor>>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, matrices)) = &*last
            && known == perturbation
        {
            return Ok(matrices.clone());
        }
        // Frees the last condition's rows first, because both may not fit.
        *last = None;
        let graph = self.task.graph();
        let scales = match self.scales.get() {
            Some(scales) => scales,
            None => {
                let scales = feature_scales(graph)?;
                self.scales.get_or_init(|| scales)
            }
        };
        let test = self.parts[Split::Test as usize].0.iter();
        let test: Vec<NodeId> = test.map(|&node| NodeId(node)).collect();
        let graph = perturbed(graph, &test, perturbation, scales)?;
        let most = self.hops.len() - 1;
        let matrices = Arc::new(propagate(&graph, 0..=most, Some(&test))?);
        *last = Some((*perturbation, matrices.clone()));
        Ok(matrices)
    }
}

impl Task for HopTask {
    type Input = HopInput;

    fn classes(&self) -> usize {
        self.task.classes()
    }

    fn rows(&self, split: Split) -> usize {
        self.parts[split as usize].0.len()
    }

    fn batch(
        &self,
        split: Split,
        rows: &[u32],
        device: &Device,
    ) -> l0gm_train::Result<Batch<HopInput>> {
        let nodes = &self.parts[split as usize].0;
        let at = rows.iter().map(|&row| nodes[row as usize]).collect();
        Ok(self.batch_from(split, rows, (&self.hops, at), device)?)
    }

    fn perturbs(&self, kind: ConditionKind) -> Option<String> {
        self.task.perturbs(kind)
    }

    fn perturbed_batch(
        &self,
        rows: &[u32],
        perturbation: &Perturbation,
        device: &Device,
    ) -> l0gm_train::Result<Batch<HopInput>> {
        let matrices = self.under(perturbation)?;
        Ok(self.batch_from(Split::Test, rows, (&matrices, rows.to_vec()), device)?)
    }
}

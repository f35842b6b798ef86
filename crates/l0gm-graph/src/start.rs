//! Fits the regressions whose class scores stand in the interface, and puts them into an untrained model. Before its
//! first step such a model predicts at least as well on the validation nodes as the better of the two.

use crate::rows::NodeFeatures;
use crate::scores::Reach;
use crate::{GraphModel, GraphTask, NodeId, Result};
use candle_core::{Device, Tensor};
use l0gm_train::{
    ClassScores, Labelled, LogisticFit, LogisticSettings, RunContext, Split, Task, fit_logistic,
};

/// A fitted regression, in the shape in which a model holds it.
#[derive(Clone, Debug)]
pub(crate) struct Fitted {
    reach: Reach,
    /// Validation loss of the regression alone.
    pub(crate) valid_nll: f64,
    /// (outputs, features).
    weight: Tensor,
    /// (outputs,); the scores have mean 0 over the training nodes.
    bias: Tensor,
    /// What the classifier adds to the scores, (classes,).
    intercepts: Tensor,
}

/// Fits both regressions on the training nodes, with penalties chosen on the validation nodes.
///
/// # Errors
/// A tensor operation fails, or a stop was requested.
pub(crate) fn fit_scores(
    task: &GraphTask,
    context: &mut RunContext<'_>,
) -> l0gm_train::Result<Vec<Fitted>> {
    let mut all = Vec::new();
    for reach in Reach::ALL {
        all.push(fit(task, reach, context)?);
    }
    Ok(all)
}

fn fit(task: &GraphTask, reach: Reach, context: &mut RunContext<'_>) -> l0gm_train::Result<Fitted> {
    let graph = task.graph();
    let labels = (task.labels(Split::Train)?, task.labels(Split::Valid)?);
    let (train, valid) = (task.input(Split::Train).rows, task.input(Split::Valid).rows);
    let settings = LogisticSettings {
        max_iterations: MOST_ITERATIONS,
        ..LogisticSettings::default()
    };
    let (classes, stop) = (task.classes(), context.stop.clone());
    let rows = |ids: &Tensor| -> Result<NodeFeatures> {
        let nodes: Vec<u32> = ids.to_vec1()?;
        let nodes: Vec<NodeId> = nodes.into_iter().map(NodeId).collect();
        NodeFeatures::new(graph, reach, &nodes)
    };
    let (train, valid) = (rows(train.ids())?, rows(valid.ids())?);
    let train = Labelled {
        rows: train.rows(),
        labels: &labels.0,
    };
    let valid = Labelled {
        rows: valid.rows(),
        labels: &labels.1,
    };
    let fit = fit_logistic(train, valid, classes, &settings, context.progress, &stop)?;
    let logits = fit.model.logits_of(train.rows)?;
    let device = graph.device();
    Ok(Fitted::new(reach, &fit, &logits, device)?)
}

/// Most iterations for each penalty. Each penalty starts from the one before.
pub(crate) const MOST_ITERATIONS: usize = 60;

impl Fitted {
    fn new(reach: Reach, fit: &LogisticFit, logits: &[f32], device: &Device) -> Result<Self> {
        let scores = ClassScores::centred(fit, logits);
        let outputs = scores.bias.len();
        let weight = Tensor::from_vec(scores.weights, (scores.columns, outputs), device)?;
        Ok(Self {
            reach,
            valid_nll: scores.valid_nll,
            weight: weight.t()?.contiguous()?,
            bias: Tensor::from_vec(scores.bias, outputs, device)?,
            intercepts: Tensor::new(scores.intercepts, device)?,
        })
    }
}

/// Puts fitted regressions into a model whose interface has their scores.
///
/// # Errors
/// The shapes differ.
pub(crate) fn put_scores(model: &GraphModel, all: &[Fitted]) -> Result<()> {
    let Some(blend) = &model.head.blend else {
        return Ok(());
    };
    for scores in &model.encoder.scores {
        if let Some(fitted) = all.iter().find(|fitted| fitted.reach == scores.reach) {
            scores.weight.set(&fitted.weight)?;
            scores.bias.set(&fitted.bias)?;
        }
    }
    let rows: Vec<Tensor> = all.iter().map(|own| own.intercepts.clone()).collect();
    blend.set_intercepts(&rows)?;
    Ok(())
}

/// "own .2793 and two-hop .2064", for a record's notes.
pub(crate) fn losses(all: &[Fitted]) -> String {
    let one = |fitted: &Fitted| format!("{} {:.4}", fitted.reach.name(), fitted.valid_nll);
    all.iter().map(one).collect::<Vec<_>>().join(" and ")
}

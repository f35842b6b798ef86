//! Fits the regressions whose class scores stand in the interface, and puts them into an untrained model. Before its
//! first step such a model predicts at least as well on the validation nodes as the better of the two.

use crate::rows::{gathered, sparse_part};
use crate::scores::Reach;
use crate::{GraphModel, GraphTask, Result};
use candle_core::{Device, Tensor};
use l0gm_train::{
    Labelled, LabelledMatrix, LogisticRegression, LogisticSettings, RunContext, Split, Task,
    fit_logistic, fit_logistic_matrix,
};

/// Number of outputs of a regression: of two classes one is enough.
pub(crate) fn outputs(classes: usize) -> usize {
    if classes == 2 { 1 } else { classes }
}

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
    let sparse = match reach {
        Reach::Own => graph.sparse()?,
        Reach::TwoHops => None,
    };
    let (fit, logits) = if let Some(features) = sparse {
        let part = |ids: &Tensor| sparse_part(features.matrix(), &ids.to_vec1()?);
        let rows = (part(train.ids())?, part(valid.ids())?);
        let (rows, labels) = ((&rows.0, &rows.1), (&labels.0[..], &labels.1[..]));
        let train = Labelled {
            rows: rows.0,
            labels: labels.0,
        };
        let valid = Labelled {
            rows: rows.1,
            labels: labels.1,
        };
        let fit = fit_logistic(train, valid, classes, &settings, context.progress, &stop)?;
        let logits = fit.model.logits(rows.0)?;
        (fit, logits)
    } else {
        let rows = gathered(graph, reach, &[train.ids(), valid.ids()])?;
        let (rows, labels) = ((&rows[0], &rows[1]), (&labels.0[..], &labels.1[..]));
        let train = LabelledMatrix {
            rows: rows.0,
            labels: labels.0,
        };
        let valid = LabelledMatrix {
            rows: rows.1,
            labels: labels.1,
        };
        let fit = fit_logistic_matrix(train, valid, classes, &settings, context.progress, &stop)?;
        let logits = fit.model.matrix_logits(rows.0)?;
        (fit, logits)
    };
    let device = graph.features().device();
    centred(reach, &fit.model, fit.chosen.valid_nll, &logits, device)
        .map_err(l0gm_train::Error::from)
}

/// Most iterations for each penalty. Each penalty starts from the one before.
const MOST_ITERATIONS: usize = 60;

/// Splits a regression's logits on the training nodes, nodes x classes, into their means and scores around 0.
fn centred(
    reach: Reach,
    model: &LogisticRegression,
    valid_nll: f64,
    logits: &[f32],
    device: &Device,
) -> candle_core::Result<Fitted> {
    let (classes, outputs) = (model.classes(), outputs(model.classes()));
    let nodes = (logits.len() / classes).max(1) as f64;
    let mut mean = vec![0f64; classes];
    for row in logits.chunks_exact(classes) {
        for (mean, logit) in mean.iter_mut().zip(row) {
            *mean += f64::from(*logit) / nodes;
        }
    }
    let of_scores = &mean[classes - outputs..];
    let bias: Vec<f32> = model
        .intercepts()
        .iter()
        .zip(of_scores)
        .map(|(b, mean)| (f64::from(*b) - mean) as f32)
        .collect();
    let columns = model.columns();
    let weight = Tensor::from_slice(model.weights(), (columns, outputs), device)?;
    let intercepts: Vec<f32> = mean.iter().map(|m| *m as f32).collect();
    Ok(Fitted {
        reach,
        valid_nll,
        weight: weight.t()?.contiguous()?,
        bias: Tensor::from_vec(bias, outputs, device)?,
        intercepts: Tensor::from_vec(intercepts, classes, device)?,
    })
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
    let rows: Vec<&Tensor> = all.iter().map(|fitted| &fitted.intercepts).collect();
    blend.intercepts.set(&Tensor::stack(&rows, 0)?)?;
    Ok(())
}

/// "own .2793 and two-hop .2064", for a record's notes.
pub(crate) fn losses(all: &[Fitted]) -> String {
    let one = |fitted: &Fitted| format!("{} {:.4}", fitted.reach.name(), fitted.valid_nll);
    all.iter().map(one).collect::<Vec<_>>().join(" and ")
}

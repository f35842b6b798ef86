//! A fitted regression as class scores: the logits W x + b of the classes, centred over the training rows, and what a
//! classifier adds to them. Such scores stand in a model's interface beside the network's channels
//! ([`Blend`](crate::Blend)).

use super::LogisticFit;

/// The scores of one regression.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassScores {
    /// Validation loss of the regression alone.
    pub valid_nll: f64,
    /// Number of features.
    pub columns: usize,
    /// Weights, columns x outputs, column by column. Two classes have one output, the logit of the second.
    pub weights: Vec<f32>,
    /// One for each output; with it the scores have mean 0 over the training rows.
    pub bias: Vec<f32>,
    /// What the classifier adds to the scores, one for each class.
    pub intercepts: Vec<f32>,
}

impl ClassScores {
    /// Splits a regression's logits on the training rows, rows x classes, into their means and scores around 0.
    pub fn centred(fit: &LogisticFit, logits: &[f32]) -> Self {
        let model = &fit.model;
        let (classes, outputs) = (model.classes(), Self::outputs(model.classes()));
        let rows = (logits.len() / classes).max(1) as f64;
        let mut mean = vec![0f64; classes];
        for row in logits.chunks_exact(classes) {
            for (mean, logit) in mean.iter_mut().zip(row) {
                *mean += f64::from(*logit) / rows;
            }
        }
        let of_scores = &mean[classes - outputs..];
        let intercepts = model.intercepts().iter();
        Self {
            valid_nll: fit.chosen.valid_nll,
            columns: model.columns(),
            weights: model.weights().to_vec(),
            bias: intercepts
                .zip(of_scores)
                .map(|(b, mean)| (f64::from(*b) - mean) as f32)
                .collect(),
            intercepts: mean.iter().map(|mean| *mean as f32).collect(),
        }
    }

    /// Number of scores for so many classes: of two classes one is enough.
    pub fn outputs(classes: usize) -> usize {
        super::model::outputs(classes)
    }
}

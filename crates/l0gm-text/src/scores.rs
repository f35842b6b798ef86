//! Class scores in the interface: what a logistic regression on TF-IDF weights says about a text. They are a straight
//! path from the words to the gate, so that a network need not find again what a bag of words knows.
//!
//! The regression is fitted before training, with a penalty chosen on the validation texts, and does not change in it.
//! It is the one that the method `tfidf` fits. The same texts give the same bits, so a run that continues fits it again.

use crate::split::grouped;
use crate::{Corpus, Error, Result, TfIdf, TfIdfSettings};
use candle_core::{Device, Tensor};
use l0gm_ops::Csr;
use l0gm_train::{
    ClassScores, Labelled, LogisticSettings, Perturbation, Progress, Split, StopFlag, fit_logistic,
};
use rayon::prelude::*;
use std::sync::Arc;

/// Makes texts into class scores, each centred over the training texts.
#[derive(Clone, Debug)]
pub struct TextScores {
    tfidf: TfIdf,
    /// Number of scores of a text: one for two classes, otherwise one a class.
    outputs: usize,
    /// The scores that are computed, ascending. The others are 0.
    kept: Vec<u32>,
    /// terms x kept, term by term.
    weights: Vec<f32>,
    /// One for each kept score.
    bias: Vec<f32>,
}

impl TextScores {
    /// From a vocabulary and a fitted regression: terms x kept weights and a bias for each kept score.
    ///
    /// # Errors
    /// The numbers do not fit each other.
    pub(crate) fn new(
        tfidf: TfIdf,
        outputs: usize,
        kept: Vec<u32>,
        weights: Vec<f32>,
        bias: Vec<f32>,
    ) -> Result<Self> {
        let inside = kept.last().is_none_or(|&last| (last as usize) < outputs);
        let fits = weights.len() == tfidf.terms() * kept.len() && bias.len() == kept.len();
        if !(inside && fits && kept.is_sorted_by(|a, b| a < b)) {
            return Err(Error::Setting(format!(
                "class scores of {} terms do not fit their {} weights and {} biases",
                tfidf.terms(),
                weights.len(),
                bias.len()
            )));
        }
        Ok(Self {
            tfidf,
            outputs,
            kept,
            weights,
            bias,
        })
    }

    /// Number of terms that are counted.
    pub fn terms(&self) -> usize {
        self.tfidf.terms()
    }

    /// Number of scores of a text.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The scores that are computed.
    pub(crate) fn kept(&self) -> &[u32] {
        &self.kept
    }

    pub(crate) fn tfidf(&self) -> &TfIdf {
        &self.tfidf
    }

    /// terms x kept weights, and a bias for each kept score.
    pub(crate) fn numbers(&self) -> (&[f32], &[f32]) {
        (&self.weights, &self.bias)
    }

    /// Number of all its numbers, the terms' weights included.
    pub(crate) fn parameters(&self) -> usize {
        self.weights.len() + self.bias.len() + self.tfidf.terms()
    }

    /// The same with only some of its scores.
    pub(crate) fn only(&self, kept: &[u32]) -> Result<Self> {
        let places: Vec<usize> = (0..self.kept.len())
            .filter(|&place| kept.contains(&self.kept[place]))
            .collect();
        let rows = self.weights.chunks(self.kept.len().max(1));
        let weights = rows.flat_map(|row| places.iter().map(|&place| row[place]));
        Self::new(
            self.tfidf.clone(),
            self.outputs,
            places.iter().map(|&place| self.kept[place]).collect(),
            weights.collect(),
            places.iter().map(|&place| self.bias[place]).collect(),
        )
    }

    /// The scores of texts: (texts, outputs).
    ///
    /// # Errors
    /// There are more terms than a sparse matrix can hold.
    pub fn of<T: AsRef<str> + Sync>(&self, texts: &[T], device: &Device) -> Result<Tensor> {
        self.tensor(self.values(&self.tfidf.rows(texts)?), device)
    }

    fn tensor(&self, values: Vec<f32>, device: &Device) -> Result<Tensor> {
        let rows = values.len() / self.outputs.max(1);
        Ok(Tensor::from_vec(values, (rows, self.outputs), device)?)
    }

    /// W x + b of every row, summed in f64: rows x outputs.
    fn values(&self, rows: &Csr) -> Vec<f32> {
        let kept = self.kept.len();
        let mut values = vec![0f32; rows.rows() * self.outputs];
        let of_row = |(row, out): (usize, &mut [f32])| {
            let entries = rows.indptr()[row] as usize..rows.indptr()[row + 1] as usize;
            let mut sums: Vec<f64> = self.bias.iter().map(|b| f64::from(*b)).collect();
            for at in entries {
                let (column, value) = (rows.indices()[at] as usize, f64::from(rows.values()[at]));
                let weights = &self.weights[column * kept..(column + 1) * kept];
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += value * f64::from(*weight);
                }
            }
            for (&place, sum) in self.kept.iter().zip(sums) {
                out[place as usize] = sum as f32;
            }
        };
        let chunks = values.par_chunks_mut(self.outputs.max(1)).enumerate();
        chunks.with_min_len(64).for_each(of_row);
        values
    }
}

/// The class scores of a task's texts.
#[derive(Clone, Debug)]
pub struct TaskScores {
    fitted: Arc<TextScores>,
    /// Of the training, validation and test texts, rows x outputs.
    values: Arc<[Vec<f32>; 3]>,
    /// The test texts, of which words are hidden under the robustness protocol.
    test: Arc<Vec<String>>,
    /// Mean number of different terms of a test text.
    pub(crate) entries: f64,
    /// Validation loss of the regression alone.
    pub(crate) valid_nll: f64,
    /// What the classifier adds to the scores, one for each class.
    pub(crate) intercepts: Vec<f32>,
}

impl TaskScores {
    /// Fits the regression on the training texts, with the penalty chosen on the validation texts.
    ///
    /// # Errors
    /// The training texts hold no words, or a stop was requested.
    pub(crate) fn fit(
        corpora: [&Corpus; 3],
        classes: usize,
        progress: &mut dyn Progress,
        stop: &StopFlag,
    ) -> Result<Self> {
        let [train, valid, test] = corpora;
        let tfidf = vocabulary(&train.texts)?;
        let rows = [
            tfidf.rows(&train.texts)?,
            tfidf.rows(&valid.texts)?,
            tfidf.rows(&test.texts)?,
        ];
        let fit = fit_logistic(
            Labelled {
                rows: (&rows[0]).into(),
                labels: &train.labels,
            },
            Labelled {
                rows: (&rows[1]).into(),
                labels: &valid.labels,
            },
            classes,
            &LogisticSettings::default(),
            progress,
            stop,
        )?;
        let scores = ClassScores::centred(&fit, &fit.model.logits(&rows[0])?);
        let outputs = scores.bias.len();
        let kept = (0..outputs as u32).collect();
        let fitted = TextScores::new(tfidf, outputs, kept, scores.weights, scores.bias)?;
        Ok(Self {
            values: Arc::new([0, 1, 2].map(|part| fitted.values(&rows[part]))),
            fitted: Arc::new(fitted),
            test: Arc::new(test.texts.clone()),
            entries: rows[2].values().len() as f64 / test.rows().max(1) as f64,
            valid_nll: scores.valid_nll,
            intercepts: scores.intercepts,
        })
    }

    /// What a record says of them.
    pub(crate) fn note(&self) -> String {
        format!(
            "class scores of a logistic regression on the TF-IDF weights of {} terms stand in the interface \
             (validation NLL {:.4})",
            grouped(self.fitted.terms()),
            self.valid_nll
        )
    }

    /// What makes texts into scores.
    pub fn fitted(&self) -> &Arc<TextScores> {
        &self.fitted
    }

    /// The scores of some rows of a split: (rows, outputs).
    pub(crate) fn of(&self, split: Split, rows: &[u32], device: &Device) -> Result<Tensor> {
        let outputs = self.fitted.outputs;
        let all = &self.values[split as usize];
        let values = rows.iter().flat_map(|&row| {
            let start = row as usize * outputs;
            all[start..start + outputs].iter().copied()
        });
        self.fitted.tensor(values.collect(), device)
    }

    /// The scores of some test texts with words hidden: (rows, outputs).
    pub(crate) fn hidden(
        &self,
        rows: &[u32],
        perturbation: &Perturbation,
        device: &Device,
    ) -> Result<Tensor> {
        let features = self
            .fitted
            .tfidf
            .rows_hidden(&self.test, rows, perturbation)?;
        self.fitted.tensor(self.fitted.values(&features), device)
    }
}

/// The vocabulary of the method `tfidf`. Where so few texts share no word, each word counts.
fn vocabulary(texts: &[String]) -> Result<TfIdf> {
    let settings = TfIdfSettings::default();
    let every = TfIdfSettings {
        min_texts: 1,
        ..settings.clone()
    };
    TfIdf::fit(texts, &settings)
        .or_else(|_| TfIdf::fit(texts, &every))
        .map_err(|_| {
            Error::Setting(
                "scores is true, but the training texts hold no words of two letters; set it to false, or check that \
                 the column of texts is the right one"
                    .into(),
            )
        })
}

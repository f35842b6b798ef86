//! What a search has found: its trials and the choice, as they are kept in the run's folder.

use crate::settings::{FeatureScaling, GcnSettings, GraphSettings};
use crate::{Error, Result};
use l0gm_train::{Error as TrainError, write_atomically};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The settings that a search decides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Choice {
    pub(crate) features: FeatureScaling,
    pub(crate) layers: usize,
    pub(crate) own_weight: bool,
}

impl Choice {
    /// These settings with the choice made.
    pub(crate) fn applied(self, settings: &GraphSettings) -> GraphSettings {
        GraphSettings {
            features: self.features,
            gcn: GcnSettings {
                layers: self.layers,
                own_weight: self.own_weight,
                ..settings.gcn.clone()
            },
            search: None,
            ..settings.clone()
        }
    }

    /// "2 layers, features as they are", for notes.
    pub(crate) fn words(self) -> String {
        let own = match self.own_weight {
            true => " with weights for a node's own representation",
            false => "",
        };
        let features = self.features.words();
        format!("{} layers{own}, {features}", self.layers)
    }
}

/// A choice that the search trained, and how well it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Trial {
    pub(crate) choice: Choice,
    /// The best validation loss within the trial's epochs.
    pub(crate) valid_loss: f64,
    /// How far it was ahead of the best one before it. `None` for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lead: Option<Lead>,
    /// The loss of each validation node at that epoch. It is needed only within the search.
    #[serde(skip)]
    pub(crate) losses: Vec<f64>,
    /// What each part of the classifier counted for at that epoch. Empty without class scores.
    pub(crate) blend: Vec<f32>,
}

/// The mean by which one trial's losses on the validation nodes are below another's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Lead {
    pub(crate) gain: f64,
    /// Standard error of the mean, over nodes.
    pub(crate) error: f64,
}

impl Lead {
    /// How far `tried` is ahead of `kept`, node by node.
    pub(crate) fn over(kept: &[f64], tried: &[f64]) -> Self {
        let n = kept.len().max(1) as f64;
        let gains = || kept.iter().zip(tried).map(|(kept, tried)| kept - tried);
        let gain = gains().sum::<f64>() / n;
        let squares: f64 = gains().map(|own| (own - gain).powi(2)).sum();
        Self {
            gain,
            error: (squares / (n - 1.0).max(1.0) / n).sqrt(),
        }
    }

    /// Whether it is more than chance may explain. A loss that is not finite leads nothing.
    pub(crate) fn is_clear(self) -> bool {
        self.gain > self.error
    }
}

/// The result of a search, as it is kept in the run's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Found {
    /// Checksums of the data that were searched on.
    checksums: BTreeMap<String, String>,
    pub(crate) trials: Vec<Trial>,
    /// The number of the best trial.
    best: usize,
    /// Number of trials that were left out because they would have taken too long.
    left_out: usize,
}

const FILE: &str = "search.json";

impl Found {
    pub(crate) fn new(
        checksums: BTreeMap<String, String>,
        trials: Vec<Trial>,
        best: usize,
        left_out: usize,
    ) -> Self {
        Self {
            checksums,
            trials,
            best,
            left_out,
        }
    }

    /// Whether it was a search on data with these checksums.
    pub(crate) fn is_of(&self, checksums: &BTreeMap<String, String>) -> bool {
        self.checksums == *checksums
    }

    /// The search of the run in `dir`; `None` if it has not ended.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::file(&path, e.to_string())),
        };
        let found: Self = serde_json::from_slice(&bytes).map_err(|e| {
            let what = format!("not the result of a search ({e}); delete it to search again");
            Error::file(&path, what)
        })?;
        match found.trials.get(found.best) {
            Some(_) => Ok(Some(found)),
            None => Err(Error::file(
                &path,
                "it names no trial; delete it to search again",
            )),
        }
    }

    pub(crate) fn write(&self, dir: &Path) -> l0gm_train::Result<()> {
        let path = dir.join(FILE);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|e| TrainError::Setting(format!("the search cannot be written: {e}")))?;
        write_atomically(&path, &text)
    }

    /// The best trial.
    pub(crate) fn best(&self) -> &Trial {
        &self.trials[self.best]
    }

    /// What was tried and chosen, for a record's notes.
    pub(crate) fn note(&self) -> String {
        let mut tried: Vec<String> = self
            .trials
            .iter()
            .map(|trial| {
                let lead = match trial.lead {
                    Some(Lead { gain, error }) => format!(" (ahead by {gain:.4} ± {error:.4})"),
                    None => String::new(),
                };
                format!("{}: {:.4}{lead}", trial.choice.words(), trial.valid_loss)
            })
            .collect();
        if self.left_out > 0 {
            tried.push(format!("{} more would take too long", self.left_out));
        }
        format!(
            "search of {} trials by validation NLL chose {} ({})",
            self.trials.len(),
            self.best().choice.words(),
            tried.join("; ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_within_one_standard_error_is_not_clear() {
        // Gains of 1 and 0: mean 1/2, deviation 1/sqrt 2, standard error 1/2 of two nodes.
        let even = Lead::over(&[1.0, 1.0], &[0.0, 1.0]);
        assert!((even.gain - 0.5).abs() < 1e-12 && (even.error - 0.5).abs() < 1e-12);
        assert!(!even.is_clear());
        assert!(Lead::over(&[1.0, 1.0], &[0.0, 0.1]).is_clear());
        // One node of a hundred that is much better is chance, all a little better are not.
        let mut lucky = vec![1.001; 100];
        lucky[7] = 0.0;
        assert!(!Lead::over(&[1.0; 100], &lucky).is_clear());
        let better: Vec<f64> = (0..100).map(|at| 0.99 - f64::from(at % 2) * 1e-3).collect();
        assert!(Lead::over(&[1.0; 100], &better).is_clear());
        assert!(!Lead::over(&[1.0, 1.0], &[f64::NAN, 0.0]).is_clear());
        assert!(!Lead::over(&[1.0; 3], &[1.0; 3]).is_clear());
    }
}

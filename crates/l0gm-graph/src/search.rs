//! A short search before training, on the validation nodes: how features are scaled, how deep the network is, and
//! whether its layers read the node's own representation through a weight of its own.
//!
//! Each trial trains the dense model for a few epochs with the run's seed. The scaling is decided first, then the shape.
//! Trials that would take longer than the setting
//! `search.seconds` together, by the estimate of their size and not by a clock, are left out: the result depends on
//! the settings and the data alone. It is kept in the run's folder, so that a continued run does not search again.

use crate::build::build_model;
use crate::estimate::{GraphSize, epoch};
use crate::settings::{FeatureScaling, GcnSettings, GraphSettings, whole};
use crate::start::{Fitted, fit_scores, put_scores};
use crate::{Error, Graph, GraphTask, Result};
use l0gm_train::{
    Error as TrainError, Recipe, RunContext, RunDir, Sitting, TrainConfig, Training, train,
    write_atomically,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What is tried before training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SearchSettings {
    /// Number of epochs of each trial.
    pub epochs: usize,
    /// Numbers of layers to try, the usual one first.
    pub layers: Vec<usize>,
    /// Whether layers have a weight for the node's own representation: what to try, the usual first.
    pub own_weight: Vec<bool>,
    /// Most seconds of all trials together on two CPU cores, by their estimate.
    pub seconds: f64,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self {
            epochs: 30,
            layers: vec![2, 3],
            own_weight: vec![false, true],
            seconds: 60.0,
        }
    }
}

impl SearchSettings {
    pub(crate) fn check(&self) -> Result<()> {
        whole("search.epochs", self.epochs, 1, 1_000_000)?;
        for &layers in &self.layers {
            whole("search.layers", layers, 1, 64)?;
        }
        if self.layers.is_empty() || self.own_weight.is_empty() {
            return Err(Error::Setting(
                "search.layers and search.own-weight must each name at least one choice; leave `search` out to try \
                 nothing"
                    .into(),
            ));
        }
        if !(self.seconds.is_finite() && self.seconds >= 0.0) {
            return Err(Error::Setting(format!(
                "search.seconds is {}; it must be finite and at least 0",
                self.seconds
            )));
        }
        Ok(())
    }
}

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

/// One trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Trial {
    pub(crate) choice: Choice,
    /// The best validation loss within the trial's epochs.
    pub(crate) valid_loss: f64,
    /// What each part of the classifier counted for at that epoch. Empty without class scores.
    pub(crate) blend: Vec<f32>,
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

    fn write(&self, dir: &Path) -> l0gm_train::Result<()> {
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
            .map(|trial| format!("{}: {:.4}", trial.choice.words(), trial.valid_loss))
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

/// The data of a run with the chosen scaling.
pub(crate) struct Chosen {
    pub(crate) found: Found,
    pub(crate) task: GraphTask,
    /// The fitted regressions; empty if the settings ask for none.
    pub(crate) scores: Vec<Fitted>,
}

/// A task with scaled features and what was fitted on them.
struct Scaled {
    features: FeatureScaling,
    task: GraphTask,
    scores: Vec<Fitted>,
}

/// Searches, or takes the result from the run's folder. `task` has unscaled features unless the settings name a
/// scaling.
///
/// # Errors
/// A trial fails, the folder cannot be written, or a stop was requested.
pub(crate) fn search(
    graph: &Graph,
    task: &GraphTask,
    settings: &GraphSettings,
    asked: &SearchSettings,
    sitting: Sitting<'_>,
    context: &mut RunContext<'_>,
) -> l0gm_train::Result<Chosen> {
    let dir = sitting.run.path();
    let before = Found::read(dir)?.filter(|found| found.checksums == sitting.data.checksums);
    let search = Search {
        graph,
        whole: task,
        settings,
        asked,
        sitting,
        trials: Vec::new(),
        best: None,
        spent: 0.0,
        left_out: 0,
    };
    if let Some(found) = before {
        let scaled = search.scaled(found.best().choice.features, context)?;
        return Ok(Chosen {
            found,
            task: scaled.task,
            scores: scaled.scores,
        });
    }
    search.run(context)
}

struct Search<'a> {
    graph: &'a Graph,
    whole: &'a GraphTask,
    settings: &'a GraphSettings,
    asked: &'a SearchSettings,
    sitting: Sitting<'a>,
    trials: Vec<Trial>,
    /// Number of the best trial, with its task.
    best: Option<(usize, Scaled)>,
    /// Estimated seconds of the trials so far.
    spent: f64,
    left_out: usize,
}

impl Search<'_> {
    fn run(mut self, context: &mut RunContext<'_>) -> l0gm_train::Result<Chosen> {
        let first = Choice {
            features: FeatureScaling::None,
            layers: self.asked.layers[0],
            own_weight: self.asked.own_weight[0],
        };
        for features in self.scalings() {
            self.attempt(Choice { features, ..first }, context)?;
        }
        let features = self.chosen(first).features;
        for &layers in &self.asked.layers {
            for &own_weight in &self.asked.own_weight {
                let choice = Choice {
                    features,
                    layers,
                    own_weight,
                };
                self.attempt(choice, context)?;
            }
        }
        let (best, scaled) = self
            .best
            .ok_or_else(|| TrainError::Task("the search tried nothing".to_owned()))?;
        let found = Found {
            checksums: self.sitting.data.checksums.clone(),
            trials: self.trials,
            best,
            left_out: self.left_out,
        };
        found.write(self.sitting.run.path())?;
        remove(&self.sitting.run.path().join(FOLDER))?;
        Ok(Chosen {
            found,
            task: scaled.task,
            scores: scaled.scores,
        })
    }

    /// The scalings to try: the one that the settings name, or those that suit the features. Words and other features
    /// that are mostly 0 stay so; others are brought to one scale.
    fn scalings(&self) -> Vec<FeatureScaling> {
        if self.settings.features != FeatureScaling::Auto {
            return vec![self.settings.features];
        }
        let values = self.graph.features().values();
        let absent = values.iter().filter(|v| **v == 0.0).count();
        let counts = values.iter().all(|v| *v >= 0.0);
        match counts && 2 * absent > values.len() {
            true => vec![FeatureScaling::None, FeatureScaling::Row],
            false => vec![FeatureScaling::Standard, FeatureScaling::None],
        }
    }

    fn chosen(&self, otherwise: Choice) -> Choice {
        let best = self.best.as_ref().map(|(at, _)| self.trials[*at].choice);
        best.unwrap_or(otherwise)
    }

    /// Tries a choice, unless it was tried or would take too long. The first one is always tried.
    fn attempt(&mut self, choice: Choice, context: &mut RunContext<'_>) -> l0gm_train::Result<()> {
        if self.trials.iter().any(|trial| trial.choice == choice) {
            return Ok(());
        }
        let applied = choice.applied(self.settings);
        let size = GraphSize::of(self.graph, self.whole);
        let seconds = self.asked.epochs as f64 * epoch(&size, &applied);
        if !self.trials.is_empty() && self.spent + seconds > self.asked.seconds {
            self.left_out += 1;
            return Ok(());
        }
        self.spent += seconds;
        let known = match self.best.take() {
            Some((at, scaled)) if scaled.features == choice.features => (Some(at), scaled),
            best => {
                self.best = best;
                (None, self.scaled(choice.features, context)?)
            }
        };
        let (at, scaled) = known;
        let trial = self.trial(choice, &applied, &scaled, context)?;
        let number = self.trials.len();
        let loss = trial.valid_loss;
        self.trials.push(trial);
        let best_so_far = at.or(self.best.as_ref().map(|(at, _)| *at));
        match best_so_far {
            // Equal losses keep the earlier, usual choice.
            Some(best) if loss >= self.trials[best].valid_loss => {
                if at.is_some() {
                    self.best = Some((best, scaled));
                }
            }
            _ => self.best = Some((number, scaled)),
        }
        Ok(())
    }

    /// The task with scaled features, and the regressions fitted on them.
    fn scaled(
        &self,
        features: FeatureScaling,
        context: &mut RunContext<'_>,
    ) -> l0gm_train::Result<Scaled> {
        let task = match self.settings.features {
            FeatureScaling::Auto => self.whole.scaled(features)?,
            // The features are scaled already.
            _ => self.whole.clone(),
        };
        let scores = match self.settings.scores {
            true => fit_scores(&task, context)?,
            false => Vec::new(),
        };
        Ok(Scaled {
            features,
            task,
            scores,
        })
    }

    fn trial(
        &self,
        choice: Choice,
        applied: &GraphSettings,
        scaled: &Scaled,
        context: &mut RunContext<'_>,
    ) -> l0gm_train::Result<Trial> {
        let seed = self.sitting.spec.seed;
        let model = build_model(self.graph, applied, false, seed, &context.device)?;
        put_scores(&model, &scaled.scores)?;
        let config = TrainConfig {
            epochs: self.asked.epochs,
            patience: 0,
            target: None,
            recipe: Recipe::Settled,
            ..applied.train.clone()
        };
        let name = format!("{}", self.trials.len());
        let run = RunDir::open(&self.sitting.run.path().join(FOLDER).join(name))?;
        let training = Training {
            task: &scaled.task,
            model: &model,
            config: &config,
            seed,
            device: &context.device,
        };
        let outcome = train(training, &run, context.progress, &context.stop)?;
        let valid_loss = outcome.selection.map_or(f64::INFINITY, |s| s.chosen);
        Ok(Trial {
            choice,
            valid_loss,
            blend: match &model.head.blend {
                Some(blend) => blend.weights()?,
                None => Vec::new(),
            },
        })
    }
}

/// The folder of the trials' checkpoints in a run's folder, removed when the search has ended.
const FOLDER: &str = "search";

fn remove(folder: &Path) -> l0gm_train::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file(folder, e.to_string()).into())
        }
        _ => Ok(()),
    }
}

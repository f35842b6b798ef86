//! A short search before training, on the validation nodes: how features are scaled, how deep the network is, and
//! whether its layers read the node's own representation through a weight of its own.
//!
//! Each trial trains the dense model for a few epochs with the run's seed. The scaling is decided first, then the shape.
//! A trial replaces the best one so far only where it is better by more than one standard error of the difference on the
//! validation nodes, so that few of them do not decide by chance against the usual choice.
//! Trials that would take longer than the setting
//! `search.seconds` together, by the estimate of their size and not by a clock, are left out: the result depends on
//! the settings and the data alone. It is kept in the run's folder, so that a continued run does not search again.

use crate::build::build_model;
use crate::estimate::{GraphSize, epoch};
use crate::found::{Choice, Found, Lead, Trial};
use crate::settings::{FeatureScaling, GraphSettings, whole};
use crate::start::{Fitted, fit_scores, put_scores};
use crate::{Error, Features, Graph, GraphTask, Result};
use candle_core::Tensor;
use l0gm_ops::log_softmax;
use l0gm_train::{
    Error as TrainError, Recipe, RunContext, RunDir, Sitting, Split, Task, TrainConfig, Training,
    train,
};
use serde::{Deserialize, Serialize};
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
    /// Seconds of the trials, by their estimate, with this share of the nodes in training. Which scaling and shape are
    /// chosen on the way is not known, so every combination counts as if it were tried with the usual others.
    pub(crate) fn cost(&self, size: &GraphSize, share: f64, settings: &GraphSettings) -> f64 {
        let another_scaling = settings.features == FeatureScaling::Auto;
        let usual = if another_scaling { 2 } else { 1 };
        let shapes = self.shapes(settings);
        let tried = std::iter::repeat_n(shapes[0], usual).chain(shapes[1..].iter().copied());
        let mut spent = 0.0;
        for (number, shape) in tried.enumerate() {
            let seconds = self.epochs as f64 * epoch(size, share, &with(shape, settings));
            if number == 0 || spent + seconds <= self.seconds {
                spent += seconds;
            }
        }
        spent
    }

    /// Estimated seconds of an epoch after the search: the mean of the shapes, because it is not known which is chosen.
    pub(crate) fn epoch(&self, size: &GraphSize, share: f64, settings: &GraphSettings) -> f64 {
        let shapes = self.shapes(settings);
        let of = |shape: &(usize, bool)| epoch(size, share, &with(*shape, settings));
        shapes.iter().map(of).sum::<f64>() / shapes.len() as f64
    }

    /// The shapes to try, the usual one first: numbers of layers, each with every choice of the node's own weight. Where
    /// the encoder always or never has that weight, there is no choice.
    fn shapes(&self, settings: &GraphSettings) -> Vec<(usize, bool)> {
        let mut all = Vec::new();
        for &layers in &self.layers {
            for &own in &self.own_weight {
                let shape = (layers, settings.encoder.own_weight(own));
                if !all.contains(&shape) {
                    all.push(shape);
                }
            }
        }
        all
    }

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
    let before = Found::read(dir)?.filter(|found| found.is_of(&sitting.data.checksums));
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
            own_weight: self.settings.encoder.own_weight(self.asked.own_weight[0]),
        };
        for features in self.scalings() {
            self.attempt(Choice { features, ..first }, context)?;
        }
        let features = self.chosen(first).features;
        for (layers, own_weight) in self.asked.shapes(self.settings) {
            let choice = Choice {
                features,
                layers,
                own_weight,
            };
            self.attempt(choice, context)?;
        }
        let (best, scaled) = self
            .best
            .ok_or_else(|| TrainError::Task("the search tried nothing".to_owned()))?;
        let checksums = self.sitting.data.checksums.clone();
        let found = Found::new(checksums, self.trials, best, self.left_out);
        found.write(self.sitting.run.path())?;
        remove(&self.sitting.run.path().join(FOLDER))?;
        Ok(Chosen {
            found,
            task: scaled.task,
            scores: scaled.scores,
        })
    }

    /// The scalings to try: the one that the settings name, or those that suit the features.
    fn scalings(&self) -> Vec<FeatureScaling> {
        match self.settings.features {
            FeatureScaling::Auto => suitable_scalings(self.graph.features()).to_vec(),
            named => vec![named],
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
        let share = self.whole.rows(Split::Train) as f64 / size.nodes.max(1.0);
        let seconds = self.asked.epochs as f64 * epoch(&size, share, &applied);
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
        let mut trial = self.trial(choice, &applied, &scaled, context)?;
        let best_so_far = at.or(self.best.as_ref().map(|(at, _)| *at));
        trial.lead = best_so_far.map(|best| Lead::over(&self.trials[best].losses, &trial.losses));
        let accepted = trial.lead.is_none_or(Lead::is_clear);
        self.trials.push(trial);
        match best_so_far {
            Some(best) if !accepted => {
                if at.is_some() {
                    self.best = Some((best, scaled));
                }
            }
            _ => self.best = Some((self.trials.len() - 1, scaled)),
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
        let logits = model.logits(&scaled.task.input(Split::Valid))?;
        Ok(Trial {
            choice,
            valid_loss,
            lead: None,
            losses: losses_of(&logits, &scaled.task.labels(Split::Valid)?)?,
            blend: match &model.head.blend {
                Some(blend) => blend.weights()?,
                None => Vec::new(),
            },
        })
    }
}

/// The scalings that suit the features, the usual one first. Words and other features that are mostly 0 stay so; others
/// are brought to one scale.
pub(crate) fn suitable_scalings(features: &Features) -> [FeatureScaling; 2] {
    let stored = features.stored();
    let present = stored.iter().filter(|v| **v != 0.0).count();
    let counts = stored.iter().all(|v| *v >= 0.0);
    // Standardised, none of features without zeros would be 0.
    let words = counts && 2 * present < features.rows() * features.columns();
    match features.sparse().is_some() || words {
        true => [FeatureScaling::None, FeatureScaling::Row],
        false => [FeatureScaling::Standard, FeatureScaling::None],
    }
}

/// The settings with another shape of the network.
fn with((layers, own_weight): (usize, bool), settings: &GraphSettings) -> GraphSettings {
    let choice = Choice {
        features: FeatureScaling::None,
        layers,
        own_weight,
    };
    choice.applied(settings)
}

/// The validation loss of every node, so that two trials can be compared node by node.
fn losses_of(logits: &Tensor, labels: &[u32]) -> candle_core::Result<Vec<f64>> {
    let rows: Vec<Vec<f32>> = log_softmax(logits)?.to_vec2()?;
    let of_node = |(row, label): (&Vec<f32>, &u32)| -f64::from(row[*label as usize]);
    Ok(rows.iter().zip(labels).map(of_node).collect())
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

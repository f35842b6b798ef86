//! Lottery tickets with rewinding (Frankle and Carbin 2019; rewinding to early weights: Frankle et al. 2020): the dense
//! model is trained to the end, its smallest weights are removed, the others go back to what they were early in training,
//! and the sparse model is trained to the end.
//!
//! Both trainings have all epochs that other methods have, and the whole schedule of the learning rate; so this method
//! takes twice as long. Weights of different layers are compared by LAMP ([`Ranking`]).

use super::masks::{Masks, companion};
use super::ranking::{Ranking, count};
use super::technique::{Interior, Technique, check, one, read, rival, written};
use super::{Compression, Compressor, Ingredients, Kept, Stage};
use crate::{Parameter, ParameterKind, Result};
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use serde::{Deserialize, Serialize};

const NAME: &str = "lottery-ticket";
/// Share of training after which the dense model is pruned and the ticket trained.
pub(super) const HALF: f64 = 0.5;

pub(super) const TECHNIQUE: Technique = Technique {
    info: rival(
        NAME,
        "lottery ticket",
        "trained, its small weights removed, the others rewound to early ones and trained again",
        "arXiv:1912.05671",
    ),
    interior: Interior::Dense,
    settings: written::<Settings>,
    members: one,
    apply: |settings, train| {
        let own: Settings = read(settings, NAME)?;
        let allowed = (0.0..1.0).contains(&own.rewind);
        check(allowed, NAME, "rewind", own.rewind, "from 0 to below 1")?;
        train.compression = Some(Compression::LotteryTicket(own));
        train.epochs *= 2;
        train.least_steps = train.least_steps.saturating_mul(2).min(1_000_000);
        train.controller.settle = HALF;
        train.controller.reach = train.controller.reach.min(HALF);
        Ok(())
    },
};

/// The technique's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Share of the dense training whose end the weights are rewound to.
    pub rewind: f64,
    /// How weights of different layers are compared.
    #[serde(default = "Ranking::of_older_runs")]
    pub ranking: Ranking,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rewind: 0.05,
            ranking: Ranking::default(),
        }
    }
}

/// A dense training, then that of the ticket.
#[derive(Debug)]
pub(super) struct Lottery {
    masks: Masks,
    /// Everything that is trained, and beside each what it was early in training.
    trained: Vec<(Parameter, Parameter)>,
    rewind: f64,
    ranking: Ranking,
    /// Whether the dense model has been pruned and rewound.
    done: bool,
}

impl Lottery {
    pub(super) fn new(settings: &Settings, model: &Ingredients<'_>) -> Result<Self> {
        let trained = model.parameters.iter();
        let trained = trained.filter(|parameter| parameter.kind != ParameterKind::Fixed);
        let beside = trained.map(|parameter| {
            let early = companion("early", parameter, parameter.var.as_tensor())?;
            Ok((parameter.clone(), early))
        });
        Ok(Self {
            masks: Masks::new(model)?,
            trained: beside.collect::<Result<_>>()?,
            rewind: settings.rewind,
            ranking: settings.ranking,
            done: false,
        })
    }
}

impl Compressor for Lottery {
    fn state(&self) -> Vec<Parameter> {
        let early = self.trained.iter().map(|(_, early)| early.clone());
        self.masks.state().into_iter().chain(early).collect()
    }

    fn kept(&self) -> Kept {
        self.masks.kept()
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn restored(&mut self, kept: Kept, done: Option<bool>) {
        self.masks.restored(kept);
        // Only the last choice removes anything.
        self.done = done.unwrap_or(kept.is_reduced());
    }

    fn update(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        if stage.step == (self.rewind * HALF * stage.steps as f64).round() as usize {
            for (parameter, early) in &self.trained {
                early.var.set(&parameter.var.as_detached_tensor())?;
            }
        }
        if self.done || !stage.settled() {
            return Ok(());
        }
        let reached = self.masks.reached(stage.optimiser)?;
        let keep = count(stage.target(), self.masks.count(&reached));
        let scores = self.masks.magnitudes(&reached, self.ranking)?;
        self.masks.keep(&scores, keep)?;
        for (parameter, early) in &self.trained {
            parameter.var.set(&early.var.as_detached_tensor())?;
        }
        *stage.restart = true;
        self.done = true;
        self.masks.mask_weights(stage.parameters, stage.average)
    }

    fn after_backward(
        &mut self,
        _: &mut Stage<'_>,
        gradients: &mut GradStore,
        _: &Tensor,
    ) -> Result<()> {
        self.masks.mask_gradients(gradients)
    }

    fn after_step(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        self.masks.mask_weights(stage.parameters, &mut None)
    }
}

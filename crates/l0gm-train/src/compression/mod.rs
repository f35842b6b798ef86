//! Ways of making any model smaller or better calibrated, as rivals of the gate. They work on the parameters of a model
//! in the common training loop and know no modality.
//!
//! A [`Technique`] is what `--method` names. Most of them set [`TrainConfig::compression`](crate::TrainConfig), from
//! which the loop makes a `Compressor`: something that is called before and after every step, and that decides
//! which weights, or which dimensions of the interface, are left. Nothing more is removed
//! after `controller.settle` ([`Controller`](l0gm_gate::Controller)), and an epoch is selected only from then on. Methods
//! that remove step by step have a dense warm-up before and the path to the target until `controller.reach`.
//!
//! To add one, write a file here with its `Technique` and its `Compressor`, and add it to [`TECHNIQUES`] and to
//! [`Compression`]. Every modality then offers it.

mod deep_ensemble;
mod dimensions;
mod group_lasso;
mod kept;
mod l0_weights;
mod label_smoothing;
mod lottery_ticket;
mod magnitude_units;
mod magnitude_weights;
mod masks;
mod mixup;
mod movement;
mod network_slimming;
mod ranking;
mod rigl;
mod snip;
mod stage;
mod technique;
mod weight_gate;

pub(crate) use kept::sparse_sizes;
pub use kept::{Kept, Unit};
pub use ranking::Ranking;
pub(crate) use stage::{Compressor, Stage};
pub use technique::{Interior, Technique};

use crate::{Parameter, Result};
use candle_core::Var;
use l0gm_gate::Gate;
use serde::{Deserialize, Serialize};

/// Every technique, in the order in which lists show them.
pub const TECHNIQUES: [&Technique; 12] = [
    &magnitude_weights::TECHNIQUE,
    &lottery_ticket::TECHNIQUE,
    &snip::TECHNIQUE,
    &rigl::TECHNIQUE,
    &movement::TECHNIQUE,
    &l0_weights::TECHNIQUE,
    &magnitude_units::TECHNIQUE,
    &group_lasso::TECHNIQUE,
    &network_slimming::TECHNIQUE,
    &deep_ensemble::TECHNIQUE,
    &label_smoothing::TECHNIQUE,
    &mixup::TECHNIQUE,
];

/// What is removed from a model while it is trained, and by which criterion. The share that is left is
/// [`TrainConfig::target`](crate::TrainConfig).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Single weights of small magnitude, more and more of them (Zhu and Gupta 2017).
    MagnitudeWeights(magnitude_weights::Settings),
    /// Single weights of small magnitude after a whole training; the others are rewound and trained again.
    LotteryTicket(lottery_ticket::Settings),
    /// Single weights of small sensitivity before training (Lee et al. 2019).
    Snip(snip::Settings),
    /// Sparse from the start, with connections that move (Evci et al. 2020).
    Rigl(rigl::Settings),
    /// Single weights that move towards 0 (Sanh et al. 2020).
    Movement,
    /// Single weights with a hard-concrete gate each (Louizos et al. 2018).
    L0Weights,
    /// Dimensions of the interface of small norm, more and more of them (Li et al. 2017).
    MagnitudeUnits,
    /// Dimensions of the interface by a penalty on the norm of the weights that read them (Wen et al. 2016).
    GroupLasso(group_lasso::Settings),
    /// Dimensions of the interface by a penalty on scale factors (Liu et al. 2017).
    NetworkSlimming(network_slimming::Settings),
}

/// The parts of a model that a compressor may work on.
pub(crate) struct Ingredients<'a> {
    /// Every parameter of the model.
    pub(crate) parameters: &'a [Parameter],
    /// The gate on the interface.
    pub(crate) gate: &'a Gate,
    /// The weights of the head that read the interface ([`Head::readers`](crate::Head::readers)).
    pub(crate) readers: Vec<Var>,
}

impl Compression {
    /// The compressor of a model that has not been trained.
    pub(crate) fn compressor(&self, model: &Ingredients<'_>) -> Result<Box<dyn Compressor>> {
        Ok(match self {
            Self::MagnitudeWeights(settings) => {
                Box::new(magnitude_weights::Pruning::new(settings, model)?)
            }
            Self::LotteryTicket(settings) => {
                Box::new(lottery_ticket::Lottery::new(settings, model)?)
            }
            Self::Snip(settings) => Box::new(snip::Snip::new(settings, model)?),
            Self::Rigl(settings) => Box::new(rigl::Rigl::new(settings, model)?),
            Self::Movement => Box::new(movement::Movement::new(model)?),
            Self::L0Weights => Box::new(l0_weights::L0Weights::new(model)?),
            Self::MagnitudeUnits => Box::new(magnitude_units::Pruning::new(model)?),
            Self::GroupLasso(settings) => Box::new(group_lasso::GroupLasso::new(settings, model)?),
            Self::NetworkSlimming(settings) => {
                Box::new(network_slimming::Slimming::new(settings, model)?)
            }
        })
    }

    /// Where the learning rate's schedule stands at `progress`, for a technique that trains twice; `None` for the others.
    pub(crate) fn along(&self, progress: f64) -> Option<f64> {
        match self {
            Self::LotteryTicket(_) if progress < lottery_ticket::HALF => {
                Some(progress / lottery_ticket::HALF)
            }
            Self::LotteryTicket(_) => {
                Some((progress - lottery_ticket::HALF) / (1.0 - lottery_ticket::HALF))
            }
            _ => None,
        }
    }
}

//! Hard-concrete L0 gates on the representation a classifier reads, for [candle](candle_core).
//!
//! # What it is for
//!
//! A classifier reads a representation `r`: an encoder's output, a pooled embedding, concatenated field
//! embeddings. A gate multiplies each of its dimensions with a `z` in [0, 1]. While training, z is
//! random and differentiable, and a penalty counts the dimensions that are expected to be open; after
//! it, z is fixed and some of it is exactly 0. One number, lambda, trades accuracy for the share of
//! dimensions in use. What is closed can be cut out of the model.
//!
//! # In short
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use l0gm_gate::{Gate, GateConfig, GateMode, Generator, Interface, Objective, Schedule};
//!
//! // The settings are checked where they come in; what is behind the door is valid.
//! let schedule = Schedule { warmup: 0.1, ramp: 0.3, ..Schedule::default() };
//! let objective = Objective { lambda: 1e-3, ..Objective::default() };
//! schedule.check()?;
//! objective.check()?;
//!
//! // A gate on a representation of 64 dimensions, every gate open with probability .9 at first.
//! let gate = Gate::new(Interface::Flat { dim: 64 }, &GateConfig::default(), &schedule, &Device::Cpu)?;
//!
//! // One step: gate the representation, add the penalty to the task's loss, go backward.
//! let mut generator = Generator::new(7);
//! let r = generator.normal_tensor((32, 64), 0.0, 1.0, DType::F32, &Device::Cpu)?;
//! let now = schedule.at(0.5); // Half of training is done.
//! let gated = gate.forward(&r, GateMode::train(now.temperature, &mut generator))?;
//! let task = gated.sqr()?.mean_all()?; // Stands for a classifier and its loss.
//! let gradients = objective.value(&task, &gate, now)?.backward()?;
//! let log_alpha = gate.log_alpha().expect("this is not the identity gate");
//! assert!(gradients.get(log_alpha.as_tensor()).is_some());
//!
//! // In use the gate is deterministic. It knows its temperature, the schedule's final one.
//! let gated = gate.forward(&r, GateMode::Eval)?;
//! assert_eq!(gated.dims(), [32, 64]);
//! assert_eq!(gate.active_fraction()?.0, 1.0); // Nothing has been trained here.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A whole model, trained, judged and compacted, is in `examples/gate_any_model.rs`.
//!
//! # The parts
//!
//! - [`Gate`]: the gate on an [`Interface`], or the identity for a dense model. [`GateConfig`] says how
//!   noise is shared ([`GateKind`]), what one gate covers ([`Granularity`]), and which deterministic gate
//!   is used after training ([`InferenceGate`]).
//! - [`Schedule`]: temperature and lambda as training proceeds; [`Objective`]: loss plus penalty;
//!   [`Coupling`]: a calibration term beside them.
//! - [`Gates`]: several gates under one objective. [`GateLayer`]: a gate as a layer of candle-nn. [`Gate::new_in`]: a
//!   gate whose parameters are variables of a `VarMap`.
//! - [`Target`], [`Steering`]: an active fraction asked for instead of lambda. [`Controller`], [`Multiplier`] and
//!   [`settle`] are what it is made of.
//! - [`Gate::pass`], [`Gate::penalty_of`], [`GateReader`]: what a conditional gate, which reads its examples,
//!   needs instead of [`Gate::forward`], [`Gate::penalty`] and [`Gate::active_fraction`].
//! - [`distribution`]: the formulas in plain f64. [`gaussian`]: those of stochastic gates (STG), which
//!   [`GateDistribution`] chooses.
//! - [`compact`], [`compact_linear`]: the same model, smaller, without a gate.
//! - [`calibration`]: ECE and its kin, for anybody's predictions.
//!
//! # Three numbers that are not the same
//!
//! [`Gate::expected_l0`] is the mean number of dimensions open under training noise.
//! [`Gate::active_fraction`] is the share that the deterministic gate leaves non-zero.
//! [`Gate::hard_mask`] says which those are: what compaction keeps. At temperature 2/3 a `log_alpha` of 0
//! is open 83% of the time in training, open under [`InferenceGate::Median`], and closed under
//! [`InferenceGate::Threshold`].
//!
//! # Advice for training
//!
//! - Give [`Gate::log_alpha`] an optimiser group of its own: 10 to 100 times the weights' learning rate
//!   and no weight decay. At 1e-3 no gate ever closes.
//! - Keep the warm-up. Without it a large lambda closes nearly everything before the model has learnt
//!   what it needs.
//! - The penalty is a sum, as in the paper. [`PenaltyReduction::Mean`] makes lambda comparable across
//!   widths; a sum over fewer, wider gates ([`Granularity::Group`]) pays lambda once a gate, not once a
//!   dimension, and needs a larger lambda.
//! - Noise comes from the [`Generator`] in [`GateMode::Train`]: the same seed gives the same run.

pub mod calibration;
mod compaction;
mod config;
mod coupling;
pub mod distribution;
mod error;
mod file;
mod fixed;
mod gate;
mod gates;
pub mod gaussian;
mod interface;
mod module;
mod objective;
mod pass;
mod quantile;
mod readable;
mod reading;
mod relaxation;
mod schedule;
mod settled;
mod steering;
mod target;
mod variables;
mod whole_file;

pub use compaction::{
    Compact, Flattened, FoldInputs, KeepOutputs, LinearLayer, compact, compact_linear,
};
pub use config::{
    GateConfig, GateDistribution, GateKind, Granularity, InferenceGate, PenaltyReduction,
};
pub use coupling::{Coupling, CouplingKind};
pub use error::{Error, Result};
pub use gate::Gate;
pub use gates::Gates;
pub use interface::Interface;
pub use l0gm_ops::{Generator, Mode, Stretch};
pub use module::GateLayer;
pub use objective::Objective;
pub use pass::{GateMode, Gated};
pub use quantile::quantile;
pub use readable::readable;
pub use reading::{ActiveFraction, GateReader, GateReading};
pub use schedule::{Schedule, ScheduleKind, ScheduleStep, Temperature};
pub use settled::{harden, settle_likely};
pub use steering::{Steered, Steering};
pub use target::{Controller, Multiplier, Target, check_reachable, settle, shift_to};
pub use whole_file::write_whole;

/// Compiles the README's example with the documentation's tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/tutorial-engineer.md")]
struct Tutorial;

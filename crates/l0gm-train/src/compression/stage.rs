//! What the training loop asks of a compressor, and what it lends to it.

use super::Kept;
use crate::{Optimiser, Parameter, Result, TrainConfig};
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use l0gm_gate::Multiplier;
use l0gm_ops::Generator;
use std::collections::BTreeMap;

/// The moment of training at which a compressor is called, and what it may change.
pub(crate) struct Stage<'a> {
    pub(crate) optimiser: &'a mut Optimiser,
    /// The running mean of the weights, in the order of `parameters`, where one is kept.
    pub(crate) average: &'a mut Option<Vec<Tensor>>,
    /// Every parameter of the model, then the compressor's own.
    pub(crate) parameters: &'a [Parameter],
    pub(crate) config: &'a TrainConfig,
    /// The run's generator, of which streams are derived.
    pub(crate) root: &'a Generator,
    /// The state of lambda, for a compressor that steers one towards the target.
    pub(crate) multiplier: &'a mut Option<Multiplier>,
    /// Set by a compressor that starts the optimiser anew; the moments are then forgotten.
    pub(crate) restart: &'a mut bool,
    /// Steps taken, and the number planned.
    pub(crate) step: usize,
    pub(crate) steps: usize,
    /// Share of training that is over, in [0, 1].
    pub(crate) progress: f64,
}

impl Stage<'_> {
    /// The share to be left now: the path to the target, in as many small steps as there are updates. Each update
    /// ranks all weights, which takes longer than a step of a small model.
    pub(crate) fn wanted(&self) -> f64 {
        /// Number of updates on the way to the target.
        const UPDATES: f64 = 50.0;
        let Some(target) = self.config.target else {
            return 1.0;
        };
        let (from, to) = (self.config.warmup(), self.config.controller.reach);
        let at = match self.progress >= to {
            true => self.progress,
            false => {
                from + ((self.progress - from) / (to - from) * UPDATES).floor() / UPDATES
                    * (to - from)
            }
        };
        self.config
            .controller
            .path(target, self.config.warmup(), at)
    }

    /// The share to be left in the end.
    pub(crate) fn target(&self) -> f64 {
        self.config.target.map_or(1.0, |target| target.active())
    }

    /// Whether nothing is removed any more.
    pub(crate) fn settled(&self) -> bool {
        self.config.controller.settled(self.progress)
    }

    /// Whether one of `updates` evenly spread moments before `until` (a share of training) is at this step.
    pub(crate) fn due(&self, updates: usize, until: f64) -> bool {
        let end = (self.steps as f64 * until).ceil().max(1.0) as usize;
        let number = |step: usize| step * updates / end;
        self.step > 0 && self.step <= end && number(self.step) > number(self.step - 1)
    }
}

/// Removes parts of a model while it is trained. Whatever it remembers is either a tensor of [`state`](Self::state),
/// which checkpoints keep, or follows from the [`Stage`], from [`kept`](Self::kept) and from
/// [`is_done`](Self::is_done); so a run that was cut off goes on to the same result.
pub(crate) trait Compressor {
    /// Tensors of its own. Those of kind [`Fixed`](crate::ParameterKind::Fixed) are only kept; the optimiser moves the
    /// others.
    fn state(&self) -> Vec<Parameter>;

    /// What is left now.
    fn kept(&self) -> Kept;

    /// Whether the last choice has been made, for a compressor that does something only once. What is left does not show
    /// it: everything may be left afterwards, and little before. Default: nothing depends on it.
    fn is_done(&self) -> bool {
        false
    }

    /// Told once the state has been read from a checkpoint, with what was left then and whether the last choice had
    /// been made. Older checkpoints do not say the latter.
    fn restored(&mut self, kept: Kept, done: Option<bool>);

    /// Number of training batches whose gradients the start receives. Default: 0.
    fn batches_to_probe(&self) -> usize {
        0
    }

    /// Called before the first step of a run, and not in later sittings. `gradients` are the sums over the batches that
    /// were asked for, by the parameters' names.
    fn start(&mut self, _: &mut Stage<'_>, _gradients: &BTreeMap<String, Tensor>) -> Result<()> {
        Ok(())
    }

    /// Called before every step and every validation: the time to remove something.
    fn update(&mut self, stage: &mut Stage<'_>) -> Result<()>;

    /// Called before the forward pass of a training step, which may need other values than the optimiser moves.
    fn before_pass(&mut self, _: &mut Stage<'_>) -> Result<()> {
        Ok(())
    }

    /// Factors on the interface's dimensions in a training step, (width,), with gradient. Default: none.
    fn factors(&self) -> Option<Tensor> {
        None
    }

    /// Called between the backward pass and the optimiser's step. `interface` is the (gated) representation of the
    /// batch.
    fn after_backward(
        &mut self,
        stage: &mut Stage<'_>,
        gradients: &mut GradStore,
        interface: &Tensor,
    ) -> Result<()>;

    /// Called after the optimiser's step.
    fn after_step(&mut self, stage: &mut Stage<'_>) -> Result<()>;

    /// Called before a validation and after it: in between the parameters are those that prediction uses. Default:
    /// training and prediction use the same.
    fn enter_use(&mut self, _: &mut Stage<'_>) -> Result<()> {
        Ok(())
    }

    /// See [`enter_use`](Self::enter_use).
    fn leave_use(&mut self, _: &mut Stage<'_>) -> Result<()> {
        Ok(())
    }
}

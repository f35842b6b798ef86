//! The forward pass of a training step, and the task's loss of it. Rows may be mixed at the interface, and a compressor
//! may scale it.

use super::mixup::Mixing;
use super::session::Session;
use super::teaching::Teaching;
use crate::members::HeadOutput;
use crate::{Batch, Encoder, Forward, Gating, Head, Result, Split, Task};
use candle_core::Tensor;
use l0gm_gate::{Gated, Interface};
use l0gm_ops::Mode;

impl<T, E, H> Session<'_, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    /// How the rows of this step's batch are mixed, where they are.
    pub(super) fn mixing(&self, rows: usize) -> Option<Mixing> {
        let alpha = self.config.mixup;
        let mut generator = self.root.stream("mixup", self.position.step as u64);
        (alpha > 0.0).then(|| Mixing::draw(&mut generator, alpha, rows))
    }

    /// The forward pass of a batch in training.
    pub(super) fn pass(
        &self,
        batch: &Batch<T::Input>,
        mixing: Option<&Mixing>,
        gating: Gating,
        mode: &mut Mode<'_>,
    ) -> Result<Forward> {
        let factors = self.compressor.as_ref().and_then(|c| c.factors());
        if mixing.is_none() && factors.is_none() {
            return self.model.forward(&batch.input, gating, mode);
        }
        let input = &batch.input;
        let mut r = self
            .model
            .encoder
            .encode_gated(input, gating, &mut mode.reborrow())?;
        if let Some(mixing) = mixing {
            r = mixing.of_rows(&r)?;
        }
        let mut forward = match factors {
            None => self
                .model
                .forward_from(&r, input, gating, &mut mode.reborrow())?,
            Some(factors) => self.scaled(&r, &factors, input, &mut mode.reborrow())?,
        };
        if let Some(mixing) = mixing.filter(|_| self.model.head.reads_input()) {
            let rows: Vec<u32> = mixing
                .partners
                .iter()
                .map(|&partner| batch.rows[partner as usize])
                .collect();
            let partners = self.task.batch(Split::Train, &rows, self.device)?;
            let head = &self.model.head;
            let theirs = head.output(&forward.gated.value, &partners.input, mode)?;
            let mixed = match (&forward.members, &theirs.members) {
                (Some(own), Some(theirs)) => HeadOutput::of_members(mixing.of(own, theirs)?)?,
                _ => HeadOutput::single(mixing.of(&forward.logits, &theirs.logits)?),
            };
            forward.logits = mixed.logits;
            forward.members = mixed.members;
        }
        Ok(forward)
    }

    /// The head's pass with the compressor's factors on the interface, in the place of the gate.
    fn scaled(
        &self,
        r: &Tensor,
        factors: &Tensor,
        input: &T::Input,
        mode: &mut Mode<'_>,
    ) -> Result<Forward> {
        let mut shape = vec![1];
        match self.model.gate.interface() {
            Interface::Fields { fields, dim } => shape.extend([fields, dim]),
            other => shape.push(other.width()),
        }
        let value = r.broadcast_mul(&factors.reshape(shape)?)?;
        let HeadOutput { logits, members } = self.model.head.output(&value, input, mode)?;
        let gated = Gated {
            value,
            log_alpha: None,
        };
        Ok(Forward {
            logits,
            members,
            gated,
        })
    }

    /// The task's loss of a pass: the head's own, with weights of the classes, a teacher and smoothed labels where they are
    /// asked for, and in the proportion in which rows were mixed.
    pub(super) fn task_loss(
        &self,
        forward: &Forward,
        batch: &Batch<T::Input>,
        mixing: Option<&Mixing>,
    ) -> Result<Tensor> {
        let own = self.loss_of(forward, &batch.labels, &batch.rows)?;
        let Some(mixing) = mixing else {
            return Ok(own);
        };
        let labels = mixing.partners_of(&batch.labels)?;
        let partners = mixing.partners.iter();
        let rows: Vec<u32> = partners
            .map(|&partner| batch.rows[partner as usize])
            .collect();
        let theirs = self.loss_of(forward, &labels, &rows)?;
        Ok(mixing.of(&own, &theirs)?)
    }

    fn loss_of(&self, forward: &Forward, labels: &Tensor, rows: &[u32]) -> Result<Tensor> {
        let head = &self.model.head;
        let loss = head.loss(forward, labels)?;
        let teaching = Teaching {
            class_weights: self.class_weights.as_deref(),
            teacher: self.task.teacher(),
            smoothing: self.config.label_smoothing,
        };
        match teaching.is_plain() {
            true => Ok(loss),
            false => teaching.added(loss, &head.loss_terms(forward)?, labels, rows),
        }
    }
}

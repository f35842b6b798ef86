//! What a task loss is made of: cross-entropies of logits that learn from the labels, each with a factor. Class weights, a
//! teacher and smoothed labels change every one of them in the same way.

use crate::members::{flat_members, loss_of_members, repeated};
use candle_core::{Result, Tensor};
use l0gm_ops::cross_entropy;

/// Logits that learn from the labels, and how much their cross-entropy counts in the task loss.
#[derive(Clone, Debug)]
pub struct LossTerm {
    /// (batch, classes), or (batch, members, classes) where each member is trained on its own loss.
    pub logits: Tensor,
    /// The factor of the mean cross-entropy in the task loss.
    pub share: f64,
}

impl LossTerm {
    /// The only term of a loss.
    pub fn whole(logits: Tensor) -> Self {
        Self { logits, share: 1.0 }
    }

    /// The mean cross-entropy times the share, a scalar, for labels (batch,) u32.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn loss(&self, labels: &Tensor) -> Result<Tensor> {
        let loss = match self.logits.rank() {
            3 => loss_of_members(&self.logits, labels)?,
            _ => cross_entropy(&self.logits, labels)?,
        };
        self.shared(loss)
    }

    /// The logits of all members one below the other, (batch * members, classes), and the labels repeated for each.
    pub(crate) fn flat(&self, labels: &Tensor) -> Result<(Tensor, Tensor)> {
        match self.logits.rank() {
            3 => Ok((
                flat_members(&self.logits)?,
                repeated(labels, self.logits.dim(1)?)?,
            )),
            _ => Ok((self.logits.clone(), labels.clone())),
        }
    }

    /// A scalar times the share.
    pub(crate) fn shared(&self, value: Tensor) -> Result<Tensor> {
        match self.share == 1.0 {
            true => Ok(value),
            false => value * self.share,
        }
    }
}

/// The sum of the terms' losses, a scalar.
pub(crate) fn sum_of_terms(terms: &[LossTerm], labels: &Tensor) -> Result<Tensor> {
    let Some((first, others)) = terms.split_first() else {
        candle_core::bail!("a task loss needs logits that learn from the labels");
    };
    others.iter().try_fold(first.loss(labels)?, |sum, term| {
        l0gm_ops::add(&sum, &term.loss(labels)?)
    })
}

//! What a fitted method is to its judge.
//!
//! A gated model, a booster and a bag of words are judged by the same code, [`judge`](crate::judge). Everyone
//! predicts; whatever else is judged is offered or, where it cannot be, refused with a reason that the record keeps
//! and the tables show.

use crate::{
    Compacted, Condition, Latency, Outcome, PredictionTable, Result, RunContext, Sizes, Split,
};
use l0gm_gate::GateReading;
use serde::{Deserialize, Serialize};

/// Something that a predictor may or may not have.
#[derive(Clone, Debug, PartialEq)]
pub enum Offered<T> {
    /// It has it.
    Yes(T),
    /// It does not, for this reason: "a tree ensemble has no interface".
    No(String),
}

impl<T> Offered<T> {
    /// What is offered. Where nothing is, `what` is noted in `refused` with the reason.
    pub fn or_note(self, what: &str, refused: &mut Vec<NotOffered>) -> Option<T> {
        match self {
            Self::Yes(value) => Some(value),
            Self::No(reason) => {
                refused.push(NotOffered {
                    what: what.to_owned(),
                    reason,
                });
                None
            }
        }
    }
}

/// Something that a method does not offer to its judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotOffered {
    /// "robustness", "latency", "sizes" or "compact form".
    pub what: String,
    /// Why not.
    pub reason: String,
}

/// Test rows as a predictor sees them under every condition of the robustness protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Perturbed {
    /// The test rows that are judged, in the order of the logits.
    pub rows: Vec<u32>,
    /// One a condition, in the order that was asked for.
    pub outcomes: Vec<PerturbedLogits>,
}

/// Logits of the judged rows under one condition.
#[derive(Clone, Debug, PartialEq)]
pub struct PerturbedLogits {
    /// What was perturbed, for the tables: "fields", "tokens", "interface".
    pub at: String,
    /// rows x classes.
    pub logits: Vec<f32>,
}

/// A fitted method, ready to be judged.
pub trait Predictor {
    /// Logits of every row of a split, in row order. Where a method gives probabilities, their logarithms are logits.
    ///
    /// # Errors
    /// A forward pass fails, or a stop request.
    fn predict(&mut self, split: Split, context: &mut RunContext<'_>) -> Result<PredictionTable>;

    /// Logits of test rows under these conditions. How a row is perturbed must depend on the condition, the row and
    /// the seed alone, so that every method meets the same rows ([`Perturbation`](crate::Perturbation) sees to that).
    ///
    /// # Errors
    /// A forward pass fails, or a stop request.
    fn perturbed(
        &mut self,
        conditions: &[Condition],
        seed: u64,
        context: &mut RunContext<'_>,
    ) -> Result<Offered<Perturbed>>;

    /// Time of the forward pass over a fixed batch of test rows.
    ///
    /// # Errors
    /// The pass fails.
    fn latency(&mut self, context: &mut RunContext<'_>) -> Result<Offered<Latency>>;

    /// Number of parameters, FLOPs and bytes.
    fn sizes(&self) -> Offered<Sizes>;

    /// The state of the gates after predicting the test split. Default: there are none.
    ///
    /// # Errors
    /// The gates cannot be read.
    fn gate(&mut self) -> Result<GateReading> {
        Ok(GateReading::none())
    }

    /// The smaller model with the same predictions. Default: there is none, because nothing was gated.
    ///
    /// # Errors
    /// The compact model cannot be built or does not predict the same.
    fn compact(&mut self, context: &mut RunContext<'_>) -> Result<Offered<Compacted>> {
        let _ = context;
        Ok(Offered::No(
            "the method has no gates to fold away".to_owned(),
        ))
    }
}

/// A predictor with the story of its training.
pub struct Fitted<P> {
    /// Ready to be judged.
    pub predictor: P,
    /// How training went.
    pub outcome: Outcome,
}

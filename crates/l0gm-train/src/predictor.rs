//! The interface between a fitted method and its judge.
//!
//! A gated model, a booster and a bag of words are all judged by [`judge`](crate::judge). Every predictor predicts.
//! Anything else it either offers or refuses with a reason, which the record keeps and the tables show.

use crate::{
    Compacted, Condition, Latency, Outcome, PredictionTable, Result, RunContext, Sizes, Split,
};
use l0gm_gate::GateReading;
use serde::{Deserialize, Serialize};

/// A capability that a predictor may or may not have.
#[derive(Clone, Debug, PartialEq)]
pub enum Offered<T> {
    /// The predictor has it.
    Yes(T),
    /// The predictor does not have it, for this reason: "a tree ensemble has no interface".
    No(String),
}

impl<T> Offered<T> {
    /// Returns what is offered. If nothing is, adds `what` and the reason to `refused`.
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

/// A capability that a method does not offer to its judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotOffered {
    /// The capability: "robustness", "latency", "sizes" or "compact form".
    pub what: String,
    /// The method's reason, as a table shows it.
    pub reason: String,
}

/// Predictions of test rows under every condition of the robustness protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Perturbed {
    /// The judged test rows, in the order of the logits.
    pub rows: Vec<u32>,
    /// One entry per condition, in the requested order.
    pub outcomes: Vec<PerturbedLogits>,
}

/// The logits of the judged rows under one condition.
#[derive(Clone, Debug, PartialEq)]
pub struct PerturbedLogits {
    /// What was perturbed, for the tables: "fields", "tokens", "interface".
    pub at: String,
    /// Logits row by row: rows x classes.
    pub logits: Vec<f32>,
}

/// A fitted method, ready to be judged.
pub trait Predictor {
    /// Predicts every row of a split, in row order. A method that gives probabilities returns their logarithms as
    /// logits.
    ///
    /// # Errors
    /// A forward pass fails, or a stop was requested.
    fn predict(&mut self, split: Split, context: &mut RunContext<'_>) -> Result<PredictionTable>;

    /// Predicts test rows under these conditions. How a row is perturbed must depend only on the condition, the row
    /// and the seed, so that every method meets the same rows ([`Perturbation`](crate::Perturbation) ensures this).
    ///
    /// # Errors
    /// A forward pass fails, or a stop was requested.
    fn perturbed(
        &mut self,
        conditions: &[Condition],
        seed: u64,
        context: &mut RunContext<'_>,
    ) -> Result<Offered<Perturbed>>;

    /// Times the forward pass over a fixed batch of test rows.
    ///
    /// # Errors
    /// The forward pass fails.
    fn latency(&mut self, context: &mut RunContext<'_>) -> Result<Offered<Latency>>;

    /// The model's number of parameters, FLOPs and bytes.
    fn sizes(&self) -> Offered<Sizes>;

    /// The state of the gates after the test split has been predicted. Default: there are no gates.
    ///
    /// # Errors
    /// The gates cannot be read.
    fn gate(&mut self) -> Result<GateReading> {
        Ok(GateReading::none())
    }

    /// A smaller model with the same predictions. Default: there is none, because nothing was gated.
    ///
    /// # Errors
    /// The compact model cannot be built, or its predictions differ.
    fn compact(&mut self, context: &mut RunContext<'_>) -> Result<Offered<Compacted>> {
        let _ = context;
        Ok(Offered::No(
            "the method has no gates to fold away".to_owned(),
        ))
    }
}

/// A predictor, and how its training went.
pub struct Fitted<P> {
    /// The predictor, ready to be judged.
    pub predictor: P,
    /// The training history.
    pub outcome: Outcome,
}

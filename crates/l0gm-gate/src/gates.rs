//! Several gates of one model under one objective: one lambda, or one target for all of them together.

use crate::{
    ActiveFraction, Error, Gate, GateReading, Gated, PenaltyReduction, Result, Target, Temperature,
    settle,
};
use candle_core::{Device, Tensor, Var};

/// Several gates of one model. [`Objective::joint`](crate::Objective::joint) adds their penalty to a loss, and
/// [`Steering`](crate::Steering) leads them to a target. The clones in it share their parameters with the originals.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use l0gm_gate::{Gate, GateConfig, Gates, Interface, Objective, Schedule};
///
/// let schedule = Schedule::default();
/// let gate = |channels| {
///     let interface = Interface::ChannelsFirst { channels };
///     Gate::new(interface, &GateConfig::default(), &schedule, &Device::Cpu)
/// };
/// let (first, second) = (gate(16)?, gate(32)?);
/// // A channel of the second costs twice as much: twice as many weights read it.
/// let gates = Gates::new([&first, &second]).with_weights(&[1.0, 2.0])?;
///
/// let now = schedule.at(0.5);
/// let task = Tensor::new(0.3f32, &Device::Cpu)?; // stands for the loss of a classifier
/// let objective = Objective { lambda: 1e-3, ..Objective::default() };
/// let value = objective.joint(&task, &gates, now)?;
/// let expected = 0.3 + 1e-3 * 0.9 * (16.0 + 2.0 * 32.0); // every gate is open with probability .9 at first
/// assert!((value.to_scalar::<f32>()? - expected).abs() < 1e-4);
/// assert_eq!(gates.active_fraction()?.0, 1.0);
/// # Ok::<(), l0gm_gate::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Gates {
    gates: Vec<Gate>,
    /// One for each gate.
    weights: Vec<f64>,
    across: PenaltyReduction,
}

impl Gates {
    /// These gates, each with weight 1. Their penalties are added up.
    pub fn new<'a>(gates: impl IntoIterator<Item = &'a Gate>) -> Self {
        let gates: Vec<Gate> = gates.into_iter().cloned().collect();
        Self {
            weights: vec![1.0; gates.len()],
            gates,
            across: PenaltyReduction::Sum,
        }
    }

    /// The same gates, where the penalty of gate g counts `weights[g]` times. The active fraction and a target count
    /// every dimension once, whatever its weight.
    ///
    /// # Errors
    /// There is not exactly one weight for each gate that is finite and at least 0.
    pub fn with_weights(mut self, weights: &[f64]) -> Result<Self> {
        if weights.len() != self.gates.len() {
            return Err(Error::input(format!(
                "{} weights were given for {} gates",
                weights.len(),
                self.gates.len()
            )));
        }
        if let Some(at) = weights
            .iter()
            .position(|weight| !(weight.is_finite() && *weight >= 0.0))
        {
            return Err(Error::input(format!(
                "weights[{at}] is {}, but must be finite and at least 0",
                weights[at]
            )));
        }
        self.weights = weights.to_vec();
        Ok(self)
    }

    /// The same gates, whose penalties are added up ([`PenaltyReduction::Sum`]) or averaged by their weights
    /// ([`PenaltyReduction::Mean`]). Within each gate its own [`GateConfig::penalty`](crate::GateConfig::penalty) rules.
    pub fn with_reduction(mut self, across: PenaltyReduction) -> Self {
        self.across = across;
        self
    }

    /// The gates, in their order.
    pub fn all(&self) -> Vec<&Gate> {
        self.gates.iter().collect()
    }

    /// The parameters of all gates that are trained, for an optimiser group of their own.
    pub fn variables(&self) -> Vec<Var> {
        let of_gate = |gate: &Gate| [gate.log_alpha().cloned(), gate.weight().cloned()];
        let trained = self.gates.iter().filter(|gate| !gate.is_fixed());
        trained.flat_map(of_gate).flatten().collect()
    }

    /// The weighted sum or mean of the gates' penalties, with gradient. The identity counts for nothing.
    ///
    /// # Errors
    /// Those of [`Gate::penalty`]: for conditional gates use [`penalty_of`](Self::penalty_of).
    pub fn penalty(&self, tau: Temperature) -> Result<Tensor> {
        self.combined(|place| self.gates[place].penalty(tau))
    }

    /// Like [`penalty`](Self::penalty), for what [`Gate::pass`] returned for each gate, in their order.
    ///
    /// # Errors
    /// Those of [`Gate::penalty_of`]; there is not exactly one `Gated` for each gate.
    pub fn penalty_of(&self, gated: &[&Gated], tau: Temperature) -> Result<Tensor> {
        if gated.len() != self.gates.len() {
            return Err(Error::input(format!(
                "{} gated batches were given for {} gates",
                gated.len(),
                self.gates.len()
            )));
        }
        self.combined(|place| self.gates[place].penalty_of(gated[place], tau))
    }

    /// Σ wᵍ Lᵍ over the gates that are neither the identity nor fixed, divided by Σ wᵍ for a mean.
    fn combined(&self, penalty: impl Fn(usize) -> Result<Tensor>) -> Result<Tensor> {
        let (mut sum, mut weights) = (None, 0.0);
        for (place, gate) in self.gates.iter().enumerate() {
            if gate.is_identity() || gate.is_fixed() {
                continue;
            }
            let weight = self.weights[place];
            weights += weight;
            let part = (penalty(place)? * weight)?;
            sum = Some(match sum {
                None => part,
                Some(sum) => (sum + part)?,
            });
        }
        match (sum, self.across) {
            (None, _) => Ok(Tensor::new(0f32, &Device::Cpu)?),
            (Some(sum), PenaltyReduction::Mean) if weights > 0.0 => Ok((sum / weights)?),
            (Some(sum), _) => Ok(sum),
        }
    }

    /// Whether no gate has parameters.
    pub fn are_identities(&self) -> bool {
        self.gates.iter().all(Gate::is_identity)
    }

    /// Share of the dimensions of all gates that the deterministic gates leave non-zero. Like [`settle`], it does not
    /// count the identity's, which cannot be closed; it is 1 where there are no others.
    ///
    /// # Errors
    /// One of the gates is conditional.
    pub fn active_fraction(&self) -> Result<ActiveFraction> {
        let (mut open, mut all) = (0, 0);
        for gate in self.gates.iter().filter(|gate| !gate.is_identity()) {
            let mask = gate.hard_mask()?;
            open += mask.iter().filter(|open| **open).count();
            all += mask.len();
        }
        Ok(ActiveFraction(match all {
            0 => 1.0,
            _ => open as f64 / all as f64,
        }))
    }

    /// What the gates leave open, as one reading; `None` if there are no gates.
    ///
    /// # Errors
    /// One of the gates is conditional.
    pub fn reading(&self) -> Result<Option<GateReading>> {
        let parts: Vec<GateReading> = self
            .gates
            .iter()
            .map(Gate::reading)
            .collect::<Result<_>>()?;
        Ok(GateReading::together(parts))
    }

    /// Opens exactly so many dimensions of all gates together that their share comes nearest to `target`: see
    /// [`settle`].
    ///
    /// # Errors
    /// One of the gates is conditional.
    pub fn settle(&self, target: Target) -> Result<ActiveFraction> {
        settle(&self.all(), target)
    }
}

#[cfg(test)]
#[path = "gates_tests.rs"]
mod tests;

//! An active fraction is requested instead of lambda. Lambda becomes a Lagrange multiplier: it rises while the
//! deterministic gate leaves more open than a path allows, and falls while it leaves less (dual ascent, after
//! Gallego-Posada et al. 2022). The path leads from all open to the target well before training ends. Then the gates
//! settle exactly on the target and no longer move, and the rest of training fits the finished sparse model.

use crate::{ActiveFraction, Error, Gate, Result};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A requested active fraction, strictly between 0 and 1. Written as `0.15` or `"15%"`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "f64")]
pub struct Target(f64);

/// The two ways of writing a target.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Text(String),
}

impl Target {
    /// A target of this share. It is an error if the share is out of range.
    pub fn new(active: f64) -> Result<Self> {
        if active > 0.0 && active < 1.0 {
            return Ok(Self(active));
        }
        Err(Error::Setting(format!(
            "target is {active}, but must be strictly between 0 and 1, or 0% and 100%: the share of gate \
             dimensions left open, for example 0.15 or \"15%\""
        )))
    }

    /// The requested share, in (0, 1).
    pub fn active(self) -> f64 {
        self.0
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (number, scale) = match text.trim().strip_suffix('%') {
            Some(number) => (number.trim_end(), 0.01),
            None => (text.trim(), 1.0),
        };
        let number: f64 = number.parse().map_err(|_| {
            Error::Setting(format!(
                "target is {text:?}, but must be a share, for example 0.15 or \"15%\""
            ))
        })?;
        Self::new(number * scale)
    }
}

impl TryFrom<Written> for Target {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        match written {
            Written::Number(active) => Self::new(active),
            Written::Text(text) => text.parse(),
        }
    }
}

impl From<Target> for f64 {
    fn from(target: Target) -> f64 {
        target.0
    }
}

/// How the multiplier is steered. All times are fractions of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Controller {
    /// Time at which the path reaches the target.
    pub reach: f64,
    /// Time at which the gates settle on the target and no longer move. It lies after `reach` and before 1.
    pub settle: f64,
    /// Lambda at the end of the warm-up, above 0.
    pub start_lambda: f64,
    /// How fast the logarithm of lambda grows, per unit of training and per unit of excess active fraction.
    pub gain: f64,
    /// Damping: how much the current error adds to the logarithm of lambda, per unit of active fraction.
    pub damping: f64,
    /// Dual restart: if this much less is open than the path asks for, lambda is 0 until the difference is smaller
    /// again.
    pub slack: f64,
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            reach: 0.5,
            settle: 0.7,
            start_lambda: 1e-3,
            gain: 150.0,
            damping: 8.0,
            slack: 0.005,
        }
    }
}

/// Errors outside this range count as its ends. Otherwise, lagging behind a falling path would drive the multiplier
/// too high, and too little open at a lambda of 0 would drive it too low.
const ERROR_RANGE: (f64, f64) = (-0.05, 0.1);

/// The limits ensure that lambda never vanishes for good and never overflows f32 gradients.
const LAMBDA_RANGE: (f64, f64) = (1e-8, 1e2);

impl Controller {
    /// Checks every setting. The error names the setting.
    pub fn check(&self) -> Result<()> {
        let inside = |value: f64| value > 0.0 && value < 1.0;
        if !inside(self.reach) {
            return Err(Error::setting(
                "controller.reach",
                self.reach,
                "strictly between 0 and 1 (a fraction of training)",
            ));
        }
        if !(inside(self.settle) && self.settle >= self.reach) {
            return Err(Error::Setting(format!(
                "controller.settle is {}, but must be at least controller.reach ({}) and below 1",
                self.settle, self.reach
            )));
        }
        let (low, high) = LAMBDA_RANGE;
        if !(self.start_lambda >= low && self.start_lambda <= high) {
            return Err(Error::setting(
                "controller.start-lambda",
                self.start_lambda,
                "from 1e-8 to 100",
            ));
        }
        for (name, value) in [
            ("controller.gain", self.gain),
            ("controller.damping", self.damping),
            ("controller.slack", self.slack),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::setting(name, value, "finite and at least 0"));
            }
        }
        Ok(())
    }

    /// The active fraction that is wanted at `progress`. It is 1 until the end of the warm-up, then falls, first fast
    /// and then slowly, and equals the target from `reach` on.
    pub fn path(&self, target: Target, warmup: f64, progress: f64) -> f64 {
        if progress >= self.reach {
            return target.active();
        }
        let left = 1.0 - ((progress - warmup) / (self.reach - warmup)).clamp(0.0, 1.0);
        target.active() + (1.0 - target.active()) * left.powi(3)
    }

    /// Whether the gates have settled at `progress` and no longer move.
    pub fn settled(&self, progress: f64) -> bool {
        progress >= self.settle
    }
}

/// The multiplier, which is the only state of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Multiplier {
    /// Logarithm of lambda without damping and restart; lambda itself may differ from it for a moment.
    log_lambda: f64,
    /// Current lambda.
    lambda: f64,
}

impl Multiplier {
    /// A multiplier at the controller's first lambda.
    pub fn new(controller: &Controller) -> Self {
        Self {
            log_lambda: controller.start_lambda.ln(),
            lambda: controller.start_lambda,
        }
    }

    /// Current lambda.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// Moves on by `step` (a share of training). `active` is the share open now and `wanted` the share that should be
    /// open. Returns lambda for the next step.
    pub fn update(&mut self, controller: &Controller, active: f64, wanted: f64, step: f64) -> f64 {
        let error = active - wanted;
        let (low, high) = (LAMBDA_RANGE.0.ln(), LAMBDA_RANGE.1.ln());
        let counted = error.clamp(ERROR_RANGE.0, ERROR_RANGE.1);
        self.log_lambda = (self.log_lambda + controller.gain * counted * step).clamp(low, high);
        self.lambda = if error < -controller.slack {
            0.0
        } else {
            let log = self.log_lambda + controller.damping * error;
            log.clamp(low, high).exp()
        };
        self.lambda
    }
}

/// Refuses a target that is nearer to no open gate than to one: nothing would stay open.
///
/// # Errors
/// Says how many gates there are, and the smallest target that opens one.
pub fn check_reachable(gates: &[&Gate], target: Target) -> Result<()> {
    let (mut all, mut least) = (0usize, usize::MAX);
    for gate in gates {
        if let (Some(log_alpha), false) = (gate.log_alpha(), gate.is_fixed()) {
            all += log_alpha.elem_count() * gate.covers();
            least = least.min(gate.covers());
        }
    }
    if all == 0 || target.active() * all as f64 > 0.5 * least as f64 {
        return Ok(());
    }
    let one = least as f64 / all as f64;
    Err(Error::setting(
        "target",
        target.active(),
        &format!(
            "at least {:.4}, which is one of the {} gates",
            one,
            all / least
        ),
    ))
}

/// Opens exactly the gates with the largest log_alpha, so many that the open share of all dimensions of `gates`
/// together comes nearest to `target`, and closes the others. The log_alpha of gates that must change is put just
/// beyond the closing point. Equal gates are taken in their order. What fixed gates leave open counts, but they stay as
/// they are. Returns the share that is open.
///
/// # Errors
/// One of the gates is conditional; which of its dimensions are open depends on the example.
pub fn settle(gates: &[&Gate], target: Target) -> Result<ActiveFraction> {
    // Distance from the closing point: above the rounding of f32, and negligible in P(z != 0).
    const MARGIN: f64 = 1e-3;
    let mut ranked = Vec::new(); // (gate, its place, height above the closing point, dimensions)
    let mut values = Vec::new();
    let (mut fixed, mut open) = (0usize, 0usize);
    for (number, gate) in gates.iter().enumerate() {
        if gate.is_fixed() {
            let mask = gate.hard_mask()?;
            fixed += mask.len();
            open += mask.iter().filter(|open| **open).count();
            values.push(Vec::new());
            continue;
        }
        let (Some(closing), Some(log_alpha)) = (gate.closing_point(), gate.log_alpha()) else {
            values.push(Vec::new());
            continue;
        };
        if gate.is_conditional() {
            return Err(Error::input(
                "a conditional gate cannot settle on a set of dimensions: which are open depends on the example",
            ));
        }
        let log_alpha = log_alpha.to_vec1::<f32>()?;
        for (place, &value) in log_alpha.iter().enumerate() {
            ranked.push((number, place, f64::from(value) - closing, gate.covers()));
        }
        values.push(log_alpha);
    }
    let all: usize = fixed + ranked.iter().map(|r| r.3).sum::<usize>();
    ranked.sort_by(|a, b| b.2.total_cmp(&a.2));
    let wanted = target.active() * all as f64;
    for (number, place, height, covers) in ranked {
        // Open the gate if that brings the open share nearer to the wanted one.
        let nearer = ((open + covers) as f64 - wanted).abs() < (open as f64 - wanted).abs();
        let Some(closing) = gates[number].closing_point() else {
            continue;
        };
        if nearer {
            open += covers;
            if height <= 0.0 {
                values[number][place] = (closing + MARGIN) as f32;
            }
        } else if height > 0.0 {
            values[number][place] = (closing - MARGIN) as f32;
        }
    }
    for (gate, values) in gates
        .iter()
        .zip(values)
        .filter(|(gate, _)| !gate.is_fixed())
    {
        if let Some(log_alpha) = gate.log_alpha() {
            let count = values.len();
            let settled = candle_core::Tensor::from_vec(values, count, log_alpha.device())?;
            log_alpha.set(&settled)?;
        }
    }
    Ok(ActiveFraction(open as f64 / all.max(1) as f64))
}

/// Shifts the bias of a conditional gate so that a share `target` of `log_alphas` lies above the closing point. They
/// hold the log_alpha of every gate for every example, in any order.
///
/// # Errors
/// There are no values.
pub fn shift_to(gate: &Gate, mut log_alphas: Vec<f32>, target: Target) -> Result<()> {
    let (Some(closing), Some(bias)) = (gate.closing_point(), gate.log_alpha()) else {
        return Ok(());
    };
    if log_alphas.is_empty() {
        return Err(Error::input(
            "a conditional gate settles on a mean over examples, and there was none",
        ));
    }
    let open = (target.active() * log_alphas.len() as f64).round() as usize;
    log_alphas.sort_unstable_by(|a, b| b.total_cmp(a));
    let (above, below) = (
        f64::from(log_alphas[open.saturating_sub(1)]),
        f64::from(log_alphas[open.min(log_alphas.len() - 1)]),
    );
    let shift = closing - (above + below) / 2.0;
    bias.set(&(bias.as_tensor() + shift)?)?;
    Ok(())
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;

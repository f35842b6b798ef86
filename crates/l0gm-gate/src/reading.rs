//! What a gate leaves open: the numbers that tables, figures and compaction need. A gate that is the same
//! for every example says them at once; a conditional gate's are means over examples, read batch by batch.

use crate::distribution::open_probability;
use crate::{Error, Gate, Gated, Result};
use serde::{Deserialize, Serialize};

/// Share of gate dimensions the deterministic gate leaves non-zero, in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActiveFraction(pub f64);

/// A gate's state, for all examples alike or on average over them.
#[derive(Clone, Debug, PartialEq)]
pub struct GateReading {
    /// Deterministic z of every dimension.
    pub z: Vec<f32>,
    /// Which dimensions are open, for at least one example.
    pub open: Vec<bool>,
    /// P(z != 0) of every gate.
    pub open_probability: Vec<f64>,
    /// Share of dimensions open.
    pub active: ActiveFraction,
    /// Expected number of dimensions open under training noise.
    pub expected_l0: f64,
}

impl Gate {
    /// The deterministic z of every *dimension* of the interface (a group's z repeated), length
    /// `width()`: exactly what use multiplies with. Field by field for `Interface::Fields`.
    ///
    /// # Errors
    /// For a conditional gate, as for all that follows: it has no z but that of an example, and cannot be
    /// folded into another layer.
    pub fn deterministic(&self) -> Result<Vec<f32>> {
        self.same_for_all("z", "Gate::forward, or a GateReader for its mean")?;
        let Some(inner) = &self.inner else {
            return Ok(vec![1.0; self.interface.width()]);
        };
        let z = inner
            .deterministic(inner.log_alpha.as_tensor())?
            .to_vec1::<f32>()?;
        Ok(z.iter()
            .flat_map(|&z| std::iter::repeat_n(z, inner.covers))
            .collect())
    }

    /// P(z != 0) of every gate.
    pub fn open_probability(&self) -> Result<Vec<f64>> {
        self.same_for_all("P(z != 0)", "a GateReader for its mean")?;
        let Some(inner) = &self.inner else {
            return Ok(vec![1.0; self.interface.width()]);
        };
        let log_alpha = inner.log_alpha.to_vec1::<f32>()?;
        let stretch = inner.config.stretch();
        Ok(log_alpha
            .iter()
            .map(|&a| open_probability(f64::from(a), inner.temperature, stretch))
            .collect())
    }

    /// Expected L0 in dimensions of the interface (a group counts its width).
    pub fn expected_l0(&self) -> Result<f64> {
        Ok(self.covers() as f64 * self.open_probability()?.iter().sum::<f64>())
    }

    /// Share of dimensions the deterministic gate leaves non-zero.
    pub fn active_fraction(&self) -> Result<ActiveFraction> {
        Ok(share_open(&self.hard_mask()?))
    }

    /// Which dimensions stay: what compaction keeps.
    pub fn hard_mask(&self) -> Result<Vec<bool>> {
        Ok(self.deterministic()?.iter().map(|&z| z != 0.0).collect())
    }

    /// All of the above at once.
    pub fn reading(&self) -> Result<GateReading> {
        let z = self.deterministic()?;
        let open: Vec<bool> = z.iter().map(|&z| z != 0.0).collect();
        Ok(GateReading {
            active: share_open(&open),
            expected_l0: self.expected_l0()?,
            open_probability: self.open_probability()?,
            z,
            open,
        })
    }

    /// Refuses what a gate says of all examples at once, where it says it of each apart.
    fn same_for_all(&self, what: &str, instead: &str) -> Result<()> {
        if !self.is_conditional() {
            return Ok(());
        }
        Err(Error::input(format!(
            "a conditional gate has no {what} of its own: it depends on the example; use {instead}. Such a gate \
             is not compacted either: train one of kind static or per-example for that"
        )))
    }
}

/// Share of dimensions open.
fn share_open(mask: &[bool]) -> ActiveFraction {
    let open = mask.iter().filter(|&&open| open).count();
    ActiveFraction(open as f64 / mask.len().max(1) as f64)
}

/// Collects a gate's reading over the batches of a split.
#[derive(Clone, Debug, Default)]
pub struct GateReader {
    examples: usize,
    /// Sums over examples, one a gate.
    z: Vec<f64>,
    opened: Vec<f64>,
    probability: Vec<f64>,
}

impl GateReader {
    /// Adds the examples of one batch. Nothing to do for a gate that does not read its examples.
    pub fn add(&mut self, gate: &Gate, gated: &Gated) -> Result<()> {
        let (Some(inner), Some(own)) = (&gate.inner, &gated.log_alpha) else {
            return Ok(());
        };
        let log_alpha = own.detach();
        let z = inner.deterministic(&log_alpha)?.to_vec2::<f32>()?;
        let (gates, stretch) = (log_alpha.dim(1)?, inner.config.stretch());
        for sums in [&mut self.z, &mut self.opened, &mut self.probability] {
            sums.resize(gates, 0.0);
        }
        for (z, log_alpha) in z.iter().zip(log_alpha.to_vec2::<f32>()?) {
            self.examples += 1;
            for (gate, (&z, log_alpha)) in z.iter().zip(log_alpha).enumerate() {
                self.z[gate] += f64::from(z);
                self.opened[gate] += f64::from(z != 0.0);
                self.probability[gate] +=
                    open_probability(f64::from(log_alpha), inner.temperature, stretch);
            }
        }
        Ok(())
    }

    /// The means over all examples added; a gate that does not read its examples needs none.
    ///
    /// # Errors
    /// A conditional gate that met no example.
    pub fn finish(&self, gate: &Gate) -> Result<GateReading> {
        if !gate.is_conditional() {
            return gate.reading();
        }
        if self.examples == 0 {
            return Err(Error::input(
                "a conditional gate's active fraction is a mean over examples, and there was none",
            ));
        }
        let n = self.examples as f64;
        let covers = gate.covers();
        let spread = |sums: &[f64]| -> Vec<f64> {
            let means = sums.iter().map(|sum| sum / n);
            means
                .flat_map(|mean| std::iter::repeat_n(mean, covers))
                .collect()
        };
        let opened = spread(&self.opened);
        let open_probability: Vec<f64> = self.probability.iter().map(|sum| sum / n).collect();
        Ok(GateReading {
            z: spread(&self.z).iter().map(|&z| z as f32).collect(),
            open: opened.iter().map(|&share| share > 0.0).collect(),
            active: ActiveFraction(opened.iter().sum::<f64>() / opened.len().max(1) as f64),
            expected_l0: covers as f64 * open_probability.iter().sum::<f64>(),
            open_probability,
        })
    }
}

//! What a gate leaves open: the numbers that tables, figures and compaction need. A gate that is the same
//! for every example says them at once; a conditional gate's are means over examples, read batch by batch.

use crate::distribution::open_probability;
use crate::relaxation;
use crate::{ActiveFraction, Error, Gate, Gated, Result, Temperature};

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
    pub fn add(&mut self, gate: &Gate, gated: &Gated, tau: Temperature) -> Result<()> {
        let (Some(config), Some(own)) = (gate.config(), &gated.log_alpha) else {
            return Ok(());
        };
        let log_alpha = own.detach();
        let z = relaxation::deterministic(&log_alpha, config, tau)?.to_vec2::<f32>()?;
        let gates = log_alpha.dim(1)?;
        for sums in [&mut self.z, &mut self.opened, &mut self.probability] {
            sums.resize(gates, 0.0);
        }
        for (z, log_alpha) in z.iter().zip(log_alpha.to_vec2::<f32>()?) {
            self.examples += 1;
            for (gate, (&z, log_alpha)) in z.iter().zip(log_alpha).enumerate() {
                self.z[gate] += f64::from(z);
                self.opened[gate] += f64::from(z != 0.0);
                self.probability[gate] +=
                    open_probability(f64::from(log_alpha), tau, config.stretch());
            }
        }
        Ok(())
    }

    /// The means over all examples added; a gate that does not read its examples needs none.
    ///
    /// # Errors
    /// A conditional gate that met no example.
    pub fn finish(&self, gate: &Gate, tau: Temperature) -> Result<GateReading> {
        if !gate.is_conditional() {
            return gate.reading(tau);
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

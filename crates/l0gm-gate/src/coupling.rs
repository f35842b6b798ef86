//! A calibration term in the training objective (the paper's Table 10, "coupling"): a differentiable substitute for
//! the calibration error of a batch. The soft-binned ECE (Karandikar et al. 2021) divides each confidence among bins
//! instead of putting it into one. MMCE (Kumar et al. 2018) uses a kernel and needs no bins.

use crate::{Error, Result};
use candle_core::{D, DType, Tensor};
use l0gm_ops::softmax;
use serde::{Deserialize, Serialize};

/// Maximum number of rows in one kernel matrix of MMCE. A full batch of a graph would need gigabytes otherwise.
const BLOCK: usize = 1024;
/// Added under MMCE's root, because its slope at 0 would be infinite.
const ROOT_MARGIN: f64 = 1e-12;

/// The kind of calibration term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CouplingKind {
    /// No term: the objective is task loss and penalty.
    #[default]
    None,
    /// Soft-binned ECE of the top label.
    SoftEce,
    /// Maximum mean calibration error of the top label, with a Laplacian kernel.
    Mmce,
}

/// Settings of the calibration term.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Coupling {
    /// The kind of term.
    pub kind: CouplingKind,
    /// Weight of the term in the objective, at least 0. The paper's Table 7 tries 0.1, 0.3 and 1.0.
    pub weight: f64,
    /// Number of bins of the soft-binned ECE, 1 to 10,000.
    pub bins: usize,
    /// Temperature of the soft-binned ECE's memberships, above 0: how far a confidence reaches beyond its own bin. As
    /// it goes to 0, the term becomes the ECE.
    pub softness: f64,
    /// Width of MMCE's kernel, above 0. Kumar et al. use 0.4.
    pub bandwidth: f64,
}

impl Default for Coupling {
    fn default() -> Self {
        Self {
            kind: CouplingKind::None,
            weight: 0.3,
            bins: 15,
            softness: 1e-3, // of 15 bins, each neighbour of a bin's centre gets 1%
            bandwidth: 0.4,
        }
    }
}

impl Coupling {
    /// Checks every setting. The error names the setting.
    pub fn check(&self) -> Result<()> {
        if !(self.weight >= 0.0 && self.weight.is_finite()) {
            return Err(Error::setting(
                "coupling.weight",
                self.weight,
                "finite and at least 0",
            ));
        }
        if !(1..=10_000).contains(&self.bins) {
            return Err(Error::setting(
                "coupling.bins",
                self.bins as f64,
                "from 1 to 10000",
            ));
        }
        for (name, value) in [
            ("coupling.softness", self.softness),
            ("coupling.bandwidth", self.bandwidth),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::setting(name, value, "finite and above 0"));
            }
        }
        Ok(())
    }

    /// Whether there is a term to add to the objective.
    pub fn is_on(&self) -> bool {
        self.kind != CouplingKind::None && self.weight > 0.0
    }

    /// weight * term for a batch, as a scalar with gradient; `None` if there is no term. `logits`: (rows, classes);
    /// `labels`: (rows,) u32.
    ///
    /// # Errors
    /// Logits and labels do not fit each other, or there are no rows.
    pub fn value(&self, logits: &Tensor, labels: &Tensor) -> Result<Option<Tensor>> {
        if !self.is_on() {
            return Ok(None);
        }
        let (confidence, gap) = confidence_and_gap(logits, labels)?;
        let term = match self.kind {
            CouplingKind::None => return Ok(None),
            CouplingKind::SoftEce => soft_ece(&confidence, &gap, self.bins, self.softness)?,
            CouplingKind::Mmce => mmce(&confidence, &gap, self.bandwidth)?,
        };
        Ok(Some((term * self.weight)?))
    }
}

/// Each row's top-label confidence c, and its gap to being right: 1 - c if it is right, -c if it is wrong. Both are
/// (rows,) in f32 (in f64 if the logits are) and have a gradient.
fn confidence_and_gap(logits: &Tensor, labels: &Tensor) -> Result<(Tensor, Tensor)> {
    let rows = match *logits.dims() {
        [rows, classes] if rows > 0 && classes > 1 => rows,
        _ => {
            return Err(Error::input(format!(
                "the logits have shape {:?}; the calibration term needs (rows, classes), at least one row \
                 and two classes",
                logits.dims()
            )));
        }
    };
    if labels.dims() != [rows] {
        return Err(Error::input(format!(
            "the labels have shape {:?}; the calibration term needs ({rows},)",
            labels.dims()
        )));
    }
    let dtype = match logits.dtype() {
        DType::F64 => DType::F64,
        _ => DType::F32,
    };
    let probabilities = softmax(&logits.to_dtype(dtype)?)?;
    let top = probabilities.detach().argmax(D::Minus1)?;
    let confidence = probabilities
        .contiguous()?
        .gather(&top.unsqueeze(1)?, 1)?
        .squeeze(1)?;
    let right = top.eq(labels)?.to_dtype(dtype)?;
    let gap = (right - &confidence)?;
    Ok((confidence, gap))
}

/// The sum over bins of |sum over rows of membership * gap|, divided by the number of rows.
fn soft_ece(confidence: &Tensor, gap: &Tensor, bins: usize, softness: f64) -> Result<Tensor> {
    let rows = gap.elem_count();
    let centres: Vec<f64> = (0..bins)
        .map(|bin| (bin as f64 + 0.5) / bins as f64)
        .collect();
    let centres = Tensor::new(centres, gap.device())?
        .to_dtype(gap.dtype())?
        .unsqueeze(0)?;
    let distance = confidence.unsqueeze(1)?.broadcast_sub(&centres)?.sqr()?; // (rows, bins)
    let membership = softmax(&(distance * (-1.0 / softness))?)?;
    let of_bins = gap.unsqueeze(0)?.matmul(&membership)?; // (1, bins)
    Ok((of_bins.abs()?.sum_all()? / rows as f64)?)
}

/// The root of the mean over pairs of gap * gap' * exp(-|c - c'| / bandwidth). If there are more rows than fit into a
/// block, only pairs within each block are used.
fn mmce(confidence: &Tensor, gap: &Tensor, bandwidth: f64) -> Result<Tensor> {
    let rows = gap.elem_count();
    let mut sum: Option<Tensor> = None;
    let mut pairs = 0;
    for first in (0..rows).step_by(BLOCK) {
        let count = BLOCK.min(rows - first);
        let c = confidence.narrow(0, first, count)?;
        let e = gap.narrow(0, first, count)?;
        let distance = c.unsqueeze(1)?.broadcast_sub(&c.unsqueeze(0)?)?.abs()?;
        let kernel = (distance * (-1.0 / bandwidth))?.exp()?; // (count, count)
        let block = e
            .unsqueeze(0)?
            .matmul(&kernel)?
            .matmul(&e.unsqueeze(1)?)?
            .sum_all()?;
        sum = Some(match sum {
            Some(sum) => (sum + block)?,
            None => block,
        });
        pairs += count * count;
    }
    let sum = sum.ok_or_else(|| Error::input("MMCE of no row"))?;
    // The kernel is positive definite, but rounding may leave a sum just below 0.
    let mean = (sum / pairs as f64)?.relu()?;
    Ok((mean + ROOT_MARGIN)?.sqrt()?)
}

#[cfg(test)]
#[path = "coupling_tests.rs"]
mod tests;

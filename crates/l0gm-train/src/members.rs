//! Heads with several members, a parameter-efficient ensemble: the members share most weights, each is trained on its
//! own loss, and their probabilities are averaged (TabM, arXiv:2410.24210).

use candle_core::{Result, Tensor};
use l0gm_ops::{log_softmax, reshape};

/// What a head returns for a batch.
#[derive(Clone, Debug)]
pub struct HeadOutput {
    /// Logits, (batch, classes). With members, the logarithms of their mean probabilities.
    pub logits: Tensor,
    /// Logits of each member, (batch, members, classes); `None` for a head with a single member.
    pub members: Option<Tensor>,
}

impl HeadOutput {
    /// The output of a head with a single member.
    pub fn single(logits: Tensor) -> Self {
        Self {
            logits,
            members: None,
        }
    }

    /// The output of a head with members, from their logits, (batch, members, classes).
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn of_members(members: Tensor) -> Result<Self> {
        Ok(Self {
            logits: mean_of_members(&members)?,
            members: Some(members),
        })
    }
}

/// The logarithm of the members' mean probabilities, (batch, classes), from their logits, (batch, members, classes).
///
/// # Errors
/// A tensor operation fails.
pub fn mean_of_members(logits: &Tensor) -> Result<Tensor> {
    let (_, members, _) = logits.dims3()?;
    let log = log_softmax(logits)?.transpose(1, 2)?.contiguous()?; // (batch, classes, members)
    let largest = log.detach().max_keepdim(2)?;
    let sum = log.broadcast_sub(&largest)?.exp()?.sum(2)?;
    (sum.log()? + largest.squeeze(2)?)? - (members as f64).ln()
}

/// The labels of a batch, (batch,), repeated for each member: (batch * members,), in the order of
/// [`flat_members`].
pub(crate) fn repeated(labels: &Tensor, members: usize) -> Result<Tensor> {
    labels.unsqueeze(1)?.repeat((1, members))?.flatten_all()
}

/// From (batch, members, classes) to (batch * members, classes).
pub(crate) fn flat_members(members: &Tensor) -> Result<Tensor> {
    let (batch, count, classes) = members.dims3()?;
    reshape(members, (batch * count, classes))
}

/// The mean over the members of their mean cross-entropies, a scalar. Each member is trained on its own loss, because
/// the loss of the average would let members lean on each other.
///
/// # Errors
/// A tensor operation fails.
pub fn loss_of_members(members: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let labels = repeated(labels, members.dim(1)?)?;
    l0gm_ops::cross_entropy(&flat_members(members)?, &labels)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{Device, Var};
    use l0gm_ops::Tape;

    const LOGITS: [f64; 12] = [
        0.2, -1.0, 1.5, 0.3, -0.7, 0.9, 30.0, -30.0, 0.0, 0.0, -800.0, 800.0,
    ];

    fn probability(pair: &[f64]) -> f64 {
        1.0 / (1.0 + (pair[0] - pair[1]).exp())
    }

    #[test]
    fn probabilities_of_members_are_averaged() {
        let members = Tensor::new(&LOGITS, &Device::Cpu).unwrap();
        let members = members.reshape((2, 3, 2)).unwrap();
        let found = mean_of_members(&members).unwrap().to_vec2::<f64>().unwrap();
        for (row, found) in found.iter().enumerate() {
            let pairs = LOGITS[row * 6..][..6].chunks(2);
            let mean = pairs.map(probability).sum::<f64>() / 3.0;
            assert!((found[1].exp() - mean).abs() < 1e-12, "{found:?}");
            assert!((found[0].exp() + found[1].exp() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn each_member_is_trained_on_its_own_loss() {
        let labels = Tensor::new(&[1u32, 0], &Device::Cpu).unwrap();
        let logits = Var::new(&LOGITS[..8], &Device::Cpu).unwrap();
        let loss = |logits: &[f64]| -> f64 {
            let losses = logits.chunks(2).enumerate().map(|(at, pair)| {
                let yes = probability(pair);
                -(if at < 2 { yes } else { 1.0 - yes }).ln()
            });
            losses.sum::<f64>() / 4.0
        };
        let tape = Tape::start().unwrap();
        let members = reshape(logits.as_tensor(), (2, 2, 2)).unwrap();
        let found = loss_of_members(&members, &labels).unwrap();
        assert!((found.to_scalar::<f64>().unwrap() - loss(&LOGITS[..8])).abs() < 1e-12);
        let gradients = tape.backward(&found).unwrap();
        let gradient = gradients.get(logits.as_tensor()).unwrap();
        for (at, found) in gradient.to_vec1::<f64>().unwrap().into_iter().enumerate() {
            let moved = |by: f64| {
                let mut logits = LOGITS[..8].to_vec();
                logits[at] += by;
                loss(&logits)
            };
            let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((found - expected).abs() < 1e-7, "{at}: {found} {expected}");
        }
    }
}

//! Inverted dropout whose mask is recomputed in the backward pass, not stored.
use crate::{Mode, composed};
use candle_core::{Result, Tensor, bail};

/// Zeroes each entry with probability `p` and scales the rest by 1 / (1 - p) in training; the
/// identity in evaluation. `p` in [0, 1).
pub fn dropout(x: &Tensor, p: f64, mode: &mut Mode<'_>) -> Result<Tensor> {
    if !(0.0..1.0).contains(&p) {
        bail!("dropout: probability {p} is outside [0, 1)");
    }
    match mode {
        Mode::Train(generator) if p > 0.0 => {
            let noise = generator.reserve(x.elem_count());
            composed::dropout(x, p, &noise)
        }
        _ => Ok(x.clone()),
    }
}

//! What a run will cost on two CPU cores, roughly: the multiply-adds of its passes over a measured speed.
use crate::{FineTune, PerturbedAt, TextSettings};
use std::time::Duration;

/// Floating-point operations a second of a forward pass, two cores with AVX-512, measured on MiniLM.
const FORWARD: f64 = 120e9;
/// The same of a training step, backward included.
const TRAINING: f64 = 120e9;
/// Microseconds an example of one training step of gate and classifier alone.
const HEAD_US: f64 = 10.0;

/// Texts that go through the whole encoder for the robustness protocol: six times masked, and once for the
/// perturbed interface. A frozen encoder's are the dense run's, and none where tokens are left alone.
fn judged(settings: &TextSettings, dense: bool, test: f64) -> f64 {
    if !settings.train.robustness {
        return 0.0;
    }
    let rows = settings
        .robustness_rows
        .map_or(test, |rows| (rows as f64).min(test));
    let masked = match settings.robustness_at {
        PerturbedAt::Tokens => 6.0,
        PerturbedAt::Interface => 0.0,
    };
    match settings.fine_tune {
        FineTune::Frozen if dense => masked * rows,
        FineTune::Frozen => 0.0,
        _ => (masked + 1.0) * rows,
    }
}

/// A rough estimate. The texts are encoded in it, except for gated runs on a frozen encoder, which find
/// the features of the dense run in the cache.
pub(crate) fn estimate(settings: &TextSettings, dense: bool) -> Duration {
    // MiniLM's shape stands in for any pretrained encoder.
    let (layers, dim, wide) = if settings.is_scratch() {
        let s = &settings.scratch;
        (s.layers as f64, s.width as f64, s.feed_forward as f64)
    } else {
        (6.0, 384.0, 1536.0)
    };
    let tokens = settings.max_tokens.min(230) as f64;
    let layer = tokens * (2.0 * (4.0 * dim * dim + 2.0 * dim * wide) + 4.0 * tokens * dim);
    let train = settings.train_rows.unwrap_or(22_500) as f64;
    let valid = settings.valid_rows.unwrap_or(2_500) as f64;
    let test = settings.test_rows.unwrap_or(25_000) as f64;
    let epochs = settings.train.epochs as f64;
    let validations = (epochs / settings.train.validate_every.max(1) as f64).ceil();
    let seconds = match settings.fine_tune {
        FineTune::Frozen => {
            let encoded = if dense { train + valid + test } else { 0.0 };
            encoded * layers * layer / FORWARD + epochs * train * HEAD_US * 1e-6
        }
        tune => {
            let learned = match tune {
                FineTune::Last(k) => (k as f64).min(layers),
                _ => layers,
            };
            let below = (train + valid) * (layers - learned) * layer / FORWARD;
            let fit = epochs * train * learned * layer * 3.0 / TRAINING;
            let judge = (validations * valid * learned + test * layers) * layer / FORWARD;
            below + fit + judge
        }
    };
    Duration::from_secs_f64(
        seconds + judged(settings, dense, test) * layers * layer / FORWARD + 2.0,
    )
}

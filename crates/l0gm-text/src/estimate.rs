//! What a run will cost on two CPU cores, roughly: the multiply-adds of its passes over a measured speed.
use crate::{FineTune, PerturbedAt, TextSettings};
use l0gm_gate::Granularity;
use std::time::Duration;

/// Floating-point operations a second of a forward pass, two cores with AVX-512, measured on MiniLM.
const FORWARD: f64 = 120e9;
/// The same of a training step, backward included.
const TRAINING: f64 = 120e9;
/// Microseconds an example of one training step of gate and classifier alone.
const HEAD_US: f64 = 10.0;
/// Microseconds an example of one training step of fine gates on kept states.
const STATES_US: f64 = 600.0;

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

/// Layers, width and inner width; MiniLM's shape stands in for any pretrained encoder.
fn shape(settings: &TextSettings) -> (f64, f64, f64) {
    if settings.is_scratch() {
        let s = &settings.scratch;
        (s.layers as f64, s.width as f64, s.feed_forward as f64)
    } else {
        (6.0, 384.0, 1536.0)
    }
}

/// Tokens of a text, of which few reviews fill a long limit.
fn tokens(settings: &TextSettings) -> f64 {
    settings.max_tokens.min(230) as f64
}

/// Layers, and operations of one of them over a text.
fn encoder(settings: &TextSettings) -> (f64, f64) {
    let (layers, dim, wide) = shape(settings);
    let tokens = tokens(settings);
    let layer = tokens * (2.0 * (4.0 * dim * dim + 2.0 * dim * wide) + 4.0 * tokens * dim);
    (layers, layer)
}

/// Rows of training, validation and test.
fn rows(settings: &TextSettings) -> [f64; 3] {
    [
        settings.train_rows.unwrap_or(22_500) as f64,
        settings.valid_rows.unwrap_or(2_500) as f64,
        settings.test_rows.unwrap_or(25_000) as f64,
    ]
}

/// Whether pooled features stand in for the encoder. Fine gates stand before the pooling.
fn pooled_once(settings: &TextSettings, dense: bool) -> bool {
    let fine = !dense && settings.gate.granularity == Granularity::Fine;
    settings.fine_tune == FineTune::Frozen && !fine
}

/// The features of a frozen encoder, computed once for all runs: what they depend on, and a rough estimate. `None`
/// where a run encodes its own texts.
pub(crate) fn features(settings: &TextSettings, dense: bool) -> Option<(String, Duration)> {
    if !pooled_once(settings, dense) {
        return None;
    }
    let (layers, layer) = encoder(settings);
    let rows = rows(settings);
    let key = format!(
        "{} {:?} {} {rows:?} {:?}",
        settings.encoder, settings.pooling, settings.max_tokens, settings.split_seed
    );
    let seconds = rows.iter().sum::<f64>() * layers * layer / FORWARD;
    Some((key, Duration::from_secs_f64(seconds)))
}

/// A rough estimate of one run, without [`features`].
pub(crate) fn estimate(settings: &TextSettings, dense: bool) -> Duration {
    let (layers, layer) = encoder(settings);
    let [train, valid, test] = rows(settings);
    let epochs = settings.train.epochs as f64;
    let validations = (epochs / settings.train.validate_every.max(1) as f64).ceil();
    let seconds = match settings.fine_tune {
        FineTune::Frozen if pooled_once(settings, dense) => epochs * train * HEAD_US * 1e-6,
        // The tokens' states are kept where they fit in memory, and else computed anew each time; those of the
        // test rows are met once.
        FineTune::Frozen => {
            let bytes = (train + valid) * tokens(settings) * shape(settings).1 * 4.0;
            let kept = bytes <= (settings.hidden_cache_mib as f64) * f64::from(1 << 20);
            let passes = match kept {
                true => train + valid,
                false => epochs * train + validations * valid,
            };
            (passes + test) * layers * layer / FORWARD + epochs * train * STATES_US * 1e-6
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

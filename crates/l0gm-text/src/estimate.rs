//! Roughly estimates the time of a run on two CPU cores, from the operations of its passes and a measured speed.
use crate::{FineTune, PerturbedAt, TextSettings};
use l0gm_gate::Granularity;
use std::time::Duration;

/// Floating-point operations per second of a forward pass, measured on MiniLM with two AVX-512 cores.
const FORWARD: f64 = 120e9;
/// Floating-point operations per second of a training step including the backward pass, measured in the same way.
const TRAINING: f64 = 120e9;
/// Microseconds per example for one training step of gate and classifier alone.
const HEAD_US: f64 = 10.0;
/// Nanoseconds per token and dimension for one training step of fine gates. Measured: 288 s for 200,000 reviews of at
/// most 256 tokens on one of two busy cores, halved here.
const STATE_NS: f64 = 8.0;

/// How much of the encoder's work on a run's texts is done only once.
enum Once {
    /// All of it; pooled features replace the encoder.
    Pooled,
    /// All of it for training and validation texts; fine gates act on stored states before the pooling.
    States,
    /// None, or only the layers below the first trained one, separately for each run.
    Nothing,
}

/// `train` and `valid` are numbers of rows.
fn once(settings: &TextSettings, dense: bool, [train, valid, _]: [f64; 3]) -> Once {
    if settings.fine_tune != FineTune::Frozen {
        return Once::Nothing;
    }
    if dense || settings.gate.granularity != Granularity::Fine {
        return Once::Pooled;
    }
    let bytes = (train + valid) * tokens(settings) * shape(settings).1 * 4.0;
    match bytes <= settings.hidden_cache_mib as f64 * f64::from(1 << 20) {
        true => Once::States,
        false => Once::Nothing,
    }
}

/// Work of the robustness protocol: how many times the judged texts are masked, and how many texts are judged.
fn judged(settings: &TextSettings, test: f64) -> (f64, f64) {
    let rows = settings.robustness_rows;
    let rows = rows.map_or(test, |rows| (rows as f64).min(test));
    match settings.robustness_at {
        _ if !settings.train.robustness => (0.0, 0.0),
        PerturbedAt::Tokens => (6.0, rows),
        PerturbedAt::Interface => (0.0, rows),
    }
}

/// Layers, width and inner width. MiniLM's shape is assumed for any pretrained encoder.
fn shape(settings: &TextSettings) -> (f64, f64, f64) {
    if settings.is_scratch() {
        let s = &settings.scratch;
        (s.layers as f64, s.width as f64, s.feed_forward as f64)
    } else {
        (6.0, 384.0, 1536.0)
    }
}

/// Average tokens of a text, because few reviews reach a high limit.
fn tokens(settings: &TextSettings) -> f64 {
    settings.max_tokens.min(230) as f64
}

/// Number of layers, and operations of one layer for one text.
fn encoder(settings: &TextSettings) -> (f64, f64) {
    let (layers, dim, wide) = shape(settings);
    let tokens = tokens(settings);
    let layer = tokens * (2.0 * (4.0 * dim * dim + 2.0 * dim * wide) + 4.0 * tokens * dim);
    (layers, layer)
}

/// Numbers of training, validation and test rows.
fn rows(settings: &TextSettings) -> [f64; 3] {
    [
        settings.train_rows.unwrap_or(22_500) as f64,
        settings.valid_rows.unwrap_or(2_500) as f64,
        settings.test_rows.unwrap_or(25_000) as f64,
    ]
}

/// Work of a frozen encoder that many runs share, by what it depends on: pooled features or token states, and the
/// features of the texts masked with one seed.
pub(crate) fn shared(settings: &TextSettings, dense: bool, seed: u64) -> Vec<(String, Duration)> {
    let (layers, layer) = encoder(settings);
    let rows = rows(settings);
    let [train, valid, test] = rows;
    let pass = |texts: f64| Duration::from_secs_f64(texts * layers * layer / FORWARD);
    let of = format!(
        "{} {:?} {} {rows:?} {}",
        settings.encoder, settings.pooling, settings.max_tokens, settings.split_seed
    );
    match once(settings, dense, rows) {
        Once::Pooled => {
            let (masked, judged) = judged(settings, test);
            vec![
                (format!("features {of}"), pass(train + valid + test)),
                (
                    format!("masked {of} {judged} seed {seed}"),
                    pass(masked * judged),
                ),
            ]
        }
        Once::States => vec![(format!("states {of}"), pass(train + valid))],
        Once::Nothing => Vec::new(),
    }
}

/// Roughly estimates one run, without the work in [`shared`].
pub(crate) fn estimate(settings: &TextSettings, dense: bool) -> Duration {
    let (layers, layer) = encoder(settings);
    let rows = rows(settings);
    let [train, valid, test] = rows;
    let epochs = settings.train.epochs as f64;
    let validations = (epochs / settings.train.validate_every.max(1) as f64).ceil();
    let (masked, judged) = judged(settings, test);
    let gates = epochs * train * tokens(settings) * shape(settings).1 * STATE_NS * 1e-9;
    // Number of passes of the whole encoder over a text, and seconds of all other work.
    let (passes, rest) = match (once(settings, dense, rows), settings.fine_tune) {
        (Once::Pooled, _) => (0.0, epochs * train * HEAD_US * 1e-6),
        // One more pass for the perturbed interface.
        (Once::States, _) => (test + (masked + 1.0) * judged, gates),
        (Once::Nothing, FineTune::Frozen) => {
            let fit = epochs * train + validations * valid;
            (fit + test + (masked + 1.0) * judged, gates)
        }
        (Once::Nothing, tune) => {
            let learned = match tune {
                FineTune::Last(k) => (k as f64).min(layers),
                _ => layers,
            };
            let below = (train + valid) * (layers - learned) * layer / FORWARD;
            let fit = epochs * train * learned * layer * 3.0 / TRAINING;
            let select = validations * valid * learned * layer / FORWARD;
            (test + (masked + 1.0) * judged, below + fit + select)
        }
    };
    Duration::from_secs_f64(passes * layers * layer / FORWARD + rest + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frozen(fine: bool) -> TextSettings {
        let mut settings = TextSettings {
            fine_tune: FineTune::Frozen,
            train_rows: Some(1000),
            valid_rows: Some(200),
            test_rows: Some(500),
            ..TextSettings::default()
        };
        if fine {
            settings.gate.granularity = Granularity::Fine;
        }
        settings
    }

    fn keys(settings: &TextSettings, dense: bool, seed: u64) -> Vec<String> {
        let shared = shared(settings, dense, seed).into_iter();
        shared.map(|(key, _)| key).collect()
    }

    #[test]
    fn dense_and_gated_share_features_and_masked_texts_a_seed_of_their_own() {
        let settings = frozen(false);
        assert_eq!(keys(&settings, true, 0), keys(&settings, false, 0));
        let (one, other) = (keys(&settings, true, 0), keys(&settings, true, 1));
        assert_eq!(one[0], other[0]);
        assert_ne!(one[1], other[1]);
        let mut fewer = settings.clone();
        fewer.train_rows = Some(999);
        assert_ne!(keys(&fewer, true, 0)[0], one[0]);
    }

    #[test]
    fn fine_gates_pay_for_the_states_that_do_not_fit_each_time() {
        let mut settings = frozen(true);
        // A dense run has no gates, so granularity does not matter.
        assert_eq!(keys(&settings, true, 0), keys(&frozen(false), true, 0));
        assert_eq!(keys(&settings, false, 0).len(), 1);
        let kept = estimate(&settings, false);
        settings.hidden_cache_mib = 0;
        assert!(keys(&settings, false, 0).is_empty());
        assert!(estimate(&settings, false) > kept * 2);
        // Perturbed texts pass through the encoder again.
        settings.train.robustness = false;
        let calm = estimate(&settings, false);
        settings.train.robustness = true;
        assert!(estimate(&settings, false) > calm);
    }

    #[test]
    fn an_encoder_that_learns_shares_nothing() {
        let settings = TextSettings {
            fine_tune: FineTune::Full,
            ..frozen(true)
        };
        assert!(shared(&settings, false, 0).is_empty());
        assert!(estimate(&settings, false) > estimate(&frozen(false), false));
    }
}

//! Roughly estimates the time of a run on two CPU cores, from the operations of its passes and a measured speed.
use crate::extent::Extent;
use crate::{FineTune, PerturbedAt, TextSettings};
use l0gm_gate::Granularity;
use std::time::Duration;

/// Floating-point operations per second of a forward pass, measured on MiniLM with two AVX-512 cores: IMDB's reviews at
/// 256 tokens took 41 ms each (130e9), short messages at 25 tokens 3.7 ms of both cores' time together (145e9 to 290e9).
const FORWARD: f64 = 140e9;
/// Floating-point operations per second of a training step including the backward pass, measured in the same way.
const TRAINING: f64 = 120e9;
/// Microseconds per example for one training step of gate and classifier alone.
const HEAD_US: f64 = 4.0;
/// Nanoseconds per token and dimension for one training step of fine gates. Measured: 288 s for 200,000 reviews of at
/// most 256 tokens on one of two busy cores, halved here.
const STATE_NS: f64 = 8.0;

/// Seconds for reading, loading and writing, and microseconds per test text for judging: its calibration measures are
/// drawn again 500 times.
const JUDGING_S: f64 = 0.4;
const JUDGING_US: f64 = 150.0;

/// Seconds to fit a regression on TF-IDF weights, and for each character of all texts. On IMDB's 23,500 training, 1,500
/// validation and 25,000 test texts it took 27 s on two cores.
const WORDS: [f64; 2] = [0.1, 0.4e-6];

/// The time to count all texts' words and to fit a regression on them.
pub(crate) fn words(extent: &Extent) -> Duration {
    let characters = extent.characters * extent.rows.iter().sum::<f64>();
    Duration::from_secs_f64(WORDS[0] + WORDS[1] * characters)
}

/// How much of the encoder's work on a run's texts is done only once.
enum Once {
    /// All of it; pooled features replace the encoder.
    Pooled,
    /// All of it for training and validation texts; fine gates act on stored states before the pooling.
    States,
    /// None, or only the layers below the first trained one, separately for each run.
    Nothing,
}

fn once(settings: &TextSettings, dense: bool, extent: &Extent) -> Once {
    if settings.fine_tune != FineTune::Frozen {
        return Once::Nothing;
    }
    if dense || settings.gate.granularity != Granularity::Fine {
        return Once::Pooled;
    }
    let [train, valid, _] = extent.rows;
    let bytes = (train + valid) * extent.tokens * extent.shape[1] * 4.0;
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

/// Number of layers, and operations of one layer for one text.
fn encoder(extent: &Extent) -> (f64, f64) {
    let [layers, dim, wide] = extent.shape;
    let products = extent.tokens * 2.0 * (4.0 * dim * dim + 2.0 * dim * wide);
    (layers, products + 4.0 * extent.squares * dim)
}

/// Work of a frozen encoder that many runs share, by what it depends on: pooled features or token states, and the
/// features of the texts masked with one seed.
pub(crate) fn shared(
    settings: &TextSettings,
    dense: bool,
    seed: u64,
    extent: &Extent,
) -> Vec<(String, Duration)> {
    let (layers, layer) = encoder(extent);
    let rows = extent.rows;
    let [train, valid, test] = rows;
    let pass = |texts: f64| Duration::from_secs_f64(texts * layers * layer / FORWARD);
    let of = format!(
        "{} {:?} {} {rows:?} {}",
        settings.encoder, settings.pooling, settings.max_tokens, settings.split_seed
    );
    let mut shared = match once(settings, dense, extent) {
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
    };
    if settings.has_scores() && settings.fine_tune == FineTune::Frozen {
        shared.push((format!("words {of}"), words(extent)));
    }
    shared
}

/// Roughly estimates one run, without the work in [`shared`].
pub(crate) fn estimate(settings: &TextSettings, dense: bool, extent: &Extent) -> Duration {
    let (layers, layer) = encoder(extent);
    let [train, valid, test] = extent.rows;
    let epochs = settings.train.epochs as f64;
    let validations = (epochs / settings.train.validate_every.max(1) as f64).ceil();
    let (masked, judged) = judged(settings, test);
    let gates = epochs * train * extent.tokens * extent.shape[1] * STATE_NS * 1e-9;
    // Number of passes of the whole encoder over a text, and seconds of all other work.
    let (passes, rest) = match (once(settings, dense, extent), settings.fine_tune) {
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
    let scores = match settings.has_scores() && settings.fine_tune != FineTune::Frozen {
        true => words(extent),
        false => Duration::ZERO,
    };
    judging(extent) + scores + Duration::from_secs_f64(passes * layers * layer / FORWARD + rest)
}

/// What every run takes, whatever is trained: reading the texts and judging the predictions.
pub(crate) fn judging(extent: &Extent) -> Duration {
    Duration::from_secs_f64(JUDGING_S + JUDGING_US * 1e-6 * extent.rows[2])
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

    const MINILM: [f64; 3] = [6.0, 384.0, 1536.0];

    fn extent(settings: &TextSettings) -> Extent {
        Extent::imdb(settings, MINILM)
    }

    fn keys(settings: &TextSettings, dense: bool, seed: u64) -> Vec<String> {
        let shared = shared(settings, dense, seed, &extent(settings)).into_iter();
        shared.map(|(key, _)| key).collect()
    }

    fn time(settings: &TextSettings, dense: bool) -> Duration {
        estimate(settings, dense, &extent(settings))
    }

    #[test]
    fn the_time_follows_the_rows_and_their_tokens() {
        let settings = frozen(false);
        let of = |extent: &Extent| shared(&settings, true, 0, extent)[0].1.as_secs_f64();
        let some = extent(&settings);
        let mut more = some;
        more.rows = more.rows.map(|rows| 3.0 * rows);
        assert!((of(&more) / of(&some) - 3.0).abs() < 1e-9);
        let mut short = some;
        (short.tokens, short.squares) = (some.tokens / 4.0, some.squares / 16.0);
        assert!(of(&short) < of(&some) / 4.0);
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
        let kept = time(&settings, false);
        settings.hidden_cache_mib = 0;
        assert!(keys(&settings, false, 0).is_empty());
        assert!(time(&settings, false) > kept * 2);
        // Perturbed texts pass through the encoder again.
        settings.train.robustness = false;
        let calm = time(&settings, false);
        settings.train.robustness = true;
        assert!(time(&settings, false) > calm);
    }

    #[test]
    fn an_encoder_that_learns_shares_nothing() {
        let settings = TextSettings {
            fine_tune: FineTune::Full,
            ..frozen(true)
        };
        assert!(shared(&settings, false, 0, &extent(&settings)).is_empty());
        assert!(time(&settings, false) > time(&frozen(false), false));
    }
}

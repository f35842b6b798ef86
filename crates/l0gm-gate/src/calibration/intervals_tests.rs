#![allow(clippy::unwrap_used)]
use super::*;

/// Settings with 15 bins, this many resamples and seed 1.
fn with(resamples: usize) -> CalibrationSettings {
    CalibrationSettings {
        bins: 15,
        resamples,
        seed: 1,
    }
}

/// `n` rows of three classes whose labels follow softmax(logits), but whose stated logits are multiplied by
/// `sharper`.
fn sample(n: usize, sharper: f64, seed: u64) -> Predictions {
    let mut generator = Generator::new(seed);
    let mut probabilities = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..n {
        let logits: Vec<f64> = (0..3).map(|_| 1.5 * generator.normal()).collect();
        let softmax = |factor: f64| -> Vec<f64> {
            let sum: f64 = logits.iter().map(|x| (factor * x).exp()).sum();
            logits.iter().map(|x| (factor * x).exp() / sum).collect()
        };
        let mut rest = generator.uniform();
        let drawn = softmax(1.0).iter().position(|p| {
            rest -= p;
            rest < 0.0
        });
        labels.push(drawn.unwrap_or(2) as u32);
        probabilities.extend(softmax(sharper));
    }
    Predictions::new(probabilities, labels, 3).unwrap()
}

#[test]
fn calibrated_predictions_lie_within_the_noise_and_bold_ones_beyond() {
    let honest = measure_all(&sample(2000, 1.0, 3), with(100)).unwrap();
    let bold = measure_all(&sample(2000, 2.5, 3), with(100)).unwrap();
    for key in [
        Measure::Ece,
        Measure::EceEqualMass,
        Measure::EceSmooth,
        Measure::EceClassWise,
        Measure::EceL2Debiased,
    ] {
        let (honest, bold) = (honest[&key], bold[&key]);
        assert!(
            honest.value <= 1.2 * honest.noise_p95,
            "{key:?}: {honest:?}"
        );
        assert!(bold.low > bold.noise_p95, "{key:?}: {bold:?}");
    }
}

#[test]
fn intervals_hold_the_value_and_narrow_with_the_rows() {
    let few = measure_all(&sample(300, 2.0, 5), with(100)).unwrap();
    let many = measure_all(&sample(4800, 2.0, 5), with(100)).unwrap();
    for (key, measure) in &many {
        assert!(measure.low <= measure.value && measure.value <= measure.high);
        let wide = |m: &Measured| m.high - m.low;
        // MCE comes from the emptiest bin, so more rows in the other bins do not narrow its interval.
        assert!(
            *key == Measure::Mce || wide(measure) < wide(&few[key]),
            "{key:?}: {measure:?}"
        );
    }
}

#[test]
fn the_interval_of_the_proper_scores_is_the_textbooks() {
    // The bootstrap interval of a mean is its value plus and minus 1.96 standard errors.
    let predictions = sample(2000, 1.0, 7);
    let measured = measure_all(&predictions, with(1000)).unwrap()[&Measure::Nll];
    let losses: Vec<f64> = (0..2000)
        .map(|i| -predictions.row(i)[predictions.labels()[i] as usize].ln())
        .collect();
    let mean = losses.iter().sum::<f64>() / 2000.0;
    let variance = losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / 1999.0;
    let error = (variance / 2000.0).sqrt();
    assert!((measured.value - mean).abs() < 1e-12);
    assert!(
        ((mean - measured.low) / error - 1.96).abs() < 0.25,
        "{measured:?} {error}"
    );
    assert!(
        ((measured.high - mean) / error - 1.96).abs() < 0.25,
        "{measured:?} {error}"
    );
}

#[test]
fn every_measure_of_three_classes_has_an_interval_but_that_of_two() {
    let all = measure_all(&sample(50, 1.0, 1), with(5)).unwrap();
    assert_eq!(all.len(), Measure::ALL.len() - 1);
    assert!(!all.contains_key(&Measure::EcePositive));
}

#[test]
fn the_same_seed_gives_the_same_intervals_and_no_resamples_are_refused() {
    let predictions = sample(100, 1.5, 2);
    let seeded = |seed| {
        let settings = CalibrationSettings { seed, ..with(20) };
        measure_all(&predictions, settings).unwrap()
    };
    assert_eq!(seeded(3), seeded(3));
    assert_ne!(seeded(3), seeded(4));
    let error = measure_all(&predictions, with(0)).unwrap_err().to_string();
    assert!(error.contains("resamples is 0"), "{error}");
}

//! Properties that must hold for every measure and any predictions.
#![allow(clippy::unwrap_used)]
use super::*;
use l0gm_ops::Generator;
use proptest::prelude::*;

/// Logits of up to 60 rows with 2 to 5 classes and many ties, with labels.
fn logits() -> impl Strategy<Value = (Vec<f64>, Vec<u32>, usize)> {
    (2..6usize, 1..60usize).prop_flat_map(|(classes, rows)| {
        let logit = prop_oneof![-8.0..8.0f64, (-3..4i8).prop_map(f64::from)];
        (
            prop::collection::vec(logit, rows * classes),
            prop::collection::vec(0..classes as u32, rows),
            Just(classes),
        )
    })
}

/// All numbers of a report, in a fixed order.
fn numbers(report: &CalibrationReport) -> Vec<f64> {
    vec![
        report.ece,
        report.ece_positive.unwrap_or(0.0),
        report.ece_equal_mass,
        report.ece_l2_debiased,
        report.ece_smooth,
        report.ece_class_wise,
        report.mce,
        report.brier,
        report.nll,
        report.ece_low,
        report.ece_high,
        report.ece_noise,
        report.ece_noise_p95,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_measure_is_finite_and_in_its_range((logits, labels, classes) in logits(), bins in 1..30usize) {
        let predictions = Predictions::from_logits(&logits, &labels, classes).unwrap();
        let report = CalibrationReport::new(&predictions, CalibrationSettings { bins, resamples: 20, seed: 1 }).unwrap();
        prop_assert!(numbers(&report).iter().all(|value| value.is_finite() && *value >= 0.0), "{report:?}");
        // Only the likelihood may exceed 1, and the Brier score of many classes may reach 2.
        for value in [report.ece, report.ece_equal_mass, report.ece_smooth, report.ece_class_wise, report.mce] {
            prop_assert!(value <= 1.0 + 1e-12);
        }
        let most = if classes == 2 { 1.0 } else { 2.0 };
        prop_assert!(report.brier <= most);
        prop_assert!(report.ece_low <= report.ece && report.ece <= report.ece_high && report.ece_high <= 1.0);
        prop_assert!(report.ece_noise <= report.ece_noise_p95 + 1e-12 || report.ece_noise < 0.3);
        prop_assert_eq!(report.ece_positive.is_some(), classes == 2);
    }

    #[test]
    fn the_order_of_the_examples_does_not_matter((logits, labels, classes) in logits(), seed in any::<u64>()) {
        let order = Generator::new(seed).permutation(labels.len());
        let moved: Vec<f64> =
            order.iter().flat_map(|&i| logits[i as usize * classes..(i as usize + 1) * classes].to_vec()).collect();
        let moved_labels: Vec<u32> = order.iter().map(|&i| labels[i as usize]).collect();
        let report = |logits: &[f64], labels: &[u32]| {
            let predictions = Predictions::from_logits(logits, labels, classes).unwrap();
            numbers(&CalibrationReport::new(&predictions, CalibrationSettings { bins: 15, resamples: 1, seed: 1 }).unwrap())
        };
        // The last four are random draws, which the order does change, so they are not compared.
        let (one, other) = (report(&logits, &labels), report(&moved, &moved_labels));
        for (a, b) in one.iter().zip(&other).take(9) {
            prop_assert!((a - b).abs() < 1e-6, "{one:?} {other:?}");
        }
    }

    #[test]
    fn diagram_bins_cover_all_rows((logits, labels, classes) in logits(), bins in 1..30usize) {
        let predictions = Predictions::from_logits(&logits, &labels, classes).unwrap();
        let settings = CalibrationSettings { bins, ..CalibrationSettings::default() };
        let diagram = reliability_bins(&predictions, settings).unwrap();
        prop_assert_eq!(diagram.iter().map(|bin| bin.count).sum::<usize>(), labels.len());
        prop_assert_eq!((diagram[0].low, diagram[bins - 1].high), (0.0, 1.0));
        for bin in diagram.iter().filter(|bin| bin.count > 0) {
            prop_assert!(bin.confidence <= bin.high + 1e-12 && bin.confidence >= bin.low - 1e-12);
            prop_assert!((0.0..=1.0).contains(&bin.accuracy));
        }
    }

    #[test]
    fn temperature_scaling_keeps_the_argmax_and_lowers_the_nll((logits, labels, classes) in logits()) {
        let temperature = fit_temperature(&logits, &labels, classes).unwrap();
        prop_assert!((0.01..=100.0).contains(&temperature));
        let scaled = scale_logits(&logits, temperature).unwrap();
        let before = Predictions::from_logits(&logits, &labels, classes).unwrap();
        let after = Predictions::from_logits(&scaled, &labels, classes).unwrap();
        for row in 0..labels.len() {
            prop_assert_eq!(before.predicted(row), after.predicted(row));
        }
        prop_assert!(negative_log_likelihood(&after) <= negative_log_likelihood(&before) + 1e-9);
    }
}

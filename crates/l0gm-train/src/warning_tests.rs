#![allow(clippy::unwrap_used)]
use super::*;
use l0gm_gate::{GateKind, Granularity, InferenceGate};

fn epoch(number: usize, valid_loss: f64) -> EpochRecord {
    EpochRecord {
        epoch: number,
        train_loss: 0.3,
        valid_loss,
        valid_accuracy: 0.8,
        active_fraction: 0.5,
        expected_l0: 8.0,
        temperature: 2.0 / 3.0,
        lambda: 1e-3,
        seconds: 1.0,
    }
}

fn gate(open: usize, all: usize, expected: f64) -> GateReading {
    GateReading {
        kind: Some(GateKind::PerExample),
        granularity: Some(Granularity::Interface),
        inference: Some(InferenceGate::Median),
        active_fraction: open as f64 / all as f64,
        expected_l0: expected,
        open_dims: open,
        total_dims: all,
        ..GateReading::none()
    }
}

/// A run in which nothing went wrong: balanced labels, a falling loss, half of the gates open.
struct Run {
    valid_nll: f64,
    labels: Vec<u32>,
    baselines: Vec<BaselineScore>,
    gate: GateReading,
    history: Vec<EpochRecord>,
    selection: Option<Selection>,
}

impl Run {
    fn good() -> Self {
        Self {
            valid_nll: 0.40,
            labels: (0..100).map(|row| row % 2).collect(),
            baselines: vec![baseline("logistic regression", 0.45)],
            gate: gate(8, 16, 8.2),
            history: [0.6, 0.5, 0.45, 0.40]
                .iter()
                .enumerate()
                .map(|(at, loss)| epoch(at + 1, *loss))
                .collect(),
            selection: Some(selection(0.40, 0.399)),
        }
    }

    fn kinds(&self) -> Vec<WarningKind> {
        self.warnings().iter().map(|warning| warning.kind).collect()
    }

    fn warnings(&self) -> Vec<Warning> {
        Evidence {
            valid_nll: self.valid_nll,
            valid_labels: &self.labels,
            rows: &rows(900),
            baselines: &self.baselines,
            gate: &self.gate,
            history: &self.history,
            selection: self.selection,
        }
        .warnings()
    }
}

fn baseline(label: &str, valid_nll: f64) -> BaselineScore {
    BaselineScore {
        label: label.to_owned(),
        valid_nll,
        rows: rows(900),
    }
}

/// So many training rows and 100 validation rows.
fn rows(train: usize) -> BTreeMap<String, usize> {
    [("train".to_owned(), train), ("valid".to_owned(), 100)].into()
}

fn selection(chosen: f64, best_seen: f64) -> Selection {
    Selection {
        chosen,
        best_seen,
        best_seen_epoch: 2,
        start: None,
        by: crate::SelectBy::Loss,
    }
}

#[test]
fn a_good_run_has_no_warning() {
    assert_eq!(Run::good().kinds(), []);
}

#[test]
fn a_model_that_is_no_better_than_the_class_frequencies_is_named() {
    let run = Run {
        valid_nll: 0.6932,
        baselines: Vec::new(),
        ..Run::good()
    };
    assert_eq!(run.kinds(), [WarningKind::LearntNothing]);
    // The entropy of balanced labels is ln 2 = .6931.
    assert!(run.warnings()[0].text.contains("(0.6931)"));
    // With one row in ten positive, the same loss as before is worse than always answering "no".
    let rare = Run {
        labels: (0..100).map(|row| u32::from(row % 10 == 0)).collect(),
        ..Run::good()
    };
    assert_eq!(rare.kinds(), [WarningKind::LearntNothing]);
}

#[test]
fn the_best_baseline_on_the_same_rows_is_the_one_that_counts() {
    let mut run = Run::good();
    run.baselines.push(baseline("boosting", 0.38));
    assert_eq!(run.kinds(), [WarningKind::WorseThanBaseline]);
    assert!(run.warnings()[0].text.contains("boosting (0.3800)"));
    // Within a hundredth is the luck of the rows, and what learnt from more rows is not compared.
    run.baselines[1].valid_nll = 0.397;
    assert_eq!(run.kinds(), []);
    run.baselines[1].valid_nll = 0.2;
    run.baselines[1].rows = rows(9000);
    assert_eq!(run.kinds(), []);
}

#[test]
fn gates_at_either_end_are_named_and_a_dense_model_has_none() {
    let mut run = Run::good();
    run.gate = gate(1, 16, 1.1);
    assert_eq!(run.kinds(), [WarningKind::GatesCollapsed]);
    run.gate = gate(16, 16, 15.9);
    assert_eq!(run.kinds(), [WarningKind::GatesAllOpen]);
    // Without a penalty, open gates are what was asked for.
    run.history.iter_mut().for_each(|epoch| epoch.lambda = 0.0);
    assert_eq!(run.kinds(), []);
    run.gate = GateReading::none();
    assert_eq!(run.kinds(), []);
}

#[test]
fn training_and_prediction_that_see_other_gates_are_named() {
    let mut run = Run::good();
    run.gate = gate(6, 512, 312.0);
    assert_eq!(run.kinds(), [WarningKind::FractionsApart]);
    let text = &run.warnings()[0].text;
    assert!(text.contains("60.9%") && text.contains("1.2%"), "{text}");
}

#[test]
fn a_loss_that_rises_from_the_start_is_named_and_so_is_a_better_one_that_was_seen() {
    let mut run = Run::good();
    for (epoch, loss) in run.history.iter_mut().zip([0.40, 0.41, 0.45, 0.50]) {
        epoch.valid_loss = loss;
    }
    assert_eq!(run.kinds(), [WarningKind::LossRises]);
    run = Run::good();
    run.selection = Some(selection(0.431, 0.420));
    assert_eq!(run.kinds(), [WarningKind::BetterLossSeen]);
    assert!(run.warnings()[0].text.contains("epoch 2 had 0.4200"));
    // The untrained model was the best: it starts from something fitted.
    run.selection = Some(Selection {
        start: Some(0.39),
        ..selection(0.39, 0.39)
    });
    assert_eq!(run.kinds(), [WarningKind::LossRises]);
}

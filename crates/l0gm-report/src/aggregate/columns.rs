//! The summary's columns: their names, their types, and how a run record gives each value.

use super::frame::{Kind, Value};
use crate::design;
use crate::settings::flat;
use Kind::{Bool, Float, Int, Text};
use l0gm_train::{RunRecord, Score, Split};

pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) value: fn(&RunRecord) -> Value,
}

const fn column(name: &'static str, kind: Kind, value: fn(&RunRecord) -> Value) -> Column {
    Column { name, kind, value }
}

/// All columns. Readers of the files rely on the order up to `epochs`; add new columns after it.
pub(super) const COLUMNS: &[Column] = &[
    column("run_id", Text, |r| Value::text(&r.run_id)),
    column("dataset", Text, |r| Value::text(&r.spec.dataset)),
    column("twin", Bool, |r| Value::Bool(is_twin(r))),
    column("modality", Text, |r| Value::text(&r.spec.modality)),
    column("method", Text, |r| Value::text(&r.spec.method)),
    column("lambda", Float, |r| Value::maybe(r.spec.lambda)),
    column("seed", Int, |r| Value::count(r.spec.seed)),
    column("gate_kind", Text, |r| Value::text(r.gate.kind_name())),
    column("granularity", Text, |r| {
        Value::text(r.gate.granularity_name())
    }),
    column("inference_gate", Text, |r| {
        Value::text(r.gate.inference_name())
    }),
    column("accuracy", Float, |r| Value::float(r.test.accuracy)),
    column("auc", Float, |r| Value::maybe(r.test.auc)),
    column("macro_f1", Float, |r| Value::float(r.test.macro_f1)),
    column("nll", Float, |r| Value::float(r.calibration.nll)),
    column("brier", Float, |r| Value::float(r.calibration.brier)),
    column("ece", Float, |r| Value::float(r.calibration.ece)),
    column("ece_bins", Int, |r| Value::count(r.calibration.bins)),
    column("ece_low", Float, |r| Value::float(r.calibration.ece_low)),
    column("ece_high", Float, |r| Value::float(r.calibration.ece_high)),
    column("active_fraction", Float, |r| {
        // A method without an interface has nothing that could be open.
        Value::maybe((r.gate.total_dims > 0).then_some(r.gate.active_fraction))
    }),
    column("expected_l0", Float, |r| Value::float(r.gate.expected_l0)),
    column("open_dims", Int, |r| Value::count(r.gate.open_dims)),
    column("total_dims", Int, |r| Value::count(r.gate.total_dims)),
    column("latency_us_per_example", Float, |r| {
        Value::maybe(r.latency_us_per_example)
    }),
    column("batch", Int, |r| Value::count(r.latency_batch)),
    column("threads", Int, |r| Value::count(r.threads)),
    column("device", Text, |r| Value::text(&r.device)),
    column("train_seconds", Float, |r| Value::float(r.train_seconds)),
    column("epochs", Int, |r| Value::count(r.epochs)),
    // Columns from here on are not part of that fixed order.
    column("best_epoch", Int, |r| Value::count(r.best_epoch)),
    column("valid_accuracy", Float, |r| {
        let judged = r.predictions.contains(&Split::Valid);
        Value::maybe(judged.then_some(r.valid.accuracy))
    }),
    column("valid_nll", Float, |r| Value::maybe(selected_loss(r))),
    column("ece_noise", Float, |r| {
        Value::float(r.calibration.ece_noise)
    }),
    column("ece_noise_p95", Float, |r| {
        Value::float(r.calibration.ece_noise_p95)
    }),
    column("ece_positive", Float, |r| {
        Value::maybe(r.calibration.ece_positive)
    }),
    column("ece_equal_mass", Float, |r| {
        Value::float(r.calibration.ece_equal_mass)
    }),
    column("ece_l2_debiased", Float, |r| {
        Value::float(r.calibration.ece_l2_debiased)
    }),
    column("ece_smooth", Float, |r| {
        Value::float(r.calibration.ece_smooth)
    }),
    column("ece_class_wise", Float, |r| {
        Value::float(r.calibration.ece_class_wise)
    }),
    column("mce", Float, |r| Value::float(r.calibration.mce)),
    column("scaling_temperature", Float, |r| {
        Value::float(r.scaling_temperature)
    }),
    column("ece_scaled", Float, |r| {
        Value::float(r.calibration_scaled.ece)
    }),
    column("nll_scaled", Float, |r| {
        Value::float(r.calibration_scaled.nll)
    }),
    column("brier_scaled", Float, |r| {
        Value::float(r.calibration_scaled.brier)
    }),
    column("latency_p95_us_per_example", Float, |r| {
        Value::maybe(r.latency_p95_us_per_example)
    }),
    column("parameters", Int, |r| Value::count(r.sizes.parameters)),
    column("flops", Int, |r| Value::count(r.sizes.flops)),
    column("bytes", Int, |r| Value::count(r.sizes.bytes)),
    column("compact_parameters", Int, |r| {
        r.compact
            .as_ref()
            .map_or(Value::Null, |c| Value::count(c.compact.parameters))
    }),
    column("compact_flops", Int, |r| {
        r.compact
            .as_ref()
            .map_or(Value::Null, |c| Value::count(c.compact.flops))
    }),
    column("compact_bytes", Int, |r| {
        r.compact
            .as_ref()
            .map_or(Value::Null, |c| Value::count(c.compact.bytes))
    }),
    column("compact_max_logit_difference", Float, |r| {
        Value::maybe(r.compact.as_ref().map(|c| c.max_logit_difference))
    }),
    column("compact_latency_us_per_example", Float, |r| {
        Value::maybe(r.compact.as_ref().and_then(|c| c.latency_us_per_example))
    }),
    // Means over the conditions of the robustness protocol; absent if it was not run.
    column("rob_mu", Float, |r| under_perturbation(r, |s| s.accuracy)),
    column("rob_nll", Float, |r| under_perturbation(r, |s| s.nll)),
    column("rob_ece", Float, |r| under_perturbation(r, |s| s.ece)),
    column("rob_ece_scaled", Float, |r| {
        under_perturbation(r, |s| s.ece_scaled)
    }),
    column("target", Float, |r| {
        Value::maybe(
            r.spec.settings["train"]["target"]
                .as_f64()
                .filter(|_| r.method.has_knob()),
        )
    }),
    // The folder of an ablation's run is named like that of the default design, and only the hash differs.
    column("design", Text, design_of),
];

/// How the design of a run's gate departs from the default, such as "static gate"; absent where it does not, and for
/// methods that train no gate.
fn design_of(record: &RunRecord) -> Value {
    let words = match record.method.takes_lambda() {
        true => design::in_words(&flat(&record.spec.settings)),
        false => Vec::new(),
    };
    match words.is_empty() {
        true => Value::Null,
        false => Value::text(words.join("; ")),
    }
}

fn under_perturbation(record: &RunRecord, of: fn(&Score) -> f64) -> Value {
    Value::maybe(record.robustness.as_ref().map(|r| r.mean(of)))
}

/// Whether a run used a twin, according to its spec or to its data.
pub fn is_twin(record: &RunRecord) -> bool {
    record.spec.twin || record.data.twin
}

/// The validation loss of the selected parameters. Records without it have that of the selected epoch; those of a
/// method without epochs, that of its predictions.
pub fn selected_loss(record: &RunRecord) -> Option<f64> {
    if let Some(selection) = record.selection {
        return Some(selection.chosen);
    }
    let mut epochs = record.history.iter();
    let selected = epochs.find(|epoch| epoch.epoch == record.best_epoch);
    selected.map(|epoch| epoch.valid_loss).or(record.valid_nll)
}

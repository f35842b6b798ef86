//! Times one gated run beside dense: builds their models again, compares them with what the runs predicted, and times
//! them by turns.

use crate::run::Machine;
use anyhow::Context;
use l0gm_report::latency_record::{BatchTimes, LatencyRecord, ModelTimes, Ratio, TurnsRecord};
use l0gm_report::out::OutDir;
use l0gm_train::{
    Modality, Pass, RunRecord, Split, TimedBatch, TimedRun, Timing, Turns, largest_difference,
    ratio, read_predictions, side_by_side,
};
use std::collections::BTreeMap;

/// Longest acceptable time of one pass. A batch size is left out if the previous one suggests that it would take
/// longer.
const PASS_SECONDS: f64 = 10.0;

/// What to time, and how.
pub(super) struct Protocol {
    /// Batch sizes in ascending order.
    pub(super) batches: Vec<usize>,
    pub(super) turns: Turns,
}

/// A run with its models.
pub(super) struct Loaded<'a> {
    pub(super) record: &'a RunRecord,
    timed: TimedRun,
    /// Largest difference of a logit from what the run predicted.
    difference: f64,
}

/// Builds the models of a finished run again.
///
/// # Errors
/// Fails if files of the run are missing, or if the models' predictions are not the run's.
pub(super) fn load<'a>(
    record: &'a RunRecord,
    modality: &dyn Modality,
    out: &OutDir,
    machine: &Machine,
) -> anyhow::Result<Loaded<'a>> {
    let dir = out.run(&record.run_id);
    let timed = modality.timed(&record.spec, &dir, &machine.device)?;
    let tables = read_predictions(&dir.join("predictions.parquet"))?;
    let test = tables.iter().find(|table| table.split == Split::Test);
    let test = test.with_context(|| format!("{}: no test predictions", dir.display()))?;
    let difference = timed.check(test).with_context(|| record.run_id.clone())?;
    Ok(Loaded {
        record,
        timed,
        difference,
    })
}

/// Times a run beside dense, or a dense run alone as `run`. `before` maps batch sizes to the time of the work before
/// all models, which the runs of a study share; missing entries are measured and added.
pub(super) fn measure(
    run: &Loaded<'_>,
    dense: Option<&Loaded<'_>>,
    protocol: &Protocol,
    machine: &Machine,
    before: &mut BTreeMap<usize, Option<ModelTimes>>,
    say: &mut dyn FnMut(&BatchTimes),
) -> anyhow::Result<LatencyRecord> {
    let record = run.record;
    let mut batches: Vec<BatchTimes> = Vec::new();
    let mut notes = run.timed.notes.clone();
    for &size in &protocol.batches {
        if let Some(last) = batches.last() {
            let longest = last
                .models
                .values()
                .map(|m| m.median_us)
                .fold(0.0, f64::max);
            let expected = longest * 1e-6 * size as f64 / last.batch as f64;
            if expected > PASS_SECONDS {
                notes.push(format!(
                    "batch {size} left out: a pass would take about {expected:.0} s"
                ));
                continue;
            }
        }
        let Some(batch) = run.timed.batch(size)? else {
            notes.push(format!(
                "batch {size} left out: the test split has fewer rows"
            ));
            continue;
        };
        if batches.iter().any(|done| done.batch == batch.rows.len()) {
            // The task works on all rows or none, so this batch size is the same as an earlier one.
            continue;
        }
        let beside = match dense {
            Some(dense) => dense.timed.batch(size)?,
            None => None,
        };
        let times = one_batch(
            run,
            &batch,
            beside.as_ref(),
            &batches,
            protocol,
            machine,
            before,
        )?;
        say(&times);
        batches.push(times);
    }
    Ok(LatencyRecord {
        format: LatencyRecord::FORMAT,
        run_id: record.run_id.clone(),
        dense_run_id: dense.map(|dense| dense.record.run_id.clone()),
        device: machine.device_name.clone(),
        threads: machine.threads,
        turns: TurnsRecord {
            rounds: protocol.turns.rounds,
            warmup: protocol.turns.warmup,
            repeats: protocol.turns.repeats,
            turn_seconds: protocol.turns.turn_seconds,
        },
        sizes: sizes(record, dense.map(|dense| dense.record)),
        compact_logit_difference: record.compact.as_ref().map(|c| c.max_logit_difference),
        rebuilt_logit_difference: dense
            .map_or(0.0, |dense| dense.difference)
            .max(run.difference),
        preparation: run.timed.preparation.clone(),
        notes,
        before: run.timed.before().map(str::to_owned),
        batches,
        versions: record.versions.clone(),
    })
}

fn one_batch(
    run: &Loaded<'_>,
    batch: &TimedBatch,
    beside: Option<&TimedBatch>,
    earlier: &[BatchTimes],
    protocol: &Protocol,
    machine: &Machine,
    before: &mut BTreeMap<usize, Option<ModelTimes>>,
) -> anyhow::Result<BatchTimes> {
    let own = model_of(run.record);
    let mut passes: Vec<(&str, &Pass)> = Vec::new();
    passes.extend(beside.map(|dense| ("dense", &dense.trained)));
    passes.push((own, &batch.trained));
    passes.extend(batch.compact.as_ref().map(|compact| ("compact", compact)));
    let only: Vec<&Pass> = passes.iter().map(|(_, pass)| *pass).collect();
    let timings = side_by_side(&only, &protocol.turns, &machine.stop)?;
    let named: BTreeMap<&str, &Timing> =
        passes.iter().map(|(name, _)| *name).zip(&timings).collect();
    let against = |other: &str| {
        let (compact, other) = (named.get("compact")?, named.get(other)?);
        let (ratio, spread) = ratio(compact, other);
        Some(Ratio { ratio, spread })
    };
    let difference = match &batch.compact {
        Some(compact) => Some(largest_difference(&(batch.trained)()?, &compact()?)?),
        None => None,
    };
    let size = batch.rows.len();
    if let (Some(pass), false) = (&batch.before, before.contains_key(&size)) {
        let found = apart(pass, size, earlier, protocol, machine)?;
        before.insert(size, found);
    }
    Ok(BatchTimes {
        batch: size,
        gathering_us: batch.gathering_us,
        models: named
            .iter()
            .map(|(name, timing)| ((*name).to_owned(), ModelTimes::from(*timing)))
            .collect(),
        before: before.get(&size).cloned().flatten(),
        compact_to_dense: against("dense"),
        compact_to_gated: against("gated"),
        compact_logit_difference: difference,
    })
}

/// Times the work before all models; `None` if a pass would take too long.
fn apart(
    pass: &Pass,
    size: usize,
    earlier: &[BatchTimes],
    protocol: &Protocol,
    machine: &Machine,
) -> anyhow::Result<Option<ModelTimes>> {
    let last = earlier.last();
    let known = last.and_then(|last| Some((last.batch, last.before.as_ref()?.median_us)));
    match (last, known) {
        // It took too long at the previous batch size already.
        (Some(_), None) => return Ok(None),
        (_, Some((batch, us))) if us * 1e-6 * size as f64 / batch as f64 > PASS_SECONDS => {
            return Ok(None);
        }
        _ => {}
    }
    let timings = side_by_side(&[pass], &protocol.turns, &machine.stop)?;
    Ok(timings.first().map(ModelTimes::from))
}

/// What the record calls the model that a run trained.
fn model_of(record: &RunRecord) -> &'static str {
    match (record.method.gated, record.method.is_backbone()) {
        (true, _) => "gated",
        (false, true) => "dense",
        (false, false) => LatencyRecord::OTHER,
    }
}

/// The sizes in the runs' records, by model.
fn sizes(record: &RunRecord, dense: Option<&RunRecord>) -> BTreeMap<String, l0gm_train::Sizes> {
    let mut sizes = BTreeMap::new();
    if let Some(dense) = dense {
        sizes.insert("dense".to_owned(), dense.sizes);
    }
    match (&record.compact, record.method.gated) {
        (_, false) => drop(sizes.insert(model_of(record).to_owned(), record.sizes)),
        (None, _) => drop(sizes.insert("gated".to_owned(), record.sizes)),
        (Some(compact), _) => {
            sizes.insert("gated".to_owned(), compact.gated);
            sizes.insert("compact".to_owned(), compact.compact);
        }
    }
    sizes
}

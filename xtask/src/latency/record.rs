//! What `cargo xtask latency` found for one run, `latency/RUN_ID.json` in the output folder: every figure of its
//! table and where it was taken.

use crate::out::OutDir;
use anyhow::{Context, bail};
use l0gm_train::{Sizes, THIRD_DIGIT, Timing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The folder's name.
const FOLDER: &str = "latency";

/// The models of one gated run beside dense, or of a dense run alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LatencyRecord {
    /// Layout of this file; see [`LatencyRecord::FORMAT`].
    pub(crate) format: u32,
    /// The gated run; of a study without gated runs, the dense one.
    pub(crate) run_id: String,
    /// The dense run with the same settings and seed, if it has been made.
    pub(crate) dense_run_id: Option<String>,
    /// "cpu" or "cuda:0".
    pub(crate) device: String,
    /// Threads in use.
    pub(crate) threads: usize,
    /// How turns were taken.
    pub(crate) turns: TurnsRecord,
    /// By model: "dense", "gated", "compact".
    pub(crate) sizes: BTreeMap<String, Sizes>,
    /// Largest difference of a logit between compact and gated, over the run's test rows.
    pub(crate) compact_logit_difference: Option<f64>,
    /// Largest difference of a logit between the models built again and what their runs predicted.
    pub(crate) rebuilt_logit_difference: f64,
    /// Seconds of what comes before any pass: reading, encoding, tokenising.
    pub(crate) preparation: Vec<(String, f64)>,
    /// What a table must say of these times.
    pub(crate) notes: Vec<String>,
    /// What comes before all models and is not in their times, such as a frozen encoder.
    pub(crate) before: Option<String>,
    /// By size.
    pub(crate) batches: Vec<BatchTimes>,
    /// Versions of l0gm, candle and rustc.
    pub(crate) versions: BTreeMap<String, String>,
}

/// [`l0gm_train::Turns`] as a file says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TurnsRecord {
    /// Asked for.
    pub(crate) rounds: usize,
    /// Passes a turn that are not counted.
    pub(crate) warmup: usize,
    /// Passes a turn that are.
    pub(crate) repeats: usize,
    /// Seconds after which a turn ends early.
    pub(crate) turn_seconds: f64,
}

/// One batch size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BatchTimes {
    /// Examples.
    pub(crate) batch: usize,
    /// Microseconds to make the batch from data in memory, median.
    pub(crate) gathering_us: f64,
    /// By model: "dense", "gated", "compact".
    pub(crate) models: BTreeMap<String, ModelTimes>,
    /// What comes before them, on the same rows; absent where it takes too long.
    pub(crate) before: Option<ModelTimes>,
    /// Compact's time over dense's, compared within a round.
    pub(crate) compact_to_dense: Option<Ratio>,
    /// Compact's time over gated's.
    pub(crate) compact_to_gated: Option<Ratio>,
    /// Largest difference of a logit between compact and gated on this batch.
    pub(crate) compact_logit_difference: Option<f64>,
}

/// Microseconds a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ModelTimes {
    /// Of all passes.
    pub(crate) median_us: f64,
    /// Of all passes.
    pub(crate) p95_us: f64,
    /// How many.
    pub(crate) passes: usize,
    /// The median of each round.
    pub(crate) round_medians_us: Vec<f64>,
    /// Width of the middle half of these, as a share of their median.
    pub(crate) spread: f64,
}

/// A quotient of two models' times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratio {
    /// The rounds' median.
    pub(crate) ratio: f64,
    /// Width of the rounds' middle half, as a share of it.
    pub(crate) spread: f64,
}

impl LatencyRecord {
    /// The layout this version writes and reads.
    pub(crate) const FORMAT: u32 = 1;

    /// Writes it, whole or not at all. One without a batch is an error: it must not take the place of an earlier one.
    pub(crate) fn write(&self, out: &OutDir) -> anyhow::Result<()> {
        if self.batches.is_empty() {
            bail!(
                "no batch was timed ({}); what was timed of it before stays; choose other sizes with --batch",
                self.notes.join("; ")
            );
        }
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        out.write(&format!("{FOLDER}/{}.json", self.run_id), &text)
    }
}

impl From<&Timing> for ModelTimes {
    fn from(timing: &Timing) -> Self {
        Self {
            median_us: timing.median_us(),
            p95_us: timing.p95_us(),
            passes: timing.passes(),
            round_medians_us: timing.round_medians_us(),
            spread: timing.spread(),
        }
    }
}

impl BatchTimes {
    /// Whether a third digit of any of its times would be noise.
    pub(crate) fn is_noisy(&self) -> bool {
        let times = self.models.values().chain(&self.before);
        times.into_iter().any(ModelTimes::is_noisy)
    }
}

impl ModelTimes {
    /// Whether a third digit would be noise.
    pub(crate) fn is_noisy(&self) -> bool {
        // NaN is noise too.
        self.spread.is_nan() || self.spread > THIRD_DIGIT
    }
}

/// Every file of the folder, by run.
///
/// # Errors
/// One that cannot be read, or of another version; each is named.
pub(crate) fn read_all(out: &OutDir) -> anyhow::Result<Vec<LatencyRecord>> {
    let folder = out.path().join(FOLDER);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let unreadable = || format!("{}: cannot be read", folder.display());
    let mut records = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|kind| kind == "json") {
            records.push(read(&path)?);
        }
    }
    records.sort_by(|a, b| a.run_id.cmp(&b.run_id));
    Ok(records)
}

/// Copies what another folder timed and this one did not.
pub(crate) fn take_over(from: &OutDir, into: &OutDir) -> anyhow::Result<()> {
    let here = read_all(into)?;
    for record in read_all(from)? {
        if !here.iter().any(|known| known.run_id == record.run_id) {
            record.write(into)?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<LatencyRecord> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("{shown}: cannot be read"))?;
    let value: serde_json::Value = serde_json::from_slice(&bytes)
        .with_context(|| format!("{shown}: not readable as JSON; delete it and time again"))?;
    let format = value.get("format").and_then(serde_json::Value::as_u64);
    if format != Some(u64::from(LatencyRecord::FORMAT)) {
        bail!(
            "{shown}: latencies of another version (layout {}; this one reads layout {}); delete the file and time again",
            format.map_or_else(|| "unknown".to_owned(), |f| f.to_string()),
            LatencyRecord::FORMAT
        );
    }
    serde_json::from_value(value)
        .with_context(|| format!("{shown}: not a whole record; delete it and time again"))
}

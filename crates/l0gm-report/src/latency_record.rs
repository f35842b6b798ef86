//! The results of `l0gm latency` for one run, stored as `latency/RUN_ID.json` in the output folder: every
//! figure of its table, and the machine settings under which it was taken.

use crate::error::At;
use crate::out::OutDir;
use crate::{Error, Result};
use l0gm_train::{Sizes, THIRD_DIGIT, Timing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const FOLDER: &str = "latency";

/// Timings of one gated run's models beside dense, or of another run alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyRecord {
    /// Version of this file's layout; see [`LatencyRecord::FORMAT`].
    pub format: u32,
    /// Id of the gated run, of a baseline's run, or of the dense run if the study has no gated runs.
    pub run_id: String,
    /// Id of the dense run with the same settings and seed, if that run exists.
    pub dense_run_id: Option<String>,
    /// Device that computed the passes, such as "cpu" or "cuda:0".
    pub device: String,
    /// Number of threads in use.
    pub threads: usize,
    /// How the models took turns.
    pub turns: TurnsRecord,
    /// Sizes by model: "dense", "gated", "compact", or [`LatencyRecord::OTHER`].
    pub sizes: BTreeMap<String, Sizes>,
    /// Largest difference of a logit between compact and gated over the run's test rows.
    pub compact_logit_difference: Option<f64>,
    /// Largest difference of a logit between the models built again and what their runs predicted.
    pub rebuilt_logit_difference: f64,
    /// Names and seconds of the steps before any pass: reading, encoding, tokenising.
    pub preparation: Vec<(String, f64)>,
    /// Remarks that a table of these times must show.
    pub notes: Vec<String>,
    /// Names the work before all models that their times leave out, such as a frozen encoder.
    pub before: Option<String>,
    /// Times by batch size, smallest first.
    pub batches: Vec<BatchTimes>,
    /// Versions of l0gm, candle and rustc.
    pub versions: BTreeMap<String, String>,
}

/// [`l0gm_train::Turns`] in the form that the file stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnsRecord {
    /// Number of rounds that were requested.
    pub rounds: usize,
    /// Uncounted passes at the start of each turn.
    pub warmup: usize,
    /// Counted passes of each turn.
    pub repeats: usize,
    /// Seconds after which a turn ends early.
    pub turn_seconds: f64,
}

/// Times at one batch size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchTimes {
    /// Number of examples in the batch.
    pub batch: usize,
    /// Median microseconds for making the batch from data in memory.
    pub gathering_us: f64,
    /// Times by model: "dense", "gated", "compact", or [`LatencyRecord::OTHER`].
    pub models: BTreeMap<String, ModelTimes>,
    /// Time of the work before all models, on the same rows; absent if it takes too long.
    pub before: Option<ModelTimes>,
    /// Compact's time divided by dense's, compared within each round.
    pub compact_to_dense: Option<Ratio>,
    /// Compact's time divided by gated's, compared within each round.
    pub compact_to_gated: Option<Ratio>,
    /// Largest difference of a logit between compact and gated on this batch.
    pub compact_logit_difference: Option<f64>,
}

/// One model's times, in microseconds per batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelTimes {
    /// Median over all counted passes.
    pub median_us: f64,
    /// 95th percentile over all counted passes.
    pub p95_us: f64,
    /// Number of counted passes.
    pub passes: usize,
    /// The median of each round.
    pub round_medians_us: Vec<f64>,
    /// Interquartile range of the rounds' medians, as a share of their median.
    pub spread: f64,
}

/// One model's time divided by another's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Median of the rounds' quotients.
    pub ratio: f64,
    /// Interquartile range of the rounds' quotients, as a share of their median.
    pub spread: f64,
}

impl LatencyRecord {
    /// The layout that this version writes and reads.
    pub const FORMAT: u32 = 1;
    /// Name of the model of a method that is neither dense nor gated.
    pub const OTHER: &'static str = "other";

    /// Writes the record atomically. A record without a batch is an error, because it must not replace an earlier
    /// one.
    pub fn write(&self, out: &OutDir) -> Result<()> {
        if self.batches.is_empty() {
            return Err(Error::Refused(format!(
                "no batch was timed ({}); what was timed of it before stays; choose other sizes with --batch",
                self.notes.join("; ")
            )));
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
    /// Whether a third digit would be noise in any of the record's times.
    pub fn is_noisy(&self) -> bool {
        let times = self.models.values().chain(&self.before);
        times.into_iter().any(ModelTimes::is_noisy)
    }
}

impl ModelTimes {
    /// Whether a third digit of these times would be noise.
    pub fn is_noisy(&self) -> bool {
        // A spread that is NaN counts as noise.
        self.spread.is_nan() || self.spread > THIRD_DIGIT
    }
}

/// Reads every latency record of the folder, ordered by run.
///
/// # Errors
/// A file that cannot be read or has another version; the error names it.
pub fn read_all(out: &OutDir) -> Result<Vec<LatencyRecord>> {
    let folder = out.path().join(FOLDER);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut records = Vec::new();
    for entry in std::fs::read_dir(&folder).at(&folder, "cannot be read")? {
        let path = entry.at(&folder, "cannot be read")?.path();
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

/// Copies the latency records that another folder has and this one lacks.
pub fn take_over(from: &OutDir, into: &OutDir) -> Result<()> {
    let here = read_all(into)?;
    for record in read_all(from)? {
        if !here.iter().any(|known| known.run_id == record.run_id) {
            record.write(into)?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<LatencyRecord> {
    let bytes = std::fs::read(path).at(path, "cannot be read")?;
    let value: serde_json::Value = serde_json::from_slice(&bytes)
        .at(path, "not readable as JSON; delete it and time again")?;
    let format = value.get("format").and_then(serde_json::Value::as_u64);
    if format != Some(u64::from(LatencyRecord::FORMAT)) {
        return Err(Error::file(
            path,
            format!(
                "latencies of another version (layout {}; this one reads layout {}); delete the file and time again",
                format.map_or_else(|| "unknown".to_owned(), |f| f.to_string()),
                LatencyRecord::FORMAT
            ),
        ));
    }
    serde_json::from_value(value).at(path, "not a whole record; delete it and time again")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixtures::timed;

    #[test]
    fn where_no_batch_was_timed_the_earlier_record_stays() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutDir::create(folder.path()).unwrap();
        let earlier = timed("a", 0.002);
        earlier.write(&out).unwrap();
        let mut none = timed("a", 0.002);
        none.batches.clear();
        none.notes = vec!["batch 1000000 left out: the test split has fewer rows".to_owned()];
        let error = none.write(&out).unwrap_err().to_string();
        assert!(
            error.contains("1000000") && error.contains("--batch"),
            "{error}"
        );
        assert_eq!(read_all(&out).unwrap(), [earlier]);
    }

    #[test]
    fn what_was_timed_is_read_back_and_another_version_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutDir::create(folder.path()).unwrap();
        assert!(read_all(&out).unwrap().is_empty());
        let records = [timed("a", 0.002), timed("b", 0.2)];
        for record in records.iter().rev() {
            record.write(&out).unwrap();
        }
        assert_eq!(read_all(&out).unwrap(), records);
        out.write("latency/c.json", br#"{"format": 9}"#).unwrap();
        let error = read_all(&out).unwrap_err().to_string();
        assert!(
            error.contains("c.json") && error.contains("layout 9"),
            "{error}"
        );
    }

    #[test]
    fn a_joined_folder_holds_what_either_timed_and_keeps_its_own() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (from, into) = (
            OutDir::create(a.path()).unwrap(),
            OutDir::create(b.path()).unwrap(),
        );
        let own = timed("both", 0.002);
        own.write(&into).unwrap();
        timed("both", 0.3).write(&from).unwrap();
        timed("theirs", 0.3).write(&from).unwrap();
        take_over(&from, &into).unwrap();
        assert_eq!(read_all(&into).unwrap(), [own, timed("theirs", 0.3)]);
    }

    #[test]
    fn a_third_digit_is_noise_where_rounds_differ_by_more_than_a_hundredth() {
        assert!(!timed("a", 0.009).batches[0].is_noisy());
        assert!(timed("a", 0.011).batches[0].is_noisy());
        assert!(timed("a", f64::NAN).batches[0].is_noisy());
    }
}

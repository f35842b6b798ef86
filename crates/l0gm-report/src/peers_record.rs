//! The results of `l0gm latency --peers` for one run, stored as `latency/peers/RUN_ID.json` in the output folder: the
//! times of the run's compact model and of other projects' programs on the same rows.

use crate::error::At;
use crate::latency_record::{ModelTimes, TurnsRecord};
use crate::out::OutDir;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

const FOLDER: &str = "latency/peers";

/// Times of one run's compact model beside other projects' programs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeersRecord {
    /// Version of this file's layout; see [`PeersRecord::FORMAT`].
    pub format: u32,
    /// Id of the run whose compact model was timed.
    pub run_id: String,
    /// Number of test rows. Larger batches repeat them.
    pub test_rows: usize,
    /// How the models took turns.
    pub turns: TurnsRecord,
    /// Every model that was timed: ours first.
    pub models: Vec<PeerModel>,
    /// Programs, or ways of calling them, that were not timed, with the reason.
    pub missing: Vec<MissingPeer>,
    /// What a table of these times must say.
    pub notes: Vec<String>,
}

/// Where the rows of a pass come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerInput {
    /// Rows in memory, as the model reads them.
    Encoded,
    /// Raw cells of a file.
    File,
}

/// One model, called in one way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerModel {
    /// Name for tables.
    pub name: String,
    /// Whether this is the run's compact model.
    pub ours: bool,
    /// Where its rows come from.
    pub input: PeerInput,
    /// How it is called.
    pub call: String,
    /// Version of the program and size of its model.
    pub version: String,
    /// Largest difference of a probability: ours from what the run predicted, a peer's from what it answered when it was
    /// trained, or, for our model in another runtime, from ours.
    pub difference: f64,
    /// Times of a pass by batch size, in microseconds.
    pub batches: Vec<PeerBatch>,
}

/// One model's times at one batch size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerBatch {
    /// Number of rows of a pass.
    pub batch: usize,
    /// Times of a pass.
    pub times: ModelTimes,
}

/// Something that was not timed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MissingPeer {
    /// Name of the program, or of the way to call it.
    pub name: String,
    /// Why it was not timed, and what to do.
    pub reason: String,
}

impl PeersRecord {
    /// The layout that this version writes and reads.
    pub const FORMAT: u32 = 1;

    /// Writes the record atomically.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, out: &OutDir) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        out.write(&format!("{FOLDER}/{}.json", self.run_id), &text)
    }

    /// The batch sizes, in ascending order.
    pub fn sizes(&self) -> Vec<usize> {
        let batches = self.models.iter().flat_map(|model| &model.batches);
        let mut sizes: Vec<usize> = batches.map(|batch| batch.batch).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// The models with this input, ours first.
    pub fn with_input(&self, input: PeerInput) -> impl Iterator<Item = &PeerModel> {
        self.models.iter().filter(move |model| model.input == input)
    }

    /// Our time over that of the fastest peer with the same input and batch, and the peer's name. Times are compared
    /// within each round, and the median over rounds is returned.
    pub fn against_fastest(&self, input: PeerInput, batch: usize) -> Option<(f64, &str)> {
        let ours = self.with_input(input).find(|model| model.ours)?.at(batch)?;
        let peers = self.with_input(input).filter(|model| !model.ours);
        let timed = peers.filter_map(|peer| Some((peer, peer.at(batch)?)));
        let (peer, fastest) =
            timed.min_by(|a, b| a.1.times.median_us.total_cmp(&b.1.times.median_us))?;
        let rounds = ours.times.round_medians_us.iter();
        let mut ratios: Vec<f64> = rounds
            .zip(&fastest.times.round_medians_us)
            .map(|(ours, peer)| ours / peer)
            .collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = l0gm_gate::quantile(&ratios, 0.5);
        Some((ratio, &peer.name))
    }
}

impl PeerModel {
    /// The times at a batch size.
    pub fn at(&self, batch: usize) -> Option<&PeerBatch> {
        self.batches.iter().find(|at| at.batch == batch)
    }
}

impl PeerBatch {
    /// Median microseconds of a row.
    pub fn us_a_row(&self) -> f64 {
        self.times.median_us / self.batch as f64
    }
}

/// Reads every such record of the folder, ordered by run.
///
/// # Errors
/// A file that cannot be read or has another version; the error names it.
pub fn read_all(out: &OutDir) -> Result<Vec<PeersRecord>> {
    let folder = out.path().join(FOLDER);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut records = Vec::new();
    for entry in std::fs::read_dir(&folder).at(&folder, "cannot be read")? {
        let path = entry.at(&folder, "cannot be read")?.path();
        if path.extension().is_some_and(|kind| kind == "json") {
            records.push(read(&path)?);
        }
    }
    records.sort_by(|a: &PeersRecord, b| a.run_id.cmp(&b.run_id));
    Ok(records)
}

fn read(path: &Path) -> Result<PeersRecord> {
    let bytes = std::fs::read(path).at(path, "cannot be read")?;
    let value: serde_json::Value = serde_json::from_slice(&bytes)
        .at(path, "not readable as JSON; delete it and time again")?;
    if value["format"] != PeersRecord::FORMAT {
        return Err(Error::file(
            path,
            format!(
                "times of another version (layout {}; this one reads layout {}); delete the file and time again",
                value["format"],
                PeersRecord::FORMAT
            ),
        ));
    }
    serde_json::from_value(value).at(path, "not the times of peers; delete it and time again")
}

/// Copies the records that another folder has and this one lacks.
///
/// # Errors
/// Fails like [`read_all`], or if a file cannot be written.
pub fn take_over(from: &OutDir, into: &OutDir) -> Result<()> {
    let here = read_all(into)?;
    for record in read_all(from)? {
        if !here.iter().any(|known| known.run_id == record.run_id) {
            record.write(into)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixtures::peers;

    #[test]
    fn our_time_is_compared_with_the_fastest_peer_of_the_same_input() {
        let record = peers("a");
        let (ratio, name) = record.against_fastest(PeerInput::Encoded, 64).unwrap();
        assert_eq!((ratio, name), (0.5, "LightGBM"));
        let (ratio, name) = record.against_fastest(PeerInput::File, 64).unwrap();
        assert_eq!((ratio, name), (2.0, "LightGBM from a file"));
        assert!(record.against_fastest(PeerInput::File, 1).is_none());
        assert_eq!(record.sizes(), [64]);
    }

    #[test]
    fn times_are_read_back_and_another_version_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutDir::create(folder.path()).unwrap();
        assert!(read_all(&out).unwrap().is_empty());
        let records = [peers("a"), peers("b")];
        for record in &records {
            record.write(&out).unwrap();
        }
        assert_eq!(read_all(&out).unwrap(), records);
        // Where only dense, gated and compact are looked for, these are not in the way.
        assert!(crate::latency_record::read_all(&out).unwrap().is_empty());
        out.write("latency/peers/c.json", br#"{"format": 9}"#)
            .unwrap();
        let error = read_all(&out).unwrap_err().to_string();
        assert!(
            error.contains("c.json") && error.contains("layout 9"),
            "{error}"
        );
    }
}

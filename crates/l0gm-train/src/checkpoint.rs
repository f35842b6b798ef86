//! Checkpoints: parameters, optimiser moments and the position in training, enough to continue to the same result.
//!
//! A checkpoint is one safetensors file whose metadata holds the position as JSON. It is renamed into place as a
//! whole, so a run that is killed at any moment leaves either the previous checkpoint or the new one. A checksum over
//! the whole content detects damage.

use crate::{EpochRecord, Error, Parameter, Result, all_finite, run_dir::write_atomically_with};
use candle_core::{Device, Tensor};
use l0gm_gate::Multiplier;
use safetensors::tensor::{SafeTensorError, SafeTensors, View, serialize_to_file};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Version of the file's layout.
const FORMAT: u32 = 1;

/// How far training has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Epochs completed.
    pub(crate) epoch: usize,
    /// Batches completed in the current epoch.
    pub(crate) batch: usize,
    /// Optimiser steps taken over all epochs.
    pub(crate) step: usize,
    /// Sum and number of the training losses since the last validation.
    pub(crate) loss_sum: f64,
    pub(crate) loss_count: usize,
    pub(crate) history: Vec<EpochRecord>,
    /// The selected epoch and its validation loss.
    pub(crate) best: Option<(usize, f64)>,
    /// Its validation accuracy.
    #[serde(default)]
    pub(crate) best_accuracy: f64,
    /// Validation loss before the first step. Absent where it was not measured.
    #[serde(default)]
    pub(crate) start_loss: Option<f64>,
    /// Validations since the selected one, for early stopping.
    pub(crate) stale: usize,
    /// Seconds of training over all sittings (a stopped run continues in a new sitting).
    pub(crate) seconds: f64,
    /// The multiplier that steers lambda towards a target. Absent without a target and during the warm-up.
    #[serde(default)]
    pub(crate) multiplier: Option<Multiplier>,
    /// The active fraction at the moment when the gates settled on a target. Absent before that moment.
    #[serde(default)]
    pub(crate) settled_from: Option<f64>,
    /// Share of dimensions that a conditional gate opened in the last batch.
    #[serde(default)]
    pub(crate) batch_active: Option<f64>,
    /// The force of the task on the gates at the end of the warm-up, where lambda is a multiple of it.
    #[serde(default)]
    pub(crate) gate_force: Option<f64>,
    /// Number of steps that the running mean of the weights covers.
    #[serde(default)]
    pub(crate) average_age: usize,
    /// What a compression has left. Absent where nothing is removed.
    #[serde(default)]
    pub(crate) kept: Option<crate::Kept>,
    /// Whether a compression has made its last choice. Absent where nothing is removed, and in checkpoints from before
    /// this was written.
    #[serde(default)]
    pub(crate) compressed: Option<bool>,
    /// Number of steps before the optimiser was last started anew.
    #[serde(default)]
    pub(crate) optimiser_from: usize,
    /// Whether training is over. The parameters are then the selected ones.
    pub(crate) finished: bool,
}

/// The file's metadata.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    /// Settings, seed and data checksums. A checkpoint made with others is refused.
    made_with: Value,
    position: Position,
}

/// A checkpoint in memory. Tensors are named "GROUP/NAME".
pub(crate) struct Checkpoint {
    pub(crate) position: Position,
    tensors: BTreeMap<String, Tensor>,
}

/// The role of a tensor in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Group {
    /// A parameter's current value.
    Parameter,
    /// A parameter's value at the best validation loss so far.
    Best,
    /// A parameter's running mean.
    Average,
    /// A parameter's first moment in the optimiser.
    First,
    /// A parameter's second moment in the optimiser.
    Second,
}

impl Group {
    fn key(self, name: &str) -> String {
        let group = match self {
            Group::Parameter => "parameter",
            Group::Best => "best",
            Group::Average => "average",
            Group::First => "first",
            Group::Second => "second",
        };
        format!("{group}/{name}")
    }
}

impl Checkpoint {
    pub(crate) fn new(position: Position) -> Self {
        Self {
            position,
            tensors: BTreeMap::new(),
        }
    }

    /// Adds a tensor. Its storage is shared with the caller until [`Checkpoint::write`].
    pub(crate) fn insert(&mut self, group: Group, name: &str, tensor: &Tensor) {
        self.tensors.insert(group.key(name), tensor.clone());
    }

    /// The tensor of a parameter, checked against the parameter's shape and moved to its device.
    pub(crate) fn tensor(
        &self,
        group: Group,
        parameter: &Parameter,
        path: &Path,
    ) -> Result<Tensor> {
        let key = group.key(&parameter.name);
        let tensor = self
            .tensors
            .get(&key)
            .ok_or_else(|| unusable(path, &format!("it has no tensor {key:?}")))?;
        let (shape, dtype) = (parameter.var.shape(), parameter.var.dtype());
        if tensor.shape() != shape || tensor.dtype() != dtype {
            return Err(unusable(
                path,
                &format!(
                    "{key:?} is {:?} {:?}, the model's is {shape:?} {dtype:?}",
                    tensor.shape(),
                    tensor.dtype()
                ),
            ));
        }
        Ok(tensor.to_device(parameter.var.device())?)
    }

    /// Writes the file. `made_with` holds everything that must be unchanged when a run continues from it.
    pub(crate) fn write(&self, path: &Path, made_with: &Value) -> Result<()> {
        let header = Header {
            format: FORMAT,
            made_with: made_with.clone(),
            position: self.position.clone(),
        };
        let header = serde_json::to_string(&header)
            .map_err(|e| Error::file(path, format!("the position cannot be written: {e}")))?;
        let mut digest = Sha256::new();
        digest.update(header.as_bytes());
        for (name, tensor) in &self.tensors {
            digest.update(name.as_bytes());
            digest.update(View::data(&tensor));
        }
        let metadata = HashMap::from([
            ("l0gm".to_owned(), header),
            ("sha256".to_owned(), hex(&digest.finalize())),
        ]);
        write_atomically_with(path, |_, temporary| {
            serialize_to_file(&self.tensors, Some(metadata), temporary).map_err(|e| match e {
                SafeTensorError::IoError(io) => io,
                other => std::io::Error::other(other.to_string()),
            })
        })
    }

    /// Reads the file, or returns `None` where there is none. It is an error if the file is damaged, of another
    /// version, or made with other settings or data; each message says what to do.
    pub(crate) fn read(path: &Path, made_with: &Value) -> Result<Option<Self>> {
        let Some((header, checkpoint)) = Self::read_any(path)? else {
            return Ok(None);
        };
        match difference(&header.made_with, made_with, "") {
            None => Ok(Some(checkpoint)),
            Some(what) => Err(Error::file(
                path,
                format!(
                    "was made with other settings or data ({what}); delete it to start over, or choose another \
                     output folder"
                ),
            )),
        }
    }

    fn read_any(path: &Path) -> Result<Option<(Header, Self)>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(path, "read the checkpoint", &e)),
        };
        let damaged =
            |e: safetensors::SafeTensorError| unusable(path, &format!("it is damaged: {e}"));
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
        let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
        let entry = |name| {
            metadata
                .metadata()
                .as_ref()
                .and_then(|entries| entries.get(name))
        };
        let (Some(text), Some(sum)) = (entry("l0gm"), entry("sha256")) else {
            return Err(unusable(path, "it is no checkpoint of a run"));
        };
        let mut names = file.names();
        names.sort_unstable();
        let mut digest = Sha256::new();
        digest.update(text.as_bytes());
        for name in &names {
            digest.update(name.as_bytes());
            digest.update(file.tensor(name).map_err(damaged)?.data());
        }
        if hex(&digest.finalize()) != *sum {
            return Err(unusable(path, "it is damaged: its checksum does not fit"));
        }
        let header: Header = serde_json::from_str(text)
            .map_err(|e| unusable(path, &format!("it is of another version: {e}")))?;
        if header.format != FORMAT {
            return Err(unusable(
                path,
                &format!("it is of format {}, not {FORMAT}", header.format),
            ));
        }
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)?;
        for name in &names {
            if !tensors.get(*name).map_or(Ok(true), all_finite)? {
                let why = format!("its tensor {name:?} holds a NaN or an infinity");
                return Err(unusable(path, &why));
            }
        }
        let position = header.position.clone();
        Ok(Some((
            header,
            Self {
                position,
                tensors: tensors.into_iter().collect(),
            },
        )))
    }
}

/// Puts the selected parameters of the finished run in `dir` into a model built with the same settings. It is an
/// error if there is no checkpoint, training has not finished, or the model is another one.
pub fn load_trained(dir: &Path, parameters: &[Parameter]) -> Result<()> {
    let path = dir.join("checkpoint.safetensors");
    let Some((_, checkpoint)) = Checkpoint::read_any(&path)? else {
        return Err(Error::file(
            &path,
            "not there: no run has been trained in this folder, or its checkpoint was left out when folders were \
             joined; go where the run was made",
        ));
    };
    if !checkpoint.position.finished {
        return Err(Error::file(
            &path,
            "training is not over; give the run's command again",
        ));
    }
    for parameter in parameters {
        parameter
            .var
            .set(&checkpoint.tensor(Group::Parameter, parameter, &path)?)?;
    }
    Ok(())
}

/// The name of the first parameter that contains a NaN or an infinity.
pub(crate) fn first_not_finite(parameters: &[Parameter]) -> Result<Option<String>> {
    for parameter in parameters {
        if !all_finite(&parameter.var)? {
            return Ok(Some(parameter.name.clone()));
        }
    }
    Ok(None)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unusable(path: &Path, why: &str) -> Error {
    Error::file(
        path,
        format!("this checkpoint cannot be used, {why}; delete it to start the run over"),
    )
}

/// The first difference between two settings, such as "train.optimiser.beta1: 0.9 there, 0.8 now".
fn difference(there: &Value, now: &Value, at: &str) -> Option<String> {
    match (there, now) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let path = if at.is_empty() {
                    key.clone()
                } else {
                    format!("{at}.{key}")
                };
                let (a, b) = (
                    a.get(key).unwrap_or(&Value::Null),
                    b.get(key).unwrap_or(&Value::Null),
                );
                difference(a, b, &path)
            })
        }
        _ if there == now => None,
        (Value::Array(_), Value::Array(_)) => Some(format!("{at} differs")),
        _ => Some(format!("{at}: {there} there, {now} now")),
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;

//! Reads tensors from a `model.safetensors`, or from the shards that `model.safetensors.index.json` lists. Names may
//! have the prefixes of the models around an encoder (`bert.`, `module.`, ..) and the older LayerNorm names (`gamma`,
//! `beta`), and numbers may be f16 or bf16. Errors name a tensor that is missing, has another shape, or holds a number
//! that is not finite.
use crate::params::WeightSource;
use crate::weight_names::{Candidates, PREFIXES, Place, candidates};
use crate::{Error, Result, error::nearest};
use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use l0gm_train::all_finite;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const WHOLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Weights as Python's pickle, which can run code when they are read, and the index of their shards.
const PICKLED: [&str; 2] = ["pytorch_model.bin", "pytorch_model.bin.index.json"];

/// The bytes of a safetensors file, or of all its shards.
#[derive(Debug)]
pub struct Checkpoint {
    /// Path of the file, or of the index of the shards.
    path: PathBuf,
    files: Vec<(PathBuf, Vec<u8>)>,
    /// Bytes of the index, if there are shards.
    index: Option<Vec<u8>>,
}

/// The content of `model.safetensors.index.json`.
#[derive(Deserialize)]
struct Index {
    /// The shard that contains each tensor.
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Reads the weights of an encoder's folder: `model.safetensors`, or if that does not exist, the shards of
    /// `model.safetensors.index.json`.
    ///
    /// # Errors
    /// Fails if a file is missing or cannot be read, or if the index is not valid.
    pub fn read_folder(dir: &Path) -> Result<Self> {
        let (whole, index) = (dir.join(WHOLE), dir.join(INDEX));
        match (std::fs::symlink_metadata(&whole), index.is_file()) {
            (Err(e), true) if e.kind() == std::io::ErrorKind::NotFound => Self::read_shards(&index),
            (Err(e), false) if e.kind() == std::io::ErrorKind::NotFound => {
                Err(without_weights(dir))
            }
            _ => Self::read(&whole),
        }
    }

    /// Reads one file.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.to_path_buf(),
            files: vec![(path.to_path_buf(), bytes_of(path)?)],
            index: None,
        })
    }

    fn read_shards(path: &Path) -> Result<Self> {
        let bytes = bytes_of(path)?;
        let unfit = |what: String| Error::model(path, format!("is no index of shards: {what}"));
        let index: Index = serde_json::from_slice(&bytes).map_err(|e| unfit(e.to_string()))?;
        let names: BTreeSet<&String> = index.weight_map.values().collect();
        if names.is_empty() {
            return Err(unfit("it lists no tensor".to_owned()));
        }
        let mut files = Vec::new();
        for name in names {
            let plain = Path::new(name).file_name() == Some(name.as_ref());
            if !plain {
                return Err(unfit(format!(
                    "{name:?} is not the name of a file beside it"
                )));
            }
            let shard = path.with_file_name(name);
            let bytes = bytes_of(&shard)?;
            files.push((shard, bytes));
        }
        let checkpoint = Self {
            path: path.to_path_buf(),
            files,
            index: Some(bytes),
        };
        // Open all shards now: a shard from another download shows only in the tensors that it lacks.
        let opened = checkpoint.open(&Device::Cpu)?;
        for (tensor, shard) in &index.weight_map {
            let inside = |(path, file): &(&Path, SafeTensors<'_>)| {
                path.ends_with(shard) && file.tensor(tensor).is_ok()
            };
            if !opened.files.iter().any(inside) {
                return Err(Error::model(
                    path,
                    format!(
                        "says that tensor \"{tensor}\" is in {shard}, which does not hold it: the files do not \
                         belong together; fetch them again"
                    ),
                ));
            }
        }
        drop(opened);
        Ok(checkpoint)
    }

    /// sha256 of the file in hex. With shards, it covers their index and their own checksums.
    pub fn sha256(&self) -> String {
        let sums = self.files.iter().map(|(_, bytes)| Sha256::digest(bytes));
        let Some(index) = &self.index else {
            return sums.map(|sum| crate::features::hex(&sum)).collect();
        };
        let mut all = Sha256::new();
        all.update(index);
        sums.for_each(|sum| all.update(sum));
        crate::features::hex(&all.finalize())
    }

    /// Opens the checkpoint to read tensors onto `device`.
    ///
    /// # Errors
    /// Fails if a file is truncated or not in the safetensors format.
    pub fn open<'a>(&'a self, device: &'a Device) -> Result<CheckpointTensors<'a>> {
        let mut files = Vec::new();
        for (path, bytes) in &self.files {
            let tensors = SafeTensors::deserialize(bytes).map_err(|e| {
                Error::model(
                    path,
                    format!(
                        "is truncated or no safetensors file ({e}; {} bytes): fetch it again",
                        bytes.len()
                    ),
                )
            })?;
            files.push((path.as_path(), tensors));
        }
        let names = files.iter().enumerate();
        let names = names
            .flat_map(|(number, (_, file))| file.names().into_iter().map(move |n| (number, n)));
        let names = candidates(names);
        Ok(CheckpointTensors {
            path: &self.path,
            files,
            names,
            device,
        })
    }
}

/// The error for a folder without safetensors, which says how weights of another format are converted.
fn without_weights(dir: &Path) -> Error {
    let Some(pickled) = PICKLED.iter().find(|name| dir.join(name).exists()) else {
        return Error::model(
            dir,
            format!("holds neither {WHOLE} nor {INDEX}; put the encoder's weights there"),
        );
    };
    let convert = match pickled.ends_with(".bin") {
        true => format!(
            "python -c \"import torch, safetensors.torch as s; s.save_file({{k: v.clone().contiguous() for k, v in \
             torch.load('{pickled}', map_location='cpu', weights_only=True).items()}}, '{WHOLE}')\""
        ),
        false => "python -c \"from transformers import AutoModel; AutoModel.from_pretrained('.').save_pretrained('.')\""
            .to_owned(),
    };
    Error::model(
        dir,
        format!(
            "holds its weights as {pickled}, a pickle, which can run code when it is read; convert them in this folder \
             with {convert}"
        ),
    )
}

fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::model(path, format!("cannot be read: {e}")))
}

/// An opened checkpoint.
#[derive(Debug)]
pub struct CheckpointTensors<'a> {
    path: &'a Path,
    files: Vec<(&'a Path, SafeTensors<'a>)>,
    /// The tensors that can be meant by each name.
    names: BTreeMap<String, Candidates>,
    device: &'a Device,
}

impl CheckpointTensors<'_> {
    /// A tensor with its file.
    fn view(&self, place: &Place) -> Result<(&Path, TensorView<'_>)> {
        let (path, file) = &self.files[place.file];
        let view = file.tensor(&place.name);
        let view =
            view.map_err(|e| Error::model(*path, format!("tensor \"{}\": {e}", place.name)))?;
        Ok((path, view))
    }

    fn missing(&self, name: &str) -> Error {
        let near = nearest(name, self.names.keys().map(String::as_str));
        Error::model(
            self.path,
            format!(
                "has no tensor \"{name}\"{near}, whatever stands before it ({}); it holds {} tensors of another \
                 architecture than its config.json says",
                PREFIXES.join(" "),
                self.names.len()
            ),
        )
    }
}

impl WeightSource for CheckpointTensors<'_> {
    fn holds(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let Some(found) = self.names.get(name) else {
            return Err(self.missing(name));
        };
        let (path, view) = self.view(&found.first)?;
        for other in &found.others {
            let (beside, second) = self.view(other)?;
            let same = view.dtype() == second.dtype()
                && view.shape() == second.shape()
                && view.data() == second.data();
            if !same {
                return Err(Error::model(
                    path,
                    format!(
                        "tensor \"{}\" and tensor \"{}\" in {} differ, and either could be the encoder's \"{name}\"; \
                         remove the one that is not",
                        found.first.name,
                        other.name,
                        beside.display()
                    ),
                ));
            }
        }
        let found = &found.first.name;
        if view.shape() != shape {
            return Err(Error::model(
                path,
                format!(
                    "tensor \"{found}\" has shape {:?}, config.json asks for {shape:?}",
                    view.shape()
                ),
            ));
        }
        let tensor = view.load(self.device)?.to_dtype(DType::F32)?;
        if !all_finite(&tensor)? {
            return Err(Error::model(
                path,
                format!(
                    "tensor \"{found}\" holds a NaN or an infinity; the file is damaged or its training failed: fetch it again or take another"
                ),
            ));
        }
        Ok(tensor)
    }
}

//! Tensors out of a `model.safetensors`, under the hub's names with or without a `bert.` prefix and with
//! LayerNorm's older names (`gamma`, `beta`); every misfit is named.
use crate::params::WeightSource;
use crate::{Error, Result, error::nearest};
use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use std::path::{Path, PathBuf};

/// The bytes of a safetensors file.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Checkpoint {
    /// Reads the file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).map_err(|e| Error::model(path, format!("cannot be read: {e}")))?;
        Ok(Self {
            path: path.to_path_buf(),
            bytes,
        })
    }

    /// sha256 of the file, as hex.
    pub fn sha256(&self) -> String {
        use sha2::Digest;
        crate::features::hex(&sha2::Sha256::digest(&self.bytes))
    }

    /// Opens it for reading tensors onto `device`.
    ///
    /// # Errors
    /// Where it is truncated or no safetensors file.
    pub fn open<'a>(&'a self, device: &'a Device) -> Result<CheckpointTensors<'a>> {
        let tensors = SafeTensors::deserialize(&self.bytes).map_err(|e| {
            Error::model(
                &self.path,
                format!(
                    "is truncated or no safetensors file ({e}; {} bytes): fetch it again",
                    self.bytes.len()
                ),
            )
        })?;
        Ok(CheckpointTensors {
            path: &self.path,
            tensors,
            device,
        })
    }
}

/// An opened checkpoint.
#[derive(Debug)]
pub struct CheckpointTensors<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    device: &'a Device,
}

impl CheckpointTensors<'_> {
    fn find(&self, name: &str) -> Option<String> {
        let older = name
            .replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta");
        [
            name.to_string(),
            format!("bert.{name}"),
            older.clone(),
            format!("bert.{older}"),
        ]
        .into_iter()
        .find(|n| self.tensors.tensor(n).is_ok())
    }
}

impl WeightSource for CheckpointTensors<'_> {
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let Some(found) = self.find(name) else {
            let names = self.tensors.names();
            return Err(Error::model(
                self.path,
                format!(
                    "has no tensor \"{name}\"{}, with or without \"bert.\" before it; it holds {} tensors of another architecture than its config.json says",
                    nearest(
                        name,
                        names.iter().map(|n| n.strip_prefix("bert.").unwrap_or(n))
                    ),
                    names.len()
                ),
            ));
        };
        let view = self
            .tensors
            .tensor(&found)
            .map_err(|e| Error::model(self.path, format!("tensor \"{found}\": {e}")))?;
        if view.shape() != shape {
            return Err(Error::model(
                self.path,
                format!(
                    "tensor \"{found}\" has shape {:?}, config.json asks for {shape:?}",
                    view.shape()
                ),
            ));
        }
        Ok(view.load(self.device)?.to_dtype(DType::F32)?)
    }
}

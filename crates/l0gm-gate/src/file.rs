//! A gate as one safetensors file. Its tensors are `log_alpha` and, for a conditional gate, `weight`. Its metadata
//! holds settings, interface and the temperature at which the gate is used, as JSON. The file is written under a
//! temporary name and renamed, so that it is either whole or absent.

use crate::{Error, Gate, GateConfig, GateKind, Interface, Result, Temperature, write_whole};
use candle_core::{Device, Tensor};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// The value of `format` in the metadata of a gate's file. There is only this one version.
const FORMAT: &str = "l0gm-gate 1";
const LOG_ALPHA: &str = "log_alpha";
const WEIGHT: &str = "weight";
const TEMPERATURE: &str = "temperature";

impl Gate {
    /// Writes the gate to a safetensors file, replacing any existing one. The identity gate's file has no tensors.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if let Some(inner) = &self.inner {
            inner.check_settings()?;
        }
        let fail = |message: String| Error::File {
            path: path.to_owned(),
            message,
        };
        let json = |error: serde_json::Error| {
            fail(format!("the gate's settings cannot be written: {error}"))
        };
        let mut metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            (
                "interface".to_owned(),
                serde_json::to_string(&self.interface()).map_err(json)?,
            ),
        ]);
        let mut held = Vec::new();
        if let (Some(log_alpha), Some(config)) = (self.log_alpha(), self.config()) {
            metadata.insert(
                "config".to_owned(),
                serde_json::to_string(config).map_err(json)?,
            );
            metadata.extend(
                self.temperature()
                    .map(|tau| (TEMPERATURE.to_owned(), tau.0.to_string())),
            );
            held.push((LOG_ALPHA, log_alpha));
            held.extend(self.weight().map(|weight| (WEIGHT, weight)));
        }
        let mut bytes = Vec::new();
        for (name, tensor) in held {
            let values = tensor.flatten_all()?.to_vec1::<f32>()?;
            let of: Vec<u8> = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            bytes.push((name, tensor.dims().to_vec(), of));
        }
        let tensors = bytes
            .iter()
            .map(|(name, dims, bytes)| {
                let view = TensorView::new(Dtype::F32, dims.clone(), bytes)
                    .map_err(|error| fail(error.to_string()))?;
                Ok((*name, view))
            })
            .collect::<Result<Vec<_>>>()?;
        let content = safetensors::serialize(tensors, Some(metadata))
            .map_err(|error| fail(error.to_string()))?;
        write_whole(path, |file, _| file.write_all(&content))
            .map_err(|error| fail(format!("cannot be written: {error}")))
    }

    /// Reads a gate from a file that [`Gate::save`] wrote.
    ///
    /// # Errors
    /// The file is absent, truncated, not a gate's file or of another version; its settings are out of range; its
    /// `log_alpha` does not fit its interface. Files from before gates kept their temperature are refused too;
    /// [`Gate::load_at`] reads them. The message names the file.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        Self::read(path.as_ref(), None, device)
    }

    /// Like [`Gate::load`], but with the temperature at which the gate is used, which older files do not contain: the
    /// final temperature of the schedule that trained it.
    ///
    /// # Errors
    /// Those of [`Gate::load`], or the file contains another temperature.
    pub fn load_at(
        path: impl AsRef<Path>,
        temperature: Temperature,
        device: &Device,
    ) -> Result<Self> {
        Self::read(path.as_ref(), Some(temperature), device)
    }

    fn read(path: &Path, asked: Option<Temperature>, device: &Device) -> Result<Self> {
        let fail = |message: String| Error::File {
            path: path.to_owned(),
            message,
        };
        let content =
            std::fs::read(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
        let broken = |error| {
            fail(format!(
                "is no whole safetensors file ({error}): it was cut off or is something else; save the gate again"
            ))
        };
        let file = SafeTensors::deserialize(&content).map_err(broken)?;
        let (_, header) = SafeTensors::read_metadata(&content).map_err(broken)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        match metadata.get("format").map(String::as_str) {
            Some(FORMAT) => {}
            Some(other) => {
                return Err(fail(format!(
                    "holds \"{other}\", but \"{FORMAT}\" is what this version reads"
                )));
            }
            None => {
                return Err(fail(
                    "is a safetensors file, but not a gate's: its metadata has no format"
                        .to_owned(),
                ));
            }
        }
        let field = |name: &str| {
            metadata.get(name).ok_or_else(|| {
                fail(format!(
                    "its metadata lacks \"{name}\"; save the gate again"
                ))
            })
        };
        let unreadable = |name: &str, error: serde_json::Error| {
            fail(format!("its \"{name}\" cannot be read: {error}"))
        };
        let interface: Interface = serde_json::from_str(field("interface")?)
            .map_err(|error| unreadable("interface", error))?;
        let names = file.names();
        if names.is_empty() && !metadata.contains_key("config") {
            return Ok(Gate::identity(interface));
        }
        let config: GateConfig =
            serde_json::from_str(field("config")?).map_err(|error| unreadable("config", error))?;
        let temperature = match (metadata.get(TEMPERATURE), asked) {
            (Some(text), asked) => {
                let said = text.parse().map(Temperature).map_err(|_| {
                    fail(format!(
                        "its \"{TEMPERATURE}\" is {text:?}, expected a number"
                    ))
                })?;
                match asked.filter(|&asked| asked != said) {
                    Some(asked) => {
                        return Err(fail(format!(
                            "holds a gate for temperature {}, but {} was asked for; Gate::at_temperature reads a \
                             gate at another temperature",
                            said.0, asked.0
                        )));
                    }
                    None => said,
                }
            }
            (None, Some(asked)) => asked,
            (None, None) => {
                return Err(fail(format!(
                    "does not say its \"{TEMPERATURE}\": it was written before gates kept theirs; read it with \
                     Gate::load_at and the final temperature of its schedule"
                )));
            }
        };
        let conditional = config.kind == GateKind::Conditional;
        let mut expected = vec![LOG_ALPHA];
        expected.extend(conditional.then_some(WEIGHT));
        let mut found = names.clone();
        found.sort_unstable();
        if found != expected {
            return Err(fail(format!(
                "holds the tensors {names:?}, but a gate of kind {:?} has {expected:?}",
                config.kind
            )));
        }
        let tensor = |name: &str| -> Result<Tensor> {
            let view = file.tensor(name).map_err(|error| fail(error.to_string()))?;
            if view.dtype() != Dtype::F32 {
                return Err(fail(format!("{name} is {:?}, expected F32", view.dtype())));
            }
            let values: Vec<f32> = view
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect();
            Ok(Tensor::from_vec(values, view.shape(), device)?)
        };
        let weight = conditional.then(|| tensor(WEIGHT)).transpose()?;
        let log_alpha = tensor(LOG_ALPHA)?;
        Gate::from_parameters(interface, &config, &log_alpha, weight.as_ref(), temperature)
            .map_err(|error| fail(error.to_string()))
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;

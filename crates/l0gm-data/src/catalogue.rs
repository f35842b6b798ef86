//! The catalogue: `datasets/*.toml`, compiled in, and the resolution order of design section 8.
use crate::Result;
use std::collections::BTreeMap;
use std::path::PathBuf;
/// Whether missing files may be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FetchPolicy {
    /// Download what is not there; where there is no network, the twin stands in (if allowed).
    #[default]
    Download,
    /// Touch no network.
    LocalOnly,
}
/// Where to look and what is allowed.
#[derive(Clone, Debug, Default)]
pub struct DataOptions {
    /// `--data-dir`; else `L0GM_DATA_DIR`, else `datasets/cache`.
    pub data_dir: Option<PathBuf>,
    /// `--model-dir`; else `L0GM_MODEL_DIR`, else `datasets/cache/models`.
    pub model_dir: Option<PathBuf>,
    /// Whether to download.
    pub fetch: FetchPolicy,
    /// Whether the built-in twin may stand in for a dataset that cannot be had.
    pub allow_twin: bool,
    /// Whether downloads draw a progress bar (else plain lines).
    pub bars: bool,
}
/// One manifest.
#[derive(Clone, Debug)]
pub struct Entry {
    /// "adult".
    pub name: String,
    /// "tabular", "text", "graph" or "model".
    pub modality: String,
    /// Licence as SPDX or in words.
    pub licence: String,
    /// Citation.
    pub citation: String,
}
/// A name made files.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The catalogue's name.
    pub name: String,
    /// The folder with the layout of design section 8 ("<data-dir>/adult").
    pub dir: PathBuf,
    /// Whether this is the built-in synthetic twin.
    pub twin: bool,
    /// For people: "files in DIR", "downloaded from URL", "built-in twin (no network: ...)".
    pub source: String,
    /// sha256 by relative file name.
    pub checksums: BTreeMap<String, String>,
}
/// All known datasets and pretrained models.
#[derive(Clone, Debug)]
pub struct Catalogue {
    options: DataOptions,
}
impl Catalogue {
    /// The manifests compiled in.
    pub fn new(_options: DataOptions) -> Result<Self> {
        todo!()
    }
    /// How it was set up.
    pub fn options(&self) -> &DataOptions {
        &self.options
    }
    /// Names of a modality ("tabular", "text", "graph", "model"), sorted.
    pub fn names(&self, _modality: &str) -> Vec<&str> {
        todo!()
    }
    /// One manifest; an unknown name is an error that says the nearest.
    pub fn entry(&self, _name: &str) -> Result<&Entry> {
        todo!()
    }
    /// Verified files of a dataset: local folder, else download, else the twin if allowed. The twin is
    /// files in the very same layout, generated once under the cache.
    pub fn dataset(&self, _name: &str) -> Result<Resolved> {
        todo!()
    }
    /// Verified files of a pretrained model (config.json, tokenizer.json, model.safetensors), or `None`
    /// where it is neither here nor to be fetched.
    pub fn model(&self, _name: &str) -> Result<Option<Resolved>> {
        todo!()
    }
}

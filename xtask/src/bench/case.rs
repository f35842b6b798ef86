//! One piece of work to time: ours, the same in stock candle, and what it costs at least.

use l0gm_data::Catalogue;
use std::path::PathBuf;

/// A computation that can be timed again and again.
pub(crate) type Run = Box<dyn FnMut() -> anyhow::Result<()>>;

/// What cases are built from.
pub(crate) struct Inputs {
    /// Where datasets and models are found; nothing is downloaded for a benchmark.
    pub(crate) catalogue: Catalogue,
}

impl Inputs {
    /// The folder of a dataset that must be here.
    pub(crate) fn dataset(&self, name: &str) -> anyhow::Result<PathBuf> {
        Ok(self.catalogue.dataset(name)?.dir)
    }

    /// The folder of a pretrained model that must be here.
    pub(crate) fn model(&self, name: &str) -> anyhow::Result<PathBuf> {
        let found = self.catalogue.model(name)?;
        found.map(|resolved| resolved.dir).ok_or_else(|| {
            anyhow::anyhow!("{name} is not here; give its folder's parent as --model-dir")
        })
    }
}

/// Ours, stock candle's and the peer's way to do one thing.
pub(crate) struct Case {
    /// The most that ours may take of the peer's time.
    pub(crate) goal: Option<f64>,
    /// Floating-point operations of one run, multiply and add counted apart.
    pub(crate) flops: f64,
    /// Bytes that must at least be read and written.
    pub(crate) bytes: f64,
    /// Bytes of the result, where the memory of one run is to be measured beside it.
    pub(crate) result_bytes: Option<f64>,
    /// With the ops of this workspace.
    pub(crate) ours: Run,
    /// With candle's own operations.
    pub(crate) stock: Option<Run>,
    /// Whether `benchmarks/peers` knows the case.
    pub(crate) peer: bool,
    /// What the peer needs to know (a folder, usually).
    pub(crate) input: String,
}

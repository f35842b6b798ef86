//! A benchmark case: one piece of work in our code, the same in stock candle, and the least work that it needs.

use l0gm_data::Catalogue;
use std::path::PathBuf;

/// A computation that can be repeated for timing.
pub(crate) type Run = Box<dyn FnMut() -> anyhow::Result<()>>;

/// The data from which cases are built.
pub(crate) struct Inputs {
    /// Finds datasets and models; a benchmark downloads nothing.
    pub(crate) catalogue: Catalogue,
}

impl Inputs {
    /// The folder of a dataset; fails if it is not present.
    pub(crate) fn dataset(&self, name: &str) -> anyhow::Result<PathBuf> {
        Ok(self.catalogue.dataset(name)?.dir)
    }

    /// The folder of a pretrained model; fails if it is not present.
    pub(crate) fn model(&self, name: &str) -> anyhow::Result<PathBuf> {
        let found = self.catalogue.model(name)?;
        found.map(|resolved| resolved.dir).ok_or_else(|| {
            anyhow::anyhow!("{name} is not here; give its folder's parent as --model-dir")
        })
    }
}

/// One piece of work as our code, stock candle and the peer do it.
pub(crate) struct Case {
    /// Upper limit for our time divided by the peer's.
    pub(crate) goal: Option<f64>,
    /// Floating-point operations of one run; a multiplication and an addition count as two.
    pub(crate) flops: f64,
    /// Least number of bytes that must be read and written.
    pub(crate) bytes: f64,
    /// Bytes of the result, if the memory of one run is to be measured.
    pub(crate) result_bytes: Option<f64>,
    /// The work done with the operations of this workspace.
    pub(crate) ours: Run,
    /// The work done with candle's own operations.
    pub(crate) stock: Option<Run>,
    /// Whether `benchmarks/peers` implements the case.
    pub(crate) peer: bool,
    /// Information that the peer needs, usually a folder.
    pub(crate) input: String,
}

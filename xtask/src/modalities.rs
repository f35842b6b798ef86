//! The three doors of the runner. This is the only file that names a modality crate.

use crate::plan::Plan;
use crate::usage::usage;
use l0gm_data::{Catalogue, DataOptions};
use l0gm_graph::GraphModality;
use l0gm_tabular::TabularModality;
use l0gm_text::TextModality;
use l0gm_train::Modality;
use std::path::PathBuf;

/// Every modality, in the order of plans and reports.
pub(crate) fn all(options: &DataOptions) -> anyhow::Result<Vec<Box<dyn Modality>>> {
    let catalogue = Catalogue::new(options.clone())?;
    Ok(vec![
        Box::new(TabularModality::new(catalogue.clone())),
        Box::new(TextModality::new(catalogue.clone())),
        Box::new(GraphModality::new(catalogue)),
    ])
}

/// A data folder that holds no real data, for `--twin`: twins are all that can be found there.
pub(crate) fn twins_only() -> anyhow::Result<PathBuf> {
    // cargo names the manifest's folder when it runs this binary; else the current folder will do.
    let root = std::env::var_os("CARGO_MANIFEST_DIR")
        .and_then(|dir| PathBuf::from(dir).parent().map(PathBuf::from))
        .map_or_else(std::env::current_dir, Ok)?;
    let dir = root.join("datasets").join("cache").join("twins-only");
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// With `--twin` every dataset must be one.
pub(crate) fn check_all_twins(plan: &Plan) -> anyhow::Result<()> {
    match plan.data().iter().find(|(_, _, twin)| !twin) {
        None => Ok(()),
        Some((dataset, ..)) => Err(usage(format!(
            "--twin: {dataset} has no twin in its place: it is a file of its own or was downloaded into datasets/cache; leave --twin out or move that folder away"
        ))),
    }
}

//! Twins: seeded synthetic datasets with the schema, size and difficulty of the real ones (docs/data.md states the
//! measured figures; the twin of ogbn-products is smaller). They have the same file layout, so that the same readers
//! apply. They are used if the real data are not available, and are called twins wherever they appear.

pub mod census;
mod census_values;
pub mod copurchase;
mod review_words;
pub mod reviews;

use crate::error::io;
use crate::folders::{unique, write_atomically};
use crate::{Entry, Error, Result, TwinSpec};
use std::path::{Path, PathBuf};

/// Increased whenever a generator's output changes, so that no outdated twin is used.
pub const GENERATOR_VERSION: u32 = 2;

/// File in a twin's folder that describes it.
const LABEL: &str = "TWIN.txt";

/// The twin of a dataset under `cache/twins`, which is generated if necessary. Returns its folder and a line that
/// states its size.
///
/// # Errors
/// Fails for an entry without a twin, or if a folder cannot be written.
pub fn generate(entry: &Entry, cache: &Path, seed: u64) -> Result<(PathBuf, String)> {
    let Some(spec) = &entry.twin else {
        return Err(Error::Unknown(format!(
            "{} has no built-in twin",
            entry.name
        )));
    };
    let twins = cache.join("twins");
    let dir = twins.join(format!("{}-v{GENERATOR_VERSION}-seed{seed}", entry.name));
    let size = describe(spec);
    let label = format!(
        "Synthetic stand-in for {}, not the real data: {size}; generator {GENERATOR_VERSION}, seed {seed}.\n",
        entry.name
    );
    if std::fs::read_to_string(dir.join(LABEL)).is_ok_and(|found| found == label) {
        return Ok((dir, size));
    }
    // Generate into a temporary folder and rename it, so that a twin is never incomplete.
    let temporary = twins.join(format!(".{}-{}", entry.name, unique()));
    std::fs::create_dir_all(&temporary).map_err(io(&temporary, "cannot create the folder"))?;
    let made = write(spec, &temporary, seed)
        .and_then(|()| write_atomically(&temporary.join(LABEL), label.as_bytes()));
    if let Err(e) = made {
        let _ = std::fs::remove_dir_all(&temporary);
        return Err(e);
    }
    if dir.exists() && std::fs::read_to_string(dir.join(LABEL)).ok().as_ref() != Some(&label) {
        // According to its label, the existing twin has another size.
        std::fs::remove_dir_all(&dir).map_err(io(&dir, "cannot replace the older twin"))?;
    }
    if let Err(e) = std::fs::rename(&temporary, &dir) {
        let _ = std::fs::remove_dir_all(&temporary);
        // Another process may have generated the same twin meanwhile.
        if !dir.join(LABEL).is_file() {
            return Err(io(&dir, "cannot put the twin in place")(e));
        }
    }
    Ok((dir, size))
}

fn write(spec: &TwinSpec, dir: &Path, seed: u64) -> Result<()> {
    match spec {
        &TwinSpec::Census {
            train_rows,
            test_rows,
        } => census::Census {
            train_rows,
            test_rows,
            seed,
        }
        .write(dir),
        &TwinSpec::Reviews {
            train_rows,
            test_rows,
        } => reviews::Reviews {
            train_rows,
            test_rows,
            seed,
        }
        .write(dir),
        TwinSpec::Copurchase {
            nodes,
            edges,
            features,
            classes,
            splits,
        } => copurchase::Copurchase {
            nodes: *nodes,
            edges: *edges,
            features: *features,
            classes: *classes,
            splits: splits.clone(),
            seed,
        }
        .write(dir),
    }
}

/// Describes the size of a twin.
fn describe(spec: &TwinSpec) -> String {
    match spec {
        TwinSpec::Census {
            train_rows,
            test_rows,
        } => format!("{train_rows} + {test_rows} rows"),
        TwinSpec::Reviews {
            train_rows,
            test_rows,
        } => {
            format!("{train_rows} + {test_rows} reviews")
        }
        TwinSpec::Copurchase {
            nodes,
            edges,
            features,
            classes,
            ..
        } => {
            format!("{nodes} nodes, {edges} edges, {features} features, {classes} classes")
        }
    }
}

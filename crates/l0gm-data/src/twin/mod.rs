//! Twins: seeded synthetic datasets with the schema and a like difficulty, smaller where that keeps runs short, written in
//! the very same file layout, so that the same loaders read them. They stand in where the real data
//! cannot be had, and are named as twins wherever they appear.

pub mod census;
mod census_values;
pub mod copurchase;
mod review_words;
pub mod reviews;

use crate::error::io;
use crate::folders::{unique, write_atomically};
use crate::{Entry, Error, Result, TwinSpec};
use std::path::{Path, PathBuf};

/// Changes whenever a generator's output does, so that no stale twin is used.
pub const GENERATOR_VERSION: u32 = 1;

/// File in a twin's folder that says what it is.
const LABEL: &str = "TWIN.txt";

/// The twin of a dataset under `cache/twins`, generated if it is not there yet. Returns its folder
/// and a line for people that states its size.
///
/// # Errors
/// An entry without a twin; a folder that cannot be written.
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
    // Whole or not at all: into a folder of its own, then renamed.
    let temporary = twins.join(format!(".{}-{}", entry.name, unique()));
    std::fs::create_dir_all(&temporary).map_err(io(&temporary, "cannot create the folder"))?;
    let made = write(spec, &temporary, seed)
        .and_then(|()| write_atomically(&temporary.join(LABEL), label.as_bytes()));
    if let Err(e) = made {
        let _ = std::fs::remove_dir_all(&temporary);
        return Err(e);
    }
    if dir.exists() && std::fs::read_to_string(dir.join(LABEL)).ok().as_ref() != Some(&label) {
        // Of another size: its label says so.
        std::fs::remove_dir_all(&dir).map_err(io(&dir, "cannot replace the older twin"))?;
    }
    if let Err(e) = std::fs::rename(&temporary, &dir) {
        let _ = std::fs::remove_dir_all(&temporary);
        // Another process may have made the same bytes meanwhile.
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

/// A twin's size in words.
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

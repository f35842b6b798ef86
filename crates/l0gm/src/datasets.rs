//! `cargo xtask datasets`: lists the catalogue, and where each dataset and pretrained model is found.

use crate::flags::DatasetsFlags;
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use std::process::ExitCode;

/// The kinds of the catalogue's entries, in the order of the list.
const KINDS: [&str; 4] = ["tabular", "text", "graph", "model"];

/// Prints the list. Looks at local folders only.
pub fn run(flags: &DatasetsFlags) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::new(DataOptions {
        data_dir: flags.data_dir.clone(),
        model_dir: flags.model_dir.clone(),
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    })?;
    for kind in KINDS {
        for name in catalogue.names(kind) {
            let entry = catalogue.entry(name)?;
            println!("{name} ({kind}, {})", entry.licence);
            println!("    {}", found(&catalogue, kind, name));
            println!("    cite: {}", entry.citation);
        }
    }
    println!(
        "\nSearched: --data-dir, else L0GM_DATA_DIR, else datasets/cache; for models --model-dir, \
         L0GM_MODEL_DIR, datasets/cache/models. `reproduce` downloads what is missing where it can; \
         for a dataset that cannot be had its synthetic twin stands in, and is called a twin."
    );
    Ok(ExitCode::SUCCESS)
}

fn found(catalogue: &Catalogue, kind: &str, name: &str) -> String {
    let resolved = if kind == "model" {
        catalogue.model(name)
    } else {
        catalogue.dataset(name).map(Some)
    };
    match resolved {
        Ok(Some(resolved)) => resolved.source,
        Ok(None) => "not here".to_owned(),
        Err(error) => format!("not here: {error}"),
    }
}

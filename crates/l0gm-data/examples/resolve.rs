//! Finds the verified files of a name and prints where they came from:
//!
//!     cargo run --example resolve -- adult
//!     cargo run --example resolve -- adult --twin
//!
//! Without data and without a network, the built-in twin is used, and the output says so.

use clap::Parser;
use l0gm_data::{Catalogue, DataOptions, Error, Result};

/// Finds the verified files of a name and prints where they came from.
#[derive(Parser)]
struct Arguments {
    /// A dataset or a pretrained model; without one, all names are listed
    name: Option<String>,
    /// Use the built-in twin, even if the real dataset is available
    #[arg(long)]
    twin: bool,
}

fn main() -> Result<()> {
    let Arguments { name, twin: forced } = Arguments::parse();
    let catalogue = Catalogue::new(DataOptions {
        allow_twin: true,
        bars: true,
        ..Default::default()
    })?;
    let Some(name) = &name else {
        for modality in ["tabular", "text", "graph", "model"] {
            println!("{modality}: {}", catalogue.names(modality).join(", "));
        }
        return Ok(());
    };
    let entry = catalogue.entry(name)?;
    let found = if forced {
        catalogue.twin(name)?
    } else if entry.modality == "model" {
        catalogue.model(name)?.ok_or_else(|| {
            Error::Unknown(format!(
                "{name} is neither here nor to be fetched. {}",
                entry.manual
            ))
        })?
    } else {
        catalogue.dataset(name)?
    };
    println!("{}: {}", entry.name, entry.description);
    println!("licence: {}\ncitation: {}", entry.licence, entry.citation);
    println!("{} in {}", found.source, found.dir.display());
    for (file, sha256) in &found.checksums {
        println!("{sha256}  {file}");
    }
    Ok(())
}

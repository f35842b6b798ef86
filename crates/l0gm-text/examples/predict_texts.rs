//! Predicts texts, one a line on standard input, with a finished run's compact model; CSV on standard output.
//!
//!     cargo run --example predict_texts -- RUN/compact < texts.txt
//!     cargo run --example predict_texts -- RUN/compact MODELS/all-MiniLM-L6-v2 < texts.txt
//!
//! The encoder's folder is needed where the run left its encoder frozen.

use candle_core::Device;
use clap::Parser;
use l0gm_text::CompactText;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Predicts texts, one a line on standard input, with a finished run's compact model.
#[derive(Parser)]
struct Arguments {
    /// The folder `compact` of a finished run
    folder: PathBuf,
    /// The encoder's folder, where the run left its encoder frozen
    encoder: Option<PathBuf>,
}

fn main() -> ExitCode {
    let given = Arguments::parse();
    match run(&given.folder, given.encoder.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path, encoder: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let model = CompactText::load(folder, encoder, &Device::Cpu)?;
    let texts = std::io::stdin().lines().collect::<Result<Vec<_>, _>>()?;
    let found = model.predict(&texts)?;
    let mut out = csv::Writer::from_writer(std::io::stdout().lock());
    let header = ["line", "class"].into_iter().map(str::to_owned);
    out.write_record(header.chain(found.classes().iter().cloned()))?;
    for row in 0..found.rows() {
        let head = [(row + 1).to_string(), found.best(row).0.to_owned()];
        let shares = found.row(row).iter().map(|p| format!("{p:.4}"));
        out.write_record(head.into_iter().chain(shares))?;
    }
    Ok(out.flush()?)
}

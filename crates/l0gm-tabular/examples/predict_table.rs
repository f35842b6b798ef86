//! Predicts the rows of a file with a finished run's compact model, and prints CSV on standard output.
//!
//!     cargo run --example predict_table -- RUN/compact FILE.csv

use candle_core::Device;
use clap::Parser;
use l0gm_data::rows::Source;
use l0gm_tabular::CompactTable;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Predicts the rows of a file with a finished run's compact model, and prints CSV on standard output.
///
/// Remarks on the rows, such as cells with values that did not occur in training, go to standard error.
#[derive(Parser)]
#[command(name = "predict_table")]
struct Arguments {
    /// The folder `compact` of a finished run.
    compact: PathBuf,
    /// The rows: CSV and its dialects (also .gz, .zst), Parquet, ARFF, or - for standard input.
    rows: String,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let model = CompactTable::load(&arguments.compact, &Device::Cpu)?;
    let (found, said) = model.predict_rows(&Source::named(&arguments.rows))?;
    for line in said {
        eprintln!("note: {line}");
    }
    let mut out = csv::Writer::from_writer(std::io::stdout().lock());
    let header = ["source_row", "predicted_class"]
        .into_iter()
        .map(str::to_owned);
    out.write_record(header.chain(found.classes().iter().map(|class| format!("p_{class}"))))?;
    for row in 0..found.rows() {
        let head = [(row + 1).to_string(), found.best(row).0.to_owned()];
        let shares = found.row(row).iter().map(f64::to_string);
        out.write_record(head.into_iter().chain(shares))?;
    }
    Ok(out.flush()?)
}

//! Predicts texts with a finished run's compact model, and prints CSV on standard output. Texts come one per line
//! from standard input, or from a column of a file of rows.
//!
//!     cargo run --example predict_texts -- RUN/compact < texts.txt
//!     cargo run --example predict_texts -- RUN/compact MODELS/all-MiniLM-L6-v2 < texts.txt
//!     cargo run --example predict_texts -- RUN/compact --rows new.csv.gz --text-column body

use candle_core::Device;
use clap::Parser;
use l0gm_data::rows::Source;
use l0gm_text::{Columns, CompactText, TextFile};
use std::error::Error;
use std::io::BufRead;
use std::path::PathBuf;
use std::process::ExitCode;

/// Predicts texts with a finished run's compact model, and prints CSV on standard output.
///
/// Without --rows, texts are read from standard input, one per line. Remarks on the texts go to standard error.
#[derive(Parser)]
#[command(name = "predict_texts")]
struct Arguments {
    /// The folder `compact` of a finished run.
    compact: PathBuf,
    /// The folder of the encoder, if the run left its encoder frozen.
    encoder: Option<PathBuf>,
    /// Texts from a file of rows: CSV and its dialects (also .gz, .zst), Parquet, or - for standard input.
    #[arg(long, value_name = "FILE")]
    rows: Option<String>,
    /// Column of the texts in the file of rows.
    #[arg(long, value_name = "NAME", default_value = "text", requires = "rows")]
    text_column: String,
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
    let model = CompactText::load(
        &arguments.compact,
        arguments.encoder.as_deref(),
        &Device::Cpu,
    )?;
    let (texts, mut said) = match &arguments.rows {
        Some(rows) => {
            let columns = Columns {
                text: &arguments.text_column,
                label: "",
            };
            TextFile::new(columns).read_texts(&Source::named(rows))?
        }
        None => (lines()?, Vec::new()),
    };
    said.extend(model.remark(&texts)?);
    for line in said {
        eprintln!("note: {line}");
    }
    let found = model.predict(&texts)?;
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

/// The lines of standard input.
fn lines() -> Result<Vec<String>, Box<dyn Error>> {
    let lines = std::io::stdin().lock().lines().zip(1..);
    lines
        .map(|(line, number)| Ok(line.map_err(|e| format!("standard input, line {number}: {e}"))?))
        .collect()
}

//! Predicts the rows of a file with a finished run's compact model, as CSV on standard output.
//!
//!     cargo run --example predict_table -- RUN/compact FILE.csv

use candle_core::Device;
use l0gm_tabular::CompactTable;
use std::error::Error;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, file] = arguments.as_slice() else {
        eprintln!("usage: predict_table RUN/compact FILE.(csv|tsv|parquet|arff)");
        return ExitCode::FAILURE;
    };
    match run(folder, file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &str, file: &str) -> Result<(), Box<dyn Error>> {
    let model = CompactTable::load(folder, &Device::Cpu)?;
    let found = model.predict_file(Path::new(file))?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    writeln!(out, "row,class,{}", found.classes().join(","))?;
    for row in 0..found.rows() {
        let shares: Vec<String> = found.row(row).iter().map(|p| format!("{p:.4}")).collect();
        writeln!(
            out,
            "{},{},{}",
            row + 1,
            found.best(row).0,
            shares.join(",")
        )?;
    }
    Ok(out.flush()?)
}

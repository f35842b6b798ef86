//! Predicts texts, one a line on standard input, with a finished run's compact model; CSV on standard output.
//!
//!     cargo run --example predict_texts -- RUN/compact < texts.txt
//!     cargo run --example predict_texts -- RUN/compact MODELS/all-MiniLM-L6-v2 < texts.txt
//!
//! The encoder's folder is needed where the run left its encoder frozen.

use candle_core::Device;
use l0gm_text::CompactText;
use std::error::Error;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, encoder) = match arguments.as_slice() {
        [folder] => (folder, None),
        [folder, encoder] => (folder, Some(Path::new(encoder))),
        _ => {
            eprintln!("usage: predict_texts RUN/compact [ENCODER-FOLDER] < texts.txt");
            return ExitCode::FAILURE;
        }
    };
    match run(folder, encoder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &str, encoder: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let model = CompactText::load(folder, encoder, &Device::Cpu)?;
    let texts = std::io::stdin().lines().collect::<Result<Vec<_>, _>>()?;
    let found = model.predict(&texts)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    writeln!(out, "line,class,{}", found.classes().join(","))?;
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

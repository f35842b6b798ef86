//! Predicts every node of a graph with a finished run's compact model, and prints CSV on standard output.
//!
//!     cargo run --example predict_graph -- RUN/compact GRAPH

use candle_core::Device;
use clap::Parser;
use l0gm_graph::CompactGraph;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Predicts every node of a graph with a finished run's compact model, and prints CSV on standard output.
///
/// Remarks on the files, such as cells with values that did not occur in training, go to standard error.
#[derive(Parser)]
#[command(name = "predict_graph")]
struct Arguments {
    /// The folder `compact` of a finished run.
    compact: PathBuf,
    /// A folder with edges and nodes (or in OGB's layout), or the path of the edges. Labels are ignored.
    graph: PathBuf,
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
    let model = CompactGraph::load(&arguments.compact, &Device::Cpu)?;
    let found = model.predict_files(&arguments.graph)?;
    for line in &found.said {
        eprintln!("note: {line}");
    }
    let probabilities = &found.probabilities;
    let mut out = csv::Writer::from_writer(std::io::stdout().lock());
    let header = ["source_row", "predicted_class"]
        .into_iter()
        .map(str::to_owned);
    out.write_record(
        header.chain(
            probabilities
                .classes()
                .iter()
                .map(|class| format!("p_{class}")),
        ),
    )?;
    for (node, name) in found.names.iter().enumerate() {
        let head = [name.clone(), probabilities.best(node).0.to_owned()];
        let shares = probabilities.row(node).iter().map(f64::to_string);
        out.write_record(head.into_iter().chain(shares))?;
    }
    Ok(out.flush()?)
}

//! Predicts every node of a graph with a finished run's compact model, as CSV on standard output.
//!
//!     cargo run --example predict_graph -- RUN/compact GRAPH-FOLDER

use candle_core::Device;
use clap::Parser;
use l0gm_graph::CompactGraph;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Predicts every node of a graph with a finished run's compact model.
#[derive(Parser)]
struct Arguments {
    /// The folder `compact` of a finished run
    folder: PathBuf,
    /// A folder in OGB's layout, or an edge list with a table of nodes beside it
    graph: PathBuf,
}

fn main() -> ExitCode {
    let given = Arguments::parse();
    match run(&given.folder, &given.graph) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path, graph: &Path) -> Result<(), Box<dyn Error>> {
    let model = CompactGraph::load(folder, &Device::Cpu)?;
    let found = model.predict_folder(graph)?;
    let mut out = csv::Writer::from_writer(std::io::stdout().lock());
    let header = ["node", "class"].into_iter().map(str::to_owned);
    out.write_record(header.chain(found.classes().iter().cloned()))?;
    for node in 0..found.rows() {
        let head = [node.to_string(), found.best(node).0.to_owned()];
        let shares = found.row(node).iter().map(|p| format!("{p:.4}"));
        out.write_record(head.into_iter().chain(shares))?;
    }
    Ok(out.flush()?)
}

//! Predicts every node of a graph with a finished run's compact model, as CSV on standard output.
//!
//!     cargo run --example predict_graph -- RUN/compact GRAPH-FOLDER

use candle_core::Device;
use l0gm_graph::CompactGraph;
use std::error::Error;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, graph] = arguments.as_slice() else {
        eprintln!("usage: predict_graph RUN/compact GRAPH-FOLDER");
        return ExitCode::FAILURE;
    };
    match run(folder, graph) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &str, graph: &str) -> Result<(), Box<dyn Error>> {
    let model = CompactGraph::load(folder, &Device::Cpu)?;
    let found = model.predict_folder(Path::new(graph))?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    writeln!(out, "node,class,{}", found.classes().join(","))?;
    for node in 0..found.rows() {
        let shares: Vec<String> = found.row(node).iter().map(|p| format!("{p:.4}")).collect();
        writeln!(out, "{node},{},{}", found.best(node).0, shares.join(","))?;
    }
    Ok(out.flush()?)
}

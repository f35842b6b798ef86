//! Predicts every node of a graph with a finished run's compact model, as CSV on standard output.
//!
//!     cargo run --example predict_graph -- RUN/compact GRAPH-FOLDER

use candle_core::Device;
use l0gm_graph::CompactGraph;
use std::error::Error;
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

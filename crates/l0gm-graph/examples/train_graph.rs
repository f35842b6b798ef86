//! Trains a GCN with an L0 gate on its node representations, and reports what it found in the data and the results.
//!
//!     cargo run --example train_graph -- amazon-photo
//!     cargo run --example train_graph -- my/folder --method dense --seed 1
//!     cargo run --example train_graph -- amazon-photo --lambda 3e-3 --profile paper \
//!         --set '{"gcn": {"width": 64}, "train": {"epochs": 100}}'
//!
//! The first argument is a name in the catalogue (found under `--data-dir`, or else `L0GM_DATA_DIR`), a folder with
//! edges and nodes or in OGB's layout, or the path of the edges.
use candle_core::Device;
use clap::Parser;
use l0gm_data::{Catalogue, DataOptions};
use l0gm_graph::GraphModality;
use l0gm_train::{LineProgress, Modality, Profile, RunContext, SpecRequest, StopFlag};
use serde_json::{Value, json};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// A step allocates and frees tensors of tens of megabytes. An allocator that keeps its pages saves the kernel from
/// clearing them each time (set MIMALLOC_PURGE_DELAY=-1 to keep all of them).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trains a GCN with an L0 gate on its node representations, and reports what it found in the data and the results.
///
/// `docs/rows.md` describes which files of nodes and edges can be read, and how their cells are used.
#[derive(Parser)]
struct Arguments {
    /// A catalogue name, a folder with edges and nodes or in OGB's layout, or the path of the edges
    dataset: String,
    /// dense or l0gm
    #[arg(long, default_value = "l0gm")]
    method: String,
    /// Weight of the penalty; 3e-3 if neither it nor a target is given
    #[arg(long)]
    lambda: Option<f64>,
    /// Target active fraction instead of lambda, such as 15%
    #[arg(long, conflicts_with = "lambda")]
    target: Option<String>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// quick or paper
    #[arg(long, default_value = "quick", value_parser = profile)]
    profile: Profile,
    /// Column of the nodes with their labels
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Columns of the nodes to ignore completely
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    ignore: Vec<String>,
    /// Columns of the nodes to keep even if they look like an identifier or a copy of the label
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    keep: Vec<String>,
    /// Columns of the nodes to read as categories, whatever they look like
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    categorical: Vec<String>,
    /// Settings as JSON, such as '{"gcn": {"width": 64}}'
    #[arg(long = "set", default_value = "{}", value_parser = settings)]
    settings: Value,
    /// Folder of the datasets; default: L0GM_DATA_DIR
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Folder for the run; default: a temporary folder
    #[arg(long)]
    out: Option<PathBuf>,
}

fn profile(text: &str) -> Result<Profile, serde_json::Error> {
    serde_json::from_value(text.into())
}

fn settings(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All settings that the flags give, laid over `--set`.
fn overrides(given: &Arguments) -> Result<Value, Box<dyn Error>> {
    let mut set = given.settings.clone();
    if !set.is_object() {
        return Err(format!("--set takes a JSON table, not {set}").into());
    }
    if let Some(target) = &given.target {
        set["train"]["target"] = json!(target);
    }
    if let Some(label) = &given.label {
        set["table"]["label-column"] = json!(label);
    }
    let lists = [
        ("ignore", &given.ignore),
        ("keep", &given.keep),
        ("categorical", &given.categorical),
    ];
    for (name, columns) in lists.into_iter().filter(|(_, columns)| !columns.is_empty()) {
        set["table"][name] = json!(columns);
    }
    Ok(set)
}

fn run(given: Arguments) -> Result<(), Box<dyn Error>> {
    let settings = overrides(&given)?;
    let catalogue = Catalogue::new(DataOptions {
        data_dir: given.data_dir,
        allow_twin: given.profile == Profile::Quick,
        ..DataOptions::default()
    })?;
    let graphs = GraphModality::new(catalogue);
    // With a target, the controller finds lambda.
    let aimed = !settings["train"]["target"].is_null();
    let takes_lambda = graphs
        .methods()
        .iter()
        .any(|method| method.name == given.method && method.has_knob());
    let default = (takes_lambda && !aimed).then_some(3e-3);
    let lambda = given.lambda.or(default);
    let spec = graphs.spec(&SpecRequest {
        lambda,
        seed: given.seed,
        profile: given.profile,
        overrides: &settings,
        ..SpecRequest::new(&given.dataset, &given.method)
    })?;
    print!("{}", graphs.summary(&spec)?);
    let root = given
        .out
        .unwrap_or_else(|| std::env::temp_dir().join("l0gm-train-graph"));
    let record = graphs.run(
        &spec,
        &mut RunContext {
            dir: root.join(spec.id()),
            device: Device::Cpu,
            device_name: "cpu".into(),
            threads: std::thread::available_parallelism()?.get(),
            progress: &mut LineProgress::new(&spec.id()),
            stop: StopFlag::default(),
            baselines: Vec::new(),
        },
    )?;
    let twin = if record.data.twin {
        " (the built-in twin, not the real data)"
    } else {
        ""
    };
    println!(
        "{}{twin}, run in {}",
        spec.dataset,
        root.join(spec.id()).display()
    );
    println!(
        "accuracy         {:.4}  (macro-F1 {:.4})",
        record.test.accuracy, record.test.macro_f1
    );
    println!("NLL              {:.4}", record.calibration.nll);
    println!(
        "ECE, {} bins     {:.4}  ({:.4} after temperature scaling)",
        record.calibration.bins, record.calibration.ece, record.calibration_scaled.ece
    );
    println!(
        "active fraction  {:.3}  ({} of {} dimensions)",
        record.gate.active_fraction, record.gate.open_dims, record.gate.total_dims
    );
    if let Some(compact) = &record.compact {
        println!(
            "compact model    {} of {} parameters, logits within {:.1e}",
            compact.compact.parameters, compact.gated.parameters, compact.max_logit_difference
        );
    }
    println!(
        "epoch {} of {}, {:.1} s",
        record.best_epoch, record.epochs, record.train_seconds
    );
    Ok(())
}

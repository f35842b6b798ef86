//! Trains a GCN with an L0 gate on its node representations and prints what came out.
//!
//!     cargo run --example train_graph -- amazon-photo
//!     cargo run --example train_graph -- my/folder --method dense --seed 1
//!     cargo run --example train_graph -- amazon-photo --lambda 3e-3 --profile paper \
//!         --set '{"gcn": {"width": 64}, "train": {"epochs": 100}}'
//!
//! The first argument is a catalogue name (looked for under `--data-dir`, else `L0GM_DATA_DIR`), a folder
//! in OGB's layout, or the path of an edge list with a table of nodes beside it.
use candle_core::Device;
use l0gm_data::{Catalogue, DataOptions};
use l0gm_graph::GraphModality;
use l0gm_train::{LineProgress, Modality, Profile, RunContext, SpecRequest, StopFlag};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// A step makes and frees tensors of tens of megabytes: an allocator that keeps its pages saves the
/// kernel from clearing them each time (set MIMALLOC_PURGE_DELAY=-1 to keep all of them).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Arguments {
    dataset: String,
    method: String,
    lambda: Option<f64>,
    seed: u64,
    profile: Profile,
    settings: serde_json::Value,
    data_dir: Option<PathBuf>,
    out: Option<PathBuf>,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut found = Arguments {
        dataset: "amazon-computers".into(),
        method: "l0gm".into(),
        lambda: None,
        seed: 0,
        profile: Profile::Quick,
        settings: serde_json::json!({}),
        data_dir: None,
        out: None,
    };
    let mut target = None;
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let Some(name) = argument.strip_prefix("--") else {
            found.dataset = argument;
            continue;
        };
        let value = given
            .next()
            .ok_or_else(|| format!("--{name} needs a value"))?;
        match name {
            "method" => found.method = value,
            "lambda" => found.lambda = Some(value.parse()?),
            "target" => target = Some(value),
            "seed" => found.seed = value.parse()?,
            "profile" => found.profile = serde_json::from_value(value.into())?,
            "set" => found.settings = serde_json::from_str(&value)?,
            "data-dir" => found.data_dir = Some(value.into()),
            "out" => found.out = Some(value.into()),
            _ => return Err(format!("no argument --{name}").into()),
        }
    }
    if let Some(target) = target {
        found.settings["train"]["target"] = target.into();
    }
    Ok(found)
}

const USAGE: &str = "train_graph (NAME | FOLDER) [--method dense|l0gm] [--lambda X | --target 15%] [--seed N] [--profile quick|paper] [--data-dir DIR] [--set JSON]";

fn main() -> ExitCode {
    if std::env::args().len() == 1 || std::env::args().any(|a| a == "--help") {
        println!("usage: {USAGE}");
        return ExitCode::SUCCESS;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let given = arguments()?;
    let catalogue = Catalogue::new(DataOptions {
        data_dir: given.data_dir,
        allow_twin: given.profile == Profile::Quick,
        ..DataOptions::default()
    })?;
    let graphs = GraphModality::new(catalogue);
    // With a target, lambda is found by the controller.
    let aimed = !given.settings["train"]["target"].is_null();
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
        overrides: &given.settings,
        ..SpecRequest::new(&given.dataset, &given.method)
    })?;
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

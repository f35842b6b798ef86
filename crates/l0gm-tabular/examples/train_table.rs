//! Trains a gated classifier on a table, and reports what it found in the data and the results.
//!
//!     cargo run --example train_table -- adult
//!     cargo run --example train_table -- FILE.csv --label COLUMN --lambda 0.003

use candle_core::Device;
use clap::Parser;
use l0gm_data::{Catalogue, DataOptions};
use l0gm_tabular::TabularModality;
use l0gm_train::{LineProgress, Modality, Profile, RunContext, SpecRequest, StopFlag};
use serde_json::{Value, json};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Trains a gated classifier on a table, and reports what it found in the data and the results.
///
/// `docs/rows.md` describes which files can be read, and how their cells are used. Datasets of the catalogue are
/// looked for in L0GM_DATA_DIR, or else in datasets/cache.
#[derive(Parser)]
#[command(name = "train_table")]
struct Arguments {
    /// A dataset of the catalogue, or a file of rows.
    #[arg(default_value = "adult")]
    dataset: String,
    /// Column of the label.
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Weight of the penalty.
    #[arg(long, conflicts_with_all = ["target", "dense"])]
    lambda: Option<f64>,
    /// Target active fraction instead of lambda, such as 15%.
    #[arg(long, conflicts_with = "dense")]
    target: Option<String>,
    /// Train without a gate.
    #[arg(long)]
    dense: bool,
    /// Columns to ignore completely.
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    ignore: Vec<String>,
    /// Columns to keep even if they look like an identifier, a constant or a copy of the label.
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    keep: Vec<String>,
    /// Columns to read as categories, whatever they look like.
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    categorical: Vec<String>,
    /// Leave out rows without a label.
    #[arg(long)]
    drop_unlabelled: bool,
    /// Use the quick profile, which allows twins.
    #[arg(long)]
    quick: bool,
    /// Seed of split, initialisation and noise.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Settings as JSON, laid over the defaults: '{"model":{"bypass":false}}'.
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = settings)]
    set: Value,
    /// Folder for the run; without it nothing is kept.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
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

fn settings(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

/// All settings that the flags give, laid over `--set`.
fn overrides(arguments: &Arguments) -> Result<Value, Box<dyn Error>> {
    let mut set = arguments.set.clone();
    if !set.is_object() {
        return Err(format!("--set takes a JSON table, not {set}").into());
    }
    if let Some(label) = &arguments.label {
        set["data"]["label"] = json!(label);
    }
    if let Some(target) = &arguments.target {
        set["train"]["target"] = json!(target);
    }
    let lists = [
        ("ignore", &arguments.ignore),
        ("keep", &arguments.keep),
        ("categorical", &arguments.categorical),
    ];
    for (name, columns) in lists.into_iter().filter(|(_, columns)| !columns.is_empty()) {
        set["data"][name] = json!(columns);
    }
    if arguments.drop_unlabelled {
        set["data"]["drop-unlabelled"] = json!(true);
    }
    Ok(set)
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let overrides = overrides(&arguments)?;
    let profile = if arguments.quick {
        Profile::Quick
    } else {
        Profile::Paper
    };
    let catalogue = Catalogue::new(DataOptions {
        allow_twin: arguments.quick,
        ..DataOptions::default()
    })?;
    let modality = TabularModality::new(catalogue);
    let (method, lambda) = match arguments.dense {
        true => ("dense", arguments.lambda),
        // With a target, the controller finds lambda.
        false if !overrides["train"]["target"].is_null() => ("l0gm", arguments.lambda),
        false => ("l0gm", arguments.lambda.or(Some(1e-3))),
    };
    let spec = modality.spec(&SpecRequest {
        lambda,
        seed: arguments.seed,
        profile,
        overrides: &overrides,
        ..SpecRequest::new(&arguments.dataset, method)
    })?;
    print!("{}", modality.summary(&spec)?);
    let scratch = std::env::temp_dir().join(format!("l0gm-{}", std::process::id()));
    let dir = arguments.out.clone().unwrap_or(scratch.clone());
    let mut progress = LineProgress::new(&spec.id());
    let mut context = RunContext {
        dir,
        device: Device::Cpu,
        device_name: "cpu".into(),
        threads: std::thread::available_parallelism()?.get(),
        progress: &mut progress,
        stop: StopFlag::default(),
        baselines: Vec::new(),
    };
    let record = modality.run(&spec, &mut context)?;
    if arguments.out.is_none() {
        std::fs::remove_dir_all(&scratch)?;
    }
    println!("data         {} {:?}", record.data.source, record.data.rows);
    for note in record.data.notes.iter().chain(&record.data.reductions) {
        println!("             {note}");
    }
    let valid = record
        .history
        .iter()
        .find(|epoch| epoch.epoch == record.best_epoch);
    if let Some(valid) = valid {
        println!(
            "validation   accuracy {:.4}  NLL {:.4}  (epoch {} of {})",
            valid.valid_accuracy, valid.valid_loss, record.best_epoch, record.epochs
        );
    }
    println!(
        "test         accuracy {:.4}  AUC {:.4}  NLL {:.4}  ECE {:.4}",
        record.test.accuracy,
        record.test.auc.unwrap_or(f64::NAN),
        record.calibration.nll,
        record.calibration.ece
    );
    println!(
        "active       {:.1}% ({} of {} dimensions)",
        100.0 * record.gate.active_fraction,
        record.gate.open_dims,
        record.gate.total_dims
    );
    for (field, open) in &record.gate.fields {
        println!("             {open:>3}  {field}");
    }
    if let Some(compact) = &record.compact {
        println!(
            "compact      {} of {} parameters, {} of {} FLOPs, logits within {:.1e}",
            compact.compact.parameters,
            compact.gated.parameters,
            compact.compact.flops,
            compact.gated.flops,
            compact.max_logit_difference
        );
    }
    println!(
        "time         {:.1} s training, {:.2} us an example",
        record.train_seconds,
        record.latency_us_per_example.unwrap_or_default()
    );
    Ok(())
}

//! Trains a text classifier with an L0 gate on its pooled embedding and prints what came out.
//!
//!     cargo run --example train_texts -- imdb
//!     cargo run --example train_texts -- my/reviews.csv --method dense --seed 1
//!     cargo run --example train_texts -- imdb --lambda 1e-3 --profile paper \
//!         --set '{"pooling": "cls", "fine-tune": "last-3", "train": {"epochs": 3}}'
//!
//! The first argument is `imdb` (looked for under `--data-dir`, else `L0GM_DATA_DIR`) or a .csv or
//! .parquet file; its columns are `text` and `label`, or what `--set '{"text-column": ...}'` says.
use candle_core::Device;
use l0gm_data::{Catalogue, DataOptions};
use l0gm_text::TextModality;
use l0gm_train::{LineProgress, Modality, Profile, RunContext, RunRecord, SpecRequest, StopFlag};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// A training step makes and frees hundreds of megabytes: an allocator that keeps its pages saves the
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
    data: DataOptions,
    out: PathBuf,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut found = Arguments {
        dataset: "imdb".into(),
        method: "l0gm".into(),
        lambda: None,
        seed: 0,
        profile: Profile::Quick,
        settings: serde_json::json!({}),
        data: DataOptions::default(),
        out: std::env::temp_dir().join("l0gm-train-texts"),
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
            "data-dir" => found.data.data_dir = Some(value.into()),
            "model-dir" => found.data.model_dir = Some(value.into()),
            "out" => found.out = value.into(),
            _ => return Err(format!("no argument --{name}").into()),
        }
    }
    if let Some(target) = target {
        found.settings["train"]["target"] = target.into();
    }
    found.data.allow_twin = found.profile == Profile::Quick;
    Ok(found)
}

const USAGE: &str = "train_texts (imdb | FILE) [--method dense|l0gm] [--lambda X | --target 15%] [--seed N] [--profile quick|paper] [--data-dir DIR] [--model-dir DIR] [--set JSON]";

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
    let texts = TextModality::new(Catalogue::new(given.data)?);
    // With a target, lambda is found by the controller.
    let aimed = !given.settings["train"]["target"].is_null();
    let takes_lambda = texts
        .methods()
        .iter()
        .any(|method| method.name == given.method && method.has_knob());
    let default = (takes_lambda && !aimed).then_some(1e-3);
    let lambda = given.lambda.or(default);
    let spec = texts.spec(&SpecRequest {
        lambda,
        seed: given.seed,
        profile: given.profile,
        overrides: &given.settings,
        ..SpecRequest::new(&given.dataset, &given.method)
    })?;
    let shared = texts.shared_work(&spec)?.into_iter().map(|(_, time)| time);
    let estimate = texts.estimate(&spec)? + shared.sum();
    println!("estimated {:.0} s", estimate.as_secs_f64());
    let dir = given.out.join("runs").join(spec.id());
    let record = texts.run(
        &spec,
        &mut RunContext {
            dir: dir.clone(),
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
    println!("{}{twin}, run in {}", spec.dataset, dir.display());
    print(&record);
    Ok(())
}

fn print(record: &RunRecord) {
    for line in record.data.notes.iter().chain(&record.data.reductions) {
        println!("                 {line}");
    }
    println!(
        "accuracy         {:.4}  (validation {:.4})",
        record.test.accuracy, record.valid.accuracy
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
        "epoch {} of {}, {:.1} s; {:.0} microseconds a text in batches of {}",
        record.best_epoch,
        record.epochs,
        record.train_seconds,
        record.latency_us_per_example.unwrap_or_default(),
        record.latency_batch
    );
}

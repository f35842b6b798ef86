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
use clap::Parser;
use l0gm_data::{Catalogue, DataOptions};
use l0gm_text::TextModality;
use l0gm_train::{LineProgress, Modality, Profile, RunContext, RunRecord, SpecRequest, StopFlag};
use serde_json::Value;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// A training step makes and frees hundreds of megabytes: an allocator that keeps its pages saves the
/// kernel from clearing them each time (set MIMALLOC_PURGE_DELAY=-1 to keep all of them).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trains a text classifier with an L0 gate on its pooled embedding and prints what came out.
#[derive(Parser)]
struct Arguments {
    /// `imdb`, or a .csv or .parquet file with the columns `text` and `label`
    dataset: String,
    /// dense or l0gm
    #[arg(long, default_value = "l0gm")]
    method: String,
    /// Weight of the penalty; 1e-3 where neither it nor a target is given
    #[arg(long)]
    lambda: Option<f64>,
    /// An active fraction instead of lambda, such as 15%
    #[arg(long, conflicts_with = "lambda")]
    target: Option<String>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// quick or paper
    #[arg(long, default_value = "quick", value_parser = profile)]
    profile: Profile,
    /// Settings as JSON, such as '{"pooling": "cls"}'
    #[arg(long = "set", default_value = "{}", value_parser = settings)]
    settings: Value,
    /// Where datasets are; else L0GM_DATA_DIR
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Where pretrained encoders are; else L0GM_MODEL_DIR
    #[arg(long)]
    model_dir: Option<PathBuf>,
    /// Where the run's folder goes; else a temporary folder
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

fn run(mut given: Arguments) -> Result<(), Box<dyn Error>> {
    let texts = TextModality::new(Catalogue::new(DataOptions {
        data_dir: given.data_dir,
        model_dir: given.model_dir,
        allow_twin: given.profile == Profile::Quick,
        ..DataOptions::default()
    })?);
    if let Some(target) = given.target {
        given.settings["train"]["target"] = target.into();
    }
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
    let out = given
        .out
        .unwrap_or_else(|| std::env::temp_dir().join("l0gm-train-texts"));
    let dir = out.join("runs").join(spec.id());
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

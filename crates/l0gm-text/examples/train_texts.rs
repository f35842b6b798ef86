//! Trains a text classifier with an L0 gate on its pooled embedding, and reports what it found in the data and the
//! results.
//!
//!     cargo run --example train_texts -- imdb
//!     cargo run --example train_texts -- my/reviews.csv --method dense --seed 1
//!     zcat reviews.tsv.gz | cargo run --example train_texts -- - --text-column body --label-column stars
//!     cargo run --example train_texts -- imdb --lambda 1e-3 --profile paper \
//!         --set '{"pooling": "cls", "fine-tune": "last-3", "train": {"epochs": 3}}'
use candle_core::Device;
use clap::Parser;
use l0gm_data::{Catalogue, DataOptions, checksums_of};
use l0gm_text::TextModality;
use l0gm_train::{LineProgress, Modality, Profile, RunContext, RunRecord, SpecRequest, StopFlag};
use serde_json::Value;
use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A training step allocates and frees hundreds of megabytes. An allocator that keeps its pages saves the kernel from
/// clearing them each time (set MIMALLOC_PURGE_DELAY=-1 to keep all of them).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trains a text classifier with an L0 gate on its pooled embedding, and reports what it found in the data and the
/// results.
///
/// docs/rows.md describes which files can be read, and how their cells are used.
#[derive(Parser)]
#[command(name = "train_texts")]
struct Arguments {
    /// `imdb`, a file of rows (.csv .tsv .txt .data, each also .gz or .zst, .parquet), or - for standard input.
    #[arg(default_value = "imdb")]
    dataset: String,
    /// The method to fit: dense, l0gm or another method for texts.
    #[arg(long, default_value = "l0gm")]
    method: String,
    /// Weight of the penalty; 1e-3 if neither it nor a target is given.
    #[arg(long, value_name = "X")]
    lambda: Option<f64>,
    /// Target active fraction instead of lambda, such as 15%.
    #[arg(long, conflicts_with = "lambda", value_name = "X")]
    target: Option<String>,
    /// Seed of everything random except the split.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Size of the experiment: quick or paper.
    #[arg(long, default_value = "quick", value_parser = profile)]
    profile: Profile,
    /// Column of the texts.
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,
    /// Column of the labels.
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
    /// Leave out rows without a label instead of refusing the first one.
    #[arg(long)]
    drop_unlabelled: bool,
    /// Settings as JSON, such as '{"pooling": "cls"}'.
    #[arg(long = "set", default_value = "{}", value_name = "JSON", value_parser = json)]
    settings: Value,
    /// Folder of the datasets; default: L0GM_DATA_DIR.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Folder of pretrained encoders; default: L0GM_MODEL_DIR.
    #[arg(long, value_name = "DIR")]
    model_dir: Option<PathBuf>,
    /// Folder for the run; default: a temporary folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn profile(text: &str) -> Result<Profile, serde_json::Error> {
    serde_json::from_value(text.into())
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

/// Parses the value of `--set`.
fn json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

/// All settings that the flags give, laid over `--set`.
fn overrides(given: &Arguments) -> Result<Value, Box<dyn Error>> {
    let mut settings = given.settings.clone();
    if !settings.is_object() {
        return Err(format!("--set takes a JSON table, not {settings}").into());
    }
    if let Some(target) = &given.target {
        settings["train"]["target"] = target.as_str().into();
    }
    let columns = [
        ("text-column", &given.text_column),
        ("label-column", &given.label_column),
    ];
    for (name, column) in columns {
        if let Some(column) = column {
            settings[name] = column.as_str().into();
        }
    }
    if given.drop_unlabelled {
        settings["drop-unlabelled"] = true.into();
    }
    Ok(settings)
}

/// Stores standard input in a file named after its content, because a resumed run reads its texts again.
fn keep_standard_input(out: &Path) -> Result<String, Box<dyn Error>> {
    std::fs::create_dir_all(out)?;
    let (mut bytes, fresh) = (Vec::new(), out.join("standard-input.csv"));
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    std::fs::write(&fresh, bytes)?;
    let sums = checksums_of(&fresh)?;
    let sum: String = sums.values().flat_map(|sum| sum.chars().take(12)).collect();
    let named = out.join(format!("standard-input-{sum}.csv"));
    std::fs::rename(&fresh, &named)?;
    Ok(named.display().to_string())
}

fn run(given: Arguments) -> Result<(), Box<dyn Error>> {
    let settings = overrides(&given)?;
    let texts = TextModality::new(Catalogue::new(DataOptions {
        data_dir: given.data_dir.clone(),
        model_dir: given.model_dir.clone(),
        allow_twin: given.profile == Profile::Quick,
        ..DataOptions::default()
    })?);
    let temporary = || std::env::temp_dir().join("l0gm-train-texts");
    let out = given.out.clone().unwrap_or_else(temporary);
    let dataset = match given.dataset.as_str() {
        "-" => keep_standard_input(&out)?,
        name => name.to_owned(),
    };
    // With a target, the controller finds lambda.
    let aimed = !settings["train"]["target"].is_null();
    let takes_lambda = texts
        .methods()
        .iter()
        .any(|method| method.name == given.method && method.has_knob());
    let default = (takes_lambda && !aimed).then_some(1e-3);
    let spec = texts.spec(&SpecRequest {
        lambda: given.lambda.or(default),
        seed: given.seed,
        profile: given.profile,
        overrides: &settings,
        ..SpecRequest::new(&dataset, &given.method)
    })?;
    print!("{}", texts.summary(&spec)?);
    let shared = texts.shared_work(&spec)?.into_iter().map(|(_, time)| time);
    let estimate = texts.estimate(&spec)? + shared.sum();
    println!("estimated {:.0} s", estimate.as_secs_f64());
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
            baselines: Vec::new(),
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

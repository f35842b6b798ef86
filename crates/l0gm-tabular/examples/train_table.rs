//! Trains a gated classifier on a table and prints what it reached.
//!
//!     cargo run --example train_table -- adult
//!     cargo run --example train_table -- FILE.csv --label COLUMN --lambda 0.003
//!
//! `--target 15%` asks for an active fraction instead of a lambda, `--dense` trains without a gate, `--quick` the quick profile (twins allowed), `--seed N` another seed, and `--set JSON`
//! lays settings over the defaults, for example `--set '{"model":{"bypass":false}}'`. Datasets of the
//! catalogue are looked for in `L0GM_DATA_DIR`, else in `datasets/cache`.

use candle_core::Device;
use l0gm_data::{Catalogue, DataOptions};
use l0gm_tabular::TabularModality;
use l0gm_train::{LineProgress, Modality, Profile, RunContext, SpecRequest, StopFlag};
use serde_json::{Value, json};
use std::error::Error;
use std::process::ExitCode;

struct Arguments {
    dataset: String,
    overrides: Value,
    lambda: Option<f64>,
    dense: bool,
    seed: u64,
    profile: Profile,
    out: Option<String>,
}

const USAGE: &str = "train_table (adult | FILE) [--label COLUMN] [--lambda X | --target 15% | --dense] [--quick] [--seed N] [--set JSON]";

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
    let arguments = arguments()?;
    let catalogue = Catalogue::new(DataOptions {
        allow_twin: arguments.profile == Profile::Quick,
        ..DataOptions::default()
    })?;
    let modality = TabularModality::new(catalogue);
    let (method, lambda) = match arguments.dense {
        true => ("dense", arguments.lambda),
        // With a target, lambda is found by the controller.
        false if !arguments.overrides["train"]["target"].is_null() => ("l0gm", arguments.lambda),
        false => ("l0gm", arguments.lambda.or(Some(1e-3))),
    };
    let spec = modality.spec(&SpecRequest {
        lambda,
        seed: arguments.seed,
        profile: arguments.profile,
        overrides: &arguments.overrides,
        ..SpecRequest::new(&arguments.dataset, method)
    })?;
    let scratch = std::env::temp_dir().join(format!("l0gm-{}", std::process::id()));
    let dir = arguments.out.clone().map_or(scratch.clone(), Into::into);
    let mut progress = LineProgress::new(&spec.id());
    let mut context = RunContext {
        dir,
        device: Device::Cpu,
        device_name: "cpu".into(),
        threads: std::thread::available_parallelism()?.get(),
        progress: &mut progress,
        stop: StopFlag::default(),
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

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut parsed = Arguments {
        dataset: "adult".into(),
        overrides: json!({}),
        lambda: None,
        dense: false,
        seed: 0,
        profile: Profile::Paper,
        out: None,
    };
    let (mut label, mut target) = (None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--label" => label = Some(value()?),
            "--lambda" => parsed.lambda = Some(value()?.parse()?),
            "--target" => target = Some(value()?),
            "--seed" => parsed.seed = value()?.parse()?,
            "--set" => parsed.overrides = serde_json::from_str(&value()?)?,
            "--out" => parsed.out = Some(value()?),
            "--dense" => parsed.dense = true,
            "--quick" => parsed.profile = Profile::Quick,
            flag if flag.starts_with("--") => return Err(format!("unknown option {flag}").into()),
            name => parsed.dataset = name.into(),
        }
    }
    if let Some(label) = label {
        parsed.overrides["data"]["label"] = json!(label);
    }
    if let Some(target) = target {
        parsed.overrides["train"]["target"] = json!(target);
    }
    Ok(parsed)
}

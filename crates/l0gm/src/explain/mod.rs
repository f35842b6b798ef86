//! `l0gm explain`: what each column is worth to the chosen model of a study.

pub mod flags;

use crate::flags::FormatFlag;
use crate::modalities::{self, Purpose};
use crate::usage::usage;
use anyhow::Context;
use candle_core::Device;
use flags::ExplainFlags;
use l0gm_data::DataOptions;
use l0gm_report::choice::Choices;
use l0gm_report::figures::{EffectBar, Effects, Figure, Plot};
use l0gm_report::{OutDir, format};
use l0gm_train::{Explanation, RunRecord};
use std::process::ExitCode;

/// Most columns that are drawn.
const DRAWN: usize = 40;

/// Runs the command.
///
/// # Errors
/// The study, the model or its data cannot be read, or a flag is wrong.
pub fn run(flags: &ExplainFlags) -> anyhow::Result<ExitCode> {
    if !(1..=10_000).contains(&flags.permutations) {
        return Err(usage(format!(
            "--permutations {}: expected 1 to 10000",
            flags.permutations
        )));
    }
    let out = OutDir::open(&flags.study)?;
    let records = out.records()?;
    let run = chosen(&out, &records, flags)?;
    let options = DataOptions::default();
    let modalities = modalities::of(&options, Purpose::Run { bars: false })?;
    let modality = modalities
        .iter()
        .find(|modality| modality.name() == run.spec.modality)
        .with_context(|| {
            format!(
                "{}: a modality that this version does not know",
                run.spec.modality
            )
        })?;
    let dir = out.run(&run.run_id);
    let found = modality
        .explain(&run.spec, &dir, &Device::Cpu, flags.permutations)
        .with_context(|| format!("explaining {}", run.run_id))?;
    let Some(found) = found else {
        println!(
            "{}: {} of {} dimensions are open. They are dimensions of an embedding and have no names, so nothing more \
             can be said of single ones; only tables have columns to explain.",
            run.run_id, run.gate.open_dims, run.gate.total_dims
        );
        return Ok(ExitCode::SUCCESS);
    };
    let figure = figure(run, &found);
    out.write("explain.svg", figure.svg()?.as_bytes())?;
    figure.write_png(&out.path().join("explain.png"))?;
    match flags.format {
        FormatFlag::Json => println!("{}", serde_json::to_string_pretty(&found)?),
        FormatFlag::Text => {
            print!("{}", text(run, &found));
            println!("drawn: {}", out.path().join("explain.svg").display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The run to explain: the one that is named, else the recommended one.
fn chosen<'a>(
    out: &OutDir,
    records: &'a [RunRecord],
    flags: &ExplainFlags,
) -> anyhow::Result<&'a RunRecord> {
    let gated: Vec<&RunRecord> = records.iter().filter(|r| r.method.gated).collect();
    if gated.is_empty() {
        return Err(usage(format!(
            "{}: holds no finished gated model; `l0gm train` makes one",
            out.path().display()
        )));
    }
    let Some(name) = &flags.run else {
        let choices = Choices::of(out, records);
        let studies = choices.studies(records);
        let pick = studies.iter().find_map(|study| study.pick());
        let id = pick.map(|point| point.first().run_id.clone());
        return gated
            .iter()
            .copied()
            .find(|run| Some(&run.run_id) == id.as_ref())
            .context("no gated model of this study can be recommended; name one with --run");
    };
    // Of a target's models that of the lowest seed, as of the chosen one.
    let of_target = gated
        .iter()
        .filter(|run| target(run).as_ref() == Some(name));
    if let Some(run) = of_target.min_by_key(|run| run.spec.seed) {
        return Ok(run);
    }
    let mut named = gated
        .iter()
        .copied()
        .filter(|run| run.run_id.contains(name));
    match (named.next(), named.next()) {
        (Some(run), None) => Ok(run),
        (None, _) => {
            let all: Vec<&str> = gated.iter().map(|run| run.run_id.as_str()).collect();
            Err(usage(format!(
                "--run {name}: no gated run has this in its name; there are {}",
                all.join(", ")
            )))
        }
        (Some(a), Some(b)) => Err(usage(format!(
            "--run {name}: several runs have this in their names, such as {} and {}; write more of it",
            a.run_id, b.run_id
        ))),
    }
}

/// The target of a run, as `--target` takes it.
fn target(run: &RunRecord) -> Option<String> {
    let target = run.spec.settings.pointer("/train/target")?.as_f64()?;
    Some(format!("{}%", (target * 1e6).round() / 1e4))
}

fn text(run: &RunRecord, found: &Explanation) -> String {
    let widest = found
        .effects
        .iter()
        .map(|effect| effect.name.chars().count());
    let width = widest.max().unwrap_or(0).clamp(6, 28);
    let mut lines = vec![
        format!(
            "{}: validation NLL {} on {} rows",
            run.run_id,
            format::fraction(found.nll),
            format::count(found.rows as u64)
        ),
        format!(
            "{:width$}  {:>4}  {:>8}  95% interval of the rise in NLL when permuted",
            "column", "open", "rise"
        ),
    ];
    for effect in &found.effects {
        let name: String = effect.name.chars().take(width).collect();
        lines.push(format!(
            "{name:width$}  {:>4}  {:>8}  {} to {}",
            effect.open,
            format::difference(effect.rise),
            format::difference(effect.low),
            format::difference(effect.high)
        ));
    }
    if !found.closed.is_empty() {
        lines.push(format!(
            "not read, not needed at prediction: {}",
            found.closed.join(", ")
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn figure(run: &RunRecord, found: &Explanation) -> Figure {
    let bars = found.effects.iter().take(DRAWN).map(|effect| EffectBar {
        label: format!(
            "{} ({} open): {}",
            effect.name,
            effect.open,
            format::difference(effect.rise)
        ),
        value: effect.rise,
        interval: (effect.low, effect.high),
    });
    Figure {
        id: "explain".to_owned(),
        caption: format!("What each column is worth to {}", run.run_id),
        alt: "The rise in validation NLL when a column is permuted, a bar for each column"
            .to_owned(),
        plot: Plot::Effects(Effects {
            title: "Rise in validation NLL when permuted".to_owned(),
            bars: bars.collect(),
        }),
    }
}

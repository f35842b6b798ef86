//! `l0gm train`: a whole study of one's own data in one command. It trains baselines, a dense model and gated models,
//! chooses on validation rows, and shows on one screen what each reaches on test rows.

mod checks;
mod decision;
mod findings;
pub mod flags;
mod places;
mod rival;
mod screen;
mod threshold;
mod verdict;

use crate::flags::{CellFlags, FormatFlag, SearchFlags, WayFlag};
use crate::job::{self, Done, Job};
use crate::modalities::{self, Purpose};
use crate::own_data::{Request, in_errors};
use crate::plan::{Share, print_table};
use crate::run::{Console, Machine};
use crate::runner::Runner;
use crate::search::{self, Tuned};
use crate::usage::usage;
use anyhow::Context;
use decision::Decided;
use findings::{Columns, Data, Findings, Model};
use flags::TrainFlags;
use l0gm_data::{DataOptions, FetchPolicy};
use l0gm_report::choice::Choices;
use l0gm_report::{OutDir, aggregate};
use l0gm_train::{Decision, RunDir, RunRecord};
use rival::Rival;
use std::collections::BTreeSet;
use std::process::ExitCode;
use threshold::Rule;

/// Runs the command. Returns exit code 0, 1 if a run failed, or 130 if it was stopped.
///
/// # Errors
/// A flag, a file or the data cannot be used.
pub fn run(flags: &TrainFlags, runner: &Runner) -> anyhow::Result<ExitCode> {
    in_errors(train(flags, runner))
}

fn train(flags: &TrainFlags, runner: &Runner) -> anyhow::Result<ExitCode> {
    let rule = decision::rule(flags.threshold.as_deref(), flags.positive.as_deref())?;
    let rivals = flags.rival.iter().map(|text| Rival::new(text));
    let rivals: Vec<Rival> = rivals.collect::<anyhow::Result<_>>()?;
    checks::one_seed_for_rivals(flags)?;
    let mut request = Request::new(&flags.data, flags.cells())?;
    // The robustness protocol belongs to comparisons of methods; whoever wants it here sets it.
    request.set("train.robustness=false");
    if flags.balanced {
        request.set("train.class-weights=\"balanced\"");
    }
    if flags.columns {
        request.set_for_table("--columns", "gate.granularity=\"group\"")?;
    }
    let machine = job::machine(&request.cells)?;
    // Run on a thread of the pool, as `reproduce` does.
    rayon::scope(|_| {
        if flags.dry_run {
            return dry_run(&request, flags.tune, runner);
        }
        study(flags, &request, rule, &rivals, runner, &machine)
    })
}

fn dry_run(request: &Request, tune: Option<usize>, runner: &Runner) -> anyhow::Result<ExitCode> {
    let job = Job::new(&request.cells, runner, Purpose::Look)?;
    println!("{}", announcement(request));
    print_table(&mut std::io::stdout(), &job.plan, &job.finished()?)?;
    if let Some(trials) = tune {
        println!(
            "Before these, --tune {trials} trains a dense and a gated model {trials} times each to choose settings."
        );
    }
    println!("Nothing was run: this is the plan.");
    Ok(ExitCode::SUCCESS)
}

/// What the data are taken for, and why.
fn announcement(request: &Request) -> String {
    format!(
        "reading {} as {}: {}",
        request.cells.dataset.join(","),
        request.modality.word(),
        request.because
    )
}

fn study(
    flags: &TrainFlags,
    request: &Request,
    rule: Option<Rule>,
    rivals: &[Rival],
    runner: &Runner,
    machine: &Machine,
) -> anyhow::Result<ExitCode> {
    let mut console = Console::beside_a_result(flags.quiet);
    console.headline(&announcement(request));
    let mut cells = request.cells.clone();
    let mut job = Job::new(&cells, runner, console.purpose())?;
    checks::threshold_fits(&job, rule, flags.positive.as_deref())?;
    checks::same_study(&job, &flags.data)?;
    if let Some(trials) = flags.tune {
        match tune(&cells, trials, runner, machine, flags.quiet)? {
            Tuned::Chosen(file) => cells.settings = Some(file),
            Tuned::Stopped(code) => return Ok(code),
        }
        job = Job::new(&cells, runner, console.purpose())?;
    }
    let encoder = encoder(&job);
    if let Some(line) = &encoder {
        console.headline(line);
    }
    let done = job.carry_out(&Share::All, true, machine, &mut console)?;
    let planned: BTreeSet<String> = job.plan.runs.iter().map(|run| run.spec.id()).collect();
    // An earlier study in the same folder, with other flags, is not a part of this one, and neither is what failed now.
    let mut records = done.out.records()?;
    records.retain(|record| {
        planned.contains(&record.run_id) && done.outcome.done.contains(&record.run_id)
    });
    if records.is_empty() || done.outcome.stopped {
        return Ok(unfinished(&done, &console));
    }
    let lowest = records
        .iter()
        .min_by_key(|record| record.spec.seed)
        .context("no run has finished")?
        .clone();
    places::write_split(&done.out, &lowest)?;
    for rival in rivals {
        records.push(rival.judge(&done.out, &lowest)?);
    }
    aggregate::write_summary(&done.out, &records)?;
    l0gm_report::write(&done.out, &records, &runner.program, &modalities::rivals())
        .context("writing the report")?;
    let mut found = find(&done.out, &records, rule, flags)?;
    found.data.encoder = encoder;
    done.out
        .write("result.json", &serde_json::to_vec_pretty(&found)?)?;
    match flags.format {
        FormatFlag::Json => println!("{}", serde_json::to_string_pretty(&found)?),
        FormatFlag::Text => print!("{}", screen::text(&found)),
    }
    for (id, message) in &done.outcome.failures {
        eprintln!("failed: {id}: {message}");
    }
    Ok(done.code())
}

/// Searches settings at one share of open dimensions, with one seed.
fn tune(
    cells: &CellFlags,
    trials: usize,
    runner: &Runner,
    machine: &Machine,
    quiet: bool,
) -> anyhow::Result<Tuned> {
    if trials < 2 {
        return Err(usage(format!(
            "--tune {trials}: expected at least 2 trials; the first one has the defaults"
        )));
    }
    let flags = SearchFlags {
        cells: CellFlags {
            target: Vec::new(),
            seeds: cells.seeds.iter().take(1).cloned().collect(),
            ..cells.clone()
        },
        trials,
        search_seed: 0,
        incumbent: None,
        by: WayFlag::Random,
        dry_run: false,
    };
    search::tune(&flags, runner, machine, Console::beside_a_result(quiet))
}

/// Says which encoder reads texts, because one that is trained from scratch in place of pretrained weights is far weaker.
fn encoder(job: &Job) -> Option<String> {
    let settings = &job.plan.runs.first()?.spec.settings;
    let encoder = settings.get("encoder")?.as_str()?;
    Some(match encoder {
        "scratch" => "encoder: a small one trained from scratch, because no pretrained weights were found (--model-dir DIR, or \
                      a network)"
            .to_owned(),
        name => format!("encoder: {name}"),
    })
}

/// Says that there is nothing to show yet.
fn unfinished(done: &Done, console: &Console) -> ExitCode {
    for (id, message) in &done.outcome.failures {
        eprintln!("failed: {id}: {message}");
    }
    if done.outcome.stopped {
        console.headline("stopped on request; the same command goes on where it stopped");
    }
    done.code()
}

fn find(
    out: &OutDir,
    records: &[RunRecord],
    rule: Option<Rule>,
    flags: &TrainFlags,
) -> anyhow::Result<Findings> {
    let choices = Choices::of(out, records);
    let studies = choices.studies(records);
    let study = studies.first().context("no run has finished")?;
    let pick = study.pick();
    let is_pick =
        |point: &&l0gm_report::study::Point<'_>| pick.is_some_and(|p| std::ptr::eq(p, *point));
    let mut models: Vec<Model> = study
        .points
        .iter()
        .map(|point| Model::of(point, is_pick(&point)))
        .collect();
    models.sort_by(|a, b| a.place().total_cmp(&b.place()));
    let chosen = pick.map(|point| point.first());
    let decided = chosen
        .map(|run| Decided::of(out, run, rule, flags.positive.as_deref()))
        .transpose()?;
    let model = chosen
        .map(|run| export(out, run, decided.as_ref(), flags))
        .transpose()?
        .flatten();
    Ok(Findings {
        verdict: verdict::verdict(out, study, decided.as_ref()),
        data: Data::of(study),
        models,
        decided,
        columns: chosen.and_then(Columns::of),
        warnings: chosen
            .into_iter()
            .flat_map(|run| run.warnings.iter().map(|warning| warning.text.clone()))
            .collect(),
        model,
        report: out.path().join("report.html").display().to_string(),
    })
}

/// Copies the chosen model with its threshold, and a frozen encoder, to `OUT/model`. `None` where the run keeps no
/// compact model, as those with fine or conditional gates.
fn export(
    out: &OutDir,
    run: &RunRecord,
    decided: Option<&Decided>,
    flags: &TrainFlags,
) -> anyhow::Result<Option<String>> {
    let compact = RunDir::compact_in(&out.run(&run.run_id));
    if !compact.is_dir() {
        return Ok(None);
    }
    let threshold = decided.and_then(|decided| decided.threshold.as_ref());
    let decision = threshold.map(|threshold| Decision {
        positive: threshold.positive.clone(),
        threshold: threshold.value,
        rule: threshold.rule.clone(),
    });
    let data = DataOptions {
        model_dir: flags.model_dir.clone(),
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    };
    modalities::export_model(&compact, &out.path().join("model"), decision, &data)?;
    // `predict` finds the model below the study's folder.
    Ok(Some(out.path().display().to_string()))
}

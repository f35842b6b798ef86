//! `l0gm inspect`: says how data would be read, and trains nothing.

mod columns;
pub mod flags;

use crate::flags::{CellFlags, FormatFlag};
use crate::job::Job;
use crate::modalities::Purpose;
use crate::own_data::{ModalityFlag, Request, in_errors, in_flags};
use crate::runner::Runner;
use flags::InspectFlags;
use l0gm_data::rows::{self, RawTable, ReadOptions, Source};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Runs the command.
///
/// # Errors
/// The data cannot be read, or a flag does not fit them.
pub fn run(flags: &InspectFlags, runner: &Runner) -> anyhow::Result<ExitCode> {
    in_errors(inspect(flags, runner))
}

fn inspect(flags: &InspectFlags, runner: &Runner) -> anyhow::Result<ExitCode> {
    let data = &flags.data;
    let is_file = data.data.is_file() || data.data.as_os_str() == "-";
    let raw = is_file.then(|| read(flags)).transpose()?;
    let asks_for_a_study = data.label.is_some() || !is_file;
    let look = match asks_for_a_study {
        true => look(flags, runner)?,
        false => None,
    };
    let columns = raw.as_ref().map(columns::of).unwrap_or_default();
    match flags.format {
        FormatFlag::Json => {
            let reading = look.map_or(Value::Null, |(_, _, reading)| reading);
            let said = raw.as_ref().map_or(&[][..], RawTable::said);
            println!(
                "{}",
                serde_json::to_string_pretty(&json!({
                    "source": data.data.display().to_string(),
                    "rows": raw.as_ref().map(RawTable::rows),
                    "columns": columns,
                    "notes": said,
                    "reading": reading,
                }))?
            );
        }
        FormatFlag::Text => {
            if let Some(raw) = &raw {
                println!(
                    "{}: {} rows, {} columns",
                    data.data.display(),
                    raw.rows(),
                    raw.columns().len()
                );
                print!("{}", columns::text(&columns));
                if look.is_none() {
                    for line in raw.said() {
                        println!("note: {}", in_flags(line));
                    }
                    println!(
                        "To see the classes, the split and what would be left out: add --label COLUMN"
                    );
                }
            }
            if let Some((modality, because, text)) =
                look.as_ref().map(|(m, text, _)| (m.0, m.1, text))
            {
                println!("\nAs {}, because {because}:", modality.word());
                print!("{}", in_flags(text));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a file of rows as it stands.
fn read(flags: &InspectFlags) -> anyhow::Result<RawTable> {
    let options = ReadOptions {
        ignore: flags.data.ignore.clone(),
        ..ReadOptions::default()
    };
    let source = Source::named(&flags.data.data.to_string_lossy());
    Ok(rows::read(&source, &options)?)
}

type Look = ((ModalityFlag, &'static str), String, Value);

/// Reads the data as a study would.
fn look(flags: &InspectFlags, runner: &Runner) -> anyhow::Result<Option<Look>> {
    let base = CellFlags {
        // One run is enough to plan with.
        method: vec!["majority".to_owned()],
        offline: true,
        ..CellFlags::default()
    };
    let request = Request::new(&flags.data, base)?;
    let job = Job::new(&request.cells, runner, Purpose::Look)?;
    let look = job.looks.into_iter().next();
    Ok(look.map(|look| ((request.modality, request.because), look.text, look.reading)))
}

//! Writes the chosen settings as files that `reproduce --settings` reads. One file is for all methods together, which
//! must share the backbone to be compared; others hold each method's own best. A comment at the top states their
//! origin.

use super::choice::{ByMethod, Losses, active, best, joint};
use super::space::{Axis, get, insert};
use super::{Study, TOLERANCE, TrialRun, shown, shown_loss};
use crate::flags::{ProfileFlag, SearchFlags};
use crate::modalities;
use l0gm_report::format;
use l0gm_report::out::OutDir;
use serde_json::{Map, Value};

/// The command that made a search, for the comment in its files.
pub(super) struct Origin<'a> {
    /// What people type before a command.
    pub(super) program: &'a str,
    /// The command as it was typed.
    pub(super) command: &'a str,
    pub(super) flags: &'a SearchFlags,
}

/// Name of the file with the settings chosen for all methods together.
pub(super) const JOINT: &str = "chosen.toml";

/// Writes `chosen.toml` and, if several methods were searched, `chosen-METHOD.toml`. Returns their paths.
pub(super) fn write(
    out: &OutDir,
    studies: &[(&Study, ByMethod)],
    origin: &Origin<'_>,
) -> anyhow::Result<Vec<String>> {
    let mut methods: Vec<&String> = studies.iter().flat_map(|(_, by)| by.keys()).collect();
    methods.sort();
    methods.dedup();
    let mut files = Vec::new();
    let mut add = |name: String, text: String| -> anyhow::Result<()> {
        out.write(&name, text.as_bytes())?;
        files.push(out.path().join(name).display().to_string());
        Ok(())
    };
    add(JOINT.to_owned(), text(studies, origin, None, out)?)?;
    if methods.len() > 1 {
        for method in methods {
            let text = text(studies, origin, Some(method), out)?;
            add(format!("chosen-{method}.toml"), text)?;
        }
    }
    Ok(files)
}

/// The text of one file. `only` names the method whose own best it holds.
fn text(
    studies: &[(&Study, ByMethod)],
    origin: &Origin<'_>,
    only: Option<&String>,
    out: &OutDir,
) -> anyhow::Result<String> {
    let mut lines = vec![
        match only {
            None => "Settings chosen by the lowest validation loss, for all methods together."
                .to_owned(),
            Some(method) => {
                format!("Settings chosen by the lowest validation loss of {method} alone.")
            }
        },
        format!("Command: {}", origin.command),
        format!(
            "Budget: {} trials for each method, the settings in use as trial 0; no figure of the test split was looked at.",
            origin.flags.trials
        ),
        format!(
            "Use: {} reproduce{} --settings THIS_FILE (what --set, --settings and --incumbent held stands in it too)",
            origin.program,
            match origin.flags.cells.profile {
                ProfileFlag::Quick => "",
                ProfileFlag::Paper => " --profile paper",
                ProfileFlag::General => " --profile general",
            }
        ),
    ];
    let mut root = Map::new();
    for (study, by_method) in studies {
        let (losses, whose) = match only {
            None => (joint(by_method), "mean of all methods"),
            Some(method) => (
                by_method.get(method).cloned().unwrap_or_default(),
                method.as_str(),
            ),
        };
        let Some(chosen) = best(&losses) else {
            lines.push(format!(
                "{} on {}: no trial that could be compared; every one failed or missed the target.",
                study.modality, study.dataset
            ));
            continue;
        };
        lines.push(format!(
            "{} on {}: trial {chosen} of 0 to {} ({}).",
            study.modality,
            study.dataset,
            study.trials.len() - 1,
            shown(study, chosen)
        ));
        if let Some(path) = &study.incumbent {
            lines.push(format!("  trial 0, the incumbent: {}", path.display()));
        }
        lines.push(format!(
            "  validation loss, {whose}: chosen {}, {} {}",
            at(&losses, chosen),
            study.first(),
            at(&losses, 0)
        ));
        for (method, own) in by_method.iter().filter(|_| only.is_none()) {
            lines.push(format!(
                "  validation loss, {method}: chosen {}, {} {}, its own best {}",
                at(own, chosen),
                study.first(),
                at(own, 0),
                best(own).map_or_else(
                    || "none".to_owned(),
                    |best| format!("{} (trial {best})", at(own, best))
                )
            ));
        }
        let shares = (
            active(&study.runs, chosen, out)?,
            active(&study.runs, 0, out)?,
        );
        if let (Some(chosen), Some(first)) = shares {
            let (chosen, first) = (format::percent(chosen), format::percent(first));
            let shares = format!("chosen {chosen}, {} {first}", study.first());
            lines.push(match study.target {
                Some(target) => format!(
                    "  active: {shares} ({} asked; what ends more than {} points from it is not compared)",
                    format::percent(target),
                    TOLERANCE * 100.0
                ),
                None => format!("  active at this lambda: {shares} (what opens more dimensions may win by that)"),
            });
        }
        let dense = only.is_some_and(|method| !modalities::has_knob(method));
        let gate: &[Axis] = if dense { &[] } else { &study.space.gate };
        // Include the settings that were held during the search: without them the file would describe other runs.
        let mut table = study.held.clone();
        for axis in study.space.backbone.iter().chain(gate) {
            if let Some(value) = value_of(study, chosen, axis) {
                insert(&mut table, &axis.key, value);
            }
        }
        root.insert(study.modality.clone(), table);
    }
    let mut text: String = lines.iter().map(|line| format!("# {line}\n")).collect();
    text.push('\n');
    text.push_str(&toml::to_string(&Value::Object(root))?);
    Ok(text)
}

/// The value of a setting in a trial's gated run, or in its dense run if there is none. Trial 0 states its defaults
/// too, so that the file is complete.
fn value_of(study: &Study, trial: usize, axis: &Axis) -> Option<Value> {
    let of_trial = |run: &&TrialRun| run.trial == trial;
    let mut runs: Vec<&TrialRun> = study.runs.iter().filter(of_trial).collect();
    runs.sort_by_key(|run| !run.gated);
    get(&runs.first()?.spec.settings, &axis.key).cloned()
}

fn at(losses: &Losses, trial: usize) -> String {
    shown_loss(losses.get(&trial))
}

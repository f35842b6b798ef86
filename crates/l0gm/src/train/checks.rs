//! Mistakes that can be told before anything is trained.

use super::decision::class_of;
use super::flags::TrainFlags;
use super::threshold::Rule;
use crate::job::Job;
use crate::own_data::DataFlags;
use crate::usage::usage;
use l0gm_data::checksums_of;
use l0gm_data::rows::Summary;
use l0gm_report::OutDir;
use serde_json::Value;

/// Refuses a threshold where there are not two classes, and a positive class that is none of them.
///
/// # Errors
/// Names the classes.
pub(super) fn threshold_fits(
    job: &Job,
    rule: Option<Rule>,
    positive: Option<&str>,
) -> anyhow::Result<()> {
    let look = job.looks.first();
    let summary = look.and_then(|look| Summary::from_value(&look.reading));
    let (Some(_), Some(summary)) = (rule, summary) else {
        return Ok(());
    };
    let names: Vec<String> = summary.classes.into_iter().map(|c| c.name).collect();
    class_of(&names, positive)?;
    Ok(())
}

/// Refuses a folder that holds a study of another label or file, or of an older content of the file: its figures and
/// new ones would stand side by side, and its model would be replaced.
///
/// # Errors
/// Says what the folder holds.
pub(super) fn same_study(job: &Job, data: &DataFlags) -> anyhow::Result<()> {
    let Ok(out) = OutDir::open(&job.path) else {
        return Ok(());
    };
    let shown = job.path.display();
    let remedy = "choose another --out, or delete that folder";
    if let Ok(bytes) = std::fs::read(job.path.join("result.json"))
        && let Ok(earlier) = serde_json::from_slice::<Value>(&bytes)
    {
        let of = |key: &str| earlier["data"][key].as_str().map(str::to_owned);
        let label = data.label.clone().filter(|_| data.data.is_file());
        for (what, then, now) in [
            ("data", of("source"), Some(data.data.display().to_string())),
            ("label", of("label"), label),
        ] {
            if let (Some(then), Some(now)) = (then, now)
                && then != now
                && then != format!("./{now}")
            {
                return Err(usage(format!(
                    "{shown}: holds a study whose {what} is {then}, not {now}; {remedy}"
                )));
            }
        }
    }
    if !data.data.is_file() {
        return Ok(());
    }
    let now = checksums_of(&data.data)?;
    for run in &job.plan.runs {
        let Ok(Some(record)) = out.record(&run.spec) else {
            continue;
        };
        let then = &record.data.checksums;
        if now
            .iter()
            .any(|(name, sum)| then.get(name).is_some_and(|old| old != sum))
        {
            return Err(usage(format!(
                "{} changed since the study in {shown} was made; {remedy}",
                data.data.display()
            )));
        }
    }
    Ok(())
}

/// Refuses a rival beside several seeds: its file has the test rows of one split.
///
/// # Errors
/// Says so.
pub(super) fn one_seed_for_rivals(flags: &TrainFlags) -> anyhow::Result<()> {
    let several = flags.seeds.len() > 1 || flags.seeds.iter().any(|seed| seed.contains('-'));
    match flags.rival.first().filter(|_| several) {
        None => Ok(()),
        Some(rival) => Err(usage(format!(
            "--rival {rival}: its file has the test rows of one split, and --seeds {} asks for several; give one seed",
            flags.seeds.join(",")
        ))),
    }
}

//! What the flags choose, parsed and checked: the part of a plan that does not need the modalities.

use super::ablation::{ALL_ABLATIONS, Ablation, NO_ABLATION};
use crate::flags::CellFlags;
use crate::modalities;
use crate::runner::{Defaults, Runner};
use crate::usage::usage;
use l0gm_gate::Target;
use l0gm_train::MethodInfo;

/// The flags that choose runs; an empty list means "all" or "the default".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// Names of modalities, not checked yet.
    pub modalities: Vec<String>,
    /// Names or paths of datasets, not checked yet.
    pub datasets: Vec<String>,
    /// Names of methods, not checked yet.
    pub methods: Vec<String>,
    /// The seeds without repetitions; at least one.
    pub seeds: Vec<u64>,
    /// Lambdas in ascending order without repetitions, none negative. Empty only if there are targets.
    pub lambdas: Vec<f64>,
    /// Target active fractions in ascending order, without repetitions.
    pub targets: Vec<Target>,
    /// Ablations in the order of running, without repetitions.
    pub ablations: Vec<Ablation>,
    /// Whether lambdas or targets were given; ablations are then run at those.
    pub points_given: bool,
}

impl Choice {
    /// Whether the flags ask for this method: they name it, or they name none and it is planned by default.
    pub(crate) fn takes(&self, method: &MethodInfo) -> bool {
        match self.methods.is_empty() {
            true => method.is_planned_by_default(),
            false => self.methods.iter().any(|name| *name == *method.name),
        }
    }

    /// Parses the flags.
    pub fn new(flags: &CellFlags, runner: &Runner) -> anyhow::Result<Self> {
        let defaults = runner.defaults(flags.profile);
        let ungated = |method: &String| !modalities::has_knob(method);
        let named = flags.method.join(",");
        if !flags.lambda.is_empty() && !flags.method.is_empty() && flags.method.iter().all(ungated)
        {
            return Err(usage(format!(
                "--lambda {}: --method {named} has no gate and so no lambda; leave --lambda out, or take --method {named},l0gm",
                flags.lambda.join(",")
            )));
        }
        let by_target = |method: &String| !modalities::takes_lambda(method);
        if !flags.lambda.is_empty()
            && !flags.method.is_empty()
            && flags.method.iter().all(by_target)
        {
            return Err(usage(format!(
                "--lambda {}: --method {named} takes no lambda but the share of dimensions to leave open; give \
                 --target instead, for example --target 15%",
                flags.lambda.join(",")
            )));
        }
        let asked = |list: &[String]| list.iter().any(|name| name != NO_ABLATION);
        if asked(&flags.ablation) && !flags.method.is_empty() && flags.method.iter().all(ungated) {
            return Err(usage(format!(
                "--ablation {}: --method {named} has no gate to change; leave --ablation out, or take --method {named},l0gm",
                flags.ablation.join(",")
            )));
        }
        if !flags.target.is_empty() && !flags.method.is_empty() && flags.method.iter().all(ungated)
        {
            return Err(usage(format!(
                "--target {}: --method {named} has no gate to open or close; leave --target out, or take --method {named},l0gm",
                flags.target.join(",")
            )));
        }
        Ok(Self {
            modalities: flags.modality.clone(),
            datasets: flags.dataset.clone(),
            methods: flags.method.clone(),
            seeds: seeds(flags, defaults)?,
            lambdas: lambdas(flags, runner)?,
            targets: targets(flags)?,
            ablations: ablations(flags, defaults)?,
            points_given: !flags.lambda.is_empty() || !flags.target.is_empty(),
        })
    }
}

fn seeds(flags: &CellFlags, defaults: &Defaults) -> anyhow::Result<Vec<u64>> {
    if flags.seeds.is_empty() {
        return Ok(defaults.seeds.clone());
    }
    let mut seeds = Vec::new();
    for text in &flags.seeds {
        for seed in range(text)? {
            if !seeds.contains(&seed) {
                seeds.push(seed);
            }
        }
    }
    Ok(seeds)
}

/// Most seeds that a range may name.
const MOST_SEEDS: u64 = 1000;

/// The seeds of `3` or `0-4`.
fn range(text: &str) -> anyhow::Result<std::ops::RangeInclusive<u64>> {
    let unusable = || {
        usage(format!(
            "--seeds {text}: expected whole numbers from 0 up, for example --seeds 0,1,2 or --seeds 0-4"
        ))
    };
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| unusable());
    let (first, last) = match text.trim().split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    match first <= last && last - first < MOST_SEEDS {
        true => Ok(first..=last),
        false => Err(unusable()),
    }
}

fn lambdas(flags: &CellFlags, runner: &Runner) -> anyhow::Result<Vec<f64>> {
    if flags.lambda.is_empty() {
        return Ok(match flags.target.is_empty() {
            true => runner.lambdas.clone(),
            false => Vec::new(),
        });
    }
    let mut lambdas = Vec::new();
    for text in &flags.lambda {
        let lambda: f64 = text
            .trim()
            .parse()
            .ok()
            .filter(|x: &f64| x.is_finite() && *x >= 0.0)
            .ok_or_else(|| {
                usage(format!(
                    "--lambda {text}: expected numbers of at least 0, for example --lambda 1e-4,1e-3"
                ))
            })?;
        if !lambdas.contains(&lambda) {
            lambdas.push(lambda);
        }
    }
    lambdas.sort_by(f64::total_cmp);
    Ok(lambdas)
}

fn targets(flags: &CellFlags) -> anyhow::Result<Vec<Target>> {
    let mut targets: Vec<Target> = Vec::new();
    for text in &flags.target {
        let target = text
            .parse()
            .map_err(|error| usage(format!("--target {text}: {error}")))?;
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets.sort_by(|a, b| a.active().total_cmp(&b.active()));
    Ok(targets)
}

/// The ablations that are named; otherwise all for `paper` and none for `quick`. If the flags choose methods, lambdas
/// or targets, only named ablations are run.
fn ablations(flags: &CellFlags, defaults: &Defaults) -> anyhow::Result<Vec<Ablation>> {
    if flags.ablation.is_empty() {
        let picked =
            !flags.method.is_empty() || !flags.lambda.is_empty() || !flags.target.is_empty();
        return Ok(match picked {
            true => Vec::new(),
            false => defaults.ablations.clone(),
        });
    }
    if flags.ablation == [ALL_ABLATIONS] {
        return Ok(Ablation::ALL.to_vec());
    }
    if flags.ablation == [NO_ABLATION] {
        return Ok(Vec::new());
    }
    let mut ablations = Vec::new();
    for name in &flags.ablation {
        if name == ALL_ABLATIONS || name == NO_ABLATION {
            return Err(usage(format!("--ablation {name} stands alone")));
        }
        ablations.push(Ablation::of(name.trim())?);
    }
    ablations.sort_unstable();
    ablations.dedup();
    Ok(ablations)
}

/// Number of threads: `flag` (the value of `--threads`), else RAYON_NUM_THREADS, else the number of cores.
pub fn threads(flag: Option<&str>) -> anyhow::Result<usize> {
    let variable = std::env::var("RAYON_NUM_THREADS").ok();
    threads_of(flag, variable.as_deref())
}

fn threads_of(flag: Option<&str>, variable: Option<&str>) -> anyhow::Result<usize> {
    let (name, text) = match (flag, variable.map(str::trim)) {
        (Some(text), _) => ("--threads ", text),
        // Like rayon, treat an empty value and 0 as not set.
        (None, Some(text)) if !text.is_empty() && text != "0" => ("RAYON_NUM_THREADS=", text),
        _ => return Ok(std::thread::available_parallelism().map_or(1, usize::from)),
    };
    text.trim()
        .parse()
        .ok()
        .filter(|n: &usize| (1..=1024).contains(n))
        .ok_or_else(|| {
            usage(format!(
                "{name}{text}: expected a whole number from 1 to 1024"
            ))
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn seeds_may_be_a_range() {
        let of = |words: &[&str]| {
            let flags = CellFlags {
                seeds: words.iter().map(|word| (*word).to_owned()).collect(),
                ..CellFlags::default()
            };
            seeds(&flags, &Runner::new("l0gm").quick)
        };
        assert_eq!(of(&["0-2", "7", "1"]).unwrap(), [0, 1, 2, 7]);
        for wrong in ["4-2", "1-", "-3", "0-5000", "a-b"] {
            let error = of(&[wrong]).unwrap_err().to_string();
            assert!(error.contains("--seeds 0-4"), "{error}");
        }
    }

    #[test]
    fn threads_are_the_flags_then_the_environments_then_the_machines() {
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_eq!(threads_of(Some("3"), Some("5")).unwrap(), 3);
        assert_eq!(threads_of(None, Some(" 5 ")).unwrap(), 5);
        for unset in [None, Some(""), Some("0")] {
            assert_eq!(threads_of(None, unset).unwrap(), cores);
        }
        let error = threads_of(None, Some("many")).unwrap_err().to_string();
        assert!(error.contains("RAYON_NUM_THREADS=many"), "{error}");
        assert!(threads_of(Some("0"), None).is_err());
    }
}

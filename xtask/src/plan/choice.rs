//! What the flags choose, parsed and checked: the part of a plan that needs no modality.

use super::LAMBDA_GRID;
use crate::flags::{ProfileFlag, ReproduceFlags};
use crate::usage::usage;

/// Seeds of `quick`.
const QUICK_SEEDS: [u64; 1] = [0];
/// Seeds of `paper` (design section 6).
const PAPER_SEEDS: [u64; 3] = [0, 1, 2];

/// The flags that choose runs; an empty list means "all" or "the default".
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Choice {
    /// Modality names, unchecked.
    pub(crate) modalities: Vec<String>,
    /// Dataset names or paths, unchecked.
    pub(crate) datasets: Vec<String>,
    /// Method names, unchecked.
    pub(crate) methods: Vec<String>,
    /// At least one, each once.
    pub(crate) seeds: Vec<u64>,
    /// At least one, ascending, each once, all at least 0.
    pub(crate) lambdas: Vec<f64>,
}

impl Choice {
    /// Parses the flags.
    pub(crate) fn new(flags: &ReproduceFlags) -> anyhow::Result<Self> {
        Ok(Self {
            modalities: flags.modality.clone(),
            datasets: flags.dataset.clone(),
            methods: flags.method.clone(),
            seeds: seeds(flags)?,
            lambdas: lambdas(flags)?,
        })
    }
}

fn seeds(flags: &ReproduceFlags) -> anyhow::Result<Vec<u64>> {
    if flags.seeds.is_empty() {
        return Ok(match flags.profile {
            ProfileFlag::Quick => QUICK_SEEDS.to_vec(),
            ProfileFlag::Paper => PAPER_SEEDS.to_vec(),
        });
    }
    let mut seeds = Vec::new();
    for text in &flags.seeds {
        let seed: u64 = text.trim().parse().map_err(|_| {
            usage(format!(
                "--seeds {text}: expected whole numbers from 0 up, for example --seeds 0,1,2"
            ))
        })?;
        if !seeds.contains(&seed) {
            seeds.push(seed);
        }
    }
    Ok(seeds)
}

fn lambdas(flags: &ReproduceFlags) -> anyhow::Result<Vec<f64>> {
    if flags.lambda.is_empty() {
        return Ok(LAMBDA_GRID.to_vec());
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

/// `--threads`: at least 1; absent = as many as there are cores.
pub(crate) fn threads(flags: &ReproduceFlags) -> anyhow::Result<usize> {
    match &flags.threads {
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        Some(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|n: &usize| (1..=1024).contains(n))
            .ok_or_else(|| {
                usage(format!(
                    "--threads {text}: expected a whole number from 1 to 1024"
                ))
            }),
    }
}

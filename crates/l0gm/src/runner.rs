//! The program that runs, and the defaults of its profiles. `cargo xtask` and `l0gm` are two programs with one
//! runner: they differ in the name that messages and records give them.

use crate::flags::ProfileFlag;
use crate::plan::ablation::Ablation;
use std::path::PathBuf;

/// The lambda grid of `quick` and `paper`: both ends of the paper's Table 7 and, between them, the values of its
/// Table 8.
pub const LAMBDA_GRID: [f64; 5] = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2];

/// A program that runs experiments.
#[derive(Clone, Debug)]
pub struct Runner {
    /// What people type before a command: "l0gm", "cargo xtask".
    pub program: String,
    /// Lambdas to use without `--lambda` and `--target`.
    pub lambdas: Vec<f64>,
    /// Defaults of `--profile quick`.
    pub quick: Defaults,
    /// Defaults of `--profile paper`.
    pub paper: Defaults,
    /// Defaults of `--profile general`.
    pub general: Defaults,
}

/// The values that a profile uses if the flags state none.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Seeds of the runs.
    pub seeds: Vec<u64>,
    /// Ablations to run, if no flag says which points to run.
    pub ablations: Vec<Ablation>,
    /// Path of the output folder.
    pub out: PathBuf,
}

impl Runner {
    /// A program with the defaults of docs/protocol.md: the paper's lambda grid, with one seed and the default design
    /// alone for quick, and with three seeds and all ablations for paper.
    pub fn new(program: &str) -> Self {
        Self {
            program: program.to_owned(),
            lambdas: LAMBDA_GRID.to_vec(),
            quick: Defaults {
                seeds: vec![0],
                ablations: Vec::new(),
                out: PathBuf::from("out/quick"),
            },
            paper: Defaults {
                seeds: vec![0, 1, 2],
                ablations: Ablation::ALL.to_vec(),
                out: PathBuf::from("out/paper"),
            },
            general: Defaults {
                seeds: vec![0, 1, 2],
                ablations: Vec::new(),
                out: PathBuf::from("out/general"),
            },
        }
    }

    /// The defaults of a profile.
    pub fn defaults(&self, profile: ProfileFlag) -> &Defaults {
        match profile {
            ProfileFlag::Quick => &self.quick,
            ProfileFlag::Paper => &self.paper,
            ProfileFlag::General => &self.general,
        }
    }
}

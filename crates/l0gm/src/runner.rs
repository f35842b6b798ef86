//! Who runs, and what a profile takes where the flags say nothing. `cargo xtask` and `l0gm` are two programs
//! with one runner: they differ in the name that messages and records give them.

use crate::flags::ProfileFlag;
use crate::plan::ablation::Ablation;
use std::path::PathBuf;

/// The lambda grid of `quick` and `paper` (the ends of the paper's Table 7 and its Table 8 between).
pub const LAMBDA_GRID: [f64; 5] = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2];

/// A program that runs experiments.
#[derive(Clone, Debug)]
pub struct Runner {
    /// What people type before a command: "l0gm", "cargo xtask".
    pub program: String,
    /// Weights of the penalty without `--lambda` and `--target`.
    pub lambdas: Vec<f64>,
    /// What `--profile quick` takes.
    pub quick: Defaults,
    /// What `--profile paper` takes.
    pub paper: Defaults,
}

/// What a profile takes where the flags say nothing.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Seeds of the runs.
    pub seeds: Vec<u64>,
    /// Designs with one thing changed, where no flag says which points to run.
    pub ablations: Vec<Ablation>,
    /// Output folder.
    pub out: PathBuf,
}

impl Runner {
    /// A program with the defaults of docs/protocol.md: the paper's grid; one seed and the default design alone
    /// for quick, three seeds and all ablations for paper.
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
        }
    }

    /// The defaults of a profile.
    pub fn defaults(&self, profile: ProfileFlag) -> &Defaults {
        match profile {
            ProfileFlag::Quick => &self.quick,
            ProfileFlag::Paper => &self.paper,
        }
    }
}

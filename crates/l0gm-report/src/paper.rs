//! The paper's figures, read from their transcription in `results/paper/tables.toml`. The code itself contains none
//! of these numbers.

use super::study::Study;
use crate::Result;
use crate::error::At;
use serde::Deserialize;
use std::path::Path;

/// What the paper's tables call the paper's own method.
pub(crate) const OURS: &str = "L0GM";
/// What the paper's Table 6 calls the backbone without a gate.
pub(crate) const DENSE: &str = "dense";

/// The part of the transcription that reports compare with.
#[derive(Debug, Deserialize)]
pub struct Paper {
    pub(super) environment: Environment,
    pub(super) dataset: Vec<Dataset>,
    pub(super) q1: Vec<Block<MethodRow>>,
    pub(super) q2: Vec<Block<MethodRow>>,
    pub(super) ablation: Vec<Ablation>,
    pub(super) lambda_sweep: Vec<Block<LambdaRow>>,
    pub(super) annealing: Vec<Block<AnnealingRow>>,
    pub(super) coupling: Vec<Block<CouplingRow>>,
    /// The search space of the paper's Table 7.
    pub search: toml::Table,
}

#[derive(Debug, Deserialize)]
pub(super) struct Environment {
    pub(super) torch: String,
    pub(super) cuda: String,
    pub(super) gpu: String,
    pub(super) cudnn: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Dataset {
    pub(super) name: String,
    pub(super) modality: String,
    pub(super) instances: u64,
    pub(super) classes: u64,
    pub(super) input: String,
    pub(super) train: u64,
    pub(super) valid: Option<u64>,
    pub(super) test: u64,
}

/// The rows of one modality.
#[derive(Debug, Deserialize)]
pub(super) struct Block<R> {
    pub(super) modality: String,
    pub(super) rows: Vec<R>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MethodRow {
    pub(super) method: String,
    pub(super) metric: f64,
    pub(super) worst: f64,
    pub(super) ece: f64,
    pub(super) rob_mu: f64,
    /// Latency in microseconds, which only the block Q2 states.
    pub(super) latency_us: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Ablation {
    pub(super) dataset: String,
    pub(super) rows: Vec<VariantRow>,
}

#[derive(Debug, Deserialize)]
pub(super) struct VariantRow {
    pub(super) variant: String,
    pub(super) metric: f64,
    pub(super) active_percent: f64,
    pub(super) ece: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct LambdaRow {
    pub(super) lambda: f64,
    pub(super) active_percent: f64,
    pub(super) metric: f64,
    pub(super) worst: f64,
    pub(super) ece: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct AnnealingRow {
    pub(super) variant: String,
    pub(super) metric: f64,
    pub(super) worst: f64,
    pub(super) ece: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct CouplingRow {
    pub(super) regime: String,
    pub(super) lambda: f64,
    pub(super) active_percent: f64,
    pub(super) metric: f64,
    pub(super) ece_without: f64,
    pub(super) ece_with: f64,
}

impl Paper {
    /// Parses the transcription, which is compiled in.
    pub fn load() -> Result<Self> {
        toml::from_str(include_str!("../paper/tables.toml"))
            .at(Path::new("results/paper/tables.toml"), "cannot be read")
    }

    /// The dataset that the paper uses for a modality.
    pub(crate) fn dataset_of(&self, modality: &str) -> Option<&str> {
        self.dataset
            .iter()
            .find(|d| d.modality == modality)
            .map(|d| d.name.as_str())
    }

    /// Whether the paper has figures for this study's dataset.
    pub(crate) fn has(&self, study: &Study<'_>) -> bool {
        self.dataset_of(study.modality) == Some(study.dataset)
    }
}

//! What is read together: a study is one dataset (or its twin), a point is one (method,
//! lambda, settings) over its seeds.

use crate::aggregate::selected_loss;
use crate::design::{self, Axis};
use crate::format;
use crate::settings::{flat, without_gate};
use l0gm_train::{MethodInfo, RunRecord};
use std::collections::BTreeMap;

/// All runs of one dataset.
#[derive(Debug)]
pub struct Study<'a> {
    /// "tabular", "text" or "graph".
    pub modality: &'a str,
    /// Catalogue name or path.
    pub dataset: &'a str,
    /// Whether the synthetic twin stood in.
    pub twin: bool,
    /// The backbone first, then baselines and rivals, then L0GM by lambda.
    pub points: Vec<Point<'a>>,
}

/// The runs that differ in their seed alone.
#[derive(Debug)]
pub struct Point<'a> {
    /// Its method.
    pub method: &'a MethodInfo,
    /// Absent for methods without one, and where an active fraction was asked for (which the variant then says).
    pub lambda: Option<f64>,
    /// What its settings differ in from other points of the same method and lambda; mostly empty.
    pub variant: String,
    /// By seed; at least one.
    pub runs: Vec<&'a RunRecord>,
}

/// A quantity over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation, absent for one seed.
    pub std: Option<f64>,
    /// Smallest.
    pub min: f64,
}

impl Estimate {
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let std = (values.len() > 1).then(|| {
            let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
            (squares / (n - 1.0)).sqrt()
        });
        Self {
            mean,
            std,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
        }
    }
}

impl<'a> Point<'a> {
    /// A quantity over the seeds.
    pub fn over(&self, f: impl Fn(&RunRecord) -> f64) -> Estimate {
        Estimate::of(&self.runs.iter().map(|run| f(run)).collect::<Vec<_>>())
    }

    /// The mean of a quantity that runs may lack; absent where one lacks it.
    pub fn maybe(&self, f: impl Fn(&RunRecord) -> Option<f64>) -> Option<Estimate> {
        let values: Option<Vec<f64>> = self.runs.iter().map(|run| f(run)).collect();
        values.map(|values| Estimate::of(&values))
    }

    /// The first seed's run.
    pub fn first(&self) -> &'a RunRecord {
        self.runs[0]
    }

    /// Whether this is L0GM: a point of the sweep, and a model that may be recommended for use. Rivals with gates of
    /// their own are not.
    pub fn is_subject(&self) -> bool {
        self.method.is_subject()
    }

    /// "1e-3", or "target 15.0%" where that was asked for; empty for dense.
    pub fn sparsity(&self) -> String {
        match self.lambda {
            Some(lambda) => format::lambda(lambda),
            None if self.is_subject() => self.variant.clone(),
            None => String::new(),
        }
    }

    /// "λ 1e-3", or "target 15.0%".
    pub fn sparsity_in_words(&self) -> String {
        match self.lambda {
            Some(_) => format!("λ {}", self.sparsity()),
            None => self.sparsity(),
        }
    }

    /// What it was trained with along one axis of the gate's design.
    pub fn value_of(&self, axis: Axis) -> String {
        axis.value(&flat(&self.first().spec.settings))
    }

    /// The axes in which it departs from the default design.
    pub fn departures(&self) -> Vec<Axis> {
        design::departures(&flat(&self.first().spec.settings))
    }

    /// What dense would have to share with it.
    fn settings_without_gate(&self) -> BTreeMap<String, String> {
        without_gate(&self.first().spec.settings)
    }

    /// Share of open dimensions.
    pub fn active(&self) -> f64 {
        self.over(|r| r.gate.active_fraction).mean
    }

    /// "dense", "L0GM, lambda 1e-3".
    pub fn label(&self) -> String {
        let method = &self.method.label;
        let mut label = match self.lambda {
            Some(lambda) => format!("{method}, λ {}", format::lambda(lambda)),
            None => method.to_string(),
        };
        if !self.variant.is_empty() {
            label.push_str(&format!(" ({})", self.variant));
        }
        label
    }

    /// The validation loss that selected the checkpoints.
    pub fn valid_loss(&self) -> f64 {
        self.maybe(selected_loss).map_or(f64::INFINITY, |e| e.mean)
    }
}

impl<'a> Study<'a> {
    /// What stands beside the study's gated models: dense trained with the settings of the point of
    /// [`Study::pick`], absent where that has not been run. Without a gated point, the first dense one.
    pub fn dense(&self) -> Option<&Point<'a>> {
        match self.pick() {
            Some(pick) => self.dense_beside(pick),
            None => self.points.iter().find(|p| p.method.is_backbone()),
        }
    }

    /// Dense trained with the settings of `gated`, but for those of the gate: the only one that it may
    /// be compared with.
    pub fn dense_beside(&self, gated: &Point<'_>) -> Option<&Point<'a>> {
        let settings = gated.settings_without_gate();
        self.points
            .iter()
            .find(|p| p.method.is_backbone() && p.settings_without_gate() == settings)
    }

    /// The dense point that every one of `points` may be compared with.
    pub fn dense_beside_all(&self, points: &[&Point<'_>]) -> Option<&Point<'a>> {
        let Some((first, others)) = points.split_first() else {
            return self.dense();
        };
        let dense = self.dense_beside(first)?;
        let settings = dense.settings_without_gate();
        others
            .iter()
            .all(|p| p.settings_without_gate() == settings)
            .then_some(dense)
    }

    /// Dense, and the gated points of the default design; where there are none of it, all points. What departs
    /// from it is no candidate for anything: its gates may count something else.
    pub fn main(&self) -> Vec<&Point<'a>> {
        let of_default = |p: &&Point<'a>| !p.is_subject() || p.departures().is_empty();
        let main: Vec<&Point<'a>> = self.points.iter().filter(of_default).collect();
        match main.iter().any(|p| p.is_subject()) {
            true => main,
            false => self.points.iter().collect(),
        }
    }

    /// Points with one thing or more of the gate's design changed, beside a default design.
    pub fn designs(&self) -> Vec<&Point<'a>> {
        let main = self.main();
        let others = self.points.iter();
        others
            .filter(|p| !main.iter().any(|m| std::ptr::eq(*m, *p)))
            .collect()
    }

    /// Baselines and rivals.
    pub fn others(&self) -> impl Iterator<Item = &Point<'a>> {
        let points = self.points.iter();
        points.filter(|p| !p.is_subject() && !p.method.is_backbone())
    }

    /// The main points of L0GM.
    pub fn gated(&self) -> impl Iterator<Item = &Point<'a>> {
        self.main().into_iter().filter(|p| p.is_subject())
    }

    /// The gated point of best validation loss: how the paper selects.
    pub fn best(&self) -> Option<&Point<'a>> {
        self.gated()
            .min_by(|a, b| a.valid_loss().total_cmp(&b.valid_loss()))
    }

    /// The gated point we would deploy, chosen on validation alone: the sparsest whose validation
    /// accuracy is within half a point of that of dense with the same settings; where none is, the one
    /// of best validation loss.
    pub fn pick(&self) -> Option<&Point<'a>> {
        let accuracy = |p: &Point<'_>| p.over(|r| r.valid.accuracy).mean;
        let is_near = |p: &&Point<'_>| {
            self.dense_beside(p)
                .is_some_and(|dense| accuracy(p) >= accuracy(dense) - 0.005)
        };
        self.gated()
            .filter(is_near)
            .min_by(|a, b| a.active().total_cmp(&b.active()))
            .or_else(|| self.best())
    }

    /// "adult" or "adult (TWIN: synthetic stand-in)".
    pub fn name(&self) -> String {
        if self.twin {
            format!("{} (TWIN: synthetic stand-in)", self.short_name())
        } else {
            self.short_name().to_owned()
        }
    }

    /// "adult" or "adult TWIN".
    pub fn tag(&self) -> String {
        format!(
            "{}{}",
            self.short_name(),
            if self.twin { " TWIN" } else { "" }
        )
    }

    fn short_name(&self) -> &'a str {
        std::path::Path::new(self.dataset)
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or(self.dataset)
    }

    /// Fit for file names and anchors.
    pub fn slug(&self) -> String {
        let name: String = self
            .short_name()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '-'
                }
            })
            .collect();
        format!(
            "{}-{name}{}",
            self.modality,
            if self.twin { "-twin" } else { "" }
        )
    }

    /// All runs.
    pub fn runs(&self) -> impl Iterator<Item = &'a RunRecord> + '_ {
        self.points
            .iter()
            .flat_map(|point| point.runs.iter().copied())
    }

    /// Whether any point has more than one seed.
    pub fn has_spread(&self) -> bool {
        self.points.iter().any(|point| point.runs.len() > 1)
    }
}

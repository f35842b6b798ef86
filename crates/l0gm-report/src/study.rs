//! Groups of runs that are read together. A study is one dataset (or its twin); a point is one method with one lambda
//! and one set of settings, over its seeds.

use crate::aggregate::selected_loss;
use crate::design::{self, Axis};
use crate::format;
use crate::settings::{flat, without_gate};
use l0gm_train::{MethodInfo, RunRecord};
use std::collections::BTreeMap;

/// All runs on one dataset.
#[derive(Debug)]
pub struct Study<'a> {
    /// Name of the modality: "tabular", "text" or "graph".
    pub modality: &'a str,
    /// The dataset's name in the catalogue, or its path.
    pub dataset: &'a str,
    /// Whether the synthetic twin replaced the dataset.
    pub twin: bool,
    /// The backbone first, then baselines and rivals, then L0GM ordered by lambda.
    pub points: Vec<Point<'a>>,
    /// The place among `points` of the gated point that was chosen by [`Choices`](crate::choice::Choices). Absent where
    /// predictions were not read.
    pub chosen: Option<usize>,
}

/// Runs that differ in their seed alone.
#[derive(Debug)]
pub struct Point<'a> {
    /// The method that the runs share.
    pub method: &'a MethodInfo,
    /// Weight of the penalty. Absent for methods without one, and for runs with a target active fraction, which
    /// `variant` then states.
    pub lambda: Option<f64>,
    /// How the settings differ from those of other points with the same method and lambda; usually empty.
    pub variant: String,
    /// The runs ordered by seed; there is at least one.
    pub runs: Vec<&'a RunRecord>,
}

/// A quantity estimated over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean over seeds.
    pub mean: f64,
    /// Sample standard deviation; absent if there is only one seed.
    pub std: Option<f64>,
    /// Smallest value of any seed.
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
    /// Estimates a quantity over the seeds.
    pub fn over(&self, f: impl Fn(&RunRecord) -> f64) -> Estimate {
        Estimate::of(&self.runs.iter().map(|run| f(run)).collect::<Vec<_>>())
    }

    /// Estimates a quantity that runs may lack; absent if any of them lacks it.
    pub fn maybe(&self, f: impl Fn(&RunRecord) -> Option<f64>) -> Option<Estimate> {
        let values: Option<Vec<f64>> = self.runs.iter().map(|run| f(run)).collect();
        values.map(|values| Estimate::of(&values))
    }

    /// The run of the lowest seed.
    pub fn first(&self) -> &'a RunRecord {
        self.runs[0]
    }

    /// Whether this is L0GM: a point of the sweep, and a candidate for recommendation. Rivals with gates of their own
    /// are not.
    pub fn is_subject(&self) -> bool {
        self.method.is_subject()
    }

    /// Lambda or target for a table cell: "1e-3" or "target 15.0%"; empty for dense.
    pub fn sparsity(&self) -> String {
        match self.lambda {
            Some(lambda) => format::lambda(lambda),
            None if self.is_subject() => self.variant.clone(),
            None => String::new(),
        }
    }

    /// Lambda or target for the head of a narrow column: "λ 1e-3" or "15.0%".
    pub fn sparsity_in_short(&self) -> String {
        let words = self.sparsity_in_words();
        match words.strip_prefix("target ") {
            Some(share) => share.to_owned(),
            None => words,
        }
    }

    /// Lambda or target for a sentence: "λ 1e-3" or "target 15.0%".
    pub fn sparsity_in_words(&self) -> String {
        match self.lambda {
            Some(_) => format!("λ {}", self.sparsity()),
            None => self.sparsity(),
        }
    }

    /// The value of this point's settings on one axis of the gate's design.
    pub fn value_of(&self, axis: Axis) -> String {
        axis.value(&flat(&self.first().spec.settings))
    }

    /// The axes in which this point departs from the default design.
    pub fn departures(&self) -> Vec<Axis> {
        design::departures(&flat(&self.first().spec.settings))
    }

    /// The settings that a dense point must share to be comparable.
    fn settings_without_gate(&self) -> BTreeMap<String, String> {
        without_gate(&self.first().spec.settings)
    }

    /// Mean share of open dimensions.
    pub fn active(&self) -> f64 {
        self.over(|r| r.gate.active_fraction).mean
    }

    /// Name of the point in tables and figures, such as "dense" or "L0GM, lambda 1e-3".
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

    /// Mean validation loss at the selected epochs.
    pub fn valid_loss(&self) -> f64 {
        self.maybe(selected_loss).map_or(f64::INFINITY, |e| e.mean)
    }
}

impl<'a> Study<'a> {
    /// The dense point to show beside the study's gated points: the one with the settings of [`Study::pick`], absent
    /// if it was not run. Without a gated point, the first dense one.
    pub fn dense(&self) -> Option<&Point<'a>> {
        match self.pick() {
            Some(pick) => self.dense_beside(pick),
            None => self.points.iter().find(|p| p.method.is_backbone()),
        }
    }

    /// The dense point whose settings equal those of `gated` apart from the gate. No other dense point may be
    /// compared with it.
    pub fn dense_beside(&self, gated: &Point<'_>) -> Option<&Point<'a>> {
        let settings = gated.settings_without_gate();
        self.points
            .iter()
            .find(|p| p.method.is_backbone() && p.settings_without_gate() == settings)
    }

    /// The dense point that may be compared with every one of `points`.
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

    /// Dense, and the gated points of the default design; if there are none of these, all points. Other designs are
    /// never recommended, because their gates may count something else.
    pub fn main(&self) -> Vec<&Point<'a>> {
        let of_default = |p: &&Point<'a>| !p.is_subject() || p.departures().is_empty();
        let main: Vec<&Point<'a>> = self.points.iter().filter(of_default).collect();
        match main.iter().any(|p| p.is_subject()) {
            true => main,
            false => self.points.iter().collect(),
        }
    }

    /// Points whose gate departs from the default design, if the study also has points of the default design.
    pub fn designs(&self) -> Vec<&Point<'a>> {
        let main = self.main();
        let others = self.points.iter();
        others
            .filter(|p| !main.iter().any(|m| std::ptr::eq(*m, *p)))
            .collect()
    }

    /// Points of baselines and rivals.
    pub fn others(&self) -> impl Iterator<Item = &Point<'a>> {
        let points = self.points.iter();
        points.filter(|p| !p.is_subject() && !p.method.is_backbone())
    }

    /// The points of L0GM among [`Study::main`].
    pub fn gated(&self) -> impl Iterator<Item = &Point<'a>> {
        self.main().into_iter().filter(|p| p.is_subject())
    }

    /// The gated point with the lowest validation loss, which is the paper's selection rule.
    pub fn best(&self) -> Option<&Point<'a>> {
        self.gated()
            .min_by(|a, b| a.valid_loss().total_cmp(&b.valid_loss()))
    }

    /// The gated point to recommend, chosen on validation alone: the sparsest whose validation NLL lies within one
    /// standard error of the best, by paired differences ([`Choices`](crate::choice::Choices)). Where predictions were
    /// not read, the one with the lowest validation loss.
    pub fn pick(&self) -> Option<&Point<'a>> {
        let chosen = self.chosen.and_then(|index| self.points.get(index));
        chosen.or_else(|| self.best())
    }

    /// Name in sentences: "adult" or "adult (TWIN: synthetic stand-in)".
    pub fn name(&self) -> String {
        if self.twin {
            format!("{} (TWIN: synthetic stand-in)", self.short_name())
        } else {
            self.short_name().to_owned()
        }
    }

    /// Whether the data are a file or folder of the user's own. Names of the catalogue have neither a folder nor an
    /// extension.
    pub fn is_own(&self) -> bool {
        self.dataset.contains(['/', '\\', '.'])
    }

    /// Short name: "adult" or "adult TWIN".
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

    /// Name for use in file names and anchors.
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

    /// All runs of the study.
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

//! Run records grouped for reading: a study is one dataset (or its twin), a point is one (method,
//! lambda, settings) over its seeds.

use crate::aggregate::{is_twin, selected_loss};
use crate::report::format;
use l0gm_train::RunRecord;
use serde_json::Value;
use std::collections::BTreeMap;

/// All runs of one dataset.
#[derive(Debug)]
pub(crate) struct Study<'a> {
    /// "tabular", "text" or "graph".
    pub(crate) modality: &'a str,
    /// Catalogue name or path.
    pub(crate) dataset: &'a str,
    /// Whether the synthetic twin stood in.
    pub(crate) twin: bool,
    /// Dense first, then by lambda.
    pub(crate) points: Vec<Point<'a>>,
}

/// The runs that differ in their seed alone.
#[derive(Debug)]
pub(crate) struct Point<'a> {
    /// "dense" or "l0gm".
    pub(crate) method: &'a str,
    /// Absent for dense.
    pub(crate) lambda: Option<f64>,
    /// What its settings differ in from other points of the same method and lambda; mostly empty.
    pub(crate) variant: String,
    /// By seed; at least one.
    pub(crate) runs: Vec<&'a RunRecord>,
}

/// A quantity over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// Mean.
    pub(crate) mean: f64,
    /// Sample standard deviation, absent for one seed.
    pub(crate) std: Option<f64>,
    /// Smallest.
    pub(crate) min: f64,
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
    pub(crate) fn over(&self, f: impl Fn(&RunRecord) -> f64) -> Estimate {
        Estimate::of(&self.runs.iter().map(|run| f(run)).collect::<Vec<_>>())
    }

    /// The mean of a quantity that runs may lack; absent where one lacks it.
    pub(crate) fn maybe(&self, f: impl Fn(&RunRecord) -> Option<f64>) -> Option<Estimate> {
        let values: Option<Vec<f64>> = self.runs.iter().map(|run| f(run)).collect();
        values.map(|values| Estimate::of(&values))
    }

    /// The first seed's run.
    pub(crate) fn first(&self) -> &'a RunRecord {
        self.runs[0]
    }

    /// Whether a gate was trained.
    pub(crate) fn is_gated(&self) -> bool {
        self.lambda.is_some()
    }

    /// Share of open dimensions.
    pub(crate) fn active(&self) -> f64 {
        self.over(|r| r.gate.active_fraction).mean
    }

    /// "dense", "L0GM, lambda 1e-3".
    pub(crate) fn label(&self) -> String {
        let method = method_name(self.method);
        let mut label = match self.lambda {
            Some(lambda) => format!("{method}, λ {}", format::lambda(lambda)),
            None => method,
        };
        if !self.variant.is_empty() {
            label.push_str(&format!(" ({})", self.variant));
        }
        label
    }

    /// The validation loss that selected the checkpoints.
    pub(crate) fn valid_loss(&self) -> f64 {
        self.maybe(selected_loss).map_or(f64::INFINITY, |e| e.mean)
    }
}

/// A method's name for people.
pub(crate) fn method_name(method: &str) -> String {
    if method == "l0gm" {
        "L0GM".to_owned()
    } else {
        method.to_owned()
    }
}

impl<'a> Study<'a> {
    /// The dense point, if it has been run (the first of several settings).
    pub(crate) fn dense(&self) -> Option<&Point<'a>> {
        self.points.iter().find(|p| p.method == "dense")
    }

    /// Points with a gate.
    pub(crate) fn gated(&self) -> impl Iterator<Item = &Point<'a>> {
        self.points.iter().filter(|p| p.is_gated())
    }

    /// The gated point of best validation loss: how the paper selects.
    pub(crate) fn best(&self) -> Option<&Point<'a>> {
        self.gated()
            .min_by(|a, b| a.valid_loss().total_cmp(&b.valid_loss()))
    }

    /// The gated point we would deploy, chosen on validation alone: the sparsest whose validation
    /// accuracy is within half a point of dense's; where none is, the one of best validation loss.
    pub(crate) fn pick(&self) -> Option<&Point<'a>> {
        let dense = self.dense().map(|p| p.over(|r| r.valid.accuracy).mean);
        let near = dense.and_then(|dense| {
            self.gated()
                .filter(|p| p.over(|r| r.valid.accuracy).mean >= dense - 0.005)
                .min_by(|a, b| a.active().total_cmp(&b.active()))
        });
        near.or_else(|| self.best())
    }

    /// "adult" or "adult (TWIN: synthetic stand-in)".
    pub(crate) fn name(&self) -> String {
        if self.twin {
            format!("{} (TWIN: synthetic stand-in)", self.short_name())
        } else {
            self.short_name().to_owned()
        }
    }

    /// "adult" or "adult TWIN".
    pub(crate) fn tag(&self) -> String {
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
    pub(crate) fn slug(&self) -> String {
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
    pub(crate) fn runs(&self) -> impl Iterator<Item = &'a RunRecord> + '_ {
        self.points
            .iter()
            .flat_map(|point| point.runs.iter().copied())
    }

    /// Whether any point has more than one seed.
    pub(crate) fn has_spread(&self) -> bool {
        self.points.iter().any(|point| point.runs.len() > 1)
    }
}

/// Groups records; modalities in the order tabular, text, graph, then others.
pub(crate) fn studies(records: &[RunRecord]) -> Vec<Study<'_>> {
    let mut by_dataset: BTreeMap<(usize, &str, &str, bool), Vec<&RunRecord>> = BTreeMap::new();
    for record in records {
        let spec = &record.spec;
        let rank = ["tabular", "text", "graph"]
            .iter()
            .position(|m| *m == spec.modality)
            .unwrap_or(3);
        by_dataset
            .entry((rank, &spec.modality, &spec.dataset, is_twin(record)))
            .or_default()
            .push(record);
    }
    by_dataset
        .into_iter()
        .map(|((_, modality, dataset, twin), runs)| Study {
            modality,
            dataset,
            twin,
            points: points(&runs),
        })
        .collect()
}

fn points<'a>(runs: &[&'a RunRecord]) -> Vec<Point<'a>> {
    // Runs whose settings differ must never be averaged, whatever else they share.
    let mut groups: Vec<(BTreeMap<String, String>, Point<'a>)> = Vec::new();
    for &run in runs {
        let settings = flat(&run.spec.settings);
        let found = groups.iter_mut().find(|(other, point)| {
            point.method == run.spec.method && point.lambda == run.spec.lambda && *other == settings
        });
        match found {
            Some((_, point)) => point.runs.push(run),
            None => groups.push((
                settings,
                Point {
                    method: &run.spec.method,
                    lambda: run.spec.lambda,
                    variant: String::new(),
                    runs: vec![run],
                },
            )),
        }
    }
    name_variants(&mut groups);
    let mut points: Vec<Point<'a>> = groups.into_iter().map(|(_, point)| point).collect();
    for point in &mut points {
        point.runs.sort_by_key(|run| run.spec.seed);
    }
    points.sort_by(|a, b| {
        let key = |p: &Point<'_>| (p.is_gated(), p.method.to_owned());
        key(a)
            .cmp(&key(b))
            .then(
                a.lambda
                    .unwrap_or(-1.0)
                    .total_cmp(&b.lambda.unwrap_or(-1.0)),
            )
            .then(a.variant.cmp(&b.variant))
    });
    points
}

/// Says what settings differ in where two points share method and lambda.
fn name_variants(groups: &mut [(BTreeMap<String, String>, Point<'_>)]) {
    let mut names = Vec::with_capacity(groups.len());
    for (settings, point) in groups.iter() {
        let twins_of_it: Vec<_> = groups
            .iter()
            .filter(|(_, p)| p.method == point.method && p.lambda == point.lambda)
            .map(|(s, _)| s)
            .collect();
        let mut differing: Vec<String> = Vec::new();
        for (key, value) in settings {
            if twins_of_it
                .iter()
                .any(|other| other.get(key) != Some(value))
            {
                let short = key.rsplit('.').next().unwrap_or(key);
                differing.push(format!("{short} {value}"));
            }
        }
        if differing.is_empty() && twins_of_it.len() > 1 {
            differing.push("fewer settings".to_owned());
        }
        names.push(differing.join(", "));
    }
    for ((_, point), name) in groups.iter_mut().zip(names) {
        point.variant = name;
    }
}

/// Settings as dotted keys and values; `lambda` and `seed` stand elsewhere in the spec.
pub(crate) fn flat(settings: &Value) -> BTreeMap<String, String> {
    fn walk(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let key = if prefix.is_empty() {
                        key.clone()
                    } else {
                        format!("{prefix}.{key}")
                    };
                    walk(&key, value, into);
                }
            }
            Value::String(text) => {
                into.insert(prefix.to_owned(), text.clone());
            }
            other => {
                into.insert(prefix.to_owned(), other.to_string());
            }
        }
    }
    let mut into = BTreeMap::new();
    walk("", settings, &mut into);
    into.retain(|key, _| {
        let last = key.rsplit('.').next().unwrap_or(key);
        last != "lambda" && last != "seed"
    });
    into
}

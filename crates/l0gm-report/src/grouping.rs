//! Sorts run records into studies and points. Runs are averaged only if they differ in nothing but their seed.

use super::settings::{TARGET, flat};
use super::study::{Point, Study};
use super::{design, format};
use crate::aggregate::is_twin;
use l0gm_train::{Role, RunRecord};
use std::collections::BTreeMap;

/// Groups records into studies. Tabular comes first, then text, graph, and any other modality.
pub fn studies(records: &[RunRecord]) -> Vec<Study<'_>> {
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
            chosen: None,
        })
        .collect()
}

fn points<'a>(runs: &[&'a RunRecord]) -> Vec<Point<'a>> {
    // Runs with different settings must never be averaged, whatever else they share.
    let mut groups: Vec<(BTreeMap<String, String>, Point<'a>)> = Vec::new();
    for &run in runs {
        let settings = flat(&run.spec.settings);
        let found = groups.iter_mut().find(|(other, point)| {
            point.method.name == run.method.name
                && point.lambda == run.spec.lambda
                && *other == settings
        });
        match found {
            Some((_, point)) => point.runs.push(run),
            None => groups.push((
                settings,
                Point {
                    method: &run.method,
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
        let key = |p: &Point<'_>| (rank(p.method.role), p.method.name.to_string());
        key(a)
            .cmp(&key(b))
            .then(
                a.lambda
                    .unwrap_or(-1.0)
                    .total_cmp(&b.lambda.unwrap_or(-1.0)),
            )
            .then(aim(a).total_cmp(&aim(b)))
            .then(a.variant.cmp(&b.variant))
    });
    points
}

/// The active fraction that a point was trained towards; 0 for other points.
fn aim(point: &Point<'_>) -> f64 {
    let settings = flat(&point.first().spec.settings);
    let target = settings.get(TARGET).and_then(|text| text.parse().ok());
    target.filter(|_| point.lambda.is_none()).unwrap_or(0.0)
}

/// The order of methods in a study's tables.
fn rank(role: Role) -> usize {
    match role {
        Role::Backbone => 0,
        Role::Baseline => 1,
        Role::Rival => 2,
        Role::Subject => 3,
        Role::Variant => 4,
    }
}

/// Names how each gated point's design departs from the default. If two points still share method, lambda and design,
/// names the settings in which they differ.
fn name_variants(groups: &mut [(BTreeMap<String, String>, Point<'_>)]) {
    let design = |settings: &BTreeMap<String, String>, point: &Point<'_>| match point.is_subject() {
        true => design::in_words(settings),
        false => Vec::new(),
    };
    let of_an_axis = |key: &str| design::Axis::ALL.iter().any(|axis| axis.owns(key));
    let mut names = Vec::with_capacity(groups.len());
    for (settings, point) in groups.iter() {
        let mut differing = design(settings, point);
        let twins_of_it: Vec<_> = groups
            .iter()
            .filter(|(s, p)| {
                p.method.name == point.method.name
                    && p.lambda == point.lambda
                    && design(s, p) == differing
            })
            .map(|(s, _)| s)
            .collect();
        let target = settings
            .get(TARGET)
            .and_then(|text| text.parse::<f64>().ok());
        differing.extend(target.map(|share| format!("target {}", format::percent(share))));
        let said = differing.len();
        let keys = settings.iter();
        for (key, value) in keys.filter(|(key, _)| *key != TARGET && !of_an_axis(key)) {
            if twins_of_it
                .iter()
                .any(|other| other.get(key) != Some(value))
            {
                let short = key.rsplit('.').next().unwrap_or(key);
                differing.push(format!("{short} {value}"));
            }
        }
        // Settings that the design's description leaves out, such as the length of a default schedule, must still
        // tell two points apart.
        if differing.len() == said && twins_of_it.len() > 1 {
            for (key, value) in settings.iter().filter(|(key, _)| of_an_axis(key)) {
                if twins_of_it
                    .iter()
                    .any(|other| other.get(key) != Some(value))
                {
                    differing.push(format!("{key} {value}"));
                }
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

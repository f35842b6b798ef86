//! Selects the points that a comparison needs: the lambda sweep, and the points that change one choice of the gate's
//! design.

use super::design::Axis;
use super::settings::{TARGET, flat};
use super::study::{Point, Study};
use std::collections::BTreeMap;

/// The lambda sweep: points of the default design that differ in lambda alone, ordered by lambda. If several groups
/// of settings qualify (another recipe, another head), takes the one with the most lambdas, then the most runs.
pub fn sweep<'s, 'a>(study: &'s Study<'a>) -> Vec<&'s Point<'a>> {
    let mut groups: Vec<(BTreeMap<String, String>, Vec<&Point<'a>>)> = Vec::new();
    let plain = study
        .points
        .iter()
        .filter(|p| p.is_subject() && p.lambda.is_some() && p.departures().is_empty());
    for point in plain {
        let settings = flat(&point.first().spec.settings);
        match groups.iter_mut().find(|(other, _)| *other == settings) {
            Some((_, points)) => points.push(point),
            None => groups.push((settings, vec![point])),
        }
    }
    let size = |points: &[&Point<'_>]| {
        let runs: usize = points.iter().map(|p| p.runs.len()).sum();
        (points.len(), runs)
    };
    let mut most: Vec<&Point<'a>> = Vec::new();
    for (_, points) in groups {
        if size(&points) > size(&most) {
            most = points;
        }
    }
    most.sort_by(|a, b| {
        let lambda = |p: &Point<'_>| p.lambda.unwrap_or(0.0);
        lambda(a).total_cmp(&lambda(b))
    });
    most
}

/// The points that a figure over sparsity shows: the sweep, and points of the default design that were trained
/// towards an active fraction with otherwise the sweep's settings. The point with the largest active fraction comes
/// first.
pub fn by_sparsity<'s, 'a>(study: &'s Study<'a>) -> Vec<&'s Point<'a>> {
    let settings = |point: &Point<'_>| {
        let mut settings = flat(&point.first().spec.settings);
        settings.remove(TARGET);
        settings
    };
    let mut points = sweep(study);
    let aimed = study.points.iter();
    let mut aimed: Vec<&Point<'a>> = aimed
        .filter(|p| p.is_subject() && p.lambda.is_none() && p.departures().is_empty())
        .collect();
    if let Some(of) = points
        .first()
        .or(aimed.first())
        .map(|point| settings(point))
    {
        aimed.retain(|point| settings(point) == of);
    }
    points.extend(aimed);
    points.sort_by(|a, b| b.active().total_cmp(&a.active()));
    points
}

/// What the points differ in, for captions and titles: "λ", "targets" or both.
pub fn knob_in_words(points: &[&Point<'_>]) -> &'static str {
    let lambdas = points.iter().filter(|point| point.lambda.is_some()).count();
    match (lambdas, points.len() - lambdas) {
        (_, 0) => "λ",
        (0, _) => "targets",
        _ => "λ and targets",
    }
}

/// The sweep's point with the lowest validation loss, which is the paper's selection rule.
pub fn best<'s, 'a>(study: &'s Study<'a>) -> Option<&'s Point<'a>> {
    let points = sweep(study).into_iter();
    points.min_by(|a, b| a.valid_loss().total_cmp(&b.valid_loss()))
}

/// The sweep's point with this lambda.
pub fn at<'s, 'a>(study: &'s Study<'a>, lambda: f64) -> Option<&'s Point<'a>> {
    let mut points = sweep(study).into_iter();
    points.find(|p| p.lambda.is_some_and(|l| same(l, lambda)))
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs()
}

/// Points that differ from the default design in this axis alone.
pub fn changed<'s, 'a>(study: &'s Study<'a>, axis: Axis) -> Vec<&'s Point<'a>> {
    let points = study.points.iter();
    points
        .filter(|p| p.is_subject() && p.departures() == [axis])
        .collect()
}

/// The points of [`changed`] that have a lambda and otherwise the settings of the [`sweep`].
pub fn changed_in_sweep<'s, 'a>(study: &'s Study<'a>, axis: Axis) -> Vec<&'s Point<'a>> {
    let sweep = sweep(study);
    let Some(settings) = sweep.first().map(|point| rest(point, axis)) else {
        return Vec::new();
    };
    let mut points = changed(study, axis);
    points.retain(|p| p.lambda.is_some() && rest(p, axis) == settings);
    points
}

/// Pairs each point of [`changed`] with the point of the default design that has the same lambda and otherwise the
/// same settings. Points without such a partner are left out.
pub fn pairs<'s, 'a>(study: &'s Study<'a>, axis: Axis) -> Vec<(&'s Point<'a>, &'s Point<'a>)> {
    let plain = |other: &Point<'_>| {
        let settings = rest(other, axis);
        study.points.iter().find(|p| {
            p.is_subject()
                && p.departures().is_empty()
                && p.lambda == other.lambda
                && rest(p, axis) == settings
        })
    };
    let others = changed(study, axis).into_iter();
    others
        .filter_map(|other| plain(other).map(|plain| (plain, other)))
        .collect()
}

/// A point's settings, without those that belong to the axis.
fn rest(point: &Point<'_>, axis: Axis) -> BTreeMap<String, String> {
    let mut settings = flat(&point.first().spec.settings);
    // An older record may leave a default out, so a stated default counts as absent.
    settings.retain(|key, value| {
        let default = Axis::ALL
            .iter()
            .any(|a| a.key() == key && a.default() == value);
        !axis.owns(key) && !default && !key.starts_with("train.objective.coupling.")
    });
    settings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixtures;
    use crate::grouping::studies;
    use serde_json::json;

    #[test]
    fn an_ablation_meets_the_default_of_its_lambda_and_leaves_the_sweep_alone() {
        let mut records = fixtures::real_records();
        let kind = json!({"gate": {"kind": "static"}});
        records.extend(fixtures::variant(&records, "adult", 1e-3, &kind));
        let coupling =
            json!({"train": {"objective": {"coupling": {"kind": "mmce", "weight": 0.3}}}});
        records.extend(fixtures::variant(&records, "adult", 3e-3, &coupling));
        let studies = studies(&records);
        let adult = &studies[0];
        let lambdas: Vec<f64> = sweep(adult).iter().filter_map(|p| p.lambda).collect();
        assert_eq!(lambdas, [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]);
        let kinds = pairs(adult, Axis::Kind);
        assert_eq!(kinds.len(), 1);
        assert_eq!(kinds[0].0.lambda, Some(1e-3));
        assert_eq!(kinds[0].1.value_of(Axis::Kind), "static");
        assert!(kinds[0].0.departures().is_empty());
        assert_eq!(pairs(adult, Axis::Coupling).len(), 1);
        assert!(pairs(adult, Axis::Schedule).is_empty());
    }

    #[test]
    fn a_run_of_another_recipe_is_neither_in_the_sweep_nor_paired_with_it() {
        let mut records = fixtures::real_records();
        let other = json!({"gate": {"kind": "static"}, "train": {"epochs": 3}});
        records.extend(fixtures::variant(&records, "adult", 1e-3, &other));
        let shorter = json!({"train": {"epochs": 3}});
        records.extend(fixtures::variant(&records, "adult", 3e-3, &shorter));
        let studies = studies(&records);
        assert_eq!(sweep(&studies[0]).len(), 5);
        assert!(pairs(&studies[0], Axis::Kind).is_empty());
        assert_eq!(at(&studies[0], 3e-3).unwrap().runs.len(), 3);
    }

    #[test]
    fn points_with_a_target_are_shown_beside_the_sweep_and_meet_ablations_of_their_target() {
        let lambdas = fixtures::real_records();
        let aimed = |settings: serde_json::Value| {
            let mut records = fixtures::variant(&lambdas, "adult", 1e-3, &settings);
            for record in &mut records {
                record.spec.lambda = None;
                record.gate.active_fraction = 0.25;
                record.run_id = record.spec.id();
            }
            records
        };
        let mut records = aimed(json!({"train": {"target": 0.25}}));
        records.extend(aimed(
            json!({"train": {"target": 0.25}, "gate": {"kind": "static"}}),
        ));
        let alone = studies(&records);
        assert!(sweep(&alone[0]).is_empty());
        assert_eq!(by_sparsity(&alone[0]).len(), 1);
        assert_eq!(pairs(&alone[0], Axis::Kind).len(), 1);
        records.extend(lambdas.clone());
        let both = studies(&records);
        assert_eq!(sweep(&both[0]).len(), 5);
        let shown = by_sparsity(&both[0]);
        assert_eq!(shown.len(), 6);
        assert!(shown.windows(2).all(|w| w[0].active() >= w[1].active()));
    }
}

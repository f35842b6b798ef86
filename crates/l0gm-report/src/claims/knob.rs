//! Judges what lambda does: F1 (the active fraction follows lambda) and F3 (calibration improves at no cost).

use super::judge::{Standing, ece, ece_floor, ece_margin};
use super::pairs::seeds;
use super::{Claim, Evidence, Finding, Missing, Verdict};
use crate::arms;
use crate::format;
use crate::study::Point;

pub(super) const F1: Claim = Claim {
    id: "F1",
    name: "λ is a reliable, monotone knob",
    place: "section 5.4.3, Table 8",
    says: "Whatever the modality, a larger λ leaves fewer dimensions active, so that one number sets the trade-off.",
    rule: "Over a sweep of at least three λ that differ in nothing else and span a factor of ten or more, the mean \
           active fraction falls at every step: holds. It ends lower than it starts, but not at every step: in part. \
           It does not end lower: does not hold.",
    judge: f1,
};

fn f1(evidence: &Evidence<'_, '_>) -> Finding {
    let sweep = arms::sweep(evidence.study);
    let lambdas: Vec<f64> = sweep.iter().filter_map(|p| p.lambda).collect();
    let (Some(first), Some(last)) = (sweep.first(), sweep.last()) else {
        return too_short("no gated run");
    };
    let span = lambdas.last().unwrap_or(&0.0) / lambdas.first().unwrap_or(&1.0);
    if sweep.len() < 3 || span < 10.0 * (1.0 - 1e-9) {
        return too_short(&format!("{} λ in the sweep", sweep.len()));
    }
    let steps = sweep.len() - 1;
    let falling = sweep
        .windows(2)
        .filter(|w| w[1].active() < w[0].active())
        .count();
    let verdict = if falling == steps {
        Verdict::Holds
    } else if last.active() < first.active() {
        Verdict::InPart
    } else {
        Verdict::DoesNotHold
    };
    Finding {
        verdict,
        evidence: format!(
            "{} active at λ {} to {} at λ {}; falls at {falling} of {steps} steps, {}",
            format::percent(first.active()),
            format::lambda(lambdas[0]),
            format::percent(last.active()),
            format::lambda(lambdas[lambdas.len() - 1]),
            seeds(&sweep),
        ),
        missing: vec![],
    }
}

fn too_short(what: &str) -> Finding {
    Finding::untested(what, vec![Missing::Flags("--method l0gm".to_owned())])
}

pub(super) const F3: Claim = Claim {
    id: "F3",
    name: "calibration comes for free",
    place: "section 5.4.3, Table 8",
    says: "At moderate sparsity ECE often improves although nothing in the objective asks for it.",
    rule: "Moderate is 10% to 50% active. At half or more of the sweep's moderate points ECE lies below that of dense \
           with the same settings by more than chance (√2 times the distance from the noise floor's mean to its 95th \
           percentile): holds. At fewer, but at least one: in part. At none: does not hold. Where dense lies so near \
           the noise floor that a perfectly calibrated model would not count as better, and no point is worse by more \
           than chance, it cannot be tested.",
    judge: f3,
};

fn f3(evidence: &Evidence<'_, '_>) -> Finding {
    let study = evidence.study;
    let moderate: Vec<&Point<'_>> = arms::sweep(study)
        .into_iter()
        .filter(|p| (0.1..=0.5).contains(&p.active()))
        .collect();
    let Some(first) = moderate.first() else {
        return Finding::untested(
            "no point of the sweep has 10% to 50% of its dimensions active",
            vec![Missing::Flags(towards_moderate(&arms::sweep(study)))],
        );
    };
    let Some(dense) = study.dense_beside(first) else {
        return Finding::untested(
            "no dense run with the settings of the sweep",
            vec![Missing::Flags("--method dense".to_owned())],
        );
    };
    let within_reach = |p: &&Point<'_>| ece(dense) - ece_margin(p, dense) >= ece_floor(p);
    let worse =
        |p: &&Point<'_>| Standing::of(ece(dense) - ece(p), ece_margin(p, dense)) == Standing::Worse;
    if !moderate.iter().any(within_reach) && !moderate.iter().any(worse) {
        return Finding::untested(
            format!(
                "ECE of dense {} is within the noise: a perfectly calibrated model would read {}, and a difference \
                 counts from {}; of gated {}",
                format::fraction(ece(dense)),
                format::fraction(ece_floor(first)),
                format::fraction(ece_margin(first, dense)),
                each(&moderate),
            ),
            vec![],
        );
    }
    let better = moderate.iter().filter(|p| {
        let gain = ece(dense) - ece(p);
        Standing::of(gain, ece_margin(p, dense)) == Standing::Better
    });
    let better = better.count();
    let verdict = if 2 * better >= moderate.len() {
        Verdict::Holds
    } else if better > 0 {
        Verdict::InPart
    } else {
        Verdict::DoesNotHold
    };
    let scaled = dense.over(|r| r.calibration_scaled.ece).mean;
    Finding {
        verdict,
        evidence: format!(
            "ECE of dense {}, of gated {}: {better} of {} better by more than {}. Temperature scaling alone takes \
             dense to {}",
            format::fraction(ece(dense)),
            each(&moderate),
            moderate.len(),
            format::fraction(ece_margin(first, dense)),
            format::fraction(scaled),
        ),
        missing: vec![],
    }
}

/// The flags for λ at which 10% to 50% may be active: between the sweep's neighbours there, or beyond its end.
fn towards_moderate(sweep: &[&Point<'_>]) -> String {
    let above = sweep.iter().rfind(|p| p.active() > 0.5);
    let below = sweep.iter().find(|p| p.active() < 0.1);
    let of = |p: &&Point<'_>| p.lambda.filter(|l| *l > 0.0);
    let lambdas = match (above.and_then(of), below.and_then(of)) {
        (Some(a), Some(b)) if a < b => {
            let step = (b / a).powf(0.25);
            vec![a * step, a * step * step, b / step]
        }
        (Some(a), None) => vec![3.0 * a, 10.0 * a],
        (None, Some(b)) => vec![b / 10.0, b / 3.0],
        _ => return "--method l0gm".to_owned(),
    };
    let shown: Vec<String> = lambdas.into_iter().map(rounded).collect();
    format!("--method l0gm --lambda {}", shown.join(","))
}

/// A λ with two digits, which are enough to find a range and can be read.
pub(super) fn rounded(lambda: f64) -> String {
    let text = format!("{lambda:.1e}");
    text.parse().map_or(text, format::lambda)
}

/// Lists the ECE of each point, such as "0.0066 at 27.5% active and 0.0063 at 11.9% active".
fn each(points: &[&Point<'_>]) -> String {
    let each = points.iter().map(|p| {
        let (ece, active) = (format::fraction(ece(p)), format::percent(p.active()));
        format!("{ece} at {active} active")
    });
    format::list(&each.collect::<Vec<_>>())
}

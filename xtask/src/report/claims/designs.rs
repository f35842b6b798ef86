//! What a choice of the gate's design does, against the default with the same lambda and settings: F2
//! (annealing), coupling, granularity, whose noise.

use super::judge::{Standing, accuracy, accuracy_margin, ece, ece_margin};
use super::knob::seeds;
use super::{Claim, Evidence, Finding, Missing, Verdict};
use crate::report::arms::{self, Axis};
use crate::report::format;
use crate::report::paper_tables::flags_of;
use crate::report::study::Point;

pub(super) const F2: Claim = Claim {
    id: "F2",
    name: "annealing is the key to stability",
    place: "section 5.4.3, Table 9",
    says: "Without a warm-up and ramp training turns brittle: the worst seed falls and calibration gets worse.",
    rule: "Pairs of runs that differ in the schedule alone, at least two seeds each. Averaged over the pairs, \
           annealing raises Worst by more than a standard error of an accuracy on that test split and lowers ECE by \
           more than chance: holds. One of the two, and the other not reversed: in part. Else: does not hold.",
    judge: f2,
};

fn f2(evidence: &Evidence<'_, '_>) -> Finding {
    let pairs = arms::pairs(evidence.study, Axis::Schedule);
    let Some((plain, none)) = pairs.first() else {
        return lacks(
            Axis::Schedule,
            "no run without annealing beside one with it",
        );
    };
    if pairs
        .iter()
        .any(|(a, b)| a.runs.len().min(b.runs.len()) < 2)
    {
        return Finding::untested(
            "one seed: there is no worst seed and no spread",
            vec![Missing::Flags(format!(
                "{} --seeds 0,1,2",
                flags_of(Axis::Schedule)
            ))],
        );
    }
    let worst = |p: &Point<'_>| p.over(|r| r.test.accuracy).min;
    let gain = mean(&pairs, |a, b| worst(a) - worst(b));
    let ece_gain = mean(&pairs, |a, b| ece(b) - ece(a));
    let of_worst = Standing::of(gain, accuracy_margin(none));
    let of_ece = Standing::of(ece_gain, ece_margin(plain, none));
    let spread = |p: &Point<'_>| p.over(|r| r.test.accuracy).std.unwrap_or(0.0);
    Finding {
        verdict: both(of_worst, of_ece),
        evidence: format!(
            "{} compared: annealing changes Worst by {} (counts from {}), ECE by {} (from {}), the standard \
             deviation over seeds by {}; {}",
            compared(&pairs),
            format::difference(gain),
            format::fraction(accuracy_margin(none)),
            format::difference(-ece_gain),
            format::fraction(ece_margin(plain, none)),
            format::difference(mean(&pairs, |a, b| spread(a) - spread(b))),
            seeds(&members(&pairs)),
        ),
        missing: vec![],
    }
}

pub(super) const COUPLING: Claim = Claim {
    id: "C",
    name: "coupling helps only when aggressive",
    place: "section 5.4.3, Table 10",
    says: "A calibration term in the objective does next to nothing at moderate sparsity and wins some ECE back at \
           aggressive sparsity.",
    rule: "Pairs of runs that differ in the calibration term alone; aggressive is below 10% active without it. Both \
           regimes must have been run. The term lowers the aggressive pairs' mean ECE by more than chance, and changes \
           the moderate pairs' by no more than chance: holds. Only the first: in part. It does not lower the \
           aggressive pairs': does not hold.",
    judge: coupling,
};

fn coupling(evidence: &Evidence<'_, '_>) -> Finding {
    let pairs = arms::pairs(evidence.study, Axis::Coupling);
    let (aggressive, moderate): (Vec<_>, Vec<_>) =
        pairs.iter().partition(|(plain, _)| plain.active() < 0.1);
    if aggressive.is_empty() || moderate.is_empty() {
        let what = match (aggressive.is_empty(), moderate.is_empty()) {
            (true, true) => "no run with a calibration term beside one without it",
            (true, false) => "no pair below 10% active",
            _ => "no pair at 10% active or more",
        };
        return lacks(Axis::Coupling, what);
    }
    let gain = |pairs: &[(&Point<'_>, &Point<'_>)]| {
        let margin = mean(pairs, ece_margin);
        (mean(pairs, |plain, with| ece(plain) - ece(with)), margin)
    };
    let (low, high) = (gain(&aggressive), gain(&moderate));
    let verdict = match (Standing::of(low.0, low.1), Standing::of(high.0, high.1)) {
        (Standing::Better, Standing::Same) => Verdict::Holds,
        (Standing::Better, _) => Verdict::InPart,
        _ => Verdict::DoesNotHold,
    };
    let scaled = mean(&aggressive, |plain, _| {
        plain.over(|r| r.calibration_scaled.ece).mean - ece(plain)
    });
    Finding {
        verdict,
        evidence: format!(
            "The term changes ECE by {} at aggressive sparsity ({}; counts from {}) and by {} at moderate ({}; from \
             {}); temperature scaling alone changes the aggressive ones by {}; {}",
            format::difference(-low.0),
            compared(&aggressive),
            format::fraction(low.1),
            format::difference(-high.0),
            compared(&moderate),
            format::fraction(high.1),
            format::difference(scaled),
            seeds(&members(&pairs)),
        ),
        missing: vec![],
    }
}

pub(super) const GRANULARITY: Claim = Claim {
    id: "G",
    name: "the interface beats finer gates",
    place: "Appendix A.3, Table 6",
    says: "One gate a dimension of the interface is the right grain: finer gates are less accurate and less well \
           calibrated.",
    rule: "Each fine-grained point is held against the sweep's point of nearest active fraction, no further than ten \
           points away. On average the interface's accuracy is higher by more than a standard error and its ECE lower \
           by more than chance: holds. One of the two, and the other not reversed: in part. Else: does not hold.",
    judge: granularity,
};

fn granularity(evidence: &Evidence<'_, '_>) -> Finding {
    let study = evidence.study;
    let fine = arms::changed(study, Axis::Granularity).into_iter();
    let fine: Vec<&Point<'_>> = fine.filter(|p| Axis::Granularity.of(p) == "fine").collect();
    if fine.is_empty() {
        return lacks(Axis::Granularity, "no fine-grained run");
    }
    let sweep = arms::sweep(study);
    let pairs: Vec<(&Point<'_>, &Point<'_>)> = fine
        .into_iter()
        .filter_map(|fine| {
            let distance = |p: &Point<'_>| (p.active() - fine.active()).abs();
            let near = sweep
                .iter()
                .min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
            (distance(near) <= 0.1).then_some((*near, fine))
        })
        .collect();
    if pairs.is_empty() {
        return lacks(
            Axis::Granularity,
            "no fine-grained point within ten points of active fraction of one of the interface",
        );
    }
    of_pairs(&pairs, "the interface's")
}

pub(super) const INSTANCE: Claim = Claim {
    id: "I",
    name: "gates of an instance's own beat a static mask",
    place: "sections 1, 2 and 3, Table 6",
    says: "Sparsity that each instance has its own of is better than one mask for all, in accuracy and in ECE.",
    rule: "Pairs of runs that differ in the gate's kind alone: a static mask, and noise of its own for every example \
           (the paper's Algorithm 1 sees no more of the instance than that). On average the accuracy of the latter is \
           higher by more than a standard error and its ECE lower by more than chance: holds. One of the two, and the \
           other not reversed: in part. Else: does not hold. Gates that read the instance stand in the evidence where \
           they were run.",
    judge: instance,
};

fn instance(evidence: &Evidence<'_, '_>) -> Finding {
    let of_kind = |kind: &str| -> Vec<(&Point<'_>, &Point<'_>)> {
        let pairs = arms::pairs(evidence.study, Axis::Kind).into_iter();
        pairs
            .filter(|(_, other)| Axis::Kind.of(other) == kind)
            .collect()
    };
    let pairs = of_kind("static");
    let conditional = of_kind("conditional");
    let mut finding = match pairs.is_empty() {
        true => lacks(
            Axis::Kind,
            "no static mask beside a gate of an example's own",
        ),
        false => of_pairs(&pairs, "the per-example gate's"),
    };
    if !conditional.is_empty() {
        finding.evidence.push_str(&format!(
            ". Gates that read the instance, {} compared: accuracy {}, ECE {} against noise alone",
            compared(&conditional),
            format::difference(mean(&conditional, |plain, c| accuracy(c) - accuracy(plain))),
            format::difference(mean(&conditional, |plain, c| ece(c) - ece(plain))),
        ));
    }
    finding
}

/// Accuracy and ECE of the first of each pair against the second's.
fn of_pairs(pairs: &[(&Point<'_>, &Point<'_>)], whose: &str) -> Finding {
    let gain = mean(pairs, |a, b| accuracy(a) - accuracy(b));
    let margin = mean(pairs, |_, b| accuracy_margin(b));
    let ece_gain = mean(pairs, |a, b| ece(b) - ece(a));
    let noise = mean(pairs, ece_margin);
    Finding {
        verdict: both(Standing::of(gain, margin), Standing::of(ece_gain, noise)),
        evidence: format!(
            "{} compared: {whose} accuracy differs by {} (counts from {}), its ECE by {} (from {}), its active \
             fraction by {}; {}",
            compared(pairs),
            format::difference(gain),
            format::fraction(margin),
            format::difference(-ece_gain),
            format::fraction(noise),
            format::difference(mean(pairs, |a, b| a.active() - b.active())),
            seeds(&members(pairs)),
        ),
        missing: vec![],
    }
}

/// A claim of two things.
fn both(one: Standing, other: Standing) -> Verdict {
    use Standing::{Better, Worse};
    match (one, other) {
        (Better, Better) => Verdict::Holds,
        (Better, Worse) | (Worse, Better) => Verdict::DoesNotHold,
        (Better, _) | (_, Better) => Verdict::InPart,
        _ => Verdict::DoesNotHold,
    }
}

fn lacks(axis: Axis, what: &str) -> Finding {
    let flags = flags_of(axis);
    Finding::untested(what, vec![Missing::Flags(flags)])
}

fn mean(pairs: &[(&Point<'_>, &Point<'_>)], f: impl Fn(&Point<'_>, &Point<'_>) -> f64) -> f64 {
    let sum: f64 = pairs.iter().map(|(a, b)| f(a, b)).sum();
    sum / pairs.len() as f64
}

fn members<'p, 'a>(pairs: &[(&'p Point<'a>, &'p Point<'a>)]) -> Vec<&'p Point<'a>> {
    pairs.iter().flat_map(|(a, b)| [*a, *b]).collect()
}

/// "1 pair at λ 1e-3", "2 pairs at λ 1e-3 and 3e-3".
fn compared(pairs: &[(&Point<'_>, &Point<'_>)]) -> String {
    // In their order, each once: several terms and weights are compared at one lambda.
    let mut lambdas: Vec<String> = Vec::new();
    for (_, other) in pairs {
        let lambda = other.lambda.map(format::lambda);
        lambdas.extend(lambda.filter(|lambda| !lambdas.contains(lambda)));
    }
    let plural = if pairs.len() == 1 { "pair" } else { "pairs" };
    format!("{} {plural} at λ {}", pairs.len(), format::list(&lambdas))
}

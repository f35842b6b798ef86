//! Judges choices of the gate's design against the default at the same lambda or active fraction: annealing (F2),
//! calibration coupling, granularity, and whether noise is shared between examples.

use super::judge::{Standing, accuracy_margin, ece, ece_floor, ece_margin};
use super::knob::rounded;
use super::pairs::{Pair, as_they_are, at_equal_sparsity, compared, mean, same_seeds, seeds};
use super::{Claim, Evidence, Finding, Missing, Verdict};
use crate::arms;
use crate::design::Axis;
use crate::format;
use crate::paper_tables::flags_of;
use crate::study::{Point, Study};

pub(super) const F2: Claim = Claim {
    id: "F2",
    name: "annealing is the key to stability",
    place: "section 5.4.3, Table 9",
    says: "Without a warm-up and ramp training turns brittle: the worst seed falls and calibration gets worse.",
    rule: "Each point without annealing, of at least two seeds, is held against the sweep with the same seeds at the \
           same active fraction (between its neighbours there, linear in the fraction's logarithm; no further than a \
           fifth beyond its ends). On average annealing raises Worst by more than a standard error of an accuracy on that test split \
           and lowers ECE by more than chance: holds. One of the two, and the other not reversed: in part. Else: \
           does not hold.",
    judge: f2,
};

fn f2(evidence: &Evidence<'_, '_>) -> Finding {
    let study = evidence.study;
    let mut none = arms::changed_in_sweep(study, Axis::Schedule);
    if none.is_empty() {
        return lacks(Axis::Schedule, study, "no run without annealing");
    }
    none.retain(|point| point.runs.len() > 1);
    if none.is_empty() {
        return lacks(
            Axis::Schedule,
            study,
            "one seed: there is no worst seed and no spread",
        );
    }
    let Some(pairs) = beside_sweep(study, &none) else {
        return out_of_reach(study, Axis::Schedule, &none);
    };
    let gain = mean(&pairs, |p| {
        p.ours.worst - p.other.over(|r| r.test.accuracy).min
    });
    let margin = mean(&pairs, |p| accuracy_margin(p.other));
    let deviation = |p: &Point<'_>| p.over(|r| r.test.accuracy).std.unwrap_or(0.0);
    let of_ece = EceGain::of(&pairs);
    Finding {
        verdict: both(Standing::of(gain, margin), of_ece.standing()),
        evidence: format!(
            "{}, where {} are active, against the sweep at the same fractions: annealing changes Worst by {} (counts \
             from {}), ECE by {}, the standard deviation over seeds by {}, the active fraction by {}; {}",
            compared(&pairs),
            fractions(&pairs),
            format::difference(gain),
            format::fraction(margin),
            of_ece.in_words(),
            format::difference(mean(&pairs, |p| p.ours.deviation - deviation(p.other))),
            format::difference(mean(&pairs, |p| p.ours.active - p.other.active())),
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
    rule: "Each point with a calibration term is held against the sweep at the same active fraction, as for F2; \
           aggressive is below 10% active. Both regimes must have been run. The term lowers the aggressive points' mean \
           ECE by more than chance, and changes the moderate points' by no more than chance: holds. Only the first: in \
           part. It does not lower the aggressive points': does not hold. Where these lie so near the noise floor \
           without the term that a perfectly calibrated model would not count as better, and are not worse with it, it \
           cannot be tested.",
    judge: coupling,
};

fn coupling(evidence: &Evidence<'_, '_>) -> Finding {
    let with_term = arms::changed_in_sweep(evidence.study, Axis::Coupling);
    if with_term.is_empty() {
        return lacks(
            Axis::Coupling,
            evidence.study,
            "no run with a calibration term",
        );
    }
    let Some(pairs) = beside_sweep(evidence.study, &with_term) else {
        return out_of_reach(evidence.study, Axis::Coupling, &with_term);
    };
    let (aggressive, moderate): (Vec<_>, Vec<_>) =
        pairs.into_iter().partition(|p| p.other.active() < 0.1);
    if aggressive.is_empty() || moderate.is_empty() {
        let what = match aggressive.is_empty() {
            true => "no pair below 10% active",
            false => "no pair at 10% active or more",
        };
        // The λ of the runs at hand leave the wrong shares open, so the same command would make nothing new.
        let run = || with_term.iter().filter_map(|p| p.lambda);
        let wanted = match aggressive.is_empty() {
            true => {
                let most = run().fold(0.0, f64::max);
                [3.0 * most, 10.0 * most]
            }
            false => {
                let least = run().fold(f64::INFINITY, f64::min);
                [0.1 * least, 0.3 * least]
            }
        };
        let flags = format!(
            "--method l0gm --ablation {} --lambda {}",
            Axis::Coupling.ablation(),
            wanted.map(rounded).join(",")
        );
        return Finding::untested(what, vec![Missing::Flags(seeded(flags, evidence.study))]);
    }
    // How much the calibration term improves on the objective without it.
    let gain = |pairs: &[Pair<'_, '_>]| {
        let margin = mean(pairs, |p| ece_margin(p.near, p.other));
        (mean(pairs, |p| p.ours.ece - ece(p.other)), margin)
    };
    let (low, high) = (gain(&aggressive), gain(&moderate));
    let (without, floor) = (
        mean(&aggressive, |p| p.ours.ece),
        mean(&aggressive, |p| ece_floor(p.near)),
    );
    let scaled = mean(&aggressive, |p| {
        p.near.over(|r| r.calibration_scaled.ece).mean - ece(p.near)
    });
    let evidence = format!(
        "The term changes ECE by {} at aggressive sparsity ({}, where {} are active; counts from {}) and by {} at moderate \
         ({}, where {} are active; from {}), all against the sweep at the same fractions; temperature scaling alone changes the aggressive ones by {}; {}",
        format::difference(-low.0),
        compared(&aggressive),
        fractions(&aggressive),
        format::fraction(low.1),
        format::difference(-high.0),
        compared(&moderate),
        fractions(&moderate),
        format::fraction(high.1),
        format::difference(scaled),
        seeds(&[members(&aggressive), members(&moderate)].concat()),
    );
    if without - low.1 < floor && Standing::of(low.0, low.1) != Standing::Worse {
        let (without, floor) = (format::fraction(without), format::fraction(floor));
        return Finding::untested(
            format!(
                "{evidence}. Without the term the aggressive ones read {without}, which is within the noise: a \
                 perfectly calibrated model would read {floor}"
            ),
            vec![],
        );
    }
    let verdict = match (Standing::of(low.0, low.1), Standing::of(high.0, high.1)) {
        (Standing::Better, Standing::Same) => Verdict::Holds,
        (Standing::Better, _) => Verdict::InPart,
        _ => Verdict::DoesNotHold,
    };
    Finding {
        verdict,
        evidence,
        missing: vec![],
    }
}

pub(super) const GRANULARITY: Claim = Claim {
    id: "G",
    name: "the interface beats finer gates",
    place: "Appendix A.3, Table 6",
    says: "One gate a dimension of the interface is the right grain: finer gates are less accurate and less well \
           calibrated.",
    rule: "Each fine-grained point is held against the sweep at the same active fraction, as for F2. On average the \
           interface's accuracy is higher by more than a standard error and its ECE lower by more than chance: holds. \
           One of the two, and the other not reversed: in part. Else: does not hold.",
    judge: granularity,
};

fn granularity(evidence: &Evidence<'_, '_>) -> Finding {
    let study = evidence.study;
    let mut fine = arms::changed_in_sweep(study, Axis::Granularity);
    fine.retain(|p| p.value_of(Axis::Granularity) == "fine");
    if fine.is_empty() {
        return lacks(Axis::Granularity, study, "no fine-grained run");
    }
    let Some(pairs) = beside_sweep(study, &fine) else {
        return out_of_reach(study, Axis::Granularity, &fine);
    };
    of_pairs(&pairs, "the interface's")
}

pub(super) const INSTANCE: Claim = Claim {
    id: "I",
    name: "gates of an instance's own beat a static mask",
    place: "sections 1, 2 and 3, Table 6",
    says: "Sparsity that each instance has its own of is better than one mask for all, in accuracy and in ECE.",
    rule: "Pairs of runs of the same seeds that differ in the gate's kind alone: a static mask, and noise of its own for every example \
           (the paper's Algorithm 1 sees no more of the instance than that). On average the accuracy of the latter is \
           higher by more than a standard error and its ECE lower by more than chance: holds. One of the two, and the \
           other not reversed: in part. Else: does not hold. Gates that read the instance stand in the evidence where \
           they were run.",
    judge: instance,
};

fn instance(evidence: &Evidence<'_, '_>) -> Finding {
    let of_kind = |kind: &str| -> Vec<Pair<'_, '_>> {
        arms::pairs(evidence.study, Axis::Kind)
            .into_iter()
            .filter(|(plain, other)| other.value_of(Axis::Kind) == kind && same_seeds(plain, other))
            .map(|(plain, other)| as_they_are(plain, other))
            .collect()
    };
    let pairs = of_kind("static");
    let conditional = of_kind("conditional");
    let mut finding = match pairs.is_empty() {
        true => lacks(
            Axis::Kind,
            evidence.study,
            "no static mask beside a gate of an example's own with the same seeds",
        ),
        false => of_pairs(&pairs, "the per-example gate's"),
    };
    if !conditional.is_empty() {
        finding.evidence.push_str(&format!(
            ". Gates that read the instance, {} compared: accuracy {}, ECE {} against noise alone",
            compared(&conditional),
            format::difference(mean(&conditional, |p| {
                p.other.over(|r| r.test.accuracy).mean - p.ours.accuracy
            })),
            format::difference(mean(&conditional, |p| ece(p.other) - p.ours.ece)),
        ));
    }
    finding
}

/// Each point beside the sweep at the same active fraction; `None` if the sweep reaches none of them.
fn beside_sweep<'s, 'a>(
    study: &'s Study<'a>,
    points: &[&'s Point<'a>],
) -> Option<Vec<Pair<'s, 'a>>> {
    let sweep = arms::sweep(study);
    let pairs = points.iter().copied();
    let pairs: Vec<_> = pairs
        .filter_map(|point| at_equal_sparsity(&sweep, point))
        .collect();
    (!pairs.is_empty()).then_some(pairs)
}

/// None of the `points` is where the sweep is. The flags are for runs of both designs at other λ: smaller ones where the
/// points are sparser than the sweep, larger ones where they are denser, and else the points' own with all seeds.
fn out_of_reach(study: &Study<'_>, axis: Axis, points: &[&Point<'_>]) -> Finding {
    let sweep = arms::sweep(study);
    let of_sweep = || sweep.iter().map(|p| p.active());
    let lowest = of_sweep().fold(f64::INFINITY, f64::min);
    let highest = of_sweep().fold(0.0, f64::max);
    let mut lambdas: Vec<f64> = points.iter().filter_map(|p| p.lambda).collect();
    lambdas.sort_by(f64::total_cmp);
    let ends = lambdas.first().copied().zip(lambdas.last().copied());
    let wanted = match ends {
        Some((least, _)) if points.iter().all(|p| p.active() < lowest) => {
            vec![least / 10.0, least / 3.0]
        }
        Some((_, most)) if points.iter().all(|p| p.active() > highest) => {
            vec![3.0 * most, 10.0 * most]
        }
        _ => lambdas,
    };
    let mut wanted: Vec<String> = wanted.into_iter().map(rounded).collect();
    wanted.dedup();
    let flags = format!(
        "--method l0gm --ablation {} --lambda {}",
        axis.ablation(),
        wanted.join(",")
    );
    Finding::untested(
        "no such point at an active fraction that the sweep reaches with the same seeds",
        vec![Missing::Flags(seeded(flags, study))],
    )
}

/// Adds seeds where the study has one seed only. Every suggestion adds the same, because F2 needs several, and a
/// comparison needs the same seeds on both sides.
fn seeded(mut flags: String, study: &Study<'_>) -> String {
    if !study.has_spread() {
        flags.push_str(" --seeds 0,1,2");
    }
    flags
}

/// By how much the default design's ECE is lower than the others', as a mean over pairs.
struct EceGain {
    gain: f64,
    margin: f64,
    /// The mean ECE of perfectly calibrated predictions with the default design's confidences, if even that would not
    /// count as lower than the other's.
    out_of_reach: Option<f64>,
}

impl EceGain {
    fn of(pairs: &[Pair<'_, '_>]) -> Self {
        let margin = mean(pairs, |p| ece_margin(p.near, p.other));
        let floor = mean(pairs, |p| ece_floor(p.near));
        let others = mean(pairs, |p| ece(p.other));
        Self {
            gain: mean(pairs, |p| ece(p.other) - p.ours.ece),
            margin,
            out_of_reach: (others - margin < floor).then_some(floor),
        }
    }

    fn standing(&self) -> Standing {
        match Standing::of(self.gain, self.margin) {
            // If even perfect calibration would not count as better, a measured gain is chance.
            Standing::Better if self.out_of_reach.is_some() => Standing::Same,
            standing => standing,
        }
    }

    fn in_words(&self) -> String {
        let (by, from) = (
            format::difference(-self.gain),
            format::fraction(self.margin),
        );
        match self.out_of_reach {
            None => format!("{by} (from {from})"),
            Some(floor) => format!(
                "{by} (from {from}; no gain can be seen, for a perfectly calibrated model would read {})",
                format::fraction(floor)
            ),
        }
    }
}

/// Compares accuracy and ECE of the default design with those of the others.
fn of_pairs(pairs: &[Pair<'_, '_>], whose: &str) -> Finding {
    let gain = mean(pairs, |p| {
        p.ours.accuracy - p.other.over(|r| r.test.accuracy).mean
    });
    let margin = mean(pairs, |p| accuracy_margin(p.other));
    let of_ece = EceGain::of(pairs);
    Finding {
        verdict: both(Standing::of(gain, margin), of_ece.standing()),
        evidence: format!(
            "{}, where {} are active, compared: {whose} accuracy differs by {} (counts from {}), its ECE by {}, its \
             active fraction by {}; {}",
            compared(pairs),
            fractions(pairs),
            format::difference(gain),
            format::fraction(margin),
            of_ece.in_words(),
            format::difference(mean(pairs, |p| p.ours.active - p.other.active())),
            seeds(&members(pairs)),
        ),
        missing: vec![],
    }
}

/// The other designs' active fractions, such as "56.1% and 11.2%".
fn fractions(pairs: &[Pair<'_, '_>]) -> String {
    let each = pairs.iter().map(|p| format::percent(p.other.active()));
    format::list(&each.collect::<Vec<_>>())
}

/// The verdict on a claim with two parts.
fn both(one: Standing, other: Standing) -> Verdict {
    use Standing::{Better, Worse};
    match (one, other) {
        (Better, Better) => Verdict::Holds,
        (Better, Worse) | (Worse, Better) => Verdict::DoesNotHold,
        (Better, _) | (_, Better) => Verdict::InPart,
        _ => Verdict::DoesNotHold,
    }
}

fn lacks(axis: Axis, study: &Study<'_>, what: &str) -> Finding {
    let flags = seeded(flags_of(axis, Some(study)), study);
    Finding::untested(what, vec![Missing::Flags(flags)])
}

fn members<'p, 'a>(pairs: &[Pair<'p, 'a>]) -> Vec<&'p Point<'a>> {
    pairs.iter().flat_map(|p| [p.near, p.other]).collect()
}

//! The paper's claims, each with the rule that decides whether it holds, and the verdict on the existing runs. Pure:
//! takes studies and significance tests, returns findings. docs/claims.md quotes the claims and their rules, and a
//! test keeps the two equal.

mod designs;
mod judge;
mod knob;
mod pairs;
mod rivals;
mod section;

pub(super) use judge::scaled_ece_margin;
pub(super) use section::section;

use super::paper::Paper;
use super::significance::Comparison;
use super::study::Study;
use crate::latency_record::LatencyRecord;

/// The verdict on a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    InPart,
    DoesNotHold,
    /// The runs that would decide it are missing.
    Untested,
}

impl Verdict {
    /// The verdict as readers see it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::InPart => "holds in part",
            Self::DoesNotHold => "does not hold",
            Self::Untested => "cannot be tested here",
        }
    }
}

/// One claim: what the paper says, in our words, and when it holds.
pub(crate) struct Claim {
    /// Short identifier, such as "F1".
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// Where the paper states it.
    pub(crate) place: &'static str,
    /// What the paper says, in our words.
    pub(crate) says: &'static str,
    /// The rule that decides whether it holds on one dataset.
    pub(crate) rule: &'static str,
    judge: fn(&Evidence<'_, '_>) -> Finding,
}

/// The input from which a claim is judged.
pub(crate) struct Evidence<'e, 'a> {
    pub(crate) study: &'e Study<'a>,
    pub(crate) comparisons: &'e [Comparison],
    pub(crate) latencies: &'e [LatencyRecord],
    pub(crate) paper: &'e Paper,
}

/// The result for one claim on one dataset.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    /// The figures behind the verdict, in a sentence or two.
    pub(crate) evidence: String,
    /// What is missing for a verdict.
    pub(crate) missing: Vec<Missing>,
}

/// Something that a finding lacks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Missing {
    /// Flags of `l0gm reproduce` that would make the missing runs.
    Flags(String),
    /// Runs of the methods that reproduce these rows of the paper's tables.
    Rivals(Vec<String>),
    /// Something that no command makes, or that a command failed to make properly.
    Words(String),
}

impl Finding {
    fn untested(evidence: impl Into<String>, missing: Vec<Missing>) -> Self {
        Self {
            verdict: Verdict::Untested,
            evidence: evidence.into(),
            missing,
        }
    }
}

/// Every claim, in the paper's order.
pub(crate) const CLAIMS: [Claim; 8] = [
    rivals::Q1,
    rivals::Q2,
    knob::F1,
    designs::F2,
    knob::F3,
    designs::COUPLING,
    designs::GRANULARITY,
    designs::INSTANCE,
];

/// How the verdicts on the datasets are combined into one; quoted in docs/claims.md.
pub(crate) const OVERALL: &str = "Over all: only real data count, twins never. A claim holds where it holds on \
    every dataset at hand and all three modalities are among them. It does not hold where it holds, even in part, on \
    none of the datasets on which it can be tested. In between, one modality missing included, it holds in part. \
    Where nothing can be tested, neither can the claim.";

/// One claim judged over all studies.
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    /// One finding for each study.
    pub(crate) findings: Vec<Finding>,
}

/// Judges a claim on every study, and over all real datasets.
pub(crate) fn judge(
    claim: &Claim,
    studies: &[Study<'_>],
    comparisons: &[Comparison],
    latencies: &[LatencyRecord],
    paper: &Paper,
) -> Judged {
    let findings: Vec<Finding> = studies
        .iter()
        .map(|study| {
            (claim.judge)(&Evidence {
                study,
                comparisons,
                latencies,
                paper,
            })
        })
        .collect();
    let real: Vec<(&str, Verdict)> = studies
        .iter()
        .zip(&findings)
        .filter(|(study, _)| !study.twin)
        .map(|(study, finding)| (study.modality, finding.verdict))
        .collect();
    Judged {
        verdict: overall(&real),
        findings,
    }
}

/// Combines the (modality, verdict) pairs of the real datasets into one verdict.
fn overall(real: &[(&str, Verdict)]) -> Verdict {
    let tested = || real.iter().filter(|(_, v)| *v != Verdict::Untested);
    let all_modalities = ["tabular", "text", "graph"]
        .iter()
        .all(|m| tested().any(|(modality, _)| modality == m));
    let untested = real.len() - tested().count();
    if tested().next().is_none() {
        Verdict::Untested
    } else if tested().all(|(_, v)| *v == Verdict::DoesNotHold) {
        Verdict::DoesNotHold
    } else if tested().all(|(_, v)| *v == Verdict::Holds) && all_modalities && untested == 0 {
        Verdict::Holds
    } else {
        Verdict::InPart
    }
}

#[cfg(test)]
mod tests;

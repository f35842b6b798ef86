//! Judges L0GM against the paper's rivals: Q1 (the gate as a module) and Q2 (the whole system).

use super::judge::{Standing, ece, ece_margin};
use super::{Claim, Evidence, Finding, Missing, Verdict};
use crate::arms;
use crate::format;
use crate::latency_record::LatencyRecord;
use crate::paper;
use crate::paper_tables::rival;
use crate::significance::{Measure, Outcome, test_between};
use crate::study::Point;

pub(super) const Q1: Claim = Claim {
    id: "Q1",
    name: "the gate works as a module",
    place: "section 5.4.1, Table 3",
    says: "A gate on the classifier's interface keeps up with the strong models of each modality in accuracy, with low \
           ECE.",
    rule: "L0GM is the sweep's point of best validation loss. Against each of the paper's rivals its accuracy is not \
           lower at the 5% level (paired bootstrap, Holm), and its ECE does not exceed that of dense by more than \
           chance: holds. The same against the rivals at hand while others have not been run: in part. Else: does not \
           hold.",
    judge: q1,
};

fn q1(evidence: &Evidence<'_, '_>) -> Finding {
    let standing = match standing(evidence) {
        Ok(standing) => standing,
        Err(finding) => return finding,
    };
    let keeps_up = standing.worse_than.is_empty() && standing.ece != Standing::Worse;
    let verdict = match (keeps_up, standing.absent.is_empty()) {
        (true, true) => Verdict::Holds,
        (true, false) => Verdict::InPart,
        (false, _) => Verdict::DoesNotHold,
    };
    Finding {
        verdict,
        missing: standing.missing(),
        evidence: standing.text,
    }
}

pub(super) const Q2: Claim = Claim {
    id: "Q2",
    name: "the system gains",
    place: "section 5.4.2, Table 3",
    says: "As a whole system the gated model joins high accuracy and low ECE with the lowest latency.",
    rule: "Q1's conditions, and the compact model of that point takes at most nine tenths of dense's time on the same \
           device, threads and batch: holds. Faster, but Q1 holds in part or not: in part. Not faster: does not hold. \
           Times are those that the command `latency` took by turns at its largest batch; where it has not been run, \
           those at the end of each run.",
    judge: q2,
};

fn q2(evidence: &Evidence<'_, '_>) -> Finding {
    let standing = match standing(evidence) {
        Ok(standing) => standing,
        Err(finding) => return finding,
    };
    let timed = by_turns(evidence.latencies, standing.ours);
    let (ratio, times) = match timed {
        Some(timed) => timed,
        None => match by_run(standing.ours, standing.dense) {
            Ok(timed) => timed,
            Err(what) => {
                return Finding::untested(what.clone(), vec![Missing::Words(what)]);
            }
        },
    };
    let faster = ratio <= 0.9;
    let keeps_up = standing.worse_than.is_empty() && standing.ece != Standing::Worse;
    let verdict = match (faster, keeps_up && standing.absent.is_empty()) {
        (true, true) => Verdict::Holds,
        (true, false) => Verdict::InPart,
        (false, _) => Verdict::DoesNotHold,
    };
    Finding {
        verdict,
        missing: standing.missing(),
        evidence: format!("{times}. {}", standing.text),
    }
}

/// The compact model's time divided by dense's, timed by turns at the largest batch: the mean over the seeds timed at
/// that size.
fn by_turns(latencies: &[LatencyRecord], ours: &Point<'_>) -> Option<(f64, String)> {
    let timed: Vec<(usize, f64, &LatencyRecord)> = latencies
        .iter()
        .filter(|record| ours.runs.iter().any(|run| run.run_id == record.run_id))
        .flat_map(|record| {
            let batches = record.batches.iter();
            batches.filter_map(move |b| Some((b.batch, b.compact_to_dense?.ratio, record)))
        })
        .collect();
    let batch = timed.iter().map(|(batch, ..)| *batch).max()?;
    let ratios: Vec<f64> = timed
        .iter()
        .filter(|(of, ..)| *of == batch)
        .map(|(_, ratio, _)| *ratio)
        .collect();
    let (_, _, record) = timed.iter().find(|(of, ..)| *of == batch)?;
    let (compact, dense) = (record.sizes.get("compact")?, record.sizes.get("dense")?);
    let ratio = ratios.iter().sum::<f64>() / ratios.len() as f64;
    let text = format!(
        "By turns the compact model takes {} of dense's time at batch {} ({}, {} threads, {} timed), with {} of its \
         FLOPs",
        format::percent(ratio),
        format::count(batch as u64),
        record.device,
        record.threads,
        match ratios.len() {
            1 => "one seed".to_owned(),
            n => format!("{n} seeds"),
        },
        format::percent(compact.flops as f64 / dense.flops as f64),
    );
    Some((ratio, text))
}

/// The same quotient from the times that each run measured at its own end.
///
/// # Errors
/// Explains why the times cannot be compared.
fn by_run(ours: &Point<'_>, dense: &Point<'_>) -> Result<(f64, String), String> {
    let compact = ours.maybe(|r| r.compact.as_ref().and_then(|c| c.latency_us_per_example));
    let compact = compact
        .map(|e| e.mean)
        .ok_or("no compact model was timed")?;
    let place = |p: &Point<'_>| {
        let run = p.first();
        (run.device.clone(), run.threads, run.latency_batch)
    };
    if place(ours) != place(dense) {
        return Err(
            "dense was timed on another device, or with other threads or another batch".to_owned(),
        );
    }
    let time = dense.maybe(|r| r.latency_us_per_example);
    let time = time.map(|e| e.mean).ok_or("dense was not timed")?;
    let run = ours.first();
    let text = format!(
        "{} for an example in the compact model, {} in dense ({}, {} threads, batch {})",
        format::microseconds(compact),
        format::microseconds(time),
        run.device,
        run.threads,
        format::count(run.latency_batch as u64),
    );
    Ok((compact / time, text))
}

/// How L0GM compares with its rivals in accuracy, and with dense in ECE.
struct Stands<'e, 'a> {
    ours: &'e Point<'a>,
    dense: &'e Point<'a>,
    worse_than: Vec<String>,
    ece: Standing,
    /// The paper's rivals for which there is no run.
    absent: Vec<String>,
    text: String,
}

impl Stands<'_, '_> {
    fn missing(&self) -> Vec<Missing> {
        if self.absent.is_empty() {
            return Vec::new();
        }
        vec![Missing::Rivals(self.absent.clone())]
    }
}

fn standing<'e, 'a>(evidence: &Evidence<'e, 'a>) -> Result<Stands<'e, 'a>, Finding> {
    let study = evidence.study;
    let lacking =
        |what: &str, flags: &str| Finding::untested(what, vec![Missing::Flags(flags.to_owned())]);
    let ours = arms::best(study).ok_or_else(|| lacking("no gated run", "--method dense,l0gm"))?;
    let dense = study.dense_beside(ours).ok_or_else(|| {
        lacking(
            "no dense run with the settings of the sweep",
            "--method dense",
        )
    })?;
    let blocks = evidence
        .paper
        .q1
        .iter()
        .filter(|b| b.modality == study.modality);
    let (mut worse_than, mut absent, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    let mut tested = 0;
    for row in blocks
        .flat_map(|b| &b.rows)
        .filter(|row| row.method != paper::OURS)
    {
        let Some(point) = rival(study, &row.method) else {
            absent.push(row.method.clone());
            continue;
        };
        let labels = (ours.label(), point.label());
        let test = test_between(
            evidence.comparisons,
            &study.slug(),
            (&labels.0, &labels.1),
            Measure::Accuracy,
        );
        let Some(test) = test else {
            absent.push(format!("{} (no predictions to compare)", row.method));
            continue;
        };
        tested += 1;
        if test.outcome() == Outcome::Worse {
            worse_than.push(row.method.clone());
        }
        lines.push(format!(
            "{} against {}: {} [{}, {}], p {}",
            ours.label(),
            point.label(),
            format::difference(test.difference),
            format::difference(test.low),
            format::difference(test.high),
            format::decimals(test.p_holm, 3),
        ));
    }
    if tested == 0 {
        return Err(Finding::untested(
            "no rival whose predictions could be compared",
            vec![Missing::Rivals(absent)],
        ));
    }
    let margin = ece_margin(ours, dense);
    Ok(Stands {
        ours,
        dense,
        worse_than,
        ece: Standing::of(ece(dense) - ece(ours), margin),
        absent,
        text: format!(
            "Accuracy of {}. ECE {} against {} (a difference counts from {})",
            lines.join("; "),
            format::fraction(ece(ours)),
            format::fraction(ece(dense)),
            format::fraction(margin),
        ),
    })
}

//! The rule by which a class is decided from a probability, for two classes. The threshold is chosen on validation rows.
//!
//! A threshold changes which class is named and leaves the probabilities alone, so calibration is the same under every
//! rule. Where the classes are unbalanced the likelier class is nearly always the common one, and then few rare rows
//! are found however good the probabilities are.

use crate::usage::usage;
use std::fmt;
use std::str::FromStr;

/// What a threshold is chosen for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    /// The highest F1 score of the positive class.
    MaxF1,
    /// The highest threshold that finds at least this share of the positive rows.
    Recall(f64),
    /// The lowest threshold at which at least this share of the rows called positive are positive.
    Precision(f64),
    /// The lowest cost, where a missed positive row and a false alarm cost this much.
    Cost {
        /// Cost of a positive row that is called negative.
        miss: f64,
        /// Cost of a negative row that is called positive.
        alarm: f64,
    },
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxF1 => write!(f, "max-f1"),
            Self::Recall(share) => write!(f, "recall={share}"),
            Self::Precision(share) => write!(f, "precision={share}"),
            Self::Cost { miss, alarm } => write!(f, "cost={miss}:{alarm}"),
        }
    }
}

impl FromStr for Rule {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let unknown = || {
            usage(format!(
                "--threshold {text}: expected max-f1, recall=X, precision=X (X from 0 to 1, or as 80%) or cost=A:B \
                 (a missed positive costs A, a false alarm B)"
            ))
        };
        if text == "max-f1" {
            return Ok(Self::MaxF1);
        }
        let (name, value) = text.split_once('=').ok_or_else(unknown)?;
        match name.trim() {
            "recall" => Ok(Self::Recall(share(value).ok_or_else(unknown)?)),
            "precision" => Ok(Self::Precision(share(value).ok_or_else(unknown)?)),
            "cost" => {
                let (miss, alarm) = value.split_once(':').ok_or_else(unknown)?;
                let cost = |text: &str| {
                    let cost: f64 = text.trim().parse().ok()?;
                    (cost > 0.0 && cost.is_finite()).then_some(cost)
                };
                Ok(Self::Cost {
                    miss: cost(miss).ok_or_else(unknown)?,
                    alarm: cost(alarm).ok_or_else(unknown)?,
                })
            }
            _ => Err(unknown()),
        }
    }
}

/// A share above 0 and at most 1, also as a percentage.
fn share(text: &str) -> Option<f64> {
    let text = text.trim();
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (value > 0.0 && value <= 1.0).then_some(value)
}

/// How many rows fall where, for one threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    /// Positive rows called positive.
    found: f64,
    /// Negative rows called positive.
    alarms: f64,
    /// Positive rows called negative.
    missed: f64,
}

impl Rule {
    /// How good a threshold is for this rule: the larger, the better. `None` where it breaks the rule.
    fn merit(self, counts: Counts) -> Option<f64> {
        let Counts {
            found,
            alarms,
            missed,
        } = counts;
        match self {
            Self::MaxF1 => Some(2.0 * found / (2.0 * found + alarms + missed)),
            // Of the thresholds that find enough, the highest raises the fewest alarms.
            Self::Recall(share) => (found >= share * (found + missed)).then_some(-alarms),
            Self::Precision(share) => {
                (found + alarms > 0.0 && found >= share * (found + alarms)).then_some(found)
            }
            Self::Cost { miss, alarm } => Some(-(miss * missed + alarm * alarms)),
        }
    }

    /// The threshold that serves this rule best on these rows; of equals the highest. It lies halfway between the
    /// probabilities of two rows, so that rounding decides nothing.
    ///
    /// # Errors
    /// No threshold reaches what the rule asks for.
    pub(super) fn threshold(self, probabilities: &[f64], positive: &[bool]) -> anyhow::Result<f64> {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
        let all = positive.iter().filter(|p| **p).count() as f64;
        if all == 0.0 {
            return Err(usage(
                "--threshold: no validation row is of the positive class; take more rows, or leave it out",
            ));
        }
        let highest = order.first().map_or(1.0, |&row| probabilities[row]);
        let mut counts = Counts {
            missed: all,
            ..Counts::default()
        };
        let mut best = self
            .merit(counts)
            .map(|merit| (merit, halfway(1.0, highest)));
        let groups: Vec<&[usize]> = order
            .chunk_by(|a, b| probabilities[*a] == probabilities[*b])
            .collect();
        for (at, rows) in groups.iter().enumerate() {
            let found = rows.iter().filter(|row| positive[**row]).count() as f64;
            counts.found += found;
            counts.missed -= found;
            counts.alarms += rows.len() as f64 - found;
            let below = groups
                .get(at + 1)
                .map_or(0.0, |next| probabilities[next[0]]);
            let here = halfway(probabilities[rows[0]], below);
            let merit = self.merit(counts);
            if let Some(merit) = merit.filter(|m| best.is_none_or(|(old, _)| *m > old)) {
                best = Some((merit, here));
            }
        }
        best.map(|(_, threshold)| threshold).ok_or_else(|| {
            usage(format!(
                "--threshold {self}: no threshold reaches it on the validation rows; ask for less"
            ))
        })
    }
}

fn halfway(a: f64, b: f64) -> f64 {
    f64::midpoint(a, b)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const P: [f64; 6] = [0.9, 0.8, 0.6, 0.4, 0.3, 0.1];
    const Y: [bool; 6] = [true, false, true, true, false, false];

    fn of(rule: &str) -> f64 {
        let rule: Rule = rule.parse().unwrap();
        rule.threshold(&P, &Y).unwrap()
    }

    #[test]
    fn each_rule_finds_its_threshold_by_hand() {
        // Four called positive, three of them right: F1 = 6 / 7.
        assert_eq!(of("max-f1"), 0.35);
        // Two of three positives need the three highest rows.
        assert_eq!(of("recall=66%"), 0.5);
        assert_eq!(of("recall=1"), 0.35);
        // Precision .75 at four rows, and all positives are found there.
        assert_eq!(of("precision=0.7"), 0.35);
        assert!((of("precision=1") - 0.85).abs() < 1e-12);
        // A miss at five alarms: find all. The other way round: only the highest row.
        assert_eq!(of("cost=5:1"), 0.35);
        assert!((of("cost=1:5") - 0.85).abs() < 1e-12);
    }

    #[test]
    fn a_rule_that_nothing_reaches_or_that_is_no_rule_is_refused() {
        let strict: Rule = "precision=1".parse().unwrap();
        let error = strict.threshold(&[0.5, 0.5], &[true, false]).unwrap_err();
        assert!(
            error.to_string().contains("no threshold reaches it"),
            "{error}"
        );
        assert!(strict.threshold(&[0.5], &[false]).is_err());
        for text in [
            "f1",
            "recall",
            "recall=0",
            "recall=1.2",
            "cost=1",
            "cost=0:1",
            "cost=a:b",
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(
                error.contains("--threshold") && error.contains("cost=A:B"),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn recall_reaches_what_was_asked_on_the_rows_it_was_chosen_on(
            rows in prop::collection::vec((0.0f64..1.0, any::<bool>()), 1..60),
            wanted in 0.05f64..1.0,
        ) {
            let (p, y): (Vec<f64>, Vec<bool>) = rows.into_iter().unzip();
            let all = y.iter().filter(|y| **y).count();
            prop_assume!(all > 0);
            let threshold = Rule::Recall(wanted).threshold(&p, &y).unwrap();
            let found = p.iter().zip(&y).filter(|(p, y)| **y && **p >= threshold).count();
            prop_assert!(found as f64 >= wanted * all as f64);
        }
    }
}

//! Equal-width bins (left, right], as the paper's ECE uses them (eq. 7), and the bins of a reliability diagram.

use super::{CalibrationSettings, Predictions, Scored};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// One bin of a reliability diagram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Lower edge, excluded (the first bin includes 0).
    pub low: f64,
    /// Upper edge, included.
    pub high: f64,
    /// Number of examples in the bin.
    pub count: usize,
    /// Mean confidence of these examples; 0 (not NaN) for an empty bin.
    pub confidence: f64,
    /// Share of these examples that are predicted right; 0 for an empty bin.
    pub accuracy: f64,
}

/// The sums over one bin from which binned measures are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BinSum {
    /// Number of (score, outcome) pairs in the bin.
    pub count: usize,
    /// Sum of the scores.
    pub scores: f64,
    /// Number of outcomes that are true.
    pub hits: usize,
}

impl BinSum {
    pub(super) fn add(&mut self, score: f64, outcome: bool) {
        self.count += 1;
        self.scores += score;
        self.hits += usize::from(outcome);
    }

    /// Mean score; 0 for an empty bin.
    pub fn mean_score(&self) -> f64 {
        self.scores / self.count.max(1) as f64
    }

    /// Share of true outcomes; 0 for an empty bin.
    pub fn hit_rate(&self) -> f64 {
        self.hits as f64 / self.count.max(1) as f64
    }
}

/// Bins of equal width over [0, 1], each (left, right]. A score of 0 falls in the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EqualWidth(usize);

impl EqualWidth {
    /// Creates this many bins; at least one is required.
    pub fn new(bins: usize) -> Result<Self> {
        match bins {
            1..=1_000_000 => Ok(Self(bins)),
            _ => Err(Error::setting("bins", bins as f64, "between 1 and 1000000")),
        }
    }

    /// Number of bins.
    pub fn bins(&self) -> usize {
        self.0
    }

    /// Lower edge of a bin, which is the upper edge of the bin before it.
    pub fn edge(&self, bin: usize) -> f64 {
        bin as f64 / self.0 as f64
    }

    /// The index of the bin that a score in [0, 1] falls in.
    pub fn bin_of(&self, score: f64) -> usize {
        let last = self.0 - 1;
        let guess = ((score * self.0 as f64).ceil() as usize)
            .saturating_sub(1)
            .min(last);
        // Compare with the edges, because the product can round across one (.55 * 20 is above 11).
        if guess > 0 && score <= self.edge(guess) {
            guess - 1
        } else if guess < last && score > self.edge(guess + 1) {
            guess + 1
        } else {
            guess
        }
    }

    /// The sums of every bin, including empty ones.
    pub fn sums(&self, scored: &Scored) -> Vec<BinSum> {
        let mut sums = vec![BinSum::default(); self.0];
        for (score, outcome) in scored.pairs() {
            sums[self.bin_of(score)].add(score, outcome);
        }
        sums
    }
}

/// The equal-width bins of a top-label reliability diagram.
pub fn reliability_bins(
    predictions: &Predictions,
    settings: CalibrationSettings,
) -> Result<Vec<Bin>> {
    let width = settings.width()?;
    let sums = width.sums(&predictions.top_label());
    let describe = |(bin, sum): (usize, &BinSum)| Bin {
        low: width.edge(bin),
        high: width.edge(bin + 1),
        count: sum.count,
        confidence: sum.mean_score(),
        accuracy: sum.hit_rate(),
    };
    Ok(sums.iter().enumerate().map(describe).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zero_falls_in_the_first_bin_and_one_in_the_last() {
        let width = EqualWidth::new(15).unwrap();
        assert_eq!(width.bin_of(0.0), 0);
        assert_eq!(width.bin_of(f64::MIN_POSITIVE), 0);
        assert_eq!(width.bin_of(1.0), 14);
    }

    #[test]
    fn an_upper_edge_belongs_to_its_bin_for_every_number_of_bins() {
        for bins in 1..200 {
            let width = EqualWidth::new(bins).unwrap();
            for bin in 0..bins {
                let edge = width.edge(bin + 1);
                assert_eq!(width.bin_of(edge), bin, "{bins} bins, edge {edge}");
                if bin + 1 < bins {
                    assert_eq!(
                        width.bin_of(edge.next_up()),
                        bin + 1,
                        "{bins} bins, just above {edge}"
                    );
                }
            }
        }
    }

    #[test]
    fn reliability_bins_show_confidence_accuracy_and_count() {
        let predictions =
            Predictions::binary(&[0.25, 0.25, 0.55, 0.75, 0.75], &[0, 0, 1, 1, 0]).unwrap();
        let ten = CalibrationSettings {
            bins: 10,
            ..CalibrationSettings::default()
        };
        let bins = reliability_bins(&predictions, ten).unwrap();
        assert_eq!(bins.len(), 10);
        // Confidence .75 occurs four times, once wrong; confidence .55 occurs once and is right.
        assert_eq!((bins[7].low, bins[7].high, bins[7].count), (0.7, 0.8, 4));
        assert_eq!((bins[7].confidence, bins[7].accuracy), (0.75, 0.75));
        assert_eq!((bins[5].count, bins[5].accuracy), (1, 1.0));
        assert_eq!(
            (bins[0].count, bins[0].confidence, bins[0].accuracy),
            (0, 0.0, 0.0)
        );
    }

    #[test]
    fn no_bins_are_refused() {
        let text = EqualWidth::new(0).unwrap_err().to_string();
        assert!(
            text.contains("bins is 0") && text.contains("between 1"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn bins_cover_every_score_once(scores in prop::collection::vec(0.0..=1.0f64, 1..200), bins in 1..40usize) {
            let width = EqualWidth::new(bins).unwrap();
            for &score in &scores {
                let bin = width.bin_of(score);
                prop_assert!(bin < bins && score <= width.edge(bin + 1));
                prop_assert!(score > width.edge(bin) || bin == 0);
            }
            let outcomes = vec![true; scores.len()];
            let sums = width.sums(&Scored::new(scores.clone(), outcomes).unwrap());
            prop_assert_eq!(sums.iter().map(|sum| sum.count).sum::<usize>(), scores.len());
        }
    }
}

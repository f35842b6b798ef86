//! A small seeded generator (SplitMix64: Steele, Lea and Flood 2014). It is our own, so that what is drawn (a twin's
//! bytes, the nodes of a split) depends on the seed alone.

/// A seeded stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Rng {
    state: u64,
}

impl Rng {
    /// Different values of `stream` give independent numbers, so that a longer part of a twin does not change the
    /// next one.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Rng {
            state: seed ^ stream.wrapping_mul(0xD134_2543_DE82_EF95),
        };
        rng.state = rng.bits();
        rng
    }

    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Uniform in 0..n; n must be positive.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((self.uniform() * n as f64) as usize).min(n - 1)
    }

    /// Standard normal (Box-Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// One of the items with equal probability.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// An index with probability proportional to its weight.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let total: f64 = weights.clone().sum();
        let mut left = self.uniform() * total;
        let mut last = 0;
        for (i, w) in weights.enumerate() {
            last = i;
            left -= w;
            if left < 0.0 {
                break;
            }
        }
        last
    }

    /// Shuffles in place (Fisher-Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// Draws indices with probability proportional to fixed weights, in logarithmic time.
pub(crate) struct Table {
    cumulative: Vec<f64>,
}

impl Table {
    /// Weights must be non-negative and not all 0.
    pub(crate) fn new(weights: impl Iterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let cumulative = weights
            .map(|w| {
                sum += w;
                sum
            })
            .collect();
        Table { cumulative }
    }

    /// Draws one index.
    pub(crate) fn draw(&self, rng: &mut Rng) -> usize {
        let last = self.cumulative.len() - 1;
        let at = rng.uniform() * self.cumulative[last];
        self.cumulative.partition_point(|&c| c <= at).min(last)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn draws_follow_their_weights() {
        let mut rng = Rng::new(1, 2);
        let weights = [1.0, 0.0, 3.0];
        let table = Table::new(weights.into_iter());
        let mut counts = [[0usize; 3]; 2];
        for _ in 0..20_000 {
            counts[0][rng.weighted(weights.into_iter())] += 1;
            counts[1][table.draw(&mut rng)] += 1;
        }
        for count in counts {
            assert_eq!(count[1], 0);
            assert!(
                (count[2] as f64 / 20_000.0 - 0.75).abs() < 0.02,
                "{count:?}"
            );
        }
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut rng = Rng::new(7, 0);
        let draws: Vec<f64> = (0..40_000).map(|_| rng.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 40_000.0;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / 40_000.0;
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
    }

    #[test]
    fn streams_of_one_seed_differ() {
        assert_ne!(Rng::new(1, 0).uniform(), Rng::new(1, 1).uniform());
        assert_eq!(Rng::new(1, 1).uniform(), Rng::new(1, 1).uniform());
    }
}

//! The scale of a feature, which noise and quantisation are relative to.

/// A feature's spread and range, computed from unperturbed examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeatureScale {
    /// Standard deviation. It is 0 for a constant feature, to which noise then adds nothing.
    pub deviation: f64,
    /// Smallest value.
    pub low: f64,
    /// Largest value.
    pub high: f64,
}

impl FeatureScale {
    /// The scale of some values; all 0 if there are none.
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let (mut count, mut sum) = (0.0, 0.0);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.clone() {
            count += 1.0;
            sum += value;
            low = low.min(value);
            high = high.max(value);
        }
        if count == 0.0 {
            return Self {
                deviation: 0.0,
                low: 0.0,
                high: 0.0,
            };
        }
        let mean = sum / count;
        let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
        Self {
            deviation: (squares / count).sqrt(),
            low,
            high,
        }
    }

    /// The scale of every column of a matrix, given as rows of `columns` values one after the other.
    pub fn of_columns(values: &[f32], columns: usize) -> Vec<Self> {
        (0..columns)
            .map(|column| {
                let column = values.iter().skip(column).step_by(columns);
                Self::of(column.map(|value| f64::from(*value)))
            })
            .collect()
    }

    /// Rounds to the nearest of 2^`bits` equally spaced levels from `low` to `high`, both included; values outside go
    /// to the nearer end. A feature without a range is not changed.
    pub fn quantised(&self, value: f64, bits: f64) -> f64 {
        let step = (self.high - self.low) / (bits.exp2() - 1.0);
        if !step.is_finite() || step <= 0.0 {
            return value;
        }
        let level = ((value.clamp(self.low, self.high) - self.low) / step).round();
        (self.low + level * step).min(self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bits_are_four_levels_with_both_ends_among_them() {
        let scale = FeatureScale {
            deviation: 1.0,
            low: -1.0,
            high: 2.0,
        };
        // The levels are -1, 0, 1 and 2.
        for (value, level) in [
            (-1.0, -1.0),
            (-0.6, -1.0),
            (-0.4, 0.0),
            (0.49, 0.0),
            (0.51, 1.0),
            (1.7, 2.0),
            (2.0, 2.0),
            (9.0, 2.0),
            (-7.0, -1.0),
        ] {
            assert_eq!(scale.quantised(value, 2.0), level, "{value}");
        }
    }

    #[test]
    fn many_bits_and_a_constant_feature_change_nothing() {
        let scale = FeatureScale {
            deviation: 1.0,
            low: 0.0,
            high: 1.0,
        };
        for value in [0.0, 0.1, 0.37, 1.0] {
            assert!((scale.quantised(value, 40.0) - value).abs() < 1e-11);
            // A feature of 0 or 1 (a word that occurs or not) keeps its value at any number of bits.
            assert_eq!(scale.quantised(value.round(), 4.0), value.round());
        }
        let constant = FeatureScale::of([3.0, 3.0].into_iter());
        assert_eq!(constant.quantised(5.0, 4.0), 5.0);
        assert_eq!(constant.deviation, 0.0);
    }

    #[test]
    fn a_columns_scale_is_its_population_deviation_and_range() {
        let scales = FeatureScale::of_columns(&[1.0, 7.0, 3.0, 7.0], 2);
        assert_eq!(
            scales[0],
            FeatureScale {
                deviation: 1.0,
                low: 1.0,
                high: 3.0
            }
        );
        assert_eq!((scales[1].deviation, scales[1].low), (0.0, 7.0));
        assert_eq!(FeatureScale::of([].into_iter()).high, 0.0);
    }
}

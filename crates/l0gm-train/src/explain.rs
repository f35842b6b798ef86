//! Which inputs a trained model relies on: how much worse it predicts when one of them is shuffled.

use serde::{Deserialize, Serialize};

/// How much worse a model predicts without one input, with an interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Name of the input, such as a column.
    pub name: String,
    /// Number of its dimensions that the gate leaves open.
    pub open: usize,
    /// Rise in validation NLL, in nats, when the input's values are permuted over the rows (mean over permutations).
    pub rise: f64,
    /// Lower end of the 95% interval of the rise over the choice of rows.
    pub low: f64,
    /// Upper end of the 95% interval of the rise over the choice of rows.
    pub high: f64,
}

/// What all inputs are worth to a model.
///
/// Permutation importance (Breiman 2001, section 10; Fisher et al. 2019). An input that another one can stand in for has
/// a small rise although the model reads it, so the rises do not add up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Number of validation rows.
    pub rows: usize,
    /// Validation NLL in nats with all inputs as they are.
    pub nll: f64,
    /// Number of permutations of each input.
    pub permutations: usize,
    /// The inputs with open dimensions, those that are worth most first.
    pub effects: Vec<Effect>,
    /// The inputs behind closed gates. The model gives the same answers without them.
    pub closed: Vec<String>,
}

impl Effect {
    /// Compares the loss of each row before with its mean loss over permutations after.
    pub fn of(name: String, open: usize, before: &[f64], after: &[f64]) -> Self {
        let n = before.len() as f64;
        let rises = || {
            before
                .iter()
                .zip(after)
                .map(|(before, after)| after - before)
        };
        let rise = rises().sum::<f64>() / n;
        let squares: f64 = rises().map(|x| (x - rise).powi(2)).sum();
        let error = (squares / (n - 1.0).max(1.0) / n).sqrt();
        Self {
            name,
            open,
            rise,
            low: rise - NORMAL_95 * error,
            high: rise + NORMAL_95 * error,
        }
    }
}

/// Half the width of a normal distribution's central 95%, in standard deviations.
const NORMAL_95: f64 = 1.959_964;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_has_the_interval_of_its_mean() {
        let effect = Effect::of("x".to_owned(), 2, &[0.0; 4], &[0.0, 1.0, 0.0, 1.0]);
        assert_eq!(effect.rise, 0.5);
        // The standard deviation is the root of 1/3, that of the mean half as much.
        let error = (1.0f64 / 3.0).sqrt() / 2.0;
        assert!((effect.high - 0.5 - NORMAL_95 * error).abs() < 1e-12);
        assert!((effect.low + effect.high - 1.0).abs() < 1e-12);
    }
}

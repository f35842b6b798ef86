//! The answer of a compact model: for each row, one probability per class.

use crate::{Error, Result};
use candle_core::{DType, Tensor};
use l0gm_gate::calibration::scale_logits;

/// Probabilities by row and class. Each row sums to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassProbabilities {
    classes: Vec<String>,
    /// Row by row: rows x classes.
    values: Vec<f64>,
}

impl ClassProbabilities {
    /// Computes softmax(logits / temperature) in f64. `logits`: (rows, classes).
    ///
    /// # Errors
    /// The number of class names differs from the number of columns, or a logit is NaN or infinite; the error names
    /// its row.
    pub fn from_logits(logits: &Tensor, temperature: f64, classes: &[String]) -> Result<Self> {
        let (_, columns) = logits.dims2()?;
        if columns != classes.len() || columns == 0 {
            return Err(Error::Task(format!(
                "logits of {columns} columns for {} classes",
                classes.len()
            )));
        }
        let flat = logits.flatten_all()?;
        let logits: Vec<f64> = match flat.dtype() {
            DType::F32 => flat.to_vec1::<f32>()?.into_iter().map(f64::from).collect(),
            _ => flat.to_dtype(DType::F64)?.to_vec1()?,
        };
        if let Some(at) = logits.iter().position(|l| !l.is_finite()) {
            return Err(Error::NotFinite(format!(
                "the logit of row {} for class {:?} is {}: the input holds values far outside what the model \
                 was trained on",
                at / columns + 1,
                classes[at % columns],
                logits[at]
            )));
        }
        let mut values = scale_logits(&logits, temperature)?;
        for row in values.chunks_exact_mut(columns) {
            let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row.iter_mut().for_each(|v| *v = (*v - highest).exp());
            let total: f64 = row.iter().sum();
            row.iter_mut().for_each(|v| *v /= total);
        }
        Ok(Self {
            classes: classes.to_vec(),
            values,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.classes.len()
    }

    /// The classes' names, in the order of a row's probabilities.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The probabilities of one row, by class.
    pub fn row(&self, row: usize) -> &[f64] {
        let width = self.classes.len();
        &self.values[row * width..(row + 1) * width]
    }

    /// The most probable class of a row (the first of equals) and its probability.
    pub fn best(&self, row: usize) -> (&str, f64) {
        let mut best = (0, f64::NEG_INFINITY);
        for (class, &p) in self.row(row).iter().enumerate() {
            if p > best.1 {
                best = (class, p);
            }
        }
        (&self.classes[best.0], best.1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    fn names() -> Vec<String> {
        vec!["no".to_owned(), "yes".to_owned()]
    }

    #[test]
    fn probabilities_are_the_softmax_of_scaled_logits() {
        let logits = Tensor::new(&[[0f32, 3.0], [800.0, 0.0]], &Device::Cpu).unwrap();
        let found = ClassProbabilities::from_logits(&logits, 1.5, &names()).unwrap();
        let expected = 1.0 / (1.0 + (-2f64).exp());
        assert!((found.row(0)[1] - expected).abs() < 1e-12);
        assert_eq!(found.best(0).0, "yes");
        assert_eq!((found.rows(), found.best(1)), (2, ("no", 1.0)));
    }

    #[test]
    fn a_logit_that_is_no_number_is_named_by_row_and_class() {
        let logits = Tensor::new(&[[0f32, 1.0], [0.0, f32::NAN]], &Device::Cpu).unwrap();
        let text = ClassProbabilities::from_logits(&logits, 1.0, &names())
            .unwrap_err()
            .to_string();
        assert!(text.contains("row 2") && text.contains("\"yes\""), "{text}");
        assert!(ClassProbabilities::from_logits(&logits, 1.0, &names()[..1]).is_err());
    }
}

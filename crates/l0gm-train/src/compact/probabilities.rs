//! The answer of a compact model: for each row, one probability per class.

use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};
use l0gm_gate::calibration::scale_logits;
use std::sync::Arc;

/// Probabilities by row and class. Each row sums to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassProbabilities {
    classes: Arc<[String]>,
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
        check(&logits, columns, classes)?;
        let mut values = scale_logits(&logits, temperature)?;
        for row in values.chunks_exact_mut(columns) {
            let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row.iter_mut().for_each(|v| *v = (*v - highest).exp());
            let total: f64 = row.iter().sum();
            row.iter_mut().for_each(|v| *v /= total);
        }
        Ok(Self {
            classes: classes.into(),
            values,
        })
    }

    /// The same from a model's outputs, row by row: one logit for each class, or, for two classes, only that of the
    /// second, where that of the first is 0. Gives the same bits as [`from_logits`](Self::from_logits).
    ///
    /// # Errors
    /// A logit is NaN or infinite, or the temperature is not above 0.
    pub fn from_outputs(
        outputs: &[f32],
        temperature: f64,
        classes: &Arc<[String]>,
    ) -> Result<Self> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(Error::Task(format!(
                "the temperature is {temperature}; expected a number above 0"
            )));
        }
        let columns = classes.len();
        if columns != 2 {
            let rows = outputs.len() / columns.max(1);
            let logits = Tensor::from_slice(outputs, (rows, columns), &Device::Cpu)?;
            return Self::from_logits(&logits, temperature, classes);
        }
        let mut values = vec![0f64; 2 * outputs.len()];
        for (row, (logit, values)) in outputs.iter().zip(values.chunks_exact_mut(2)).enumerate() {
            if !logit.is_finite() {
                return Err(not_finite(row, &classes[1], f64::from(*logit)));
            }
            let scaled = f64::from(*logit) / temperature;
            // The larger of the two powers is exp(0).
            let power = (-scaled.abs()).exp();
            let total = 1.0 + power;
            let (larger, smaller) = (1.0 / total, power / total);
            let both = match scaled > 0.0 {
                true => [smaller, larger],
                false => [larger, smaller],
            };
            values.copy_from_slice(&both);
        }
        Ok(Self {
            classes: Arc::clone(classes),
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

fn check(logits: &[f64], columns: usize, classes: &[String]) -> Result<()> {
    match logits.iter().position(|l| !l.is_finite()) {
        Some(at) => Err(not_finite(at / columns, &classes[at % columns], logits[at])),
        None => Ok(()),
    }
}

fn not_finite(row: usize, class: &str, logit: f64) -> Error {
    Error::NotFinite(format!(
        "the logit of row {} for class {class:?} is {logit}: the input holds values far outside what the model was \
         trained on",
        row + 1
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
    fn one_output_of_two_classes_gives_the_bits_of_both_logits() {
        let classes: Arc<[String]> = names().into();
        let outputs = [-3.25f32, 0.0, 1e-3, 2.5, 700.0, -700.0];
        let logits: Vec<Vec<f32>> = outputs.iter().map(|l| vec![0.0, *l]).collect();
        let logits = Tensor::new(logits, &Device::Cpu).unwrap();
        let both = ClassProbabilities::from_logits(&logits, 1.3, &classes).unwrap();
        let one = ClassProbabilities::from_outputs(&outputs, 1.3, &classes).unwrap();
        assert_eq!(both, one);
        let error = ClassProbabilities::from_outputs(&[0.5, f32::NAN], 1.3, &classes).unwrap_err();
        assert!(error.to_string().contains("row 2"), "{error}");
        assert!(ClassProbabilities::from_outputs(&outputs, 0.0, &classes).is_err());
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

//! Predictions as a training loop has them: tensors of probabilities or logits, and of labels. They may be on any
//! device and of any float precision; the numbers are read as f64.

use super::{Predictions, fit_temperature};
use crate::{Error, Result};
use candle_core::{DType, Tensor};

impl Predictions {
    /// Class probabilities of shape (rows, classes), or P(y = 1) of shape (rows,) for two classes. `labels`: (rows,)
    /// of any whole-number type.
    ///
    /// ```
    /// use candle_core::{Device, Tensor};
    /// use l0gm_gate::calibration::{CalibrationReport, CalibrationSettings, Predictions};
    /// let probabilities = Tensor::new(&[[0.85f32, 0.15], [0.25, 0.75], [0.65, 0.35]], &Device::Cpu)?;
    /// let labels = Tensor::new(&[0u32, 1, 1], &Device::Cpu)?;
    /// let predictions = Predictions::from_tensors(&probabilities, &labels)?;
    /// let settings = CalibrationSettings { bins: 10, ..CalibrationSettings::default() };
    /// let report = CalibrationReport::new(&predictions, settings)?;
    /// // Confidences .85, .75 and .65, each in a bin of its own; the last is wrong.
    /// assert!((report.ece - (0.15 + 0.25 + 0.65) / 3.0).abs() < 1e-6);
    /// # Ok::<(), l0gm_gate::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Predictions::new`]; the shapes do not fit each other; labels are no whole numbers.
    pub fn from_tensors(probabilities: &Tensor, labels: &Tensor) -> Result<Self> {
        if probabilities.rank() == 1 {
            let labels = whole(labels, probabilities.elem_count())?;
            return Self::binary(&numbers(probabilities)?, &labels);
        }
        let (rows, classes) = shape("probabilities", probabilities)?;
        Self::new(numbers(probabilities)?, whole(labels, rows)?, classes)
    }

    /// Logits of shape (rows, classes), and labels of shape (rows,) of any whole-number type.
    ///
    /// # Errors
    /// Those of [`Predictions::from_logits`]; the shapes do not fit each other; labels are no whole numbers.
    pub fn from_logit_tensors(logits: &Tensor, labels: &Tensor) -> Result<Self> {
        let (rows, classes) = shape("logits", logits)?;
        Self::from_logits(&numbers(logits)?, &whole(labels, rows)?, classes)
    }
}

/// [`fit_temperature`] for logits of shape (rows, classes) and labels of shape (rows,). Divide other logits by the result.
///
/// # Errors
/// Those of `fit_temperature`; the shapes do not fit each other; labels are no whole numbers.
pub fn fit_temperature_of_tensors(logits: &Tensor, labels: &Tensor) -> Result<f64> {
    let (rows, classes) = shape("logits", logits)?;
    fit_temperature(&numbers(logits)?, &whole(labels, rows)?, classes)
}

/// The sizes (rows, classes). The error calls the tensor `name`.
fn shape(name: &str, tensor: &Tensor) -> Result<(usize, usize)> {
    tensor.dims2().map_err(|_| {
        Error::input(format!(
            "the {name} have shape {:?}, expected (rows, classes)",
            tensor.dims()
        ))
    })
}

/// The entries, row by row.
fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor
        .detach()
        .to_dtype(DType::F64)?
        .flatten_all()?
        .to_vec1()?)
}

/// The labels of this many rows.
fn whole(labels: &Tensor, rows: usize) -> Result<Vec<u32>> {
    if labels.dims() != [rows] {
        return Err(Error::input(format!(
            "the labels have shape {:?}, expected ({rows},): one for each row",
            labels.dims()
        )));
    }
    if labels.dtype().is_float() {
        return Err(Error::input(format!(
            "the labels are {:?}, expected whole numbers: a class each",
            labels.dtype()
        )));
    }
    let labels: Vec<i64> = labels.to_dtype(DType::I64)?.to_vec1()?;
    let of_row = |(row, label): (usize, i64)| {
        u32::try_from(label)
            .map_err(|_| Error::input(format!("row {row} has the label {label}, expected a class")))
    };
    labels.into_iter().enumerate().map(of_row).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::calibration::negative_log_likelihood;
    use candle_core::Device;

    fn logits() -> Tensor {
        let rows = [
            [1.0f32, -0.5, 0.25],
            [0.0, 2.0, -1.0],
            [0.5, 0.5, 3.0],
            [-1.0, 0.0, 0.75],
        ];
        Tensor::new(&rows, &Device::Cpu).unwrap()
    }

    const LABELS: [u32; 4] = [0, 1, 2, 1];

    fn labels() -> Tensor {
        Tensor::new(&LABELS, &Device::Cpu).unwrap()
    }

    #[test]
    fn tensors_of_any_precision_give_the_predictions_of_their_numbers() {
        let slice: Vec<f32> = logits().flatten_all().unwrap().to_vec1().unwrap();
        let expected = Predictions::from_logits(&slice, &LABELS, 3).unwrap();
        // The values above are exact in every one of these types.
        for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
            for label in [DType::U8, DType::U32, DType::I64] {
                let (logits, labels) = (
                    logits().to_dtype(dtype).unwrap(),
                    labels().to_dtype(label).unwrap(),
                );
                let found = Predictions::from_logit_tensors(&logits, &labels).unwrap();
                assert!(found.rows().eq(expected.rows()) && found.labels() == LABELS);
            }
        }
        let probabilities: Vec<f32> = expected.rows().flatten().map(|p| *p as f32).collect();
        let tensor = Tensor::from_slice(&probabilities, (4, 3), &Device::Cpu).unwrap();
        let found = Predictions::from_tensors(&tensor, &labels()).unwrap();
        let by_slice = Predictions::from_probabilities(&probabilities, &LABELS, 3).unwrap();
        assert!(found.rows().eq(by_slice.rows()));
        for (found, expected) in found.rows().flatten().zip(expected.rows().flatten()) {
            assert!((found - expected).abs() < 1e-7);
        }
    }

    #[test]
    fn a_tensor_that_is_transposed_is_read_row_by_row() {
        let turned = logits().t().unwrap().contiguous().unwrap().t().unwrap();
        let (one, other) = (
            Predictions::from_logit_tensors(&turned, &labels()).unwrap(),
            Predictions::from_logit_tensors(&logits(), &labels()).unwrap(),
        );
        assert!(one.rows().eq(other.rows()));
    }

    #[test]
    fn one_probability_a_row_is_that_of_the_second_class() {
        let positive = Tensor::new(&[0.25f32, 0.75], &Device::Cpu).unwrap();
        let labels = Tensor::new(&[1i64, 1], &Device::Cpu).unwrap();
        let predictions = Predictions::from_tensors(&positive, &labels).unwrap();
        assert_eq!(predictions.row(0), [0.75, 0.25]);
        assert_eq!(predictions.labels(), [1, 1]);
    }

    #[test]
    fn the_temperature_of_tensors_is_that_of_their_numbers() {
        let slice: Vec<f32> = logits().flatten_all().unwrap().to_vec1().unwrap();
        let found = fit_temperature_of_tensors(&logits(), &labels()).unwrap();
        assert_eq!(found, fit_temperature(&slice, &LABELS, 3).unwrap());
        let nll = |logits: &Tensor| {
            negative_log_likelihood(&Predictions::from_logit_tensors(logits, &labels()).unwrap())
        };
        assert!(nll(&(logits() / found).unwrap()) <= nll(&logits()));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let message = |logits: &Tensor, labels: &Tensor| {
            let error = Predictions::from_logit_tensors(logits, labels).unwrap_err();
            error.to_string()
        };
        let flat = logits().flatten_all().unwrap();
        assert!(message(&flat, &labels()).contains("expected (rows, classes)"));
        let short = labels().narrow(0, 0, 3).unwrap();
        assert!(message(&logits(), &short).contains("expected (4,)"));
        let floats = labels().to_dtype(DType::F32).unwrap();
        assert!(message(&logits(), &floats).contains("whole numbers"));
        let negative = Tensor::new(&[0i64, -1, 1, 1], &Device::Cpu).unwrap();
        assert!(message(&logits(), &negative).contains("row 1 has the label -1"));
        let beyond = Tensor::new(&[0u32, 1, 7, 1], &Device::Cpu).unwrap();
        assert!(message(&logits(), &beyond).contains("row 2 has the label 7"));
        let probabilities = Predictions::from_tensors(&logits(), &labels()).unwrap_err();
        assert!(probabilities.to_string().contains("row 0"));
    }
}

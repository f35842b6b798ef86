//! The least that any model must beat: always predicting how frequent each class is among the training rows.

use crate::{
    Condition, Error, Fitted, Knob, Latency, MethodInfo, Offered, Outcome, Perturbed,
    PredictionTable, Predictor, Result, Role, RunContext, Sizes, Split,
};

/// Predicts the same probabilities for every row: the frequencies of the classes in training. The most frequent class
/// is therefore the answer to every row.
#[derive(Clone, Debug)]
pub struct MajorityPredictor {
    /// Labels of the training, validation and test rows.
    labels: [Vec<u32>; 3],
    /// Logarithm of each class's frequency.
    logits: Vec<f32>,
}

impl MajorityPredictor {
    /// The description of the method in any modality.
    pub const INFO: MethodInfo = MethodInfo {
        name: std::borrow::Cow::Borrowed("majority"),
        label: std::borrow::Cow::Borrowed("majority class"),
        summary: std::borrow::Cow::Borrowed(
            "always predicts how frequent each class is in training",
        ),
        source: std::borrow::Cow::Borrowed("no model"),
        role: Role::Baseline,
        gated: false,
        knob: Knob::None,
        rival_of: None,
        needs: None,
    };

    /// Counts the training labels. `labels` are those of the training, validation and test rows. A class without
    /// training rows counts as half a row, so that its probability is not 0.
    ///
    /// # Errors
    /// There are no training rows, or a label is not one of the classes.
    pub fn fit(labels: [Vec<u32>; 3], classes: usize) -> Result<Fitted<Self>> {
        let mut counts = vec![0f64; classes];
        for &label in &labels[0] {
            let count = counts.get_mut(label as usize).ok_or_else(|| {
                Error::Task(format!(
                    "a training row has the label {label}, but there are {classes} classes"
                ))
            })?;
            *count += 1.0;
        }
        if labels[0].is_empty() {
            return Err(Error::Task(
                "there are no training rows to count".to_owned(),
            ));
        }
        let counts: Vec<f64> = counts.into_iter().map(|count| count.max(0.5)).collect();
        let all: f64 = counts.iter().sum();
        let logits = counts.iter().map(|count| (count / all).ln() as f32);
        Ok(Fitted {
            predictor: Self {
                logits: logits.collect(),
                labels,
            },
            outcome: Outcome::without_epochs(0.0),
        })
    }
}

impl Predictor for MajorityPredictor {
    fn predict(&mut self, split: Split, _: &mut RunContext<'_>) -> Result<PredictionTable> {
        let labels = self.labels[split as usize].clone();
        Ok(PredictionTable {
            split,
            rows: (0..labels.len() as u32).collect(),
            logits: labels.iter().flat_map(|_| self.logits.clone()).collect(),
            labels,
            classes: self.logits.len(),
        })
    }

    fn perturbed(
        &mut self,
        _: &[Condition],
        _: u64,
        _: &mut RunContext<'_>,
    ) -> Result<Offered<Perturbed>> {
        Ok(Offered::No(
            "it reads no input that could be perturbed".to_owned(),
        ))
    }

    fn latency(&mut self, _: &mut RunContext<'_>) -> Result<Offered<Latency>> {
        Ok(Offered::No("it computes nothing for a row".to_owned()))
    }

    fn sizes(&self) -> Offered<Sizes> {
        let parameters = self.logits.len() as u64;
        Offered::Yes(Sizes {
            parameters,
            flops: 0,
            bytes: 4 * parameters,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::StopFlag;
    use candle_core::Device;

    #[test]
    fn every_row_gets_the_frequencies_of_the_training_rows() {
        let labels = [vec![0, 1, 1, 1], vec![0, 1], vec![2]];
        let Fitted { mut predictor, .. } = MajorityPredictor::fit(labels, 3).unwrap();
        let mut context = RunContext {
            dir: std::path::PathBuf::new(),
            device: Device::Cpu,
            device_name: "cpu".into(),
            threads: 1,
            progress: &mut (),
            stop: StopFlag::default(),
            baselines: Vec::new(),
        };
        let valid = predictor.predict(Split::Valid, &mut context).unwrap();
        valid.check().unwrap();
        // One, three and, for the class that training does not have, half a row.
        let expected = [1.0, 3.0, 0.5].map(|count| count / 4.5);
        for row in valid.probabilities().chunks(3) {
            for (probability, expected) in row.iter().zip(expected) {
                assert!((probability - expected).abs() < 1e-6, "{row:?}");
            }
        }
        assert_eq!(
            predictor.predict(Split::Test, &mut context).unwrap().labels,
            [2]
        );
    }

    #[test]
    fn labels_that_are_no_classes_and_no_rows_are_refused() {
        assert!(MajorityPredictor::fit([vec![2], vec![], vec![]], 2).is_err());
        assert!(MajorityPredictor::fit([vec![], vec![], vec![]], 2).is_err());
    }
}

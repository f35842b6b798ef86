//! Accuracy, ROC-AUC, macro-F1 and the confusion matrix.
use crate::{Metrics, PredictionTable};
impl Metrics {
    /// From a split's predictions.
    pub fn from_predictions(_table: &PredictionTable) -> Self {
        todo!()
    }
}

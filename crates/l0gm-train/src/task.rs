//! The training data: rows in three splits, handed out in batches.
use crate::{ConditionKind, Error, Perturbation, Result, Teacher};
use candle_core::{Device, Tensor};
use l0gm_ops::Generator;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};
/// A part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, EnumString)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Split {
    /// For fitting the parameters.
    Train,
    /// For selecting the epoch and fitting the temperature.
    Valid,
    /// Read once, at the end of the run.
    Test,
}
/// One batch of rows.
#[derive(Debug)]
pub struct Batch<I> {
    /// The input that the encoder reads.
    pub input: I,
    /// Labels, (n,) u32.
    pub labels: Tensor,
    /// Row numbers within the split, in the batch's order.
    pub rows: Vec<u32>,
}
/// A dataset with its splits, ready for a modality's encoder.
pub trait Task {
    /// The input that a batch provides to the model.
    type Input;
    /// Number of classes.
    fn classes(&self) -> usize;
    /// Number of rows of a split.
    fn rows(&self, split: Split) -> usize;
    /// The batches of one pass over a split, as row numbers; every row occurs once. Rows are shuffled if a generator
    /// is given. Default: consecutive rows of the (shuffled) order. A text task groups rows by length and, for
    /// prediction, also limits the tokens per batch; a full-batch graph task returns one batch.
    fn plan(
        &self,
        split: Split,
        batch_size: usize,
        shuffle: Option<&mut Generator>,
    ) -> Vec<Vec<u32>> {
        let n = self.rows(split);
        let order = match shuffle {
            Some(generator) => generator.permutation(n),
            None => (0..n as u32).collect(),
        };
        order
            .chunks(batch_size.max(1))
            .map(<[u32]>::to_vec)
            .collect()
    }
    /// Batches of the test split, of `batch_size` rows where the task can choose; one from the middle is timed.
    /// Default: the plan of the test split, which is right if all batches have the same size.
    fn timed_plan(&self, batch_size: usize) -> Vec<Vec<u32>> {
        self.plan(Split::Test, batch_size, None)
    }
    /// Builds the batch of these rows.
    fn batch(&self, split: Split, rows: &[u32], device: &Device) -> Result<Batch<Self::Input>>;
    /// Soft targets of the training rows, in the order of their row numbers. Default: none, so that a model is trained
    /// on the labels alone.
    fn teacher(&self) -> Option<&Teacher> {
        None
    }
    /// The test rows that the robustness protocol judges, in batches. If empty, the protocol is skipped. Default: the
    /// whole test split.
    fn robustness_plan(&self, batch_size: usize) -> Vec<Vec<u32>> {
        self.plan(Split::Test, batch_size, None)
    }
    /// What part of the input such a condition perturbs, for the tables: "fields", "tokens". `None` perturbs the
    /// interface instead. Default: `None`.
    fn perturbs(&self, _kind: ConditionKind) -> Option<String> {
        None
    }
    /// Builds a batch of test rows under a condition. Called only where [`perturbs`](Self::perturbs) names something.
    /// How a row is perturbed must depend only on the perturbation and the row. Default: an error.
    fn perturbed_batch(
        &self,
        _rows: &[u32],
        perturbation: &Perturbation,
        _device: &Device,
    ) -> Result<Batch<Self::Input>> {
        Err(Error::Task(format!(
            "the task names what {} perturbs, but makes no such batch",
            perturbation.condition.name()
        )))
    }
}

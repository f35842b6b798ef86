//! What the loop trains on: rows of three splits, handed out in batches.
use crate::{ConditionKind, Error, Perturbation, Result};
use candle_core::{Device, Tensor};
use l0gm_ops::Generator;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};
/// A part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, EnumString)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Split {
    /// Fitted on.
    Train,
    /// Selected on, temperature fitted on.
    Valid,
    /// Read once, at the end.
    Test,
}
/// One batch.
#[derive(Debug)]
pub struct Batch<I> {
    /// What the encoder reads.
    pub input: I,
    /// (n,) u32.
    pub labels: Tensor,
    /// The row numbers within the split, in the batch's order.
    pub rows: Vec<u32>,
}
/// A dataset with its splits, ready for one modality's encoder.
pub trait Task {
    /// What a batch hands to the model.
    type Input;
    /// Number of classes.
    fn classes(&self) -> usize;
    /// Number of rows of a split.
    fn rows(&self, split: Split) -> usize;
    /// The batches of one pass over a split as row numbers; every row once. Shuffled where a
    /// generator is given. Default: consecutive rows of the (shuffled) order. A text task groups by
    /// length, and where it is only judged cuts at a number of tokens too; a full-batch graph task returns one batch.
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
    /// Batches of the test split of which one from the middle is timed, of `batch_size` rows where the task
    /// can. Default: the plan of the test split, which serves wherever its batches are of one size.
    fn timed_plan(&self, batch_size: usize) -> Vec<Vec<u32>> {
        self.plan(Split::Test, batch_size, None)
    }
    /// Builds one batch.
    fn batch(&self, split: Split, rows: &[u32], device: &Device) -> Result<Batch<Self::Input>>;
    /// Test rows that the robustness protocol judges, in batches; none: the protocol is left out. Default:
    /// the whole test split.
    fn robustness_plan(&self, batch_size: usize) -> Vec<Vec<u32>> {
        self.plan(Split::Test, batch_size, None)
    }
    /// What of the input such a condition perturbs, for the tables: "fields", "tokens". Default: nothing can
    /// be perturbed there, so it is the interface that is.
    fn perturbs(&self, _kind: ConditionKind) -> Option<String> {
        None
    }
    /// A batch of test rows under a condition; asked for only where [`perturbs`](Self::perturbs) names
    /// something. How a row is perturbed must depend on the perturbation and the row alone. Default: an error.
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

//! The rows of three splits as batches. While the encoder runs, they are grouped by length to save padding; once
//! features are pooled, they may have any order.
use crate::{TOKEN_BUDGET, TaskScores, TextInput, TextRobustness, TokenRows, token_batches};
use candle_core::{Device, Tensor};
use l0gm_ops::Generator;
use l0gm_train::{Batch, ConditionKind, Perturbation, Split, Task};
use std::sync::Arc;

/// Number of training batches whose rows are sorted by length together. This saves much padding and still mixes well.
const BUCKET: usize = 32;

/// How much of the encoder's work has been done already.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// None of it.
    Tokens,
    /// The layers below the first trained one; their states are (tokens x width), row after row.
    Hidden(Arc<Vec<f32>>),
    /// All of it; the features are (rows x width).
    Pooled(Vec<f32>),
}

/// The rows of one split.
#[derive(Clone, Debug)]
pub struct TextRows {
    /// Token ids.
    pub tokens: TokenRows,
    /// Class of each row.
    pub labels: Vec<u32>,
    /// The part of the encoder's work that has been done.
    pub prepared: Prepared,
}

/// A tokenised text dataset with its splits.
#[derive(Clone, Debug)]
pub struct TextTask {
    /// Rows for fitting.
    pub train: TextRows,
    /// Rows for selecting the epoch and the temperature.
    pub valid: TextRows,
    /// Rows for the final evaluation.
    pub test: TextRows,
    /// Number of classes.
    pub classes: usize,
    /// Width of states and pooled features.
    pub width: usize,
    /// Id of the padding token.
    pub pad: u32,
    /// The class scores that stand in the interface, if there are any.
    pub scores: Option<TaskScores>,
    /// How the test texts are perturbed.
    pub robustness: TextRobustness,
}

impl TextTask {
    /// The rows of one split.
    pub fn split(&self, split: Split) -> &TextRows {
        match split {
            Split::Train => &self.train,
            Split::Valid => &self.valid,
            Split::Test => &self.test,
        }
    }

    /// The rows of one split in a fixed order; the shortest come first while the encoder runs.
    fn judged_order(&self, split: Split) -> Vec<u32> {
        let rows = self.split(split);
        let mut order: Vec<u32> = (0..rows.labels.len() as u32).collect();
        if !matches!(rows.prepared, Prepared::Pooled(_)) {
            order.sort_by_key(|&row| (rows.tokens.get(row as usize).len(), row));
        }
        order
    }
}

impl Task for TextTask {
    type Input = TextInput;

    fn classes(&self) -> usize {
        self.classes
    }

    fn rows(&self, split: Split) -> usize {
        self.split(split).labels.len()
    }

    fn plan(
        &self,
        split: Split,
        batch_size: usize,
        shuffle: Option<&mut Generator>,
    ) -> Vec<Vec<u32>> {
        let rows = self.split(split);
        let count = rows.labels.len();
        let batch_size = batch_size.max(1);
        let length = |row: u32| rows.tokens.get(row as usize).len();
        let by_length = !matches!(rows.prepared, Prepared::Pooled(_));
        let Some(generator) = shuffle else {
            let order = self.judged_order(split);
            let budget = if by_length { TOKEN_BUDGET } else { usize::MAX };
            return token_batches(&order, length, budget, batch_size);
        };
        let mut order = generator.permutation(count);
        if !by_length {
            return order.chunks(batch_size).map(<[u32]>::to_vec).collect();
        }
        for bucket in order.chunks_mut(batch_size * BUCKET) {
            bucket.sort_by_key(|row| length(*row));
        }
        let mut batches: Vec<Vec<u32>> = order.chunks(batch_size).map(<[u32]>::to_vec).collect();
        generator.shuffle(&mut batches);
        batches
    }

    /// Batches for timing have the same number of rows, unlike those for prediction.
    fn timed_plan(&self, batch_size: usize) -> Vec<Vec<u32>> {
        let order = self.judged_order(Split::Test);
        let batches = order.chunks(batch_size.max(1));
        batches.map(<[u32]>::to_vec).collect()
    }

    fn batch(
        &self,
        split: Split,
        rows: &[u32],
        device: &Device,
    ) -> l0gm_train::Result<Batch<TextInput>> {
        let source = self.split(split);
        let width = self.width;
        let input = match &source.prepared {
            Prepared::Tokens => {
                let ids: Vec<&[u32]> = rows
                    .iter()
                    .map(|&r| source.tokens.get(r as usize))
                    .collect();
                TextInput::tokens(&ids, self.pad, device)?
            }
            Prepared::Hidden(values) => {
                let states: Vec<&[f32]> = rows
                    .iter()
                    .map(|&r| {
                        let (start, count) = source.tokens.span(r as usize);
                        &values[start * width..(start + count) * width]
                    })
                    .collect();
                TextInput::hidden(&states, width, device)?
            }
            Prepared::Pooled(values) => {
                let mut pooled = Vec::with_capacity(rows.len() * width);
                for &row in rows {
                    let start = row as usize * width;
                    pooled.extend_from_slice(&values[start..start + width]);
                }
                TextInput::Pooled(Tensor::from_vec(pooled, (rows.len(), width), device)?)
            }
        };
        let labels: Vec<u32> = rows.iter().map(|&r| source.labels[r as usize]).collect();
        let scores = self.scores.as_ref();
        let scores = scores.map(|all| all.of(split, rows, device)).transpose()?;
        Ok(Batch {
            input: input.scored(scores),
            labels: Tensor::from_vec(labels, rows.len(), device)?,
            rows: rows.to_vec(),
        })
    }

    fn robustness_plan(&self, batch_size: usize) -> Vec<Vec<u32>> {
        self.robustness
            .plan(self.plan(Split::Test, batch_size, None))
    }

    fn perturbs(&self, kind: ConditionKind) -> Option<String> {
        self.robustness.perturbs(kind)
    }

    fn perturbed_batch(
        &self,
        rows: &[u32],
        perturbation: &Perturbation,
        device: &Device,
    ) -> l0gm_train::Result<Batch<TextInput>> {
        let labels: Vec<u32> = rows.iter().map(|&r| self.test.labels[r as usize]).collect();
        Ok(Batch {
            input: self.robustness.input(self, rows, perturbation, device)?,
            labels: Tensor::from_vec(labels, rows.len(), device)?,
            rows: rows.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn task(prepared: Prepared) -> TextTask {
        let rows = TextRows {
            tokens: TokenRows::new((0..101u32).map(|i| vec![7; 3 + (i as usize * 37) % 50])),
            labels: (0..101).map(|i| i % 2).collect(),
            prepared,
        };
        TextTask {
            train: rows.clone(),
            valid: rows.clone(),
            test: rows,
            classes: 2,
            width: 2,
            pad: 0,
            scores: None,
            robustness: TextRobustness::default(),
        }
    }

    #[test]
    fn bucketing_covers_each_row_once_and_groups_like_lengths() {
        let task = task(Prepared::Tokens);
        let plan = task.plan(Split::Train, 8, Some(&mut Generator::new(1)));
        let mut rows: Vec<u32> = plan.iter().flatten().copied().collect();
        rows.sort_unstable();
        assert_eq!(rows, (0..101).collect::<Vec<_>>());
        let spread = |plan: &[Vec<u32>]| -> usize {
            plan.iter()
                .map(|b| {
                    let lengths = b.iter().map(|&r| task.train.tokens.get(r as usize).len());
                    lengths.clone().max().unwrap() - lengths.min().unwrap()
                })
                .sum()
        };
        let mixed: Vec<Vec<u32>> = Generator::new(1)
            .permutation(101)
            .chunks(8)
            .map(<[u32]>::to_vec)
            .collect();
        assert!(
            spread(&plan) * 3 < spread(&mixed),
            "{} {}",
            spread(&plan),
            spread(&mixed)
        );
        assert_eq!(
            plan,
            task.plan(Split::Train, 8, Some(&mut Generator::new(1)))
        );
        assert_ne!(
            plan,
            task.plan(Split::Train, 8, Some(&mut Generator::new(2)))
        );
    }

    #[test]
    fn a_batch_holds_its_rows_padded_to_the_longest() {
        let task = task(Prepared::Tokens);
        let batch = task.batch(Split::Valid, &[5, 0], &Device::Cpu).unwrap();
        let TextInput::Tokens { ids, padding } = batch.input else {
            panic!("tokens")
        };
        let lengths = [task.valid.tokens.get(5).len(), 3];
        assert_eq!(padding.lengths, lengths);
        assert_eq!(ids.dims(), [2, lengths[0]]);
        let mask: Vec<Vec<u8>> = padding.mask.unwrap().to_vec2().unwrap();
        assert_eq!(mask[1].iter().map(|&m| m as usize).sum::<usize>(), 3);
        assert_eq!(batch.labels.to_vec1::<u32>().unwrap(), [1, 0]);
    }

    #[test]
    fn pooled_rows_are_gathered_in_the_order_asked_for() {
        let task = task(Prepared::Pooled((0..202).map(|v| v as f32).collect()));
        let batch = task.batch(Split::Test, &[3, 1], &Device::Cpu).unwrap();
        let TextInput::Pooled(pooled) = batch.input else {
            panic!("pooled")
        };
        assert_eq!(pooled.to_vec2::<f32>().unwrap(), [[6.0, 7.0], [2.0, 3.0]]);
    }
}

//! The robustness protocol for texts. Tokens can be masked, so missingness and occlusion replace them by the
//! tokenizer's `[MASK]`; noise and quantisation can only act on the interface. A masked text must be encoded again.
//! For a frozen encoder, this is done once for all models of a seed and cached. A thousand texts under six conditions
//! still take minutes, so `robustness-at = "interface"` perturbs the pooled features instead of the tokens.

use crate::features::{FeatureCache, Report};
use crate::{LoadedEncoder, Prepared, Result, TextInput, TextSettings, TextTask, TokenRows};
use candle_core::{Device, Tensor};
use l0gm_ops::Generator;
use l0gm_train::{Condition, ConditionKind, Perturbation, Task};
use serde::{Deserialize, Serialize};

/// Where missingness and occlusion act on a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PerturbedAt {
    /// Tokens are masked, and the texts are encoded again.
    #[default]
    Tokens,
    /// Dimensions of the pooled embedding are set to 0, which is cheap because no text is encoded again.
    Interface,
}

/// Which test texts are perturbed, and how.
#[derive(Clone, Debug, Default)]
pub struct TextRobustness {
    /// Id that replaces a hidden token; `None` if the interface is perturbed.
    pub mask: Option<u32>,
    /// Test rows that are judged, in ascending order; `None` means all.
    pub rows: Option<Vec<u32>>,
    /// Pooled features of the masked texts under one seed, for a frozen encoder.
    pub pooled: Vec<MaskedFeatures>,
}

/// Pooled features of the judged texts under one perturbation.
#[derive(Clone, Debug)]
pub struct MaskedFeatures {
    /// The perturbation that was applied.
    pub perturbation: Perturbation,
    /// Features of shape (judged rows, width).
    pub values: Vec<f32>,
}

impl TextRobustness {
    /// Prepares the protocol as the settings ask. For a frozen encoder, masked texts are encoded or read from the
    /// cache.
    pub(crate) fn new(
        task: &TextTask,
        loaded: &LoadedEncoder,
        settings: &TextSettings,
        seed: u64,
        cache: &FeatureCache,
        device: &Device,
        report: Report<'_>,
    ) -> Result<Self> {
        let count = task.test.labels.len();
        let rows = settings.robustness_rows.filter(|rows| *rows < count);
        let rows = rows.map(|rows| drawn_rows(count, rows, settings.split_seed));
        let mask = match settings.robustness_at {
            PerturbedAt::Tokens => loaded.tokenizer.mask(),
            PerturbedAt::Interface => None,
        };
        let mut made = Self {
            mask,
            rows,
            pooled: Vec::new(),
        };
        let (Some(mask), Prepared::Pooled(_)) = (mask, &task.test.prepared) else {
            return Ok(made);
        };
        if !settings.train.robustness {
            return Ok(made);
        }
        let hiding: Vec<Condition> = Condition::PROTOCOL
            .into_iter()
            .filter(|condition| condition.kind.hides())
            .collect();
        let judged = made.judged(count);
        let weights = loaded.weights_sha256.as_deref().unwrap_or("");
        let all = hiding.len() * judged.len();
        for (before, condition) in hiding.into_iter().enumerate() {
            let perturbation = Perturbation { condition, seed };
            let masked = |&row: &u32| {
                let tokens = task.test.tokens.get(row as usize);
                masked(tokens, row, mask, &perturbation)
            };
            let tokens = TokenRows::new(judged.iter().map(masked));
            let features = cache.pooled(
                &loaded.encoder,
                weights,
                &tokens,
                settings.max_tokens,
                device,
                &mut |done, _| report(before * judged.len() + done, all),
            )?;
            made.pooled.push(MaskedFeatures {
                perturbation,
                values: features.values,
            });
        }
        Ok(made)
    }

    /// Names what a condition of this kind changes.
    pub(crate) fn perturbs(&self, kind: ConditionKind) -> Option<String> {
        (self.mask.is_some() && kind.hides()).then(|| "tokens".to_owned())
    }

    /// Removes the rows that are not judged from the batches of a plan.
    pub(crate) fn plan(&self, plan: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
        let Some(judged) = &self.rows else {
            return plan;
        };
        let kept = plan.into_iter().map(|mut batch| {
            batch.retain(|row| judged.binary_search(row).is_ok());
            batch
        });
        kept.filter(|batch| !batch.is_empty()).collect()
    }

    /// The model's input for some test rows under a perturbation. Class scores are of the text with its words hidden.
    pub(crate) fn input(
        &self,
        task: &TextTask,
        rows: &[u32],
        perturbation: &Perturbation,
        device: &Device,
    ) -> Result<TextInput> {
        let text = self.text(task, rows, perturbation, device)?;
        let scores = task.scores.as_ref();
        let scores = scores.map(|all| all.hidden(rows, perturbation, device));
        Ok(text.scored(scores.transpose()?))
    }

    /// The text as the encoder reads it.
    fn text(
        &self,
        task: &TextTask,
        rows: &[u32],
        perturbation: &Perturbation,
        device: &Device,
    ) -> Result<TextInput> {
        let mask = self.mask.unwrap_or(task.pad);
        if !matches!(task.test.prepared, Prepared::Pooled(_)) {
            let texts: Vec<Vec<u32>> = rows
                .iter()
                .map(|&row| {
                    let tokens = task.test.tokens.get(row as usize);
                    masked(tokens, row, mask, perturbation)
                })
                .collect();
            let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
            return Ok(TextInput::tokens(&texts, task.pad, device)?);
        }
        let missing = || {
            l0gm_train::Error::Task(format!(
                "the texts were not encoded under {}, seed {}",
                perturbation.condition.name(),
                perturbation.seed
            ))
        };
        let features = self
            .pooled
            .iter()
            .find(|features| features.perturbation == *perturbation)
            .ok_or_else(missing)?;
        let judged = self.judged(task.rows(l0gm_train::Split::Test));
        let mut values = Vec::with_capacity(rows.len() * task.width);
        for row in rows {
            let at = judged.binary_search(row).map_err(|_| missing())?;
            values.extend_from_slice(&features.values[at * task.width..(at + 1) * task.width]);
        }
        let pooled = Tensor::from_vec(values, (rows.len(), task.width), device)?;
        Ok(TextInput::Pooled(pooled))
    }

    fn judged(&self, count: usize) -> Vec<u32> {
        match &self.rows {
            Some(rows) => rows.clone(),
            None => (0..count as u32).collect(),
        }
    }
}

/// Draws some of the test rows, the same for every run of a split.
pub(crate) fn drawn_rows(count: usize, wanted: usize, split_seed: u64) -> Vec<u32> {
    let mut generator = Generator::new(split_seed).stream("robustness rows", 0);
    let mut rows = generator.permutation(count);
    rows.truncate(wanted);
    rows.sort_unstable();
    rows
}

/// Masks the hidden tokens of a text; `[CLS]` and `[SEP]` at its ends stay.
fn masked(tokens: &[u32], row: u32, mask: u32, perturbation: &Perturbation) -> Vec<u32> {
    let mut tokens = tokens.to_vec();
    let end = tokens.len().saturating_sub(1).max(1);
    let words = tokens.get_mut(1..end).unwrap_or_default();
    let hidden = perturbation.hidden(u64::from(row), words.len());
    for (token, hidden) in words.iter_mut().zip(hidden) {
        if hidden {
            *token = mask;
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(kind: ConditionKind, severity: f64) -> Perturbation {
        Perturbation {
            condition: Condition { kind, severity },
            seed: 0,
        }
    }

    #[test]
    fn the_ends_of_a_text_are_never_masked_and_short_ones_stay_whole() {
        let all = under(ConditionKind::Missingness, 1.0);
        assert_eq!(
            masked(&[2, 7, 8, 9, 3], 4, 103, &all),
            [2, 103, 103, 103, 3]
        );
        for short in [&[][..], &[2], &[2, 3]] {
            assert_eq!(masked(short, 4, 103, &all), short);
        }
        let none = under(ConditionKind::Missingness, 0.0);
        assert_eq!(masked(&[2, 7, 8, 9, 3], 4, 103, &none), [2, 7, 8, 9, 3]);
    }

    #[test]
    fn three_tenths_of_ten_tokens_are_three_neighbours() {
        let text: Vec<u32> = [2].into_iter().chain(10..20).chain([3]).collect();
        let block = masked(&text, 1, 103, &under(ConditionKind::Occlusion, 0.3));
        let at: Vec<usize> = (0..text.len()).filter(|i| block[*i] == 103).collect();
        assert_eq!(at.len(), 3);
        assert_eq!(at[2] - at[0], 2);
        assert!(at[0] >= 1 && at[2] <= 10);
    }

    #[test]
    fn the_judged_rows_are_a_fixed_part_of_the_plan() {
        let robustness = TextRobustness {
            rows: Some(drawn_rows(50, 20, 0)),
            ..TextRobustness::default()
        };
        assert_eq!(drawn_rows(50, 20, 0), drawn_rows(50, 20, 0));
        assert_ne!(drawn_rows(50, 20, 0), drawn_rows(50, 20, 1));
        let plan = robustness.plan((0..50u32).map(|row| vec![row]).collect());
        assert_eq!(plan.concat(), drawn_rows(50, 20, 0));
        assert_eq!(plan.len(), 20);
    }
}

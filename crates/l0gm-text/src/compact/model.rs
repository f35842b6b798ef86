//! Makes the trained model smaller: z is folded into the classifier, and closed dimensions are dropped from it (and
//! from the pooler, whose outputs are independent of each other). BERT's last LayerNorm mixes channels, so with
//! `[CLS]` or mean pooling the encoder stays as it is unless all of its dimensions are closed. Closed class scores are
//! dropped, and without any the words need not be counted.
use super::compare::sizes;
use crate::{Error, Pooling, Result, TextEncoder, TextHead, TextInput, TextScores};
use candle_core::{DType, Tensor};
use l0gm_gate::{LinearLayer, compact_linear};
use l0gm_ops::{Mode, linear};
use l0gm_train::{GatedModel, Sizes};
use std::sync::{Arc, OnceLock};

/// A model without a gate that makes the same predictions as the gated one.
#[derive(Clone, Debug)]
pub struct CompactModel {
    /// `None` if all dimensions of the pooled embedding are closed.
    pub(super) encoder: Option<TextEncoder>,
    /// Width of the pooled embedding.
    pub(super) width: usize,
    /// The pooled embedding's dimensions that are kept.
    pub(super) kept: Vec<u32>,
    /// The rows of the pooler that are kept, for [`Pooling::Pooler`].
    pub(super) pooler: Option<LinearLayer>,
    /// The classifier, (classes, kept).
    pub(super) classifier: LinearLayer,
    /// The class scores, if one is kept.
    pub(super) scores: Option<CompactScores>,
    /// The classifier for features of full width, with zeros at closed dimensions. It is made on first use.
    pub(super) wide: OnceLock<Tensor>,
}

/// The kept class scores of a compact model.
#[derive(Clone, Debug)]
pub(super) struct CompactScores {
    /// The scores that are kept.
    pub(super) kept: Vec<u32>,
    /// The classifier of all scores, (classes, outputs), with zeros at closed ones.
    pub(super) classifier: Tensor,
    /// What makes texts into scores. A model that is given scores does without.
    pub(super) fitted: Option<Arc<TextScores>>,
}

impl CompactModel {
    /// Makes a trained gated model smaller.
    ///
    /// # Errors
    /// Fails if the gate does not match the classifier, depends on its texts, or acts below the interface.
    pub fn new(model: &GatedModel<TextEncoder, TextHead>) -> Result<Self> {
        model.check_compactable()?;
        let encoder = &model.encoder;
        let (width, outputs) = (encoder.width(), encoder.scores());
        let z = model.gate.deterministic()?;
        let (of_network, of_scores) = z.split_at(z.len().min(width));
        let whole = model.head.layer()?;
        let columns = |first: usize, count: usize| -> Result<Tensor> {
            Ok(whole.weight.narrow(1, first, count)?.contiguous()?)
        };
        let pooler = encoder.transformer().pooler();
        let before =
            pooler
                .filter(|_| encoder.pooling() == Pooling::Pooler)
                .map(|(weight, bias)| LinearLayer {
                    weight,
                    bias: Some(bias),
                });
        let after = LinearLayer {
            weight: columns(0, width)?,
            bias: whole.bias.clone(),
        };
        let (pooler, classifier, kept) = compact_linear(before.as_ref(), of_network, &after)?;
        let open: Vec<u32> = (0..outputs as u32)
            .filter(|&score| of_scores[score as usize] != 0.0)
            .collect();
        let scores = match open.is_empty() {
            true => None,
            false => {
                let z = Tensor::new(of_scores, whole.weight.device())?;
                Some(CompactScores {
                    kept: open,
                    classifier: columns(width, outputs)?.broadcast_mul(&z)?,
                    fitted: None,
                })
            }
        };
        Ok(Self {
            encoder: (!kept.is_empty()).then(|| encoder.clone()),
            width,
            pooler: pooler.filter(|_| !kept.is_empty()),
            kept,
            classifier,
            scores,
            wide: OnceLock::new(),
        })
    }

    /// The same model with what makes texts into the class scores that it keeps, which its files need.
    ///
    /// # Errors
    /// Fails if these scores are not those of the model.
    pub fn with_scores(mut self, fitted: &TextScores) -> Result<Self> {
        if let Some(scores) = &mut self.scores {
            let own = fitted.only(&scores.kept)?;
            if own.kept() != scores.kept || own.outputs() != scores.classifier.dim(1)? {
                return Err(Error::Setting(format!(
                    "the model keeps {:?} of its class scores, and these are {} scores",
                    scores.kept,
                    own.outputs()
                )));
            }
            scores.fitted = Some(Arc::new(own));
        }
        Ok(self)
    }

    /// The dimensions of the pooled embedding that are kept.
    pub fn kept(&self) -> &[u32] {
        &self.kept
    }

    /// The class scores that are kept.
    pub fn kept_scores(&self) -> &[u32] {
        self.scores.as_ref().map_or(&[], |scores| &scores.kept)
    }

    /// Logits, (batch, classes).
    ///
    /// # Errors
    /// Fails if a forward pass fails, or the class scores that the model keeps are missing.
    pub fn logits(&self, input: &TextInput) -> candle_core::Result<Tensor> {
        let own = self.of_network(input)?;
        let Some(scores) = &self.scores else {
            return Ok(own);
        };
        let given = input.scores().ok_or_else(|| {
            candle_core::Error::Msg("the model reads class scores, and this batch has none".into())
        })?;
        own + linear(given, &scores.classifier, None)?
    }

    /// The logits without the class scores' share.
    fn of_network(&self, input: &TextInput) -> candle_core::Result<Tensor> {
        let bias = self.classifier.bias.as_ref();
        let Some(encoder) = &self.encoder else {
            // With every dimension closed, the encoder is not needed.
            let rows = input.rows()?;
            let classes = self.classifier.weight.dim(0)?;
            let zero = Tensor::zeros((rows, classes), DType::F32, self.classifier.weight.device())?;
            return match bias {
                Some(bias) => zero.broadcast_add(bias),
                None => Ok(zero),
            };
        };
        let states = match &self.pooler {
            Some(_) => encoder.states(input, &mut Mode::Eval)?,
            None => None,
        };
        match (&self.pooler, states) {
            (Some(pooler), Some(states)) => {
                let first = encoder.transformer().pool_cls(&states)?;
                let kept = linear(&first, &pooler.weight, pooler.bias.as_ref())?.tanh()?; // (batch, kept)
                linear(&kept, &self.classifier.weight, bias)
            }
            _ => {
                // Gathering a few hundred columns takes longer than multiplying them.
                let pooled = encoder.pooled(input, &mut Mode::Eval)?; // (batch, width)
                linear(&pooled, &self.wide()?, bias)
            }
        }
    }

    /// The classifier for full width, (classes, width).
    fn wide(&self) -> candle_core::Result<Tensor> {
        if let Some(wide) = self.wide.get() {
            return Ok(wide.clone());
        }
        let weight = self.classifier.weight.to_vec2::<f32>()?; // (classes, kept)
        let mut values = vec![0f32; weight.len() * self.width];
        for (row, weights) in values.chunks_exact_mut(self.width).zip(&weight) {
            for (&at, &weight) in self.kept.iter().zip(weights) {
                row[at as usize] = weight;
            }
        }
        let device = self.classifier.weight.device();
        let wide = Tensor::from_vec(values, (weight.len(), self.width), device)?;
        Ok(self.wide.get_or_init(|| wide).clone())
    }

    /// Parameters and operations for texts of `tokens` tokens and `entries` different terms.
    pub fn sizes(&self, tokens: f64, entries: f64) -> Sizes {
        let classes = self.classifier.weight.dims()[0];
        let (mut parameters, mut flops) = match &self.encoder {
            Some(encoder) => {
                let whole = sizes(encoder, classes, tokens);
                let mut gone = (self.width - self.kept.len()) * classes;
                if self.pooler.is_some() {
                    gone += (self.width - self.kept.len()) * (self.width + 1);
                }
                let gone = gone as u64;
                (whole.parameters - gone, whole.flops - 2 * gone)
            }
            None => (classes as u64, 0),
        };
        if let Some(scores) = &self.scores {
            let fitted = scores.fitted.as_ref().map_or(0, |own| own.parameters());
            parameters += (fitted + classes * scores.kept.len()) as u64;
            flops += scores_flops(entries, scores.kept.len(), classes);
        }
        Sizes {
            parameters,
            flops,
            bytes: parameters * size_of::<f32>() as u64,
        }
    }
}

/// Operations for so many class scores of a text with so many different terms, and their part of the classifier.
pub(super) fn scores_flops(entries: f64, outputs: usize, classes: usize) -> u64 {
    let terms = (2.0 + 2.0 * outputs as f64) * entries;
    terms as u64 + 2 * (outputs * classes) as u64
}

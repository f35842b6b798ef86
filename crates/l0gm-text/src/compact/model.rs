//! Makes the trained model smaller: z is folded into the classifier, and closed dimensions are dropped from it (and
//! from the pooler, whose outputs are independent of each other). BERT's last LayerNorm mixes channels, so with
//! `[CLS]` or mean pooling the encoder itself stays as it is.
use crate::{Pooling, Result, TextEncoder, TextHead, TextInput, TextTask};
use candle_core::{DType, Device, Tensor};
use l0gm_gate::{LinearLayer, compact_linear};
use l0gm_ops::{Mode, linear};
use l0gm_train::{
    CompactSummary, Encoder, GatedModel, Sizes, Split, Task, latency_of, latency_rows,
};
use std::sync::OnceLock;

/// Number of rows to compare if each must pass through the encoder; pooled features are all compared.
const ROWS_WITH_ENCODER: usize = 64;

/// A model without a gate that makes the same predictions as the gated one.
#[derive(Clone, Debug)]
pub struct CompactModel {
    pub(super) encoder: TextEncoder,
    /// The interface's dimensions that are kept.
    pub(super) kept: Vec<u32>,
    /// The rows of the pooler that are kept, for [`Pooling::Pooler`].
    pub(super) pooler: Option<LinearLayer>,
    /// The classifier, (classes, kept).
    pub(super) classifier: LinearLayer,
    /// The classifier for features of full width, with zeros at closed dimensions. It is made on first use.
    pub(super) wide: OnceLock<Tensor>,
}

impl CompactModel {
    /// Makes a trained gated model smaller.
    ///
    /// # Errors
    /// Fails if the gate does not match the classifier, depends on its texts, or acts below the interface.
    pub fn new(model: &GatedModel<TextEncoder, TextHead>) -> Result<Self> {
        model.check_compactable()?;
        let z = model.gate.deterministic()?;
        let before = model
            .encoder
            .bert()
            .pooler()
            .filter(|_| model.encoder.pooling() == Pooling::Pooler)
            .map(|(weight, bias)| LinearLayer {
                weight,
                bias: Some(bias),
            });
        let (pooler, classifier, kept) = compact_linear(before.as_ref(), &z, &model.head.layer())?;
        Ok(Self {
            encoder: model.encoder.clone(),
            kept,
            pooler,
            classifier,
            wide: OnceLock::new(),
        })
    }

    /// The interface's dimensions that are kept.
    pub fn kept(&self) -> &[u32] {
        &self.kept
    }

    /// Logits, (batch, classes).
    ///
    /// # Errors
    /// Fails if a forward pass fails.
    pub fn logits(&self, input: &TextInput) -> candle_core::Result<Tensor> {
        let bias = self.classifier.bias.as_ref();
        if self.kept.is_empty() {
            // With every dimension closed, the encoder is not needed.
            let rows = input.rows()?;
            let classes = self.classifier.weight.dim(0)?;
            let zero = Tensor::zeros((rows, classes), DType::F32, self.classifier.weight.device())?;
            return match bias {
                Some(bias) => zero.broadcast_add(bias),
                None => Ok(zero),
            };
        }
        let states = match &self.pooler {
            Some(_) => self.encoder.states(input, &mut Mode::Eval)?,
            None => None,
        };
        match (&self.pooler, states) {
            (Some(pooler), Some(states)) => {
                let first = self.encoder.bert().pool_cls(&states)?;
                let kept = linear(&first, &pooler.weight, pooler.bias.as_ref())?.tanh()?; // (batch, kept)
                linear(&kept, &self.classifier.weight, bias)
            }
            _ => {
                // Gathering a few hundred columns takes longer than multiplying them.
                let pooled = self.encoder.encode(input, &mut Mode::Eval)?; // (batch, width)
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
        let width = self.encoder.interface().width();
        let mut values = vec![0f32; weight.len() * width];
        for (row, weights) in values.chunks_exact_mut(width).zip(&weight) {
            for (&at, &weight) in self.kept.iter().zip(weights) {
                row[at as usize] = weight;
            }
        }
        let device = self.classifier.weight.device();
        let wide = Tensor::from_vec(values, (weight.len(), width), device)?;
        Ok(self.wide.get_or_init(|| wide).clone())
    }

    /// Parameters and operations for texts of `tokens` tokens.
    pub fn sizes(&self, tokens: f64) -> Sizes {
        let whole = sizes(&self.encoder, self.classifier.weight.dims()[0], tokens);
        let width = self.encoder.interface().width();
        let mut gone = (width - self.kept.len()) * self.classifier.weight.dims()[0];
        if self.pooler.is_some() {
            gone += (width - self.kept.len()) * (width + 1);
        }
        let parameters = whole.parameters - gone as u64;
        Sizes {
            parameters,
            flops: whole.flops - 2 * gone as u64,
            bytes: parameters * size_of::<f32>() as u64,
        }
    }
}

/// Parameters (without the gate's) and operations of the whole model for texts of `tokens` tokens, including frozen
/// layers.
pub fn sizes(encoder: &TextEncoder, classes: usize, tokens: f64) -> Sizes {
    let config = encoder.bert().config();
    let (dim, wide) = (config.hidden_size as f64, config.intermediate_size as f64);
    let a_token = 2.0 * (4.0 * dim * dim + 2.0 * dim * wide) + 4.0 * tokens * dim;
    let pooler = if encoder.pooling() == Pooling::Pooler {
        2.0 * dim * dim
    } else {
        0.0
    };
    let head = (dim + 1.0) * classes as f64;
    let flops =
        config.num_hidden_layers as f64 * a_token * tokens + pooler + 2.0 * dim * classes as f64;
    let parameters = encoder.bert().elements() as u64 + head as u64;
    Sizes {
        parameters,
        flops: flops as u64,
        bytes: parameters * size_of::<f32>() as u64,
    }
}

/// Mean number of tokens of the test rows.
pub(crate) fn mean_tokens(task: &TextTask) -> f64 {
    task.test.tokens.total() as f64 / task.test.tokens.rows().max(1) as f64
}

/// Builds the compact model and compares its logits with the gated model's on test rows.
///
/// # Errors
/// Fails if a forward pass fails.
pub fn compare(
    model: &GatedModel<TextEncoder, TextHead>,
    task: &TextTask,
    batch_size: usize,
    device: &Device,
) -> Result<CompactSummary> {
    let compact = CompactModel::new(model)?;
    compare_with(&compact, model, task, batch_size, device)
}

/// Like [`compare`], with a compact model that has been built already.
pub(crate) fn compare_with(
    compact: &CompactModel,
    model: &GatedModel<TextEncoder, TextHead>,
    task: &TextTask,
    batch_size: usize,
    device: &Device,
) -> Result<CompactSummary> {
    let plan = task.plan(Split::Test, batch_size, None);
    let limit = match task.test.prepared {
        crate::Prepared::Pooled(_) => usize::MAX,
        _ => ROWS_WITH_ENCODER,
    };
    let (mut rows, mut largest) = (0, 0f64);
    for batch in plan {
        if rows >= limit {
            break;
        }
        let batch = &batch[..batch.len().min(limit - rows)];
        let input = task.batch(Split::Test, batch, device)?.input;
        let gated = model.logits(&input)?;
        let difference = (gated - compact.logits(&input)?)?.abs()?.max_all()?;
        largest = largest.max(f64::from(difference.to_scalar::<f32>()?));
        rows += batch.len();
    }
    let latency = latency(compact, task, batch_size, device)?;
    let tokens = mean_tokens(task);
    Ok(CompactSummary {
        max_logit_difference: largest,
        rows,
        gated: sizes(&model.encoder, task.classes, tokens),
        compact: compact.sizes(tokens),
        latency_us_per_example: Some(latency),
    })
}

/// Median microseconds per text, with the rows and protocol used for the gated model.
fn latency(
    compact: &CompactModel,
    task: &TextTask,
    batch_size: usize,
    device: &Device,
) -> Result<f64> {
    let rows = latency_rows(task, batch_size)?;
    let input = task.batch(Split::Test, &rows, device)?.input;
    let latency = latency_of(rows.len(), || {
        compact.logits(&input)?;
        Ok(device.synchronize()?)
    })?;
    Ok(latency.per_example_us())
}

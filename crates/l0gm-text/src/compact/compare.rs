//! Compares a compact model with the gated one: their sizes, their logits and the compact one's latency.
use super::CompactModel;
use super::model::scores_flops;
use crate::{Pooling, Result, TextEncoder, TextHead, TextTask};
use candle_core::Device;
use l0gm_train::{CompactSummary, GatedModel, Sizes, Split, Task, latency_of, latency_rows};

/// Number of rows to compare if each must pass through the encoder; pooled features are all compared.
const ROWS_WITH_ENCODER: usize = 64;

/// Parameters (without the gate's) and operations of the whole model for texts of `tokens` tokens, including frozen
/// layers.
pub fn sizes(encoder: &TextEncoder, classes: usize, tokens: f64) -> Sizes {
    let transformer = encoder.transformer();
    let dim = encoder.width() as f64;
    let pooler = if encoder.pooling() == Pooling::Pooler {
        2.0 * dim * dim
    } else {
        0.0
    };
    let head = (dim + 1.0) * classes as f64;
    let layers = transformer.config().family().flops(tokens);
    let flops = layers + pooler + 2.0 * dim * classes as f64;
    let parameters = transformer.elements() as u64 + head as u64;
    Sizes {
        parameters,
        flops: flops as u64,
        bytes: parameters * size_of::<f32>() as u64,
    }
}

/// Sizes of the whole model for the test rows of a task, with their class scores.
pub(crate) fn task_sizes(encoder: &TextEncoder, task: &TextTask) -> Sizes {
    let mut sizes = sizes(encoder, task.classes, mean_tokens(task));
    if let Some(scores) = &task.scores {
        let fitted = scores.fitted();
        let outputs = fitted.outputs();
        sizes.parameters += (fitted.parameters() + outputs * task.classes) as u64;
        sizes.flops += scores_flops(scores.entries, outputs, task.classes);
        sizes.bytes = sizes.parameters * size_of::<f32>() as u64;
    }
    sizes
}

/// Mean number of tokens of the test rows.
fn mean_tokens(task: &TextTask) -> f64 {
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
    let mut compact = CompactModel::new(model)?;
    if let Some(scores) = &task.scores {
        compact = compact.with_scores(scores.fitted())?;
    }
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
    let entries = task.scores.as_ref().map_or(0.0, |scores| scores.entries);
    Ok(CompactSummary {
        max_logit_difference: largest,
        rows,
        gated: task_sizes(&model.encoder, task),
        compact: compact.sizes(mean_tokens(task), entries),
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

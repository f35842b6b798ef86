//! Compares the compact model with the gated one on the test nodes, for a run's record.

use super::CompactModel;
use crate::feature_schema::FeatureSchema;
use crate::{GraphModel, GraphSettings, GraphTask, Result, sizes};
use l0gm_train::{CompactSummary, Compacted, Split, Task, latency_of, latency_rows};

/// Builds the compact model, compares its logits on the test nodes with the gated model's, and times it.
///
/// # Errors
/// Fails if a forward pass fails or the model has no compact form.
pub(crate) fn compacted(
    model: &GraphModel,
    task: &GraphTask,
    schema: Option<&FeatureSchema>,
    settings: &GraphSettings,
) -> Result<Compacted> {
    let small = CompactModel::new(model)?;
    let features = task.graph().columns();
    let input = task.input(Split::Test);
    let difference = (model.logits(&input)? - small.logits(&input)?)?;
    let difference = difference.abs()?.flatten_all()?.max(0)?;
    let nodes = task.graph().nodes();
    let entries = task.graph().propagation().matrix().values().len();
    let latency = match small.is_closed() {
        // Only the classifier's bias would be left to time.
        true => None,
        false => Some(latency(&small, task, settings.train.eval_batch_size)?),
    };
    let summary = CompactSummary {
        max_logit_difference: f64::from(difference.to_scalar::<f32>()?),
        rows: input.rows.len(),
        gated: sizes(model, nodes, entries),
        compact: small.sizes(nodes, entries),
        latency_us_per_example: latency,
    };
    Ok(Compacted {
        summary,
        parts: Some(small.parts_with(features, schema, settings)?),
    })
}

/// Median microseconds per node, with the rows and protocol used for the gated model.
fn latency(small: &CompactModel, task: &GraphTask, eval_batch_size: usize) -> Result<f64> {
    let device = small.bias.device();
    let rows = latency_rows(task, eval_batch_size)?;
    let timed = task.batch(Split::Test, &rows, device)?.input;
    let latency = latency_of(rows.len(), || {
        small.logits(&timed)?;
        Ok(device.synchronize()?)
    })?;
    Ok(latency.per_example_us())
}

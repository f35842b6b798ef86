//! Makes a trained gated SIGN smaller: z is folded into the classifier's columns, and what made the closed channels is
//! dropped. With one layer behind the hops' maps these are rows of the maps, and a hop of which nothing is left need not
//! be propagated any more; with more layers they are rows of the last hidden layer.

use super::HopTask;
use super::encoder::{HopInput, HopModel, hop_sizes};
use crate::Result;
use candle_core::Tensor;
use l0gm_gate::{LinearLayer, compact_linear};
use l0gm_ops::{linear, relu};
use l0gm_train::layers::Linear;
use l0gm_train::{
    CompactSummary, Compacted, Sizes, Split, Task, largest_difference, latency_of, latency_rows,
};

/// SIGN without a gate, and with fewer channels if gates were closed. It owns all its tensors.
#[derive(Clone, Debug)]
pub(crate) struct CompactHops {
    /// The hops that are read, each with its map.
    maps: Vec<(usize, LinearLayer)>,
    hidden: Vec<LinearLayer>,
    classifier: LinearLayer,
    /// The interface's channels that are kept, in ascending order.
    kept: Vec<u32>,
}

impl CompactHops {
    /// Makes a trained gated model smaller.
    ///
    /// # Errors
    /// Fails for gates that depend on their nodes.
    pub(crate) fn new(model: &HopModel) -> Result<Self> {
        model.check_compactable()?;
        let z = model.gate.deterministic()?;
        let (weight, bias) = model.head.folded()?;
        let classifier = LinearLayer {
            weight,
            bias: Some(bias),
        };
        let maps = model.encoder.maps.iter().map(copied);
        let maps = maps.collect::<Result<Vec<_>>>()?;
        let maps: Vec<_> = maps.into_iter().enumerate().collect();
        let hidden = model.encoder.hidden.iter().map(copied);
        let mut hidden = hidden.collect::<Result<Vec<_>>>()?;
        let small = match hidden.pop() {
            Some(last) => {
                let (last, classifier, kept) = compact_linear(Some(&last), &z, &classifier)?;
                hidden.extend(last);
                Self {
                    maps,
                    hidden,
                    classifier,
                    kept,
                }
            }
            None => without_hidden(&maps, &z, &classifier)?,
        };
        Ok(small)
    }

    /// The interface's channels that are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> &[u32] {
        &self.kept
    }

    /// The hops that are still read.
    #[cfg(test)]
    pub(super) fn hops(&self) -> Vec<usize> {
        self.maps.iter().map(|(hop, _)| *hop).collect()
    }

    /// Logits of a batch: (batch, classes).
    pub(crate) fn logits(&self, input: &HopInput) -> Result<Tensor> {
        let LinearLayer { weight, bias } = &self.classifier;
        if let (true, Some(bias)) = (self.kept.is_empty(), bias) {
            let batch = input.hops.first().map_or(Ok(0), |x| x.dim(0))?;
            return Ok(bias.broadcast_as((batch, bias.dim(0)?))?.contiguous()?);
        }
        let mut parts = Vec::with_capacity(self.maps.len());
        for (hop, map) in &self.maps {
            parts.push(linear(&input.hops[*hop], &map.weight, map.bias.as_ref())?);
        }
        let mut h = relu(&Tensor::cat(&parts, 1)?)?;
        for layer in &self.hidden {
            h = relu(&linear(&h, &layer.weight, layer.bias.as_ref())?)?;
        }
        Ok(linear(&h, weight, bias.as_ref())?)
    }

    /// Parameters, bytes and FLOPs per node.
    pub(crate) fn sizes(&self) -> Sizes {
        let maps = self.maps.iter().map(|(_, map)| map);
        let before = maps.chain(&self.hidden);
        let before = before.filter(|_| !self.kept.is_empty());
        let (mut products, mut biases) = (0, 0);
        for layer in before.chain([&self.classifier]) {
            products += layer.weight.elem_count();
            biases += layer.bias.as_ref().map_or(0, Tensor::elem_count);
        }
        Sizes {
            parameters: (products + biases) as u64,
            flops: 2 * products as u64,
            bytes: 4 * (products + biases) as u64,
        }
    }
}

/// The compact form where the interface is the joined maps: each hop has its own part of z.
fn without_hidden(
    maps: &[(usize, LinearLayer)],
    z: &[f32],
    classifier: &LinearLayer,
) -> Result<CompactHops> {
    let mut small = CompactHops {
        maps: Vec::new(),
        hidden: Vec::new(),
        classifier: classifier.clone(),
        kept: Vec::new(),
    };
    let mut columns = Vec::new();
    let mut first = 0;
    for (hop, map) in maps {
        let width = map.weight.dim(0)?;
        let own = LinearLayer {
            weight: classifier.weight.narrow(1, first, width)?.contiguous()?,
            bias: None,
        };
        let (map, own, kept) = compact_linear(Some(map), &z[first..first + width], &own)?;
        if let (Some(map), false) = (map, kept.is_empty()) {
            small.maps.push((*hop, map));
            small.kept.extend(kept.iter().map(|at| first as u32 + at));
            columns.push(own.weight);
        }
        first += width;
    }
    small.classifier.weight = match columns[..] {
        [] => classifier.weight.narrow(1, 0, 0)?,
        _ => Tensor::cat(&columns, 1)?,
    };
    Ok(small)
}

/// A copy of a layer's tensors.
fn copied(layer: &Linear) -> Result<LinearLayer> {
    let bias = layer.bias().map(|bias| bias.as_detached_tensor().copy());
    Ok(LinearLayer {
        weight: layer.weight().as_detached_tensor().copy()?,
        bias: bias.transpose()?,
    })
}

/// Builds the compact model, compares its logits on all test nodes with the gated model's, and times it. It is not
/// written to a folder.
///
/// # Errors
/// A forward pass fails, or the model has no compact form.
pub(crate) fn compacted(
    model: &HopModel,
    task: &HopTask,
    eval_batch_size: usize,
) -> l0gm_train::Result<Compacted> {
    let small = CompactHops::new(model)?;
    let device = small.classifier.weight.device().clone();
    let mut difference = 0f64;
    for rows in task.plan(Split::Test, eval_batch_size, None) {
        let input = task.batch(Split::Test, &rows, &device)?.input;
        let own = largest_difference(&model.logits(&input)?, &small.logits(&input)?)?;
        difference = difference.max(own);
    }
    let latency = match small.kept.is_empty() {
        // Only the classifier's bias would be left to time.
        true => None,
        false => {
            let rows = latency_rows(task, eval_batch_size)?;
            let input = task.batch(Split::Test, &rows, &device)?.input;
            let latency = latency_of(rows.len(), || {
                small.logits(&input)?;
                Ok(device.synchronize()?)
            })?;
            Some(latency.per_example_us())
        }
    };
    let summary = CompactSummary {
        max_logit_difference: difference,
        rows: task.rows(Split::Test),
        gated: hop_sizes(model),
        compact: small.sizes(),
        latency_us_per_example: latency,
    };
    Ok(Compacted {
        summary,
        parts: None,
    })
}

//! A trained gated GCN made really smaller. z goes into the classifier's columns and closed columns go.
//! Without a normalisation on the last layer, that layer's weight loses its closed channels too, and
//! with them a share of the sparse product. With one, the normalisation needs mean and variance over every
//! channel: where few stay, both come from the layer's input ([`crate::spread`]) and the closed channels go;
//! where many stay, that would cost more than it saves, and taking columns out of a normalised matrix costs more
//! than reading zeros, so everything stays and the compact model is as fast as dense.
use crate::gcn::GcnLayer;
use crate::spread::{Spread, separate};
use crate::{Gcn, LinearHead, Result};
use candle_core::{Tensor, Var};
use l0gm_gate::{Gate, LinearLayer, compact_linear};
use l0gm_train::{Encoder, GatedModel, Sizes};

/// A gated, dense or compact model of a graph.
pub type GraphModel = GatedModel<Gcn, LinearHead>;

/// The compact model (its gate is the identity), or `None` where every channel is closed: nothing is
/// left to compute then but the classifier's bias.
///
/// # Errors
/// For gates that read their nodes or stand below the interface.
pub fn compact(model: &GatedModel<Gcn, LinearHead>) -> Result<Option<GatedModel<Gcn, LinearHead>>> {
    model.check_compactable()?;
    let z = model.gate.deterministic()?;
    if z.iter().all(|&z| z == 0.0) {
        return Ok(None);
    }
    let mut encoder = model.encoder.clone();
    let after = LinearLayer {
        weight: model.head.linear.weight().as_tensor().clone(),
        bias: model.head.linear.bias().map(|b| b.as_tensor().clone()),
    };
    let Some(last) = encoder.layers.last_mut() else {
        return Ok(None);
    };
    let before = LinearLayer {
        weight: last.weight.as_tensor().clone(),
        bias: Some(last.bias.as_tensor().clone()),
    };
    let open = z.iter().filter(|&&z| z != 0.0).count();
    let (channels, inputs) = last.weight.dims2()?;
    let after = match &last.norm {
        None => {
            let (before, after, kept) = compact_linear(Some(&before), &z, &after)?;
            *last = shrink(last, before, None, kept)?;
            after
        }
        Some((scale, _)) if open + inputs < channels && !last.residual => {
            let (separated, spread) = separate(&before, scale.as_tensor())?;
            let (before, after, kept) = compact_linear(Some(&separated), &z, &after)?;
            *last = shrink(last, before, Some(spread), kept)?;
            after
        }
        Some(_) => {
            let z = Tensor::new(z.as_slice(), after.weight.device())?;
            LinearLayer {
                weight: after
                    .weight
                    .broadcast_mul(&z.to_dtype(after.weight.dtype())?)?,
                bias: after.bias,
            }
        }
    };
    // The compact model is for use: its variables are its own, not shared with the gated one.
    let head = LinearHead::from_tensors(&after.weight, after.bias.as_ref())?;
    let gate = Gate::identity(encoder.interface());
    Ok(Some(GatedModel {
        encoder,
        gate,
        head,
    }))
}

/// The layer with only its kept channels: `before` is its linear part, already without the others.
fn shrink(
    layer: &GcnLayer,
    before: Option<LinearLayer>,
    spread: Option<Spread>,
    kept: Vec<u32>,
) -> Result<GcnLayer> {
    let kept = Tensor::new(kept, layer.weight.device())?;
    let mut small = layer.clone();
    if let Some(before) = before {
        small.weight = Var::from_tensor(&before.weight)?;
        if let Some(bias) = before.bias {
            small.bias = Var::from_tensor(&bias)?;
        }
    }
    if let (Some(spread), Some((_, shift))) = (spread, &layer.norm) {
        let shift = shift.as_tensor().index_select(&kept, 0)?;
        small.norm = None;
        small.spread = Some((spread, Var::from_tensor(&shift)?));
    }
    small.kept = Some(kept);
    Ok(small)
}

/// Parameters, bytes and FLOPs a node of a model on a graph of `nodes` nodes and `entries` stored
/// entries of the normalised adjacency. A gate's log_alpha counts as a parameter.
pub fn sizes(model: &GatedModel<Gcn, LinearHead>, nodes: usize, entries: usize) -> Sizes {
    let parameters: usize = model.parameters().iter().map(|p| p.var.elem_count()).sum();
    let head = 2 * model.head.linear.weight().elem_count() as u64;
    Sizes {
        parameters: parameters as u64,
        flops: model.encoder.flops(nodes, entries) / nodes.max(1) as u64 + head,
        bytes: 4 * parameters as u64,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::settings::GcnSettings;
    use crate::test_graphs::two_communities;
    use crate::{GraphInput, GraphTask, NodeSplit};
    use candle_core::Device;
    use l0gm_gate::{GateConfig, Granularity, Schedule};
    use l0gm_ops::{Generator, Mode};
    use l0gm_train::Split;

    /// A gated model whose norms, biases and gates stand at random values, about half the gates closed.
    pub(crate) fn gated(
        settings: &GcnSettings,
        log_alpha: impl Fn(usize) -> f32,
    ) -> GatedModel<Gcn, LinearHead> {
        gated_by(settings, &GateConfig::default(), log_alpha)
    }

    /// The same with a gate of these settings.
    fn gated_by(
        settings: &GcnSettings,
        config: &GateConfig,
        log_alpha: impl Fn(usize) -> f32,
    ) -> GatedModel<Gcn, LinearHead> {
        let device = Device::Cpu;
        let mut random = Generator::new(3);
        let encoder = Gcn::new(8, settings, &mut random, &device).unwrap();
        let head = LinearHead::new(settings.interface_width, 2, &mut random, &device).unwrap();
        let gate = Gate::new(encoder.interface(), config, &Schedule::default(), &device).unwrap();
        let model = GatedModel {
            encoder,
            gate,
            head,
        };
        for parameter in model.encoder.parameters() {
            let noise = random
                .normal_tensor(
                    parameter.var.shape().clone(),
                    0.0,
                    0.3,
                    candle_core::DType::F32,
                    &device,
                )
                .unwrap();
            parameter
                .var
                .set(&(parameter.var.as_tensor() + noise).unwrap())
                .unwrap();
        }
        let gates = model.gate.log_alpha().unwrap();
        let values: Vec<f32> = (0..gates.elem_count()).map(log_alpha).collect();
        gates.set(&Tensor::new(values, &device).unwrap()).unwrap();
        model
    }

    fn largest_difference(
        a: &GatedModel<Gcn, LinearHead>,
        b: &GatedModel<Gcn, LinearHead>,
        input: &GraphInput,
    ) -> f32 {
        let logits = |m: &GatedModel<_, _>| m.logits(input).unwrap();
        let difference = (logits(a) - logits(b)).unwrap().abs().unwrap();
        difference.max_all().unwrap().to_scalar().unwrap()
    }

    #[test]
    fn compact_model_keeps_logits_and_is_smaller() {
        let graph = two_communities(30, 2);
        let task = GraphTask::new(
            &graph,
            NodeSplit::random(60, 0.5, 0.2, 0).unwrap(),
            &Device::Cpu,
        )
        .unwrap();
        let mut removed = Vec::new();
        for (layers, norm_last, residual) in [
            (3, true, true),
            (3, false, true),
            (3, false, false),
            (1, true, false),
            (1, false, false),
        ] {
            let settings = GcnSettings {
                layers,
                width: 16,
                interface_width: 16,
                norm_last,
                residual,
                ..GcnSettings::default()
            };
            let model = gated(
                &settings,
                |at| if at % 2 == 0 { -4.0 } else { 0.3 * at as f32 },
            );
            let small = compact(&model).unwrap().unwrap();
            // With a normalised last layer of 16 channels nothing would be won: all stay.
            let stay = if norm_last { 16 } else { 8 };
            assert_eq!(small.encoder.interface().width(), stay);
            assert!(small.gate.is_identity());
            let input = task.input(Split::Test);
            let difference = largest_difference(&model, &small, &input);
            assert!(difference < 1e-5, "{difference} for {settings:?}");
            let entries = task.graph().propagation().matrix().values().len();
            let (before, after) = (sizes(&model, 60, entries), sizes(&small, 60, entries));
            assert_eq!(after.flops < before.flops, !norm_last);
            removed.push(before.parameters - after.parameters);
        }
        // The gate's log_alpha goes either way; without a normalisation half of 16 x 16, of the bias and of the
        // classifier's columns too.
        assert_eq!(removed[0], 16);
        assert_eq!(removed[1] - removed[0], 8 * 16 + 8 + 2 * 8);
    }

    #[test]
    fn where_few_channels_stay_a_normalised_layer_loses_the_others() {
        let split = NodeSplit::random(60, 0.5, 0.2, 0).unwrap();
        let task = GraphTask::new(&two_communities(30, 2), split, &Device::Cpu).unwrap();
        let input = task.input(Split::Test);
        let entries = task.graph().propagation().matrix().values().len();
        // Of 40 channels every fourth stays, or all but one: with 8 or 12 inputs the first pays.
        for (layers, inputs) in [(1, 8), (3, 12)] {
            let settings = GcnSettings {
                layers,
                width: 12,
                interface_width: 40,
                norm_last: true,
                ..GcnSettings::default()
            };
            for (every, kept, separated) in [(4, 10, true), (39, 38, false)] {
                let model = gated(&settings, |at| match (at % every == 0, separated) {
                    (true, true) | (false, false) => 0.3 + 0.1 * at as f32,
                    _ => -6.0,
                });
                let small = compact(&model).unwrap().unwrap();
                let last = small.encoder.layers.last().unwrap();
                let stay = if separated { kept } else { 40 };
                assert_eq!(small.encoder.interface().width(), stay);
                assert_eq!(last.spread.is_some(), separated);
                assert_eq!(last.weight.dims(), [stay, inputs]);
                let difference = largest_difference(&model, &small, &input);
                assert!(
                    difference < 1e-5,
                    "{difference} for {layers} layers, {kept}"
                );
                let (before, after) = (sizes(&model, 60, entries), sizes(&small, 60, entries));
                assert!(after.parameters < before.parameters);
                assert_eq!(after.flops < before.flops, separated);
            }
        }
    }

    #[test]
    fn a_closed_group_takes_all_its_channels_along() {
        let split = NodeSplit::random(60, 0.5, 0.2, 0).unwrap();
        let task = GraphTask::new(&two_communities(30, 2), split, &Device::Cpu).unwrap();
        let config = GateConfig {
            granularity: Granularity::Group,
            group_width: 4,
            ..GateConfig::default()
        };
        for norm_last in [true, false] {
            let settings = GcnSettings {
                layers: 2,
                width: 16,
                interface_width: 16,
                norm_last,
                ..GcnSettings::default()
            };
            // The second and the last of four groups stay.
            let model = gated_by(&settings, &config, |at| [-6.0, 0.3, -6.0, 9.0][at]);
            let small = compact(&model).unwrap().unwrap();
            let kept = small.encoder.layers.last().unwrap().kept.as_ref();
            let kept = kept.map(|kept| kept.to_vec1::<u32>().unwrap());
            let groups = vec![4, 5, 6, 7, 12, 13, 14, 15];
            assert_eq!(kept, (!norm_last).then_some(groups));
            let width = if norm_last { 16 } else { 8 };
            assert_eq!(small.head.linear.weight().dims(), [2, width]);
            let difference = largest_difference(&model, &small, &task.input(Split::Test));
            assert!(difference < 1e-5, "{difference}");
        }
    }

    #[test]
    fn a_gate_closed_everywhere_has_no_compact_model() {
        let settings = GcnSettings {
            layers: 1,
            width: 4,
            interface_width: 4,
            ..GcnSettings::default()
        };
        let model = gated(&settings, |_| -8.0);
        assert!(compact(&model).unwrap().is_none());
    }
}

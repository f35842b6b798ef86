//! The graph convolutional network, full batch (eq. 2 of the paper; Kipf and Welling 2017):
//! H' = relu(norm(D^-1/2 (A + I) D^-1/2 H W + b)), optionally plus H, with dropout between layers. The
//! last layer's output for the wanted nodes is the interface that the gate stands on.
use crate::input::DTYPE;
use crate::settings::GcnSettings;
use crate::spread::Spread;
use crate::{GraphInput, Result};
use candle_core::{Device, Tensor, Var};
use l0gm_gate::{Gate, GateConfig, GateKind, Interface, Schedule};
use l0gm_ops::{
    Generator, Mode, SparseMatrix, add, add_bias, csr_matmul, dropout, embedding, layer_norm,
    linear, relu,
};
use l0gm_train::{Encoder, Gating, Parameter, ParameterKind, Part};

/// Added to the variance in layer normalisation.
const EPSILON: f64 = 1e-5;

/// A graph convolutional network.
#[derive(Clone, Debug)]
pub struct Gcn {
    pub(crate) layers: Vec<GcnLayer>,
    pub(crate) dropout: f64,
    pub(crate) interface_dropout: f64,
    /// For granularity fine: a gate a channel of what each layer aggregates, the raw node attributes first.
    /// The last layer's output is the interface, whose gate is the model's. Else empty.
    pub(crate) fine: Vec<(String, Gate)>,
}

/// One round of message passing.
#[derive(Clone, Debug)]
pub(crate) struct GcnLayer {
    pub(crate) name: String,
    /// (out, in), Glorot-uniform as in Kipf and Welling's code.
    pub(crate) weight: Var,
    /// (out,).
    pub(crate) bias: Var,
    /// Scale and shift of the normalisation over channels, each (out,).
    pub(crate) norm: Option<(Var, Var)>,
    pub(crate) residual: bool,
    /// Set by compaction: the channels that go on. The weight has lost the others already; they are taken from the
    /// residual's input only.
    pub(crate) kept: Option<Tensor>,
    /// Set by compaction of a normalised layer without a residual, where so few channels stay that it pays:
    /// the weight is centred and scaled and has lost the others, and this and the kept channels' shift stand
    /// for `norm`.
    pub(crate) spread: Option<(Spread, Var)>,
}

impl Gcn {
    /// A network for `features` inputs a node, initialised from `generator`.
    pub fn new(
        features: usize,
        settings: &GcnSettings,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self> {
        let mut layers = Vec::with_capacity(settings.layers);
        let mut inputs = features;
        for number in 0..settings.layers {
            let last = number + 1 == settings.layers;
            let width = if last {
                settings.interface_width
            } else {
                settings.width
            };
            let bound = (6.0 / (inputs + width) as f64).sqrt();
            let mut own = generator.stream("gcn", number as u64);
            let weight = own.uniform_tensor((width, inputs), -bound, bound, DTYPE, device)?;
            let norm = if (last && settings.norm_last) || (!last && settings.norm) {
                Some((
                    Var::ones(width, DTYPE, device)?,
                    Var::zeros(width, DTYPE, device)?,
                ))
            } else {
                None
            };
            layers.push(GcnLayer {
                name: format!("encoder.gcn.{number}"),
                weight: Var::from_tensor(&weight)?,
                bias: Var::zeros(width, DTYPE, device)?,
                norm,
                residual: settings.residual && inputs == width,
                kept: None,
                spread: None,
            });
            inputs = width;
        }
        Ok(Self {
            layers,
            dropout: settings.dropout,
            interface_dropout: settings.interface_dropout,
            fine: Vec::new(),
        })
    }

    /// The same with a gate on every channel of the raw node attributes and of every layer but the last
    /// (granularity fine), open as `config` says, to be trained by `schedule`.
    pub fn with_gates(
        mut self,
        config: &GateConfig,
        schedule: &Schedule,
        device: &Device,
    ) -> Result<Self> {
        for (number, layer) in self.layers.iter().enumerate() {
            let name = match number {
                0 => "features".to_owned(),
                _ => format!("gcn.{}", number - 1),
            };
            let interface = Interface::Flat {
                dim: layer.weight.dim(1)?,
            };
            let gate = Gate::new(interface, config, schedule, device)?;
            self.fine.push((name, gate));
        }
        Ok(self)
    }

    /// The raw attributes as the first layer takes them: gated themselves, or, where z is the same for every
    /// node, A X that is at hand times z, which is A (X ⊙ z).
    fn gated_features(
        &self,
        input: &GraphInput,
        gating: Gating,
        mode: &mut Mode<'_>,
    ) -> l0gm_train::Result<(Tensor, Option<Tensor>)> {
        let x = input.graph.features().clone();
        let Some((_, gate)) = self.fine.first() else {
            return Ok((x, Some(input.graph.propagated()?)));
        };
        let mode = gating.mode(mode);
        let shared = !mode.is_train()
            || gate
                .config()
                .is_none_or(|config| config.kind == GateKind::Static);
        let residual = self.layers.first().is_some_and(|layer| layer.residual);
        if shared && !residual {
            let propagated = gate.forward(&input.graph.propagated()?, mode)?;
            return Ok((x, Some(propagated)));
        }
        Ok((gate.forward(&x, mode)?, None))
    }

    /// Multiply-adds, times two, of one full forward pass, counting `entries` stored entries of the
    /// normalised adjacency and A X as given.
    pub(crate) fn flops(&self, nodes: usize, entries: usize) -> u64 {
        self.layers
            .iter()
            .enumerate()
            .map(|(number, layer)| {
                let (out, inputs) = layer.weight.dims2().unwrap_or_default();
                // Of a spread layer the deviation's factor too; its sparse product is on the inputs.
                let (rows, wide) = match layer.spread {
                    Some(_) => (out + inputs, inputs),
                    None => (out, inputs.min(out)),
                };
                let product = nodes * inputs * rows;
                let propagation = if number == 0 { 0 } else { entries * wide };
                2 * (product + propagation) as u64
            })
            .sum()
    }
}

impl Gcn {
    /// All layers. `x`: what the first one takes, and A x where it is at hand; `before(x, number, mode)`: what
    /// happens to the input of every later layer.
    fn through<E: From<candle_core::Error>>(
        &self,
        input: &GraphInput,
        mut x: Tensor,
        propagated: Option<Tensor>,
        mode: &mut Mode<'_>,
        before: impl Fn(Tensor, usize, &mut Mode<'_>) -> std::result::Result<Tensor, E>,
    ) -> std::result::Result<Tensor, E> {
        let mut propagated = propagated;
        for (number, layer) in self.layers.iter().enumerate() {
            let last = number + 1 == self.layers.len();
            if number > 0 {
                x = before(x, number, mode)?;
            }
            x = layer.forward(input, &x, propagated.take().as_ref(), last)?;
            let rate = if last {
                self.interface_dropout
            } else {
                self.dropout
            };
            x = dropout(&x, rate, mode)?;
        }
        Ok(x) // (wanted nodes, width)
    }
}

impl GcnLayer {
    /// `wanted`: the rows to compute, all of them if absent. `propagated`: A X, where it is at hand.
    fn forward(
        &self,
        input: &GraphInput,
        x: &Tensor,
        propagated: Option<&Tensor>,
        last: bool,
    ) -> candle_core::Result<Tensor> {
        let matrix = if last {
            input.rows.propagation()
        } else {
            input.graph.propagation()
        };
        let given = match propagated {
            Some(ax) if last => Some(embedding(ax, input.rows.ids())?),
            Some(ax) => Some(ax.clone()),
            None => None,
        }; // (wanted, in)
        if let Some((spread, shift)) = &self.spread {
            let ax = given.map_or_else(|| csr_matmul(matrix, x), Ok)?;
            let deviation = (spread.variance(&ax)? + EPSILON)?.sqrt()?; // (wanted, 1)
            let h = linear(&ax, &self.weight, Some(&self.bias))?; // (wanted, kept)
            return relu(&add_bias(&h.broadcast_div(&deviation)?, shift)?);
        }
        let h = match given {
            Some(ax) => linear(&ax, &self.weight, Some(&self.bias))?,
            None => self.propagate(matrix, x)?,
        }; // (wanted, out)
        let h = match &self.norm {
            None => relu(&h)?,
            Some((scale, shift)) => relu(&layer_norm(&h, scale, shift, EPSILON)?)?,
        };
        if !self.residual {
            return Ok(h);
        }
        let x = if last {
            embedding(x, input.rows.ids())?
        } else {
            x.clone()
        };
        match &self.kept {
            Some(kept) => h + x.index_select(kept, 1)?,
            None => add(&h, &x),
        }
    }

    /// A x W^T + b, in the order that costs less: the sparse product on the narrower side.
    fn propagate(&self, matrix: &SparseMatrix, x: &Tensor) -> candle_core::Result<Tensor> {
        let (out, inputs) = self.weight.dims2()?;
        let (rows, columns) = (matrix.matrix().rows(), matrix.matrix().columns());
        let entries = matrix.matrix().values().len();
        let weight_first = columns * inputs * out + entries * out;
        let graph_first = entries * inputs + rows * inputs * out;
        if graph_first <= weight_first {
            linear(&csr_matmul(matrix, x)?, &self.weight, Some(&self.bias))
        } else {
            add_bias(
                &csr_matmul(matrix, &linear(x, &self.weight, None)?)?,
                &self.bias,
            )
        }
    }

    /// Width of what goes on.
    pub(crate) fn outputs(&self) -> usize {
        match &self.kept {
            Some(kept) => kept.elem_count(),
            None => self.weight.dim(0).unwrap_or_default(),
        }
    }
}

impl Encoder for Gcn {
    type Input = GraphInput;

    fn interface(&self) -> Interface {
        Interface::Flat {
            dim: self.layers.last().map_or(0, GcnLayer::outputs),
        }
    }

    fn encode(&self, input: &GraphInput, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        let x = input.graph.features().clone(); // (nodes, features)
        let propagated = Some(input.graph.propagated()?);
        self.through(input, x, propagated, mode, |x, _, _| Ok(x))
    }

    fn encode_gated(
        &self,
        input: &GraphInput,
        gating: Gating,
        mode: &mut Mode<'_>,
    ) -> l0gm_train::Result<Tensor> {
        let (x, propagated) = self.gated_features(input, gating, mode)?;
        self.through(input, x, propagated, mode, |x, number, mode| {
            match self.fine.get(number) {
                Some((_, gate)) => Ok(gate.forward(&x, gating.mode(mode))?),
                None => Ok(x),
            }
        })
    }

    fn gates(&self) -> Vec<(&str, &Gate)> {
        let gates = self.fine.iter();
        gates.map(|(name, gate)| (name.as_str(), gate)).collect()
    }

    fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        for layer in &self.layers {
            let mut add = |name: &str, var: &Var, kind| {
                parameters.push(Parameter {
                    name: format!("{}.{name}", layer.name),
                    var: var.clone(),
                    kind,
                    part: Part::Encoder,
                });
            };
            add("weight", &layer.weight, ParameterKind::Weight);
            add("bias", &layer.bias, ParameterKind::NoDecay);
            if let Some((scale, shift)) = &layer.norm {
                add("norm.weight", scale, ParameterKind::NoDecay);
                add("norm.bias", shift, ParameterKind::NoDecay);
            }
            if let Some((spread, shift)) = &layer.spread {
                add("norm.bias", shift, ParameterKind::NoDecay);
                add("spread.factor", &spread.factor, ParameterKind::Weight);
                add("spread.offset", &spread.offset, ParameterKind::NoDecay);
                add("spread.rest", &spread.rest, ParameterKind::NoDecay);
            }
        }
        parameters
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_graphs::{dense_normalisation, small_graph, two_communities};
    use crate::{GraphTask, GraphTensors, LinearHead, NodeId, NodeRows, NodeSplit};
    use l0gm_gate::{Gate, GateConfig, Objective};
    use l0gm_train::{GatedModel, Split, Task};
    use std::sync::Arc;

    fn settings(layers: usize, width: usize) -> GcnSettings {
        GcnSettings {
            layers,
            width,
            interface_width: width,
            dropout: 0.0,
            interface_dropout: 0.0,
            ..GcnSettings::default()
        }
    }

    fn network(features: usize, settings: &GcnSettings) -> Gcn {
        Gcn::new(features, settings, &mut Generator::new(5), &Device::Cpu).unwrap()
    }

    /// a (n x k) times b (k x m), by its definition.
    fn product(a: &[f64], b: &[f64], k: usize) -> Vec<f64> {
        let (n, m) = (a.len() / k, b.len() / k);
        let mut out = vec![0.0; n * m];
        for i in 0..n {
            for j in 0..m {
                out[i * m + j] = (0..k).map(|l| a[i * k + l] * b[l * m + j]).sum();
            }
        }
        out
    }

    fn values(var: &Tensor) -> Vec<f64> {
        var.flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
            .into_iter()
            .map(f64::from)
            .collect()
    }

    #[test]
    fn two_layers_without_extras_equal_equation_2_in_dense_form() {
        // Widths 4 -> 5 -> 5 and 4 -> 2 -> 2: both orders of the product are met.
        for width in [5, 2] {
            let graph = small_graph();
            let n = graph.nodes();
            let options = GcnSettings {
                norm: false,
                norm_last: false,
                ..settings(2, width)
            };
            let mut gcn = network(4, &options);
            for layer in &mut gcn.layers {
                layer.bias = Var::from_tensor(
                    &Generator::new(9)
                        .normal_tensor(width, 0.0, 0.3, DTYPE, &Device::Cpu)
                        .unwrap(),
                )
                .unwrap();
            }
            let tensors = Arc::new(GraphTensors::new(&graph, &Device::Cpu).unwrap());
            let wanted = [NodeId(5), NodeId(0), NodeId(3)];
            let rows = Arc::new(NodeRows::new(&tensors, &wanted).unwrap());
            let found = gcn
                .encode(
                    &GraphInput {
                        graph: tensors,
                        rows,
                    },
                    &mut Mode::Eval,
                )
                .unwrap();
            assert_eq!(found.dims(), &[3, width]);

            let a = dense_normalisation(graph.adjacency());
            let mut h: Vec<f64> = graph
                .features()
                .values()
                .iter()
                .map(|&v| f64::from(v))
                .collect();
            for layer in &gcn.layers {
                let inputs = layer.weight.dim(1).unwrap();
                let transposed = values(&layer.weight.t().unwrap().contiguous().unwrap());
                let bias = values(&layer.bias);
                h = product(&a, &product(&h, &transposed, inputs), n);
                h.iter_mut()
                    .enumerate()
                    .for_each(|(at, v)| *v = (*v + bias[at % width]).max(0.0));
            }
            for (at, v) in values(&found).iter().enumerate() {
                let expected = h[wanted[at / width].0 as usize * width + at % width];
                assert!((v - expected).abs() < 1e-5, "{v} {expected}");
            }
        }
    }

    #[test]
    fn wanted_rows_do_not_depend_on_who_else_is_wanted() {
        let graph = small_graph();
        let options = GcnSettings {
            residual: true,
            ..settings(3, 6)
        };
        let gcn = network(4, &options);
        let tensors = Arc::new(GraphTensors::new(&graph, &Device::Cpu).unwrap());
        let of = |nodes: &[u32]| {
            let nodes: Vec<NodeId> = nodes.iter().map(|&n| NodeId(n)).collect();
            let rows = Arc::new(NodeRows::new(&tensors, &nodes).unwrap());
            gcn.encode(
                &GraphInput {
                    graph: tensors.clone(),
                    rows,
                },
                &mut Mode::Eval,
            )
            .unwrap()
            .to_vec2::<f32>()
            .unwrap()
        };
        let all = of(&[0, 1, 2, 3, 4, 5]);
        let some = of(&[4, 2]);
        for (row, node) in [(0, 4), (1, 2)] {
            for (a, b) in some[row].iter().zip(&all[node]) {
                assert!((a - b).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn every_parameter_gets_a_gradient_in_one_step() {
        let graph = two_communities(20, 1);
        let split = NodeSplit::random(40, 0.6, 0.2, 0).unwrap();
        let task = GraphTask::new(&graph, split, &Device::Cpu).unwrap();
        // norm_last off and on: without it every channel's own weight must still be reached.
        for norm_last in [true, false] {
            let options = GcnSettings {
                residual: true,
                norm_last,
                dropout: 0.2,
                ..settings(3, 8)
            };
            let encoder = network(8, &options);
            let head = LinearHead::new(8, 2, &mut Generator::new(6), &Device::Cpu).unwrap();
            let step = Schedule::default().at(0.5);
            let gate = Gate::new(
                encoder.interface(),
                &GateConfig::default(),
                &Schedule::default(),
                &Device::Cpu,
            )
            .unwrap();
            let model = GatedModel {
                encoder,
                gate,
                head,
            };
            let batch = task
                .batch(
                    Split::Train,
                    &task.plan(Split::Train, 1, None)[0],
                    &Device::Cpu,
                )
                .unwrap();
            let mut generator = Generator::new(7);
            let logits = model
                .forward(
                    &batch.input,
                    Gating::Sampled(step.temperature),
                    &mut Mode::Train(&mut generator),
                )
                .unwrap()
                .logits;
            let loss = l0gm_ops::cross_entropy(&logits, &batch.labels).unwrap();
            let loss = Objective {
                lambda: 1e-3,
                ..Objective::default()
            }
            .value(&loss, &model.gate, step)
            .unwrap();
            let gradients = loss.backward().unwrap();
            for parameter in model.parameters() {
                let gradient = gradients
                    .get(&parameter.var)
                    .unwrap_or_else(|| panic!("{} has no gradient", parameter.name));
                let size = values(gradient).iter().map(|g| g.abs()).sum::<f64>();
                assert!(size > 0.0 && size.is_finite(), "{}: {size}", parameter.name);
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_weights() {
        let a = network(4, &settings(2, 3));
        let b = network(4, &settings(2, 3));
        for (x, y) in a.parameters().iter().zip(b.parameters()) {
            assert_eq!(values(&x.var), values(&y.var));
        }
        assert_ne!(
            values(&a.layers[0].weight)[..9],
            values(&a.layers[1].weight)[..9]
        );
    }
}

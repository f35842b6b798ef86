//! SIGN (Frasca et al. 2020, arXiv:2004.11198): one linear map for each hop, then an ordinary network,
//!
//! ```text
//! Z = σ([X W₀ | Â X W₁ | ... | Â^K X W_K]),   H⁽ˡ⁺¹⁾ = σ(H⁽ˡ⁾ W⁽ˡ⁾),   H⁽⁰⁾ = Z
//! ```
//!
//! with biases, σ the ReLU, and dropout after each σ. The last H is the interface, on which the gate and the linear
//! classifier stand.

use super::settings::SignSettings;
use crate::{GraphSettings, LinearHead, Result};
use candle_core::{Device, Tensor};
use l0gm_gate::{Gate, Interface};
use l0gm_ops::{Generator, Mode, dropout, relu};
use l0gm_train::layers::Linear;
use l0gm_train::{Encoder, Forward, GatedModel, Head, Parameter, Part, Sizes};

/// Features of a batch of nodes, propagated 0, 1, ..., K times: (batch, features) each.
#[derive(Clone, Debug)]
pub(crate) struct HopInput {
    pub(crate) hops: Vec<Tensor>,
}

/// A gated or dense model on propagated features.
pub(crate) type HopModel = GatedModel<HopEncoder, LinearHead>;

/// The network before the interface.
#[derive(Clone, Debug)]
pub(crate) struct HopEncoder {
    /// One map for each hop.
    pub(super) maps: Vec<Linear>,
    /// The hidden layers behind the joined maps; the last one makes the interface.
    pub(super) hidden: Vec<Linear>,
    dropout: f64,
}

impl HopEncoder {
    /// A network for nodes with this number of features, initialised from `generator`.
    fn new(
        features: usize,
        own: &SignSettings,
        generator: &Generator,
        device: &Device,
    ) -> Result<Self> {
        let layer = |what: &str, number: usize, inputs: usize| -> Result<Linear> {
            let mut stream = generator.stream(&format!("sign.{what}"), number as u64);
            let name = format!("encoder.{what}.{number}");
            let part = Part::Encoder;
            Ok(Linear::new(
                &name,
                part,
                inputs,
                own.width,
                true,
                &mut stream,
                device,
            )?)
        };
        let maps = (0..=own.hops).map(|hop| layer("hop", hop, features));
        let hidden = (1..own.layers).map(|number| {
            let inputs = match number {
                1 => (own.hops + 1) * own.width,
                _ => own.width,
            };
            layer("hidden", number - 1, inputs)
        });
        Ok(Self {
            maps: maps.collect::<Result<_>>()?,
            hidden: hidden.collect::<Result<_>>()?,
            dropout: own.dropout,
        })
    }

    fn layers(&self) -> impl Iterator<Item = &Linear> {
        self.maps.iter().chain(&self.hidden)
    }
}

impl Encoder for HopEncoder {
    type Input = HopInput;

    fn interface(&self) -> Interface {
        let width = |layer: &Linear| layer.weight().dim(0).unwrap_or_default();
        let dim = match self.hidden.last() {
            Some(last) => width(last),
            None => self.maps.iter().map(width).sum(),
        };
        Interface::Flat { dim }
    }

    fn encode(&self, input: &HopInput, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        if input.hops.len() != self.maps.len() {
            candle_core::bail!(
                "the network reads {} matrices of features, but the batch has {}",
                self.maps.len(),
                input.hops.len()
            );
        }
        let maps = self.maps.iter().zip(&input.hops);
        let maps = maps.map(|(map, x)| map.forward(x)); // Â^k X W_k
        let maps = maps.collect::<candle_core::Result<Vec<_>>>()?;
        let mut h = dropout(&relu(&Tensor::cat(&maps, 1)?)?, self.dropout, mode)?; // Z
        for layer in &self.hidden {
            h = dropout(&relu(&layer.forward(&h)?)?, self.dropout, mode)?;
        }
        Ok(h) // (batch, interface)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.layers().flat_map(Linear::parameters).collect()
    }
}

impl Head<HopInput> for LinearHead {
    fn classes(&self) -> usize {
        self.linear.weight().dim(0).unwrap_or_default()
    }

    fn logits(
        &self,
        gated: &Tensor,
        _input: &HopInput,
        _mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        self.linear.forward(gated) // (batch, classes)
    }

    fn reads_input(&self) -> bool {
        false
    }

    fn readers(&self) -> Vec<candle_core::Var> {
        vec![self.linear.weight().clone()]
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.linear.parameters()
    }

    fn loss(&self, forward: &Forward, labels: &Tensor) -> candle_core::Result<Tensor> {
        l0gm_ops::cross_entropy(&forward.logits, labels)
    }
}

/// The model that the settings describe, initialised from the run's seed.
///
/// # Errors
/// The gate does not fit the interface.
pub(crate) fn build_hop_model(
    (features, classes): (usize, usize),
    own: &SignSettings,
    settings: &GraphSettings,
    (gated, seed): (bool, u64),
    device: &Device,
) -> Result<HopModel> {
    let mut generator = Generator::new(seed).stream("init", 0);
    let encoder = HopEncoder::new(features, own, &generator, device)?;
    let head = LinearHead::new(own.interface_width(), classes, &mut generator, device)?;
    let interface = encoder.interface();
    let gate = match gated {
        false => Gate::identity(interface),
        true => Gate::new(interface, &settings.gate, &settings.train.schedule, device)?,
    };
    Ok(HopModel {
        encoder,
        gate,
        head,
    })
}

/// Parameters, bytes and FLOPs per node of a model. Features are propagated before, which is not counted.
pub(crate) fn hop_sizes(model: &HopModel) -> Sizes {
    let parameters: usize = model.parameters().iter().map(|p| p.var.elem_count()).sum();
    let layers = model.encoder.layers().chain([&model.head.linear]);
    let products: usize = layers.map(|layer| layer.weight().elem_count()).sum();
    Sizes {
        parameters: parameters as u64,
        flops: 2 * products as u64,
        bytes: 4 * parameters as u64,
    }
}

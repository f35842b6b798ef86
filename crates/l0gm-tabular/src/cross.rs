//! The cross network of DCN-v2 (Wang et al. 2021, arXiv:2008.13535, eq. 1 and 2): every layer multiplies the embeddings
//! with a linear map of the layer before, so that after l layers all products of up to l + 1 inputs have been formed.
//!
//! ```text
//! x_{l+1} = x_0 ⊙ (W_l x_l + b_l) + x_l            W_l: (width, width)
//! W_l = U_l V_lᵀ                                   with a rank r: (width, r) each
//! ```
//!
//! x_0 is the (gated) embeddings of all fields, side by side. Where a gate is closed x_0 is 0, and with it every x_l: a
//! closed dimension can be dropped from every layer.

use crate::settings::CrossSettings;
use candle_core::{Device, Result, Tensor};
use l0gm_ops::{Generator, add, mul};
use l0gm_train::layers::Linear;
use l0gm_train::{Parameter, Part};

/// The cross layers, and the linear map of the last one's output to the logits.
#[derive(Clone, Debug)]
pub(crate) struct CrossNetwork {
    pub(crate) layers: Vec<CrossLayer>,
    /// Output weights, (outputs, width).
    pub(crate) output: Linear,
}

/// The map W x + b of one layer.
#[derive(Clone, Debug)]
pub(crate) struct CrossLayer {
    /// V, as a map of (width) to (rank); absent where W is whole.
    pub(crate) inner: Option<Linear>,
    /// W, or U as a map of (rank) to (width), with the bias b.
    pub(crate) outer: Linear,
}

impl CrossNetwork {
    /// A network on an interface of `width` dimensions.
    pub(crate) fn new(
        settings: &CrossSettings,
        width: usize,
        outputs: usize,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self> {
        let mut linear = |name: &str, inputs, outputs, bias| {
            Linear::new(name, Part::Head, inputs, outputs, bias, generator, device)
        };
        let mut layers = Vec::with_capacity(settings.layers);
        for layer in 0..settings.layers {
            let name = |part: &str| format!("cross.{layer}.{part}");
            layers.push(match settings.rank {
                None => CrossLayer {
                    inner: None,
                    outer: linear(&name("w"), width, width, true)?,
                },
                Some(rank) => CrossLayer {
                    inner: Some(linear(&name("v"), width, rank, false)?),
                    outer: linear(&name("u"), rank, width, true)?,
                },
            });
        }
        Ok(Self {
            layers,
            output: linear("cross.output", width, outputs, false)?,
        })
    }

    /// From embeddings side by side, (rows, width), to (rows, outputs).
    pub(crate) fn forward(&self, first: &Tensor) -> Result<Tensor> {
        let mut x = first.clone();
        for layer in &self.layers {
            let inner = match &layer.inner {
                Some(inner) => inner.forward(&x)?,
                None => x.clone(),
            };
            x = crossed(first, &layer.outer.forward(&inner)?, &x)?;
        }
        self.output.forward(&x)
    }

    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        let of_layers = self.layers.iter().flat_map(|layer| {
            let inner = layer.inner.iter().flat_map(Linear::parameters);
            inner.chain(layer.outer.parameters())
        });
        of_layers.chain(self.output.parameters()).collect()
    }

    /// The rank of the layers' maps; `None` where they are whole.
    pub(crate) fn rank(&self) -> Option<usize> {
        let inner = self.layers.first()?.inner.as_ref()?;
        Some(inner.weight().dims()[0])
    }

    /// Floating-point operations for one example with `open` dimensions; a multiply-add counts as two.
    pub(crate) fn flops(&self, open: usize) -> u64 {
        let of_map = match self.rank() {
            None => 2 * open * open,
            Some(rank) => 4 * open * rank,
        };
        let outputs = self.output.weight().dims()[0];
        (self.layers.len() * (of_map + 3 * open) + 2 * open * outputs) as u64
    }
}

/// x_0 ⊙ (W x + b) + x, where `mapped` is W x + b.
pub(crate) fn crossed(first: &Tensor, mapped: &Tensor, x: &Tensor) -> Result<Tensor> {
    add(&mul(first, mapped)?, x)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn network(rank: Option<usize>) -> CrossNetwork {
        let settings = CrossSettings { layers: 2, rank };
        let mut generator = Generator::new(4);
        CrossNetwork::new(&settings, 3, 1, &mut generator, &Device::Cpu).unwrap()
    }

    /// The layers written out in plain numbers.
    fn by_hand(network: &CrossNetwork, first: &[f32]) -> f32 {
        let map = |linear: &Linear, x: &[f32]| -> Vec<f32> {
            let weight = linear.weight().to_vec2::<f32>().unwrap();
            let bias = linear.bias().map(|bias| bias.to_vec1::<f32>().unwrap());
            let rows = weight.iter().enumerate();
            rows.map(|(at, row)| {
                let bias = bias.as_ref().map_or(0.0, |bias| bias[at]);
                row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>() + bias
            })
            .collect()
        };
        let mut x = first.to_vec();
        for layer in &network.layers {
            let inner = layer
                .inner
                .as_ref()
                .map_or(x.clone(), |inner| map(inner, &x));
            let mapped = map(&layer.outer, &inner);
            x = (0..x.len()).map(|d| first[d] * mapped[d] + x[d]).collect();
        }
        map(&network.output, &x)[0]
    }

    #[test]
    fn layers_are_those_of_the_paper_with_whole_and_with_factorised_maps() {
        for rank in [None, Some(2)] {
            let network = network(rank);
            assert_eq!(network.rank(), rank);
            let first = [0.5f32, -1.5, 2.0];
            let input = Tensor::new(&[first], &Device::Cpu).unwrap();
            let found = network.forward(&input).unwrap().to_vec2::<f32>().unwrap()[0][0];
            let expected = by_hand(&network, &first);
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            let parts = if rank.is_some() { 3 } else { 2 };
            assert_eq!(network.parameters().len(), 2 * parts + 1);
        }
    }

    #[test]
    fn a_closed_dimension_stays_closed_in_every_layer() {
        let network = network(None);
        let closed = Tensor::new(&[[0.7f32, 0.0, -0.3]], &Device::Cpu).unwrap();
        let mut x = closed.clone();
        for layer in &network.layers {
            x = crossed(&closed, &layer.outer.forward(&x).unwrap(), &x).unwrap();
            assert_eq!(x.to_vec2::<f32>().unwrap()[0][1], 0.0);
        }
    }
}

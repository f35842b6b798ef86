//! The classifier behind the gate: one linear layer from the gated node representation to the classes, like the last
//! step of a GNN. Where the interface also holds class scores, these are blended with the layer's logits
//! ([`Blend`]).
use crate::{Gcn, GraphInput, Result};
use candle_core::{Device, Tensor, Var};
use l0gm_ops::{Generator, Mode};
use l0gm_train::layers::Linear;
use l0gm_train::{Blend, Forward, GatedModel, Head, Parameter, Part};

/// A gated or dense model for a graph.
pub type GraphModel = GatedModel<Gcn, LinearHead>;

/// A linear classifier.
#[derive(Clone, Debug)]
pub struct LinearHead {
    pub(crate) linear: Linear,
    classes: usize,
    /// How class scores in the interface are blended with the layer's logits; `None` if there are none.
    pub(crate) blend: Option<Blend>,
}

impl LinearHead {
    /// A new classifier from `width` gated channels to `classes` logits.
    pub fn new(
        width: usize,
        classes: usize,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self> {
        let mut own = generator.stream("head", 0);
        Ok(Self {
            linear: Linear::new("head", Part::Head, width, classes, true, &mut own, device)?,
            classes,
            blend: None,
        })
    }
    /// A classifier with the given weight (classes, width) and bias (classes,).
    pub fn from_tensors(weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        Ok(Self {
            linear: Linear::from_tensors("head", Part::Head, weight, bias)?,
            classes: weight.dim(0)?,
            blend: None,
        })
    }
    /// The same classifier, blended with regressions of `outputs` scores each behind its own channels.
    pub(crate) fn blended(mut self, outputs: &[usize]) -> Result<Self> {
        let (classes, channels) = self.linear.weight().dims2()?;
        let device = self.linear.weight().device();
        self.blend = Some(Blend::new(channels, outputs, classes, device)?);
        Ok(self)
    }
    /// Weight (classes, interface width) and bias (classes,) of the whole classifier, as it is now.
    pub(crate) fn folded(&self) -> candle_core::Result<(Tensor, Tensor)> {
        if let Some(blend) = &self.blend {
            return blend.folded(&self.linear);
        }
        let weight = self.linear.weight().as_detached_tensor().copy()?;
        let bias = match self.linear.bias() {
            Some(bias) => bias.as_detached_tensor().copy()?,
            None => Tensor::zeros(weight.dim(0)?, weight.dtype(), weight.device())?,
        };
        Ok((weight, bias))
    }
}

impl Head<GraphInput> for LinearHead {
    fn classes(&self) -> usize {
        self.classes
    }
    fn logits(
        &self,
        gated: &Tensor,
        _input: &GraphInput,
        _mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        if self.blend.is_none() {
            return self.linear.forward(gated); // (nodes, classes)
        }
        let (weight, bias) = self.folded()?;
        l0gm_ops::linear(gated, &weight, Some(&bias))
    }
    fn reads_input(&self) -> bool {
        false
    }
    /// The layer that reads the network's channels. Class scores behind them have no weights that are trained.
    fn readers(&self) -> Vec<Var> {
        vec![self.linear.weight().clone()]
    }
    fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = self.linear.parameters();
        parameters.extend(self.blend.iter().flat_map(Blend::parameters));
        parameters
    }
    fn loss(&self, forward: &Forward, labels: &Tensor) -> candle_core::Result<Tensor> {
        match &self.blend {
            Some(blend) => {
                let gated = &forward.gated.value;
                let own = self.linear.forward(&blend.of_network(gated)?)?;
                blend.loss(&own, gated, labels)
            }
            None => l0gm_ops::cross_entropy(&forward.logits, labels),
        }
    }
    fn is_fitted_on_validation(&self) -> bool {
        self.blend.is_some()
    }
    fn fit_on_validation(&self, gated: &Tensor, labels: &[u32]) -> candle_core::Result<()> {
        match &self.blend {
            Some(blend) => blend.fit(&self.linear, gated, labels),
            None => Ok(()),
        }
    }
}

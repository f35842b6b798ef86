//! The classifier behind the gate: one linear layer from the gated node representation to the classes, like the last
//! step of a GNN.
use crate::{Gcn, GraphInput, Result};
use candle_core::{Device, Tensor};
use l0gm_ops::{Generator, Mode};
use l0gm_train::layers::Linear;
use l0gm_train::{GatedModel, Head, Parameter, Part};

/// A gated or dense model for a graph.
pub type GraphModel = GatedModel<Gcn, LinearHead>;

/// A linear classifier.
#[derive(Clone, Debug)]
pub struct LinearHead {
    pub(crate) linear: Linear,
    classes: usize,
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
        })
    }
    /// A classifier with the given weight (classes, width) and bias (classes,).
    pub fn from_tensors(weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        Ok(Self {
            linear: Linear::from_tensors("head", Part::Head, weight, bias)?,
            classes: weight.dim(0)?,
        })
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
        self.linear.forward(gated) // (nodes, classes)
    }
    fn parameters(&self) -> Vec<Parameter> {
        self.linear.parameters()
    }
}

//! The classifier behind the gate: one linear layer from the gated node representation to the classes, like the last
//! step of a GNN. Where the interface also holds class scores, these are blended with the layer's logits
//! ([`Blend`]).
use crate::{GraphEncoder, GraphInput, Result};
use candle_core::{Device, Tensor, Var};
use l0gm_ops::{Generator, Mode};
use l0gm_train::layers::Linear;
use l0gm_train::{Blend, Forward, GatedModel, Head, LossTerm, Parameter, Part};

/// A gated or dense model for a graph.
pub type GraphModel = GatedModel<GraphEncoder, LinearHead>;

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
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let Some(blend) = &self.blend else {
            return self.linear.forward(gated); // (nodes, classes)
        };
        if mode.is_train() {
            // Each part learns alone, so the logits of a training step are those of the network.
            return self.linear.forward(&blend.of_network(gated)?);
        }
        let (weight, bias) = blend.folded(&self.linear)?;
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
    fn loss_terms(&self, forward: &Forward) -> candle_core::Result<Vec<LossTerm>> {
        match &self.blend {
            Some(blend) => blend.loss_terms(&forward.logits, &forward.gated.value),
            None => Ok(vec![LossTerm::whole(forward.logits.clone())]),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_graphs::two_communities;
    use crate::{GraphTensors, NodeId, NodeRows};
    use candle_core::DType;
    use l0gm_gate::{Gate, GateMode, Interface};
    use std::sync::Arc;

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn in_training_the_logits_are_the_networks_and_each_part_is_a_term_of_the_loss() {
        let (device, classes, channels) = (Device::Cpu, 3, 4);
        let mut generator = Generator::new(1);
        let head = LinearHead::new(channels, classes, &mut generator, &device).unwrap();
        let mut head = head.blended(&[classes]).unwrap();
        let shape = (5, channels + classes);
        let r = generator.normal_tensor(shape, 0.0, 1.0, DType::F32, &device);
        let gate = Gate::identity(Interface::Flat { dim: shape.1 });
        let gated = gate.pass(&r.unwrap(), GateMode::Eval).unwrap();
        let graph = GraphTensors::new(&two_communities(5, 1), &device).unwrap();
        let rows = NodeRows::new(&graph, &[NodeId(0)]).unwrap();
        let input = GraphInput {
            graph: Arc::new(graph),
            rows: Arc::new(rows),
        };
        let logits = |head: &LinearHead, mode: &mut Mode<'_>| {
            head.logits(&gated.value, &input, mode).unwrap()
        };
        let of_network = gated.value.narrow(1, 0, channels).unwrap();
        let own = head.linear.forward(&of_network.contiguous().unwrap());
        let own = values(&own.unwrap());
        let in_training = logits(&head, &mut Mode::Train(&mut generator));
        assert_eq!(values(&in_training), own);
        assert_ne!(values(&logits(&head, &mut Mode::Eval)), own);

        // Without gates only the network learns, and with gates the scores have a term of their own.
        let forward = Forward {
            logits: in_training,
            members: None,
            gated: gated.clone(),
        };
        let terms_of = |head: &LinearHead| {
            let terms = <LinearHead as Head<GraphInput>>::loss_terms(head, &forward);
            terms.unwrap()
        };
        assert_eq!(terms_of(&head).len(), 1);
        head.blend.as_mut().unwrap().share_losses(&[3.0, 1.0]);
        let terms = terms_of(&head);
        assert_eq!([terms[0].share, terms[1].share], [0.75, 0.25]);
        assert_eq!(values(&terms[0].logits), own);
        let scores = gated.value.narrow(1, channels, classes).unwrap();
        assert_eq!(values(&terms[1].logits), values(&scores));
    }
}

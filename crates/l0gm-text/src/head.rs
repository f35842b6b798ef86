//! The classifier behind the gate: dropout and one linear layer, as in fine-tuned BERT models. Where the interface also
//! holds class scores, these are blended with the layer's logits ([`Blend`]).
use crate::TextInput;
use candle_core::{Device, Tensor, Var};
use l0gm_gate::LinearLayer;
use l0gm_ops::{Generator, Mode, dropout};
use l0gm_train::layers::Linear;
use l0gm_train::{Blend, Forward, Head, LossTerm, Parameter, Part};

/// A linear classifier.
#[derive(Clone, Debug)]
pub struct TextHead {
    classifier: Linear,
    classes: usize,
    dropout: f64,
    /// How class scores in the interface are blended with the layer's logits; `None` if there are none.
    blend: Option<Blend>,
}

impl TextHead {
    /// A new classifier with `dim` inputs.
    ///
    /// # Errors
    /// Fails if a tensor cannot be created.
    pub fn new(
        dim: usize,
        classes: usize,
        dropout: f64,
        generator: &mut Generator,
        device: &Device,
    ) -> candle_core::Result<Self> {
        let classifier = Linear::new(
            "classifier",
            Part::Head,
            dim,
            classes,
            true,
            generator,
            device,
        )?;
        Ok(Self {
            classifier,
            classes,
            dropout,
            blend: None,
        })
    }

    /// The same classifier, blended with a regression of `outputs` class scores behind its own inputs. In a gated
    /// model the scores' gates learn too.
    ///
    /// # Errors
    /// Fails if a tensor cannot be created.
    pub fn blended(mut self, outputs: usize, gated: bool) -> candle_core::Result<Self> {
        let weight = self.classifier.weight();
        let mut blend = Blend::new(weight.dim(1)?, &[outputs], self.classes, weight.device())?;
        if gated {
            blend.share_losses(&[]);
        }
        self.blend = Some(blend);
        Ok(self)
    }

    /// Sets what is added to the class scores, one number a class.
    ///
    /// # Errors
    /// Fails if there is another number of classes.
    pub(crate) fn set_intercepts(&self, intercepts: &[f32]) -> candle_core::Result<()> {
        match &self.blend {
            Some(blend) => {
                let device = self.classifier.weight().device();
                blend.set_intercepts(&[Tensor::new(intercepts, device)?])
            }
            None => Ok(()),
        }
    }

    /// The tensors of the whole classifier as it is now, without gradients.
    ///
    /// # Errors
    /// Fails if a tensor operation fails.
    pub fn layer(&self) -> candle_core::Result<LinearLayer> {
        if let Some(blend) = &self.blend {
            let (weight, bias) = blend.folded(&self.classifier)?;
            return Ok(LinearLayer {
                weight,
                bias: Some(bias),
            });
        }
        Ok(LinearLayer {
            weight: self.classifier.weight().as_tensor().detach(),
            bias: self.classifier.bias().map(|b| b.as_tensor().detach()),
        })
    }
}

impl Head<TextInput> for TextHead {
    fn classes(&self) -> usize {
        self.classes
    }

    fn logits(
        &self,
        gated: &Tensor,
        _input: &TextInput,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let Some(blend) = &self.blend else {
            return self
                .classifier
                .forward(&dropout(gated, self.dropout, mode)?);
        };
        if mode.is_train() {
            // Each part learns alone, so the logits of a training step are those of the network.
            let own = blend.of_network(gated)?;
            return self.classifier.forward(&dropout(&own, self.dropout, mode)?);
        }
        let (weight, bias) = blend.folded(&self.classifier)?;
        l0gm_ops::linear(gated, &weight, Some(&bias))
    }

    fn reads_input(&self) -> bool {
        false
    }

    /// The classifier's layer. Class scores behind its inputs have no weights that are trained.
    fn readers(&self) -> Vec<Var> {
        vec![self.classifier.weight().clone()]
    }

    fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = self.classifier.parameters();
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
            Some(blend) => blend.fit(&self.classifier, gated, labels),
            None => Ok(()),
        }
    }
}

//! The classifier behind the gate: dropout and one linear layer, as in fine-tuned BERT models.
use crate::TextInput;
use candle_core::{Device, Tensor};
use l0gm_gate::LinearLayer;
use l0gm_ops::{Generator, Mode, dropout};
use l0gm_train::layers::Linear;
use l0gm_train::{Head, Parameter, Part};

/// A linear classifier.
#[derive(Clone, Debug)]
pub struct TextHead {
    classifier: Linear,
    classes: usize,
    dropout: f64,
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
        })
    }

    /// The classifier's tensors, without gradients.
    pub fn layer(&self) -> LinearLayer {
        LinearLayer {
            weight: self.classifier.weight().as_tensor().detach(),
            bias: self.classifier.bias().map(|b| b.as_tensor().detach()),
        }
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
        self.classifier
            .forward(&dropout(gated, self.dropout, mode)?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.classifier.parameters()
    }
}

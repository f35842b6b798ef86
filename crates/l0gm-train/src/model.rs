//! The two small traits everything hangs on: an encoder, and a head behind the gate.
use candle_core::{Tensor, Var};
use l0gm_gate::{Gate, Interface};
use l0gm_ops::Mode;
/// How the optimiser treats a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// With weight decay.
    Weight,
    /// Biases, norms: without weight decay.
    NoDecay,
    /// Gates: own learning rate, no weight decay.
    Gate,
}
/// Which part of the model a parameter belongs to; the encoder may have its own learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Before the interface.
    Encoder,
    /// The gate.
    Gate,
    /// After the gate.
    Head,
}
/// A trainable tensor with its stable name.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Unique and stable: checkpoints are keyed by it.
    pub name: String,
    /// The variable.
    pub var: Var,
    /// How the optimiser treats it.
    pub kind: ParameterKind,
    /// Where it belongs.
    pub part: Part,
}
/// Everything before the interface. A backbone of one's own implements this.
pub trait Encoder {
    /// What a batch hands to the model.
    type Input;
    /// The shape of what `encode` returns, without the batch.
    fn interface(&self) -> Interface;
    /// The representation r: (batch, dim) or (batch, fields, dim).
    fn encode(&self, input: &Self::Input, mode: &mut Mode<'_>) -> candle_core::Result<Tensor>;
    /// Every trainable parameter.
    fn parameters(&self) -> Vec<Parameter>;
}
/// Everything after the gate. It sees the raw input too, for a linear branch that bypasses the gate (eq. 20).
pub trait Head<Input> {
    /// Number of classes.
    fn classes(&self) -> usize;
    /// (batch, classes); a binary model of one logit l returns [0, l].
    fn logits(
        &self,
        gated: &Tensor,
        input: &Input,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor>;
    /// Every trainable parameter.
    fn parameters(&self) -> Vec<Parameter>;
}
/// Encoder, gate and head; `dense` is the same with the identity gate.
#[derive(Debug)]
pub struct GatedModel<E, H> {
    /// Everything before the interface.
    pub encoder: E,
    /// On the interface.
    pub gate: Gate,
    /// Everything after.
    pub head: H,
}
impl<E: Encoder, H: Head<E::Input>> GatedModel<E, H> {
    /// Logits of a batch: (batch, classes).
    pub fn logits(
        &self,
        input: &E::Input,
        temperature: l0gm_gate::Temperature,
        mode: &mut Mode<'_>,
    ) -> crate::Result<Tensor> {
        let r = self.encoder.encode(input, &mut mode.reborrow())?;
        self.logits_of_interface(&r, input, temperature, mode)
    }

    /// Logits from an interface that is computed already, `input`'s own or a perturbed one: (batch, classes).
    pub fn logits_of_interface(
        &self,
        r: &Tensor,
        input: &E::Input,
        temperature: l0gm_gate::Temperature,
        mode: &mut Mode<'_>,
    ) -> crate::Result<Tensor> {
        let gated = self.gate.forward(r, temperature, &mut mode.reborrow())?;
        Ok(self.head.logits(&gated, input, mode)?)
    }

    /// Every trainable parameter: encoder's, the gate's `log_alpha` as "gate.log_alpha", head's; names are unique.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut all = self.encoder.parameters();
        all.extend(self.gate.log_alpha().map(|log_alpha| Parameter {
            name: "gate.log_alpha".to_owned(),
            var: log_alpha.clone(),
            kind: ParameterKind::Gate,
            part: Part::Gate,
        }));
        all.extend(self.head.parameters());
        all
    }
}

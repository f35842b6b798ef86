//! The two small traits everything hangs on: an encoder, and a head behind the gate.
use candle_core::{Tensor, Var};
use l0gm_gate::{Gate, GateMode, Gated, Interface, PenaltyReduction, Temperature};
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
    /// Every trainable parameter, but those of [`gates`](Self::gates).
    fn parameters(&self) -> Vec<Parameter>;
    /// Gates of its own below the interface (granularity fine), each with a stable name; none by default.
    fn gates(&self) -> Vec<(&str, &Gate)> {
        Vec::new()
    }
    /// [`encode`](Self::encode) through its own gates: what a model calls. An encoder that has gates
    /// implements this one and lets `encode` be its evaluation without them.
    fn encode_gated(
        &self,
        input: &Self::Input,
        _gating: Gating,
        mode: &mut Mode<'_>,
    ) -> crate::Result<Tensor> {
        Ok(self.encode(input, mode)?)
    }
}
/// How gates work in one forward pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gating {
    /// Training: z is sampled at this temperature. In evaluation z is deterministic all the same.
    Sampled(Temperature),
    /// The deterministic z at the gates' own temperature: in evaluation, and in training once the gates have
    /// settled on a target.
    Deterministic,
}
impl Gating {
    /// What a gate is to be called with where the layers around it run in `mode`.
    pub fn mode<'a>(&self, mode: &'a mut Mode<'_>) -> GateMode<'a> {
        match self {
            Gating::Sampled(temperature) => GateMode::of(mode, *temperature),
            Gating::Deterministic => GateMode::Eval,
        }
    }
}
/// One forward pass.
#[derive(Clone, Debug)]
pub struct Forward {
    /// (batch, classes).
    pub logits: Tensor,
    /// What the interface's gate made of the batch: its penalty and its active fraction need it where the
    /// gate reads its examples.
    pub gated: Gated,
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
    /// Logits of a batch in evaluation: (batch, classes).
    pub fn logits(&self, input: &E::Input) -> crate::Result<Tensor> {
        Ok(self.evaluate(input)?.logits)
    }

    /// A batch through the model in evaluation: no dropout, deterministic gates at their own temperature.
    pub fn evaluate(&self, input: &E::Input) -> crate::Result<Forward> {
        self.forward(input, Gating::Deterministic, &mut Mode::Eval)
    }

    /// A batch through encoder, gates and head.
    pub fn forward(
        &self,
        input: &E::Input,
        gating: Gating,
        mode: &mut Mode<'_>,
    ) -> crate::Result<Forward> {
        let r = self
            .encoder
            .encode_gated(input, gating, &mut mode.reborrow())?;
        self.forward_from(&r, input, gating, mode)
    }

    /// The rest of [`forward`](Self::forward), from an interface that is there already: what the encoder made
    /// of `input`, its own gates included, or that perturbed.
    pub fn forward_from(
        &self,
        r: &Tensor,
        input: &E::Input,
        gating: Gating,
        mode: &mut Mode<'_>,
    ) -> crate::Result<Forward> {
        let gated = self.gate.pass(r, gating.mode(mode))?;
        let logits = self.head.logits(&gated.value, input, mode)?;
        Ok(Forward { logits, gated })
    }

    /// Every gate that is not the identity: those below the interface first, then the interface's. Empty for
    /// a dense model.
    pub fn gates(&self) -> Vec<&Gate> {
        let below = self.encoder.gates().into_iter().map(|(_, gate)| gate);
        below
            .chain([&self.gate])
            .filter(|gate| !gate.is_identity())
            .collect()
    }

    /// Whether compaction can fold the gate away: it stands on the interface and is the same for every example.
    /// A dense model passes too.
    ///
    /// # Errors
    /// Says which gates are in the way, and what to train instead.
    pub fn check_compactable(&self) -> crate::Result<()> {
        let what = if self.gate.is_conditional() {
            "a conditional gate decides for each example anew and reads the whole representation for it"
        } else if !self.encoder.gates().is_empty() {
            "fine gates stand below the interface, not on the dimensions that compaction drops"
        } else {
            return Ok(());
        };
        Err(crate::Error::Task(format!(
            "this model has no compact form: {what}; train gates of kind static or per-example and granularity \
             interface or group"
        )))
    }

    /// Expected L0 over all gates together (a sum or a mean, as they are configured); `None` for a dense
    /// model.
    pub fn penalty(
        &self,
        gated: &Gated,
        temperature: Temperature,
    ) -> crate::Result<Option<Tensor>> {
        let gates = self.gates();
        let count = |gate: &Gate| gate.log_alpha().map_or(0, |var| var.elem_count()) as f64;
        let all: f64 = gates.iter().map(|gate| count(gate)).sum();
        let mut sum: Option<Tensor> = None;
        for gate in gates {
            // Of all gates only the interface's can read its examples; any other ignores `gated`.
            let mut penalty = gate.penalty_of(gated, temperature)?;
            let mean = gate.config().map(|config| config.penalty) == Some(PenaltyReduction::Mean);
            if mean && count(gate) != all {
                penalty = (penalty * (count(gate) / all))?;
            }
            sum = Some(match sum {
                Some(sum) => (sum + penalty)?,
                None => penalty,
            });
        }
        Ok(sum)
    }

    /// Every trainable parameter: encoder's, its gates' as "gate.NAME.log_alpha", the interface gate's as
    /// "gate.log_alpha" (and a conditional gate's W as "gate.weight"), head's; names are unique.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut all = self.encoder.parameters();
        for (name, gate) in self.encoder.gates() {
            all.extend(gate_parameters(&format!("gate.{name}"), gate));
        }
        all.extend(gate_parameters("gate", &self.gate));
        all.extend(self.head.parameters());
        all
    }
}

/// log_alpha moves as gates do. W is a linear layer's weight: its learning rate is the head's.
fn gate_parameters(name: &str, gate: &Gate) -> Vec<Parameter> {
    let parameter = |what: &str, var: &Var, kind| Parameter {
        name: format!("{name}.{what}"),
        var: var.clone(),
        kind,
        part: Part::Gate,
    };
    let log_alpha = gate
        .log_alpha()
        .map(|var| parameter("log_alpha", var, ParameterKind::Gate));
    let weight = gate
        .weight()
        .map(|var| parameter("weight", var, ParameterKind::Weight));
    log_alpha.into_iter().chain(weight).collect()
}

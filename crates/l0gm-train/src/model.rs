//! The two traits a gated model is built from, an encoder and a head behind the gate, and the model itself.
use crate::loss_term::{LossTerm, sum_of_terms};
use crate::members::HeadOutput;
use candle_core::{Tensor, Var};
use l0gm_gate::{Gate, GateMode, Gated, Interface, PenaltyReduction, Temperature};
use l0gm_ops::Mode;
/// How the optimiser treats a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// Weights of layers, which decay.
    Weight,
    /// Biases and normalisation parameters, which do not decay.
    NoDecay,
    /// Gate parameters, which have their own learning rate and do not decay.
    Gate,
    /// Numbers that the optimiser leaves alone: they were fitted before training, are fitted on the validation rows
    /// ([`Head::fit_on_validation`]), or say what a fixed gate leaves open. Checkpoints keep them.
    Fixed,
}
/// The part of the model to which a parameter belongs. The encoder may have its own learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The encoder, before the interface.
    Encoder,
    /// A gate.
    Gate,
    /// The head, after the gate.
    Head,
}
/// A trainable tensor with a stable name.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The name by which checkpoints find the parameter. It must be unique and must not change.
    pub name: String,
    /// The trainable tensor itself.
    pub var: Var,
    /// How the optimiser treats it.
    pub kind: ParameterKind,
    /// The part of the model to which it belongs.
    pub part: Part,
}
/// Everything before the interface. Implement this trait for a backbone of your own.
pub trait Encoder {
    /// The input that a batch provides.
    type Input;
    /// The shape of what `encode` returns, without the batch dimension.
    fn interface(&self) -> Interface;
    /// Computes the representation r: (batch, dim) or (batch, fields, dim).
    fn encode(&self, input: &Self::Input, mode: &mut Mode<'_>) -> candle_core::Result<Tensor>;
    /// Every trainable parameter except those of [`gates`](Self::gates).
    fn parameters(&self) -> Vec<Parameter>;
    /// The encoder's own gates below the interface (granularity fine), each with a stable name. Default: none.
    fn gates(&self) -> Vec<(&str, &Gate)> {
        Vec::new()
    }
    /// Whether the modality's compaction removes what [`gates`](Self::gates) close. Default: it does not.
    fn compacts_gates(&self) -> bool {
        false
    }
    /// Like [`encode`](Self::encode), but with the encoder's own gates applied; the model calls this one. An encoder
    /// with gates implements this method and uses `encode` for the ungated evaluation.
    fn encode_gated(
        &self,
        input: &Self::Input,
        _gating: Gating,
        mode: &mut Mode<'_>,
    ) -> crate::Result<Tensor> {
        Ok(self.encode(input, mode)?)
    }
}
/// How gates behave in one forward pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gating {
    /// In training, z is sampled at this temperature. In evaluation, z is deterministic all the same.
    Sampled(Temperature),
    /// z is deterministic at each gate's own temperature, in evaluation and also in training once the gates have
    /// settled on a target.
    Deterministic,
}
impl Gating {
    /// The mode in which to call a gate when the layers around it run in `mode`.
    pub fn mode<'a>(&self, mode: &'a mut Mode<'_>) -> GateMode<'a> {
        match self {
            Gating::Sampled(temperature) => GateMode::of(mode, *temperature),
            Gating::Deterministic => GateMode::Eval,
        }
    }
}
/// The result of one forward pass.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Logits, (batch, classes).
    pub logits: Tensor,
    /// Logits of each member of the head, (batch, members, classes); `None` for a head with a single member.
    pub members: Option<Tensor>,
    /// The interface gate's result for the batch. A conditional gate's penalty and active fraction are computed from
    /// it.
    pub gated: Gated,
}
/// Everything after the gate. It also receives the raw input, for a linear branch that bypasses the gate (eq. 20).
pub trait Head<Input> {
    /// Number of classes.
    fn classes(&self) -> usize;
    /// Computes the logits, (batch, classes). A binary model with one logit l returns [0, l].
    fn logits(
        &self,
        gated: &Tensor,
        input: &Input,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor>;
    /// Like [`logits`](Self::logits), with the members' own logits for a head that has several. Such a head implements
    /// this method and averages the members in `logits`. Default: a single member.
    fn output(
        &self,
        gated: &Tensor,
        input: &Input,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<HeadOutput> {
        Ok(HeadOutput::single(self.logits(gated, input, mode)?))
    }
    /// The weights that read the interface and whose column j belongs to its dimension j alone, (outputs, width) each.
    /// Methods that remove dimensions rank them by these. Columns may be fewer than the interface's dimensions. Default:
    /// none are known.
    fn readers(&self) -> Vec<Var> {
        Vec::new()
    }
    /// Whether the logits depend on the raw input beside the interface, in which they are then linear. Default: true, which
    /// is always right and only costs mixup a second pass.
    fn reads_input(&self) -> bool {
        true
    }
    /// Every trainable parameter of the head.
    fn parameters(&self) -> Vec<Parameter>;
    /// What the task loss of a training batch is made of, from its forward pass in training. Class weights, smoothed
    /// labels and a teacher act on every term. Default: the logits or, with several members, those of each.
    fn loss_terms(&self, forward: &Forward) -> candle_core::Result<Vec<LossTerm>> {
        let logits = forward.members.as_ref().unwrap_or(&forward.logits);
        Ok(vec![LossTerm::whole(logits.clone())])
    }
    /// The task loss of a training batch, a scalar, from its forward pass in training and its labels, (batch,) u32.
    /// Default: the sum of the [`loss_terms`](Self::loss_terms), which is right for every sum of cross-entropies.
    fn loss(&self, forward: &Forward, labels: &Tensor) -> candle_core::Result<Tensor> {
        sum_of_terms(&self.loss_terms(forward)?, labels)
    }
    /// Whether the head has numbers that are fitted on the validation rows rather than by the optimiser.
    fn is_fitted_on_validation(&self) -> bool {
        false
    }
    /// Fits those numbers, from the gated representations of all validation rows and their labels, (rows,) u32. Called
    /// before each validation and never with training or test rows. Default: there are none.
    ///
    /// # Errors
    /// A tensor operation fails.
    fn fit_on_validation(&self, _gated: &Tensor, _labels: &[u32]) -> candle_core::Result<()> {
        Ok(())
    }
}
/// Encoder, gate and head. A dense model has the identity gate.
#[derive(Debug)]
pub struct GatedModel<E, H> {
    /// Everything before the interface.
    pub encoder: E,
    /// The gate on the interface.
    pub gate: Gate,
    /// Everything after the gate.
    pub head: H,
}
impl<E: Encoder, H: Head<E::Input>> GatedModel<E, H> {
    /// The logits of a batch in evaluation: (batch, classes).
    pub fn logits(&self, input: &E::Input) -> crate::Result<Tensor> {
        Ok(self.evaluate(input)?.logits)
    }

    /// Runs a batch in evaluation: without dropout, with deterministic gates at their own temperature.
    pub fn evaluate(&self, input: &E::Input) -> crate::Result<Forward> {
        self.forward(input, Gating::Deterministic, &mut Mode::Eval)
    }

    /// Runs a batch through encoder, gates and head.
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

    /// The second part of [`forward`](Self::forward), starting from the interface `r`: the encoder's (gated) output
    /// for `input`, possibly perturbed.
    pub fn forward_from(
        &self,
        r: &Tensor,
        input: &E::Input,
        gating: Gating,
        mode: &mut Mode<'_>,
    ) -> crate::Result<Forward> {
        let gated = self.gate.pass(r, gating.mode(mode))?;
        let HeadOutput { logits, members } = self.head.output(&gated.value, input, mode)?;
        Ok(Forward {
            logits,
            members,
            gated,
        })
    }

    /// Every gate except the identity: those below the interface first, then the interface's. Empty for a dense
    /// model.
    pub fn gates(&self) -> Vec<&Gate> {
        let below = self.encoder.gates().into_iter().map(|(_, gate)| gate);
        below
            .chain([&self.gate])
            .filter(|gate| !gate.is_identity())
            .collect()
    }

    /// The gates that training moves: all of [`gates`](Self::gates) but those that are fixed.
    pub fn trained_gates(&self) -> Vec<&Gate> {
        let mut gates = self.gates();
        gates.retain(|gate| !gate.is_fixed());
        gates
    }

    /// Checks that compaction can fold the gate away. That requires a gate on the interface that is the same for
    /// every example. A dense model passes as well.
    ///
    /// # Errors
    /// Says which gates prevent it, and what to train instead.
    pub fn check_compactable(&self) -> crate::Result<()> {
        let what = if self.gate.is_conditional() {
            "a conditional gate decides for each example anew and reads the whole representation for it"
        } else if !self.encoder.gates().is_empty() && !self.encoder.compacts_gates() {
            "fine gates stand below the interface, where compaction cannot drop what they close"
        } else {
            return Ok(());
        };
        Err(crate::Error::Task(format!(
            "this model has no compact form: {what}; train gates of kind static or per-example and granularity \
             interface or group"
        )))
    }

    /// Expected L0 over all trained gates together (a sum or a mean, as configured). `None` where there are none.
    pub fn penalty(
        &self,
        gated: &Gated,
        temperature: Temperature,
    ) -> crate::Result<Option<Tensor>> {
        let gates = self.trained_gates();
        let count = |gate: &Gate| gate.log_alpha().map_or(0, |var| var.elem_count()) as f64;
        let all: f64 = gates.iter().map(|gate| count(gate)).sum();
        let mut sum: Option<Tensor> = None;
        for gate in gates {
            // Only the interface's gate can be conditional; all other gates ignore `gated`.
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

    /// Every trainable parameter, under unique names: the encoder's; its gates' as "gate.NAME.log_alpha"; the
    /// interface gate's as "gate.log_alpha" (and a conditional gate's W as "gate.weight"); the head's.
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

/// `log_alpha` has the gates' learning rate, or none if the gate is fixed. W is the weight of a linear layer and has the
/// head's.
fn gate_parameters(name: &str, gate: &Gate) -> Vec<Parameter> {
    let parameter = |what: &str, var: &Var, kind| Parameter {
        name: format!("{name}.{what}"),
        var: var.clone(),
        kind,
        part: Part::Gate,
    };
    let kind = match gate.is_fixed() {
        true => ParameterKind::Fixed,
        false => ParameterKind::Gate,
    };
    let log_alpha = gate
        .log_alpha()
        .map(|var| parameter("log_alpha", var, kind));
    let weight = gate
        .weight()
        .map(|var| parameter("weight", var, ParameterKind::Weight));
    log_alpha.into_iter().chain(weight).collect()
}

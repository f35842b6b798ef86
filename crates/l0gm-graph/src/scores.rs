//! Class scores in the interface: what two logistic regressions say about a node, one from its own attributes and one
//! from the means of the attributes around it. They are a straight path from the raw attributes to the gate, so that a
//! network need not find again what a linear model knows.
//!
//! The regressions are fitted before training, with penalties chosen on the validation nodes, and do not change in it.
//! [`start`](crate::start) fits them.

use crate::input::DTYPE;
use crate::propagation::{Messages, Receivers};
use crate::{GraphInput, GraphTensors};
use candle_core::{Device, Result, Tensor, Var};
use l0gm_ops::{add_bias, csr_matmul};
use l0gm_train::{Parameter, ParameterKind, Part};
use serde::{Deserialize, Serialize};

/// The attributes that a linear model reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reach {
    /// The node's own attributes.
    Own,
    /// The means of the attributes of all nodes within two steps.
    TwoHops,
}

impl Reach {
    /// Both, in the order of their channels.
    pub(crate) const ALL: [Self; 2] = [Self::Own, Self::TwoHops];

    /// The name in checkpoints and notes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::TwoHops => "two-hop",
        }
    }

    /// What this reach makes of H of every node, (nodes, width): H itself, or P (P H) with P the average over a node and
    /// its neighbours.
    pub(crate) fn around(self, graph: &GraphTensors, of_all: &Tensor) -> Result<Tensor> {
        match self {
            Self::Own => Ok(of_all.clone()),
            Self::TwoHops => csr_matmul(graph.mean(), &csr_matmul(graph.mean(), of_all)?),
        }
    }

    /// Floating-point operations of scores with this weight, (outputs, features), for all nodes.
    pub(crate) fn flops(self, nodes: usize, entries: usize, weight: &Tensor) -> usize {
        let averages = match self {
            Self::Own => 0,
            Self::TwoHops => 2 * entries * weight.dim(0).unwrap_or_default(),
        };
        2 * (nodes * weight.elem_count() + averages)
    }
}

/// The scores W x + b of one regression, each centred over the training nodes.
#[derive(Clone, Debug)]
pub(crate) struct Scores {
    pub(crate) reach: Reach,
    /// (outputs, features).
    pub(crate) weight: Var,
    /// (outputs,).
    pub(crate) bias: Var,
}

impl Scores {
    /// Scores that are 0 for every node, until a fitted regression is put into them.
    pub(crate) fn new(
        reach: Reach,
        outputs: usize,
        features: usize,
        device: &Device,
    ) -> Result<Self> {
        Ok(Self {
            reach,
            weight: Var::zeros((outputs, features), DTYPE, device)?,
            bias: Var::zeros(outputs, DTYPE, device)?,
        })
    }

    /// The scores of the wanted nodes: (wanted, outputs).
    pub(crate) fn of(&self, input: &GraphInput, sparse: bool) -> Result<Tensor> {
        let (weight, bias) = (
            self.weight.as_detached_tensor(),
            self.bias.as_detached_tensor(),
        );
        scores(self.reach, &weight, &bias, input, sparse)
    }

    /// Number of scores.
    pub(crate) fn outputs(&self) -> usize {
        self.bias.elem_count()
    }

    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        let named = |name: &str, var: &Var| Parameter {
            name: format!("encoder.scores.{}.{name}", self.reach.name()),
            var: var.clone(),
            kind: ParameterKind::Fixed,
            part: Part::Encoder,
        };
        vec![named("weight", &self.weight), named("bias", &self.bias)]
    }
}

/// W x + b of the wanted nodes, where x is what `reach` makes of the attributes: (wanted, outputs). The weight is
/// (outputs, features). It is applied first, because averaging a few scores takes less time than averaging attributes.
pub(crate) fn scores(
    reach: Reach,
    weight: &Tensor,
    bias: &Tensor,
    input: &GraphInput,
    sparse: bool,
) -> Result<Tensor> {
    let messages = Messages::raw(input, sparse)?;
    let wanted = Receivers::of(input, true);
    let scores = match reach {
        Reach::Own => messages.own_times(&wanted, weight)?,
        Reach::TwoHops => wanted.rows(&reach.around(&input.graph, &messages.times(weight)?)?)?,
    };
    add_bias(&scores, bias)
}

//! The deep branch of a compact model, with its members if there are several.

use crate::deep::outputs_of_members;
use candle_core::Tensor;
use l0gm_gate::LinearLayer;

/// The deep branch of a compact table: its hidden layers without closed inputs.
#[derive(Clone, Debug)]
pub(super) struct CompactDeep {
    /// Weights of the first layer, (units, open); `None` if nothing is open.
    pub(super) first: Option<Tensor>,
    /// Bias of the first layer, (units,).
    pub(super) first_bias: Tensor,
    pub(super) hidden: Vec<LinearLayer>,
    pub(super) output: CompactOutput,
}

/// The output layer of the deep branch.
#[derive(Clone, Debug)]
pub(super) enum CompactOutput {
    /// Weights of a single member, (outputs, units).
    Single(Tensor),
    /// What several members do not share.
    Members(CompactMembers),
}

/// The factors and output layers of the members.
#[derive(Clone, Debug)]
pub(super) struct CompactMembers {
    /// Factors on the open dimensions, (members, open); `None` if nothing is open.
    pub(super) adapter: Option<Tensor>,
    /// Output weights, (members, units) for each output.
    pub(super) weights: Vec<Tensor>,
    /// Output biases, (members * outputs,).
    pub(super) bias: Tensor,
}

impl CompactDeep {
    /// Whether there are several members.
    pub(super) fn has_members(&self) -> bool {
        matches!(self.output, CompactOutput::Members(_))
    }

    /// From (rows, open), or `None` if nothing is open, to (rows, outputs), or to (rows, members, outputs) with several
    /// members.
    pub(super) fn forward(&self, x: Option<&Tensor>, rows: usize) -> candle_core::Result<Tensor> {
        let (x, rows) = match &self.output {
            CompactOutput::Single(_) => (x.cloned(), rows),
            CompactOutput::Members(members) => {
                let rows = rows * members.count();
                (members.inputs(x)?, rows)
            }
        };
        let first = match (&self.first, &x) {
            (Some(weight), Some(x)) => l0gm_ops::linear(x, weight, Some(&self.first_bias))?,
            // If every dimension is closed, the first layer gives its bias.
            _ => self.first_bias.unsqueeze(0)?.repeat((rows, 1))?,
        };
        // candle's own rectifier waits for its threads in a loop, which takes longer than the rest of a batch where
        // other programs use the cores too.
        let mut x = l0gm_ops::relu(&first)?;
        for layer in &self.hidden {
            x = l0gm_ops::relu(&l0gm_ops::linear(&x, &layer.weight, layer.bias.as_ref())?)?;
        }
        match &self.output {
            CompactOutput::Single(weight) => l0gm_ops::linear(&x, weight, None),
            CompactOutput::Members(members) => {
                outputs_of_members(&x, members.weights.iter(), &members.bias)
            }
        }
    }
}

impl CompactMembers {
    /// Number of members.
    pub(super) fn count(&self) -> usize {
        self.bias.elem_count() / self.weights.len()
    }

    /// Each member's own input, (rows * members, open), from (rows, open).
    fn inputs(&self, x: Option<&Tensor>) -> candle_core::Result<Option<Tensor>> {
        let (Some(adapter), Some(x)) = (&self.adapter, x) else {
            return Ok(None);
        };
        let scaled = l0gm_ops::scale_members(x, adapter)?;
        let (rows, members, open) = scaled.dims3()?;
        scaled.reshape((rows * members, open)).map(Some)
    }
}

//! Gates below the interface (granularity fine): one an entry of the embedding tables, which all rows that look
//! the entry up share. A category's entries are its embedding; a number's are the embeddings at its bins'
//! edges, between which a value's is interpolated.

use crate::encoding::Encoding;
use crate::settings::NumberEncoding;
use crate::task::NumberInput;
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use l0gm_gate::{Gate, GateConfig, Interface, Schedule};
use l0gm_ops::Mode;
use l0gm_ops::embedding;
use l0gm_train::Gating;

/// The gates of both tables.
#[derive(Clone, Debug)]
pub(crate) struct FineGates {
    /// On (category rows, dim).
    pub(crate) categories: Option<Gate>,
    /// On (edges and missing rows of all number fields, dim).
    pub(crate) numbers: Option<NumberGates>,
}

/// The number table is blocked: fields of fewer bins leave rows unused, which have no gate.
#[derive(Clone, Debug)]
pub(crate) struct NumberGates {
    pub(crate) gate: Gate,
    /// (table rows,) u32: the gates' row of each table row. An unused row has its field's first; it is looked
    /// up with weight 0 alone.
    rows: Tensor,
}

impl FineGates {
    /// Open as `config` says, to be trained by `schedule`.
    ///
    /// # Errors
    /// Where numbers are encoded without a table, or the gate refuses its settings.
    pub(crate) fn new(
        encoding: &Encoding,
        dim: usize,
        config: &GateConfig,
        schedule: &Schedule,
        device: &Device,
    ) -> Result<Self> {
        let gate = |rows: usize| {
            let interface = Interface::Fields { fields: rows, dim };
            Gate::new(interface, config, schedule, device)
        };
        let categories = if encoding.categories.is_empty() {
            None
        } else {
            Some(gate(encoding.category_rows())?)
        };
        let numbers = if encoding.numbers.is_empty() {
            None
        } else {
            check_numbers(encoding.kind)?;
            let block = encoding.rows_per_number();
            let (mut rows, mut next) = (Vec::new(), 0u32);
            for field in &encoding.numbers {
                // The row for missing, then one an edge.
                let used = field.edges.len() + 1;
                let first = next;
                for row in 0..block {
                    rows.push(if row < used {
                        first + row as u32
                    } else {
                        first
                    });
                }
                next += used as u32;
            }
            let count = rows.len();
            Some(NumberGates {
                gate: gate(next as usize)?,
                rows: Tensor::from_vec(rows, count, device)?,
            })
        };
        Ok(Self {
            categories,
            numbers,
        })
    }
}

/// Refuses an encoding of numbers that looks nothing up.
pub(crate) fn check_numbers(kind: NumberEncoding) -> Result<()> {
    if kind == NumberEncoding::PiecewiseLinear {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "gate.granularity is fine, a gate an entry of an embedding table, but encoding.numbers is {}, which has \
         no table; take piecewise-linear, or granularity interface or group",
        kind.name()
    )))
}

impl NumberGates {
    /// Points on the lines between two gated table rows each: (rows, fields, dim). `table`: (table rows, dim).
    pub(crate) fn interpolate(
        &self,
        table: &Tensor,
        input: &NumberInput,
        gating: Gating,
        mode: &mut Mode<'_>,
    ) -> l0gm_train::Result<Tensor> {
        let mut end = |ids: &Tensor, weight: &Tensor| -> l0gm_train::Result<Tensor> {
            let values = embedding(table, ids)?;
            let rows = self.rows.index_select(&ids.flatten_all()?, 0)?;
            let rows = rows.reshape(ids.shape())?;
            let gated = self.gate.forward_rows(&values, &rows, gating.mode(mode))?;
            Ok(gated.broadcast_mul(weight)?)
        };
        let lower = end(&input.lower, &input.rest)?;
        let upper = end(&input.upper, &input.position)?;
        Ok((lower + upper)?)
    }
}

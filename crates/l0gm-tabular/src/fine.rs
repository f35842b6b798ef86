//! Gates below the interface (granularity fine): one for each entry of the embedding tables, shared by all rows that
//! look it up. The entries of a category are its embedding. Those of a number are the embeddings at the edges of its
//! bins, between which a value's embedding is interpolated.

use crate::Result;
use crate::encoding::Encoding;
use crate::input::NumberInput;
use crate::settings::check_fine_numbers;
use candle_core::{Device, Tensor};
use l0gm_gate::{Gate, GateConfig, Interface, Schedule};
use l0gm_ops::Mode;
use l0gm_ops::embedding;
use l0gm_train::Gating;

/// The gates of both tables.
#[derive(Clone, Debug)]
pub(crate) struct FineGates {
    /// Gate on the category table, (category rows, dim).
    pub(crate) categories: Option<Gate>,
    /// Gate on the number table, (edges and missing rows of all number fields, dim).
    pub(crate) numbers: Option<NumberGates>,
}

/// The gate on the number table. The table is blocked, so fields with fewer bins leave rows unused; these have no
/// gate.
#[derive(Clone, Debug)]
pub(crate) struct NumberGates {
    pub(crate) gate: Gate,
    /// The row of the gate for each table row, (table rows,) u32. An unused table row has the first gate row of its
    /// field, and is only looked up with weight 0.
    rows: Tensor,
}

impl FineGates {
    /// Makes the gates; `config` gives how far they start open, and `schedule` trains them.
    ///
    /// # Errors
    /// Fails if numbers are encoded without a table, or if the gate refuses its settings.
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
            check_fine_numbers(encoding.kind)?;
            let block = encoding.rows_per_number();
            let (mut rows, mut next) = (Vec::new(), 0u32);
            for field in &encoding.numbers {
                // One row for missing cells, then one for each edge.
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

impl NumberGates {
    /// Interpolates between two gated table rows for each value: (rows, fields, dim). `table` is (table rows, dim).
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

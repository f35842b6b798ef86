//! Rebuilds the logistic regression of a finished run so that it can be timed.

use super::LogisticRegression;
use super::rows::some_rows;
use crate::{Result, TimedRun};
use candle_core::{Device, Tensor};
use l0gm_ops::Csr;
use std::path::Path;
use std::rc::Rc;

/// Which test rows are predicted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedRows {
    /// Batches of as many rows as are asked for.
    Batches,
    /// Always all rows, like the full-batch pass of a graph model beside it.
    All,
}

impl LogisticRegression {
    /// The model of the finished run `run_id` in `dir`, ready to be timed on the features of its test rows. A pass is
    /// the product with these features, on the CPU; how long they took to make belongs into
    /// [`TimedRun::preparation`].
    ///
    /// # Errors
    /// The run kept no model, or its file is damaged.
    pub fn timed(dir: &Path, run_id: &str, features: Csr, rows: TimedRows) -> Result<TimedRun> {
        let model = Self::read(dir, run_id)?;
        let count = features.rows() as u32;
        let plan = move |size: usize| {
            let all: Vec<u32> = (0..count).collect();
            match rows {
                TimedRows::Batches => all.chunks(size.max(1)).map(<[u32]>::to_vec).collect(),
                TimedRows::All => vec![all],
            }
        };
        let gather = move |rows: &[u32]| some_rows(&features, rows);
        let model = Rc::new(model);
        let pass = move |rows: &Csr| {
            let logits = model.logits(rows)?;
            let shape = (rows.rows(), model.classes());
            Ok(Tensor::from_vec(logits, shape, &Device::Cpu)?)
        };
        let mut timed = TimedRun::of_passes(plan, gather, pass);
        timed.notes.push(
            "logistic regression: the time is that of the product with features at hand, on the CPU"
                .to_owned(),
        );
        Ok(timed)
    }
}

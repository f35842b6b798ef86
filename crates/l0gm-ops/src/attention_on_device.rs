//! Attention on a device with kernels; the formulas are in [`crate::attention`]. One block of threads per query (per
//! key for dK and dV) walks over the other side in tiles. Weights are recomputed wherever they are needed from two
//! numbers per query, so nothing of size length^2 is ever stored.

use crate::attention::Attention;
use crate::device::{Call, Fresh, OnDevice, if_tracked};
use crate::rng::drop_threshold;
use candle_core::{Result, Tensor};

/// The largest unscaled q.k and the inverse sum of each query, each (batch * heads * length,).
struct Rows {
    largest: Tensor,
    inverse: Tensor,
}

impl Attention {
    /// Number of tasks: one per example and head.
    fn tasks(&self) -> usize {
        self.sizes.batch * self.sizes.heads
    }

    /// Passes the sizes and the scale of the scores, which every attention kernel takes.
    fn pass_sizes(&self, call: Call) -> Call {
        let s = &self.sizes;
        let call = call.size(s.length).size(s.keys).size(s.heads).size(s.dim);
        call.real(s.scale())
    }

    fn pass_noise(&self, call: Call) -> Call {
        match &self.noise {
            Some((p, noise)) => {
                let (key, first) = noise.state();
                let call = call.bits(key).bits(first).bits(drop_threshold(*p));
                call.real(1.0 / (1.0 - p))
            }
            // No draw is below 0, so everything is kept.
            None => call.bits(0).bits(0).bits(0).real(1.0),
        }
    }

    fn rows(&self, q: &Tensor, k: &Tensor) -> Result<Rows> {
        let n = self.tasks() * self.sizes.length;
        let call = Call::new("attention_rows", q).read(q).read(k);
        let call = call.read_or_null(self.mask.as_ref()).write(n).write(n);
        let [largest, inverse] = self.pass_sizes(call).blocks(n)?;
        Ok(Rows {
            largest: largest.tensor(),
            inverse: inverse.tensor(),
        })
    }

    /// A call with the first arguments that all kernels but the first have in common.
    fn call(&self, kernel: &'static str, x: &[Tensor], rows: &Rows) -> Call {
        let call = Call::new(kernel, &x[0]).read(&x[0]).read(&x[1]).read(&x[2]);
        let call = call.read_or_null(self.mask.as_ref());
        call.read(&rows.largest).read(&rows.inverse)
    }
}

impl OnDevice for Attention {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let rows = self.rows(&x[0], &x[1])?;
        let call = self.call("attention_forward", x, &rows).write(x[0].shape());
        let call = self.pass_noise(self.pass_sizes(call));
        let [y] = call.blocks(self.tasks() * self.sizes.length)?;
        Ok(y)
    }

    fn backward(&self, x: &[Tensor], y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let s = &self.sizes;
        let queries = self.tasks() * s.length;
        let rows = self.rows(&x[0], &x[1])?;
        let call = Call::new("attention_row_dots", dy)
            .read(y)
            .read(dy)
            .write(queries);
        let call = call.size(s.length).size(s.heads).size(s.dim);
        let [dots] = call.size(queries).each(queries)?;
        let dots = dots.tensor();
        let dq = if_tracked(&x[0], || {
            let call = self
                .call("attention_backward_q", x, &rows)
                .read(&dots)
                .read(dy);
            let call = self.pass_noise(self.pass_sizes(call.write(x[0].shape())));
            let [dq] = call.blocks(queries)?;
            Ok(dq.tensor())
        })?;
        if !x[1].track_op() && !x[2].track_op() {
            return Ok(vec![dq, None, None]);
        }
        let call = self
            .call("attention_backward_kv", x, &rows)
            .read(&dots)
            .read(dy);
        let call = call.write(x[1].shape()).write(x[2].shape());
        let call = self.pass_noise(self.pass_sizes(call));
        let [dk, dv] = call.blocks(self.tasks() * s.keys)?;
        Ok(vec![
            dq,
            if_tracked(&x[1], || Ok(dk.tensor()))?,
            if_tracked(&x[2], || Ok(dv.tensor()))?,
        ])
    }
}

//! Message passing: the product of what is gathered around a node and a weight, in the cheaper order, for all nodes or
//! only for the wanted ones, and with what is gathered of X computed only once. `convolution/` holds the equations;
//! this file makes them fast.

use crate::GraphInput;
use crate::gathering::Gathering;
use crate::input::DTYPE;
use candle_core::{Device, Result, Tensor};
use l0gm_ops::{SparseMatrix, add_bias, csr_matmul, embedding, linear};

/// The input of a layer: H of every node, and what was gathered of it if that is known already.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    /// H of every node, (nodes, width); `None` for features that are stored without their zeros.
    h: Option<Tensor>,
    /// What one way of gathering makes of H for every node, (nodes, width).
    gathered: Option<(Gathering, Tensor)>,
    /// H without its zeros, if it is to be multiplied that way.
    sparse: Option<SparseMatrix>,
}

/// The nodes for which a layer is computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receivers<'a> {
    input: &'a GraphInput,
    /// Whether only the wanted nodes receive, and not all.
    wanted: bool,
}

impl<'a> Receivers<'a> {
    /// The wanted nodes in the `last` layer and every node in earlier layers, because each may be a neighbour of a
    /// neighbour.
    pub(crate) fn of(input: &'a GraphInput, last: bool) -> Self {
        Self {
            input,
            wanted: last,
        }
    }

    /// The receivers' rows of the matrix by which `by` gathers: receivers x nodes.
    pub(crate) fn adjacency(&self, by: Gathering) -> Result<&'a SparseMatrix> {
        match self.wanted {
            true => self.input.rows.adjacency(by, &self.input.graph),
            false => self.input.graph.adjacency(by),
        }
    }

    /// Selects the receivers' rows of a (nodes, width) tensor.
    pub(crate) fn rows(&self, of_all: &Tensor) -> Result<Tensor> {
        match self.wanted {
            true => embedding(of_all, self.input.rows.ids()),
            false => Ok(of_all.clone()),
        }
    }
}

impl Messages {
    /// Messages from H of every node, (nodes, width).
    pub(crate) fn new(h: Tensor) -> Self {
        Self {
            h: Some(h),
            gathered: None,
            sparse: None,
        }
    }

    /// X, with nothing gathered of it.
    pub(crate) fn raw(input: &GraphInput, sparse: bool) -> Result<Self> {
        Ok(Self {
            h: input.graph.features().ok().cloned(),
            gathered: None,
            sparse: match sparse || input.graph.is_sparse() {
                true => input.graph.sparse()?,
                false => None,
            },
        })
    }

    /// H⁽⁰⁾ = X, with what `by` gathers of it. No weight precedes that, so it is computed once for a graph. If X is
    /// mostly 0 and `sparse` asks for it, or if it is stored without its zeros, X stays as it is and is multiplied
    /// without its zeros, because what is gathered has far more entries.
    pub(crate) fn features(
        input: &GraphInput,
        by: Option<Gathering>,
        sparse: bool,
    ) -> Result<Self> {
        let raw = Self::raw(input, sparse)?;
        match (&raw.sparse, by) {
            // The largest values are gathered of features that are written out.
            (Some(_), Some(Gathering::Max)) if raw.h.is_some() => {}
            (Some(_), _) | (None, None | Some(Gathering::Own)) => return Ok(raw),
            (None, Some(_)) => {}
        }
        let by = by.unwrap_or(Gathering::Own);
        let x = input.graph.features()?.clone();
        Ok(Self::with_gathered(x, by, input.graph.gathered(by)?))
    }

    /// Messages from H and what `by` gathers of it.
    pub(crate) fn with_gathered(h: Tensor, by: Gathering, gathered: Tensor) -> Self {
        Self {
            h: Some(h),
            gathered: Some((by, gathered)),
            sparse: None,
        }
    }

    /// The same messages with the zeros of features written out, for a layer that has fewer `inputs` than channels: they
    /// then take less room than its output.
    pub(crate) fn written_out(&self, inputs: usize, device: &Device) -> Result<Self> {
        match (&self.h, &self.sparse) {
            (None, Some(matrix)) => {
                let identity = Tensor::eye(inputs, DTYPE, device)?;
                Ok(Self::new(csr_matmul(matrix, &identity)?))
            }
            _ => Ok(self.clone()),
        }
    }

    /// H of every node.
    fn h(&self) -> Result<&Tensor> {
        match &self.h {
            Some(h) => Ok(h),
            None => candle_core::bail!(
                "features stored without their zeros can only be multiplied: neither a maximum over neighbours \
                 (encoder \"sage-max\") nor a residual connection can read them"
            ),
        }
    }

    pub(crate) fn into_h(self) -> Result<Tensor> {
        Ok(self.h()?.clone())
    }

    /// H of the receivers: (receivers, width).
    pub(crate) fn own(&self, to: &Receivers<'_>) -> Result<Tensor> {
        to.rows(self.h()?)
    }

    /// What the receivers gather of H: (receivers, width).
    pub(crate) fn gather(&self, by: Gathering, to: &Receivers<'_>) -> Result<Tensor> {
        match &self.gathered {
            Some((known, gathered)) if *known == by => to.rows(gathered),
            _ if by == Gathering::Own => self.own(to),
            _ => by.of(to.adjacency(by)?, self.h()?),
        }
    }

    /// What the receivers gather of H, times Wᵀ, plus b: (receivers, out). The weight is (out, width), the bias (out,).
    /// The sparse product uses the narrower side where the order is free.
    pub(crate) fn convolve(
        &self,
        by: Gathering,
        to: &Receivers<'_>,
        weight: &Tensor,
        bias: &Tensor,
    ) -> Result<Tensor> {
        if by == Gathering::Own {
            return add_bias(&self.own_times(to, weight)?, bias);
        }
        let adjacency = to.adjacency(by)?;
        let known = matches!(&self.gathered, Some((known, _)) if *known == by);
        if known || !by.is_linear() || (self.sparse.is_none() && gathers_first(adjacency, weight)?)
        {
            return linear(&self.gather(by, to)?, weight, Some(bias));
        }
        add_bias(&csr_matmul(adjacency, &self.times(weight)?)?, bias)
    }

    /// H Wᵀ of every node: (nodes, out). The weight is (out, width).
    pub(crate) fn times(&self, weight: &Tensor) -> Result<Tensor> {
        match &self.sparse {
            Some(matrix) => csr_matmul(matrix, &weight.t()?.contiguous()?),
            None => linear(self.h()?, weight, None),
        }
    }

    /// H Wᵀ of the receivers: (receivers, out). The weight is (out, width).
    pub(crate) fn own_times(&self, to: &Receivers<'_>, weight: &Tensor) -> Result<Tensor> {
        match &self.sparse {
            Some(_) => to.rows(&self.times(weight)?),
            None => linear(&self.own(to)?, weight, None),
        }
    }
}

/// Whether (Â H) Wᵀ needs fewer multiplications than Â (H Wᵀ).
fn gathers_first(adjacency: &SparseMatrix, weight: &Tensor) -> Result<bool> {
    let (out, inputs) = weight.dims2()?;
    let matrix = adjacency.matrix();
    let (rows, columns, entries) = (matrix.rows(), matrix.columns(), matrix.values().len());
    let weight_first = columns * inputs * out + entries * out;
    let graph_first = entries * inputs + rows * inputs * out;
    Ok(graph_first <= weight_first)
}

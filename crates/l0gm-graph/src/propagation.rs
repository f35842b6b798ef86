//! Message passing for a GCN layer: the product Â H Wᵀ of eq. 2, in the cheaper order, for all nodes or only for the
//! wanted ones, and with Â X computed only once. `gcn.rs` holds the equation; this file makes it fast.

use crate::GraphInput;
use candle_core::{Result, Tensor};
use l0gm_ops::{SparseMatrix, add_bias, csr_matmul, embedding, linear};

/// The input of a layer: H of every node, and Â H if it has been computed already.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    /// H of every node, (nodes, width); `None` for features that are stored without their zeros.
    h: Option<Tensor>,
    /// Â H of every node, (nodes, width).
    aggregated: Option<Tensor>,
    /// H without its zeros, if it is to be multiplied that way.
    sparse: Option<SparseMatrix>,
}

/// The nodes for which a layer is computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receivers<'a> {
    /// The receivers' rows of Â: receivers x nodes.
    adjacency: &'a SparseMatrix,
    /// The receivers' numbers; `None` if all nodes receive.
    ids: Option<&'a Tensor>,
}

impl<'a> Receivers<'a> {
    /// The wanted nodes in the `last` layer and every node in earlier layers, because each may be a neighbour of a
    /// neighbour.
    pub(crate) fn of(input: &'a GraphInput, last: bool) -> Self {
        match last {
            true => Self {
                adjacency: input.rows.propagation(),
                ids: Some(input.rows.ids()),
            },
            false => Self {
                adjacency: input.graph.propagation(),
                ids: None,
            },
        }
    }

    /// Selects the receivers' rows of a (nodes, width) tensor.
    pub(crate) fn rows(&self, of_all: &Tensor) -> Result<Tensor> {
        match self.ids {
            Some(ids) => embedding(of_all, ids),
            None => Ok(of_all.clone()),
        }
    }
}

impl Messages {
    /// Messages from H of every node, (nodes, width).
    pub(crate) fn new(h: Tensor) -> Self {
        Self {
            h: Some(h),
            aggregated: None,
            sparse: None,
        }
    }

    /// X, without Â X.
    pub(crate) fn raw(input: &GraphInput, sparse: bool) -> Result<Self> {
        Ok(Self {
            h: input.graph.features().ok().cloned(),
            aggregated: None,
            sparse: match sparse || input.graph.is_sparse() {
                true => input.graph.sparse()?,
                false => None,
            },
        })
    }

    /// H⁽⁰⁾ = X with Â X. No weight precedes Â X, so it is computed once for a graph. If X is mostly 0 and `sparse` asks
    /// for it, or if it is stored without its zeros, X stays as it is and is multiplied without its zeros, because Â X has far more entries.
    pub(crate) fn features(input: &GraphInput, sparse: bool) -> Result<Self> {
        let raw = Self::raw(input, sparse)?;
        match raw.sparse {
            Some(_) => Ok(raw),
            None => {
                let x = input.graph.features()?.clone();
                Ok(Self::with_aggregated(x, input.graph.propagated()?))
            }
        }
    }

    /// Messages from H and Â H.
    pub(crate) fn with_aggregated(h: Tensor, aggregated: Tensor) -> Self {
        Self {
            h: Some(h),
            aggregated: Some(aggregated),
            sparse: None,
        }
    }

    /// H of every node.
    fn h(&self) -> Result<&Tensor> {
        match &self.h {
            Some(h) => Ok(h),
            None => candle_core::bail!("features stored without their zeros are only multiplied"),
        }
    }

    pub(crate) fn into_h(self) -> Result<Tensor> {
        Ok(self.h()?.clone())
    }

    /// H of the receivers: (receivers, width).
    pub(crate) fn own(&self, to: &Receivers<'_>) -> Result<Tensor> {
        to.rows(self.h()?)
    }

    /// Â H: (receivers, width).
    pub(crate) fn aggregate(&self, to: &Receivers<'_>) -> Result<Tensor> {
        match &self.aggregated {
            Some(aggregated) => to.rows(aggregated),
            None => csr_matmul(to.adjacency, self.h()?),
        }
    }

    /// Â H Wᵀ + b: (receivers, out). The weight is (out, width), the bias (out,). The sparse product uses the
    /// narrower side.
    pub(crate) fn convolve(
        &self,
        to: &Receivers<'_>,
        weight: &Tensor,
        bias: &Tensor,
    ) -> Result<Tensor> {
        let aggregated = self.aggregated.is_some();
        if aggregated || (self.sparse.is_none() && aggregates_first(to.adjacency, weight)?) {
            return linear(&self.aggregate(to)?, weight, Some(bias));
        }
        add_bias(&csr_matmul(to.adjacency, &self.times(weight)?)?, bias)
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
fn aggregates_first(adjacency: &SparseMatrix, weight: &Tensor) -> Result<bool> {
    let (out, inputs) = weight.dims2()?;
    let matrix = adjacency.matrix();
    let (rows, columns, entries) = (matrix.rows(), matrix.columns(), matrix.values().len());
    let weight_first = columns * inputs * out + entries * out;
    let graph_first = entries * inputs + rows * inputs * out;
    Ok(graph_first <= weight_first)
}

//! What a compact layer does with the representations around a node. It is the trained layer's convolution, except that
//! attention reads vectors of the inputs' width and its heads may have lost channels.

use crate::convolution::{AttentionVectors, Convolution, attend, gathering_cost};
use crate::gathering::Gathering;
use crate::propagation::{Messages, Receivers};
use candle_core::{Result, Tensor};

/// A compact layer's kind.
#[derive(Clone, Debug)]
pub(super) enum CompactConvolution {
    /// Gathering without parameters.
    Gathered(Gathering),
    /// Attention. `widths` are the numbers of channels that each head has left; a head without any is gone.
    Attention {
        vectors: AttentionVectors,
        widths: Vec<usize>,
    },
}

impl CompactConvolution {
    /// Of a trained layer with this weight, (out, in).
    pub(super) fn of(trained: &Convolution, weight: &Tensor) -> Result<Self> {
        match (trained.gathering(), trained) {
            (Some(by), _) => Ok(Self::Gathered(by)),
            (None, Convolution::Gat(attention)) => {
                let vectors = attention.vectors(weight)?;
                let heads = attention.heads();
                Ok(Self::Attention {
                    vectors: AttentionVectors {
                        source: vectors.source.detach(),
                        target: vectors.target.detach(),
                    },
                    widths: vec![weight.dim(0)? / heads; heads],
                })
            }
            (None, _) => candle_core::bail!("this kind of layer has no compact form"),
        }
    }

    /// With other inputs; `columns` selects and scales the columns of a (rows, in) tensor.
    pub(super) fn reading(self, columns: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(match self {
            Self::Gathered(by) => Self::Gathered(by),
            Self::Attention { vectors, widths } => Self::Attention {
                vectors: AttentionVectors {
                    source: columns(&vectors.source)?,
                    target: columns(&vectors.target)?,
                },
                widths,
            },
        })
    }

    /// With these of the layer's channels alone.
    pub(super) fn with_rows(self, kept: &[u32]) -> Result<Self> {
        let Self::Attention { vectors, widths } = self else {
            return Ok(self);
        };
        let (mut heads, mut left, mut from) = (Vec::new(), Vec::new(), 0);
        for (head, width) in widths.iter().enumerate() {
            let range = from..from + *width as u32;
            let count = kept.iter().filter(|at| range.contains(at)).count();
            if count > 0 {
                heads.push(head as u32);
                left.push(count);
            }
            from = range.end;
        }
        let heads = Tensor::new(heads.as_slice(), vectors.source.device())?;
        Ok(Self::Attention {
            vectors: AttentionVectors {
                source: vectors.source.index_select(&heads, 0)?,
                target: vectors.target.index_select(&heads, 0)?,
            },
            widths: left,
        })
    }

    /// What the receivers get: (receivers, out). The weight is (out, in), the bias (out,).
    pub(super) fn forward(
        &self,
        h: &Messages,
        to: &Receivers<'_>,
        weight: &Tensor,
        bias: &Tensor,
    ) -> Result<Tensor> {
        match self {
            Self::Gathered(by) => h.convolve(*by, to, weight, bias),
            Self::Attention { vectors, widths } => attend(h, to, (weight, bias), vectors, widths),
        }
    }

    /// How the layer gathers; `None` for attention.
    pub(super) fn gathering(&self) -> Option<Gathering> {
        match self {
            Self::Gathered(by) => Some(*by),
            Self::Attention { .. } => None,
        }
    }

    /// Number of stored values besides the layer's weights.
    pub(super) fn parameters(&self) -> usize {
        match self {
            Self::Gathered(_) => 0,
            Self::Attention { vectors, .. } => {
                vectors.source.elem_count() + vectors.target.elem_count()
            }
        }
    }

    /// Multiply-adds of gathering for all nodes; `known` means that it is known already.
    pub(super) fn cost(
        &self,
        nodes: usize,
        entries: usize,
        widths: (usize, usize),
        known: bool,
    ) -> usize {
        let heads = match self {
            Self::Gathered(_) => 0,
            Self::Attention { widths, .. } => widths.len(),
        };
        gathering_cost(self.gathering(), heads, (nodes, entries), widths, known)
    }
}

//! Graph attention (Velickovic et al. 2018), with K heads of equal width whose outputs stand one after the other:
//!
//! ```text
//! s_vu = LeakyReLU(a_target · W h_v + a_source · W h_u),   u ∈ N(v) ∪ {v}
//! α_vu = softmax over u of s_vu
//! out_v = Σ_u α_vu W h_u + b
//! ```
//!
//! a · W h equals (Wᵀ a) · h, so the two parts of a score come from one vector of the inputs' width each. A compact
//! layer can therefore drop channels of W without changing the attention.

use crate::Result;
use crate::gathering::Gathering;
use crate::input::DTYPE;
use crate::propagation::{Messages, Receivers};
use candle_core::{Device, Tensor, Var};
use l0gm_ops::{Generator, add, add_bias, edge_softmax, edge_sum, embedding, relu};

/// Slope of the leaky ReLU below 0, as published.
const SLOPE: f64 = 0.2;

/// The attention of one layer: what each head makes of the two ends of an edge.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    /// a_source: (heads, width of a head).
    source: Var,
    /// a_target: (heads, width of a head).
    target: Var,
}

impl Attention {
    pub(super) fn new(
        heads: usize,
        width: usize,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self> {
        let each = width / heads;
        // Glorot-uniform, for a map from one head's channels to one number.
        let bound = (6.0 / (each + 1) as f64).sqrt();
        let mut vector = || -> Result<Var> {
            let values = generator.uniform_tensor((heads, each), -bound, bound, DTYPE, device)?;
            Ok(Var::from_tensor(&values)?)
        };
        Ok(Self {
            source: vector()?,
            target: vector()?,
        })
    }

    pub(crate) fn heads(&self) -> usize {
        self.source.dim(0).unwrap_or(1)
    }

    pub(crate) fn parameters(&self) -> Vec<(&'static str, &Var)> {
        vec![
            ("attention.source", &self.source),
            ("attention.target", &self.target),
        ]
    }

    /// Wᵀ a of every head, for a weight (out, in).
    pub(crate) fn vectors(&self, weight: &Tensor) -> candle_core::Result<AttentionVectors> {
        let (heads, each) = self.source.dims2()?;
        let inputs = weight.dim(1)?;
        let by_head = weight.reshape((heads, each, inputs))?;
        let of = |a: &Tensor| a.unsqueeze(1)?.matmul(&by_head)?.reshape((heads, inputs));
        Ok(AttentionVectors {
            source: of(&self.source)?,
            target: of(&self.target)?,
        })
    }
}

/// What each head reads of the inputs to score an edge.
#[derive(Clone, Debug)]
pub(crate) struct AttentionVectors {
    /// For the neighbour: (heads, in).
    pub(crate) source: Tensor,
    /// For the receiver: (heads, in).
    pub(crate) target: Tensor,
}

pub(super) fn forward(
    attention: &Attention,
    h: &Messages,
    to: &Receivers<'_>,
    weight: &Tensor,
    bias: &Tensor,
) -> candle_core::Result<Tensor> {
    let (heads, each) = attention.source.dims2()?;
    let vectors = attention.vectors(weight)?;
    attend(h, to, (weight, bias), &vectors, &vec![each; heads])
}

/// The attention's sums for the receivers: (receivers, out). The weight is (out, in), the bias (out,). `widths` says how
/// many rows of the weight belong to each head.
pub(crate) fn attend(
    h: &Messages,
    to: &Receivers<'_>,
    (weight, bias): (&Tensor, &Tensor),
    vectors: &AttentionVectors,
    widths: &[usize],
) -> candle_core::Result<Tensor> {
    // Â has an entry for each neighbour and for the node itself; its values play no part.
    let edges = to.adjacency(Gathering::Normalised)?;
    let (receiver, neighbour) = edges.entry_ids(weight.device())?;
    let of_neighbour = embedding(&h.times(&vectors.source)?, &neighbour)?; // (entries, heads)
    let of_receiver = embedding(&h.own_times(to, &vectors.target)?, &receiver)?;
    let scores = leaky_relu(&add(&of_neighbour, &of_receiver)?)?;
    let shares = edge_softmax(edges, &scores)?; // α: (entries, heads)
    let values = h.times(weight)?; // (nodes, out)
    let sums = match widths.split_first() {
        Some((first, rest)) if rest.iter().all(|width| width == first) => {
            edge_sum(edges, &shares, &values)?
        }
        _ => {
            let (mut parts, mut from) = (Vec::with_capacity(widths.len()), 0);
            for (head, &width) in widths.iter().enumerate() {
                let share = shares.narrow(1, head, 1)?.contiguous()?;
                let value = values.narrow(1, from, width)?.contiguous()?;
                parts.push(edge_sum(edges, &share, &value)?);
                from += width;
            }
            Tensor::cat(&parts, 1)?
        }
    };
    add_bias(&sums, bias)
}

/// x where x is positive, and a fifth of it elsewhere.
fn leaky_relu(x: &Tensor) -> candle_core::Result<Tensor> {
    (relu(x)? * (1.0 - SLOPE))? + (x * SLOPE)?
}

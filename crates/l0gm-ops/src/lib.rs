//! Differentiable, fused and seeded operations for candle.
//!
//! candle's fused norms and softmax have no backward pass, its CPU device cannot be seeded, and its optimiser has no
//! parameter groups and cannot be saved. This crate has the operations that a training loop needs instead. Each has
//! an exact gradient, and randomness comes from a seeded [`Generator`].

pub mod composed;

mod adamw;
mod add;
mod attention;
mod attention_on_device;
mod bias;
mod binary_cross_entropy;
mod check;
mod cross_entropy;
mod csr;
mod csr_copies;
mod csr_max;
#[doc(hidden)]
pub mod device;
mod dropout;
mod edge_softmax;
mod edge_sum;
mod embedding;
mod gelu;
mod hard_concrete;
mod interaction;
mod kernel;
mod layer_norm;
mod linear;
mod log_softmax;
mod mul;
mod norm;
mod open_probability;
mod packed_linear;
mod reduce;
mod relu;
mod reshape;
mod rms_norm;
mod rng;
mod scale_members;
mod segment;
mod silu;
mod softmax;
mod spmm;
mod tape;

pub use adamw::{AdamWSlot, AdamWStep, adamw_step, adamw_steps};
pub use add::add;
pub(crate) use add::sum_of;
pub use attention::attention;
pub use bias::add_bias;
pub use binary_cross_entropy::binary_cross_entropy;
pub use cross_entropy::cross_entropy;
pub use csr::{Csr, SparseMatrix, csr_matmul};
pub use csr_max::csr_max;
pub use dropout::dropout;
pub use edge_softmax::edge_softmax;
pub use edge_sum::edge_sum;
pub use embedding::embedding;
pub use gelu::{gelu, gelu_tanh};
pub use hard_concrete::{Stretch, hard_concrete};
pub use interaction::pairwise_interaction;
pub use layer_norm::layer_norm;
pub use linear::linear;
pub use log_softmax::{log_softmax, masked_log_softmax};
pub use mul::mul;
pub use norm::{squared_norm, squared_norms};
pub use open_probability::open_probability;
pub use packed_linear::PackedLinear;
pub use reduce::{mean, sum};
pub use relu::relu;
pub use reshape::reshape;
pub use rms_norm::rms_norm;
pub use rng::{Generator, Mode};
pub use scale_members::scale_members;
pub use segment::segment_sum;
pub use silu::silu;
pub use softmax::{masked_softmax, softmax};
pub use tape::Tape;

/// Compiles and runs the README's example as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

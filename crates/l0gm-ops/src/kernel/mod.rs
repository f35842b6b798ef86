//! What the fused CPU kernels share: access to a tensor's memory, the two float types with their
//! vectorisable functions, loops split into fixed chunks, and small matrix products.
//!
//! Two rules hold throughout. Work is cut into chunks whose size depends on the shapes alone, never
//! on the number of threads, so that a result is the same, bit for bit, however many threads there
//! are. And inner loops are plain Rust that the compiler vectorises, built once for each
//! instruction set by [`multiversion`](simd) and chosen at run time.

pub(crate) mod access;
#[cfg(test)]
mod accuracy_tests;
pub(crate) mod apply;
pub(crate) mod edges;
pub(crate) mod lanes;
pub(crate) mod pairs;
pub(crate) mod pointwise;
pub(crate) mod product;
pub(crate) mod real;
pub(crate) mod rows;
pub(crate) mod simd;

pub(crate) use access::{by_dtype, fused, owned, read, slice, tensor};
pub(crate) use apply::{apply1, apply2, apply3};
pub(crate) use product::{Operand, product, product_of};
pub(crate) use real::Real;
pub(crate) use simd::multiversion;

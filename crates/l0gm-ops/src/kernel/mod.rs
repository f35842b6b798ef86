//! The shared parts of the fused CPU kernels: access to a tensor's memory, the two float types with their
//! vectorisable functions, loops that are cut into fixed chunks, and small matrix products.
//!
//! Two rules hold everywhere. First, work is cut into chunks whose size depends only on the shapes and never on the
//! number of threads, so that a result is the same, bit for bit, for any number of threads. Second, inner loops are
//! plain Rust that the compiler vectorises. They are built once for each instruction set by [`multiversion`](simd)
//! and chosen at run time.

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

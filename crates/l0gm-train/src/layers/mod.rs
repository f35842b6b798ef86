//! Small trainable layers on `l0gm-ops`, initialised from the seeded generator.
//!
//! candle initialises its own layers from a CPU generator that cannot be seeded, and its fused LayerNorm has no
//! backward pass. These layers have neither fault; their shapes and defaults are PyTorch's.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use l0gm_ops::Generator;
//! use l0gm_train::{Part, layers::Linear};
//!
//! let layer = Linear::new("head", Part::Head, 4, 2, true, &mut Generator::new(0), &Device::Cpu)?;
//! let x = Tensor::ones((3, 4), DType::F32, &Device::Cpu)?;
//! assert_eq!(layer.forward(&x)?.dims(), [3, 2]);
//! assert_eq!(layer.parameters()[0].name, "head.weight");
//! # Ok::<(), candle_core::Error>(())
//! ```

mod embedding;
mod layer_norm;
mod linear;

pub use embedding::Embedding;
pub use layer_norm::LayerNorm;
pub use linear::Linear;

use candle_core::{Result, Tensor, Var};

/// A variable that owns its storage, so that it never aliases the given tensor.
fn owned(tensor: &Tensor) -> Result<Var> {
    Var::from_tensor(&tensor.detach().contiguous()?)
}

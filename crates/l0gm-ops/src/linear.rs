//! x W^T + b with a bias gradient in one pass and no gradient for untracked inputs.
use crate::composed;
use candle_core::{Result, Tensor, bail};

/// `x`: (.., in); `weight`: (out, in); `bias`: (out,). Returns (.., out).
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (out, inner) = match weight.dims() {
        &[out, inner] => (out, inner),
        other => bail!("linear: weight has shape {other:?}, expected (out, in)"),
    };
    if x.dims().last() != Some(&inner) {
        bail!(
            "linear: x {:?} does not end in the {inner} inputs of weight {:?}",
            x.dims(),
            weight.dims()
        );
    }
    if let Some(bias) = bias
        && bias.dims() != [out]
    {
        bail!(
            "linear: bias {:?} does not fit weight {:?}",
            bias.dims(),
            weight.dims()
        );
    }
    composed::linear(x, weight, bias)
}

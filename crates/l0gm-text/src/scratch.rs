//! Initial tensors of an encoder without pretrained weights. Each tensor is drawn from a random stream with its own
//! name, so its values do not depend on the order of reading.
use crate::Result;
use crate::params::WeightSource;
use candle_core::{DType, Device, Tensor};
use l0gm_ops::Generator;

/// Standard deviation of the embedding tables; the LayerNorm after them sets the scale of the states.
const EMBEDDING_STD: f64 = 0.05;

/// A source of random tensors.
#[derive(Debug)]
pub struct RandomWeights<'a> {
    generator: Generator,
    device: &'a Device,
}

impl<'a> RandomWeights<'a> {
    /// Draws tensors from streams of `generator`.
    pub fn new(generator: Generator, device: &'a Device) -> Self {
        Self { generator, device }
    }
}

impl WeightSource for RandomWeights<'_> {
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        if name.ends_with(".bias") {
            return Ok(Tensor::zeros(shape, DType::F32, self.device)?);
        }
        let of = name.rsplit('.').nth(1).unwrap_or_default();
        if of.to_lowercase().contains("norm") {
            return Ok(Tensor::ones(shape, DType::F32, self.device)?);
        }
        let std = if name.starts_with("embeddings.") {
            EMBEDDING_STD
        } else {
            // Keeps the variance of a linear layer's outputs equal to that of its inputs.
            1.0 / (shape.last().copied().unwrap_or(1) as f64).sqrt()
        };
        let mut stream = self.generator.stream(name, 0);
        Ok(stream.normal_tensor(shape, 0.0, std, DType::F32, self.device)?)
    }
}

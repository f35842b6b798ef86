//! A linear layer for prediction alone, on slices: `y = relu(x Wᵀ + b)`, the ReLU on request.
//!
//! It is fast on a single row and on a few dozen for three reasons. The weights are packed so that the outputs which
//! fill a few vector registers stand side by side, and their sums stay there until a row is done. Inputs that are 0,
//! as most are behind a ReLU, are left out. And a call allocates nothing but the list of the others. A row's result
//! does not depend on the rows around it.

use crate::kernel::{Real, lanes, multiversion};
use candle_core::{DType, Result, Tensor, bail};

/// Number of outputs that one register of 512 bits holds.
const LANES: usize = 16;
/// Fewer outputs than this would leave most of a register empty.
const FEW: usize = 4;
/// Most outputs whose sums are kept in registers at once.
const MOST: usize = 64;

/// Weights and bias of a linear layer in f32, packed for [`forward`](Self::forward).
#[derive(Clone, Debug)]
pub struct PackedLinear {
    inputs: usize,
    outputs: usize,
    /// Outputs side by side, [`MOST`] at most in each.
    tiles: Vec<Tile>,
    /// A few outputs are products of rows instead: the weight as it is, (outputs, inputs), and the bias. Empty otherwise.
    few: Vec<(Vec<f32>, f32)>,
}

/// A group of neighbouring outputs, whose weights are stored side by side.
#[derive(Clone, Debug)]
struct Tile {
    /// The first output.
    from: usize,
    /// Number of outputs, without the padding.
    count: usize,
    /// Number of outputs with the padding: 16, 32 or 64.
    width: usize,
    /// (inputs, outputs with padding).
    weights: Vec<f32>,
    /// (outputs with padding).
    bias: Vec<f32>,
}

impl PackedLinear {
    /// Packs a weight of (outputs, inputs) and a bias of (outputs).
    ///
    /// # Errors
    /// The shapes do not fit each other.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        let rows: Vec<f32> = weight.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        let bias = match bias {
            Some(bias) => bias.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?,
            None => vec![0f32; outputs],
        };
        if bias.len() != outputs {
            bail!("a bias of {} for {outputs} outputs", bias.len());
        }
        if outputs < FEW && inputs > 0 {
            let rows = rows.chunks_exact(inputs).map(<[f32]>::to_vec);
            return Ok(Self {
                inputs,
                outputs,
                tiles: Vec::new(),
                few: rows.zip(bias).collect(),
            });
        }
        let mut tiles = Vec::new();
        let mut from = 0;
        while from < outputs {
            let width = match outputs - from {
                0..=LANES => LANES,
                17..=32 => 32,
                _ => MOST,
            };
            let count = width.min(outputs - from);
            let mut weights = vec![0f32; inputs * width];
            for input in 0..inputs {
                for at in 0..count {
                    weights[input * width + at] = rows[(from + at) * inputs + input];
                }
            }
            let mut padded = bias[from..from + count].to_vec();
            padded.resize(width, 0.0);
            tiles.push(Tile {
                from,
                count,
                width,
                weights,
                bias: padded,
            });
            from += count;
        }
        Ok(Self {
            inputs,
            outputs,
            tiles,
            few: Vec::new(),
        })
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Computes `y`, (rows, outputs), from `x`, (rows, inputs), both row by row.
    ///
    /// # Errors
    /// The slices have other lengths.
    pub fn forward(&self, x: &[f32], y: &mut [f32], relu: bool) -> Result<()> {
        let rows = y.len() / self.outputs.max(1);
        if x.len() != rows * self.inputs || y.len() != rows * self.outputs {
            bail!(
                "{} inputs and {} outputs for a layer of {} and {}",
                x.len(),
                y.len(),
                self.inputs,
                self.outputs
            );
        }
        layer(self, x, y, relu, 0f32);
        Ok(())
    }
}

multiversion! {
    /// All rows. The last argument only says in which type to compute.
    fn layer<T: Real>(layer: &PackedLinear, x: &[f32], y: &mut [f32], relu: bool, _of: T) {
        let mut used: Vec<u32> = vec![0; layer.inputs];
        for (row, y) in y.chunks_exact_mut(layer.outputs).enumerate() {
            let x = &x[row * layer.inputs..(row + 1) * layer.inputs];
            for (y, (weight, bias)) in y.iter_mut().zip(&layer.few) {
                let sum = lanes::dot(x, weight) + bias;
                *y = if relu && sum < 0.0 { 0.0 } else { sum };
            }
            if !layer.few.is_empty() {
                continue;
            }
            let count = list(x, &mut used);
            let used = &used[..count];
            for tile in &layer.tiles {
                let y = &mut y[tile.from..tile.from + tile.count];
                match tile.width {
                    LANES => one_row::<LANES, FMA>(tile, x, used, y, relu),
                    32 => one_row::<32, FMA>(tile, x, used, y, relu),
                    _ => one_row::<MOST, FMA>(tile, x, used, y, relu),
                }
            }
        }
    }
}

/// Writes the places of the inputs that are not 0 and returns their number. A block is compared at once, and the bits of
/// the result are gone through, because a branch for each input would be guessed wrong half the time.
#[inline(always)]
fn list(x: &[f32], used: &mut [u32]) -> usize {
    let mut count = 0;
    let mut add = |first: usize, mut found: u32| {
        while found != 0 {
            used[count] = first as u32 + found.trailing_zeros();
            count += 1;
            found &= found - 1;
        }
    };
    let (blocks, rest) = x.as_chunks::<LANES>();
    for (number, block) in blocks.iter().enumerate() {
        let mut found = 0;
        for lane in 0..LANES {
            found |= u32::from(block[lane] != 0.0) << lane;
        }
        add(number * LANES, found);
    }
    let bits = rest.iter().enumerate();
    let found = bits.fold(0, |found, (at, x)| found | u32::from(*x != 0.0) << at);
    add(blocks.len() * LANES, found);
    count
}

/// Some outputs of one row, whose `W` sums stay in registers.
#[inline(always)]
fn one_row<const W: usize, const FMA: bool>(
    tile: &Tile,
    x: &[f32],
    used: &[u32],
    y: &mut [f32],
    relu: bool,
) {
    let mut sums = [0f32; W];
    sums.copy_from_slice(&tile.bias[..W]);
    for &at in used {
        let value = x[at as usize];
        let weights = &tile.weights[at as usize * W..][..W];
        for lane in 0..W {
            sums[lane] = weights[lane].fma::<FMA>(value, sums[lane]);
        }
    }
    if relu {
        for sum in &mut sums {
            // As the op `relu` does, this keeps NaN.
            *sum = if *sum < 0.0 { 0.0 } else { *sum };
        }
    }
    y.copy_from_slice(&sums[..y.len()]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Generator, linear, relu};
    use candle_core::Device;

    /// `rows` random inputs of which about half are 0.
    fn sparse(rows: usize, inputs: usize, generator: &mut Generator) -> Tensor {
        let x = generator
            .normal_tensor((rows, inputs), 0.0, 1.0, DType::F32, &Device::Cpu)
            .unwrap();
        relu(&x).unwrap()
    }

    #[test]
    fn a_packed_layer_gives_what_the_op_gives() {
        let mut generator = Generator::new(7);
        for (inputs, outputs) in [(1, 1), (33, 128), (128, 64), (5, 17), (64, 50), (20, 100)] {
            let weight = generator
                .normal_tensor((outputs, inputs), 0.0, 0.3, DType::F32, &Device::Cpu)
                .unwrap();
            let bias = generator
                .normal_tensor((outputs,), 0.0, 1.0, DType::F32, &Device::Cpu)
                .unwrap();
            let x = sparse(9, inputs, &mut generator);
            let packed = PackedLinear::new(&weight, Some(&bias)).unwrap();
            let plain = linear(&x, &weight, Some(&bias)).unwrap();
            for rectified in [false, true] {
                let expected = match rectified {
                    true => relu(&plain).unwrap(),
                    false => plain.clone(),
                };
                let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
                let x: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
                let mut y = vec![0f32; 9 * outputs];
                packed.forward(&x, &mut y, rectified).unwrap();
                for (found, expected) in y.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-5, "{inputs} {outputs}");
                }
                // One row alone has the same bits as among others.
                let mut one = vec![0f32; outputs];
                packed.forward(&x[..inputs], &mut one, rectified).unwrap();
                assert_eq!(one, y[..outputs]);
            }
        }
    }

    #[test]
    fn a_value_that_is_no_number_is_not_lost() {
        let weight = Tensor::new(&[[1f32, 1.0]], &Device::Cpu).unwrap();
        let packed = PackedLinear::new(&weight, None).unwrap();
        let mut y = [0f32];
        packed.forward(&[f32::NAN, 1.0], &mut y, true).unwrap();
        assert!(y[0].is_nan());
    }

    #[test]
    fn slices_of_another_length_are_refused() {
        let weight = Tensor::new(&[[1f32, 1.0]], &Device::Cpu).unwrap();
        let packed = PackedLinear::new(&weight, None).unwrap();
        assert!(packed.forward(&[1.0], &mut [0.0], false).is_err());
        assert!(PackedLinear::new(&weight, Some(&weight)).is_err());
    }
}

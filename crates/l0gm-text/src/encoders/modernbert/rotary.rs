//! Rotary positions (Su et al. 2021): entry i of a query or key and entry i + dim / 2 are turned together by an angle
//! that grows with the token's position, so that products depend on distances alone.
use candle_core::Tensor;
use l0gm_ops::{add, linear, mul, reshape};

/// Cosines and sines by which queries and keys are rotated, for the positions of one batch.
pub(super) struct Rotary {
    /// Cosine and sine of each angle, (batch, length, heads, dim).
    cosines: Tensor,
    sines: Tensor,
    /// Takes (a, b) to (-b, a), (dim, dim).
    quarter: Tensor,
}

impl Rotary {
    /// For states (batch, length, heads * dim), with angles of this base.
    pub(super) fn new(x: &Tensor, heads: usize, theta: f64) -> candle_core::Result<Self> {
        let (batch, length, width) = x.dims3()?;
        let (dim, device) = (width / heads, x.device());
        let half = dim / 2;
        // In f32 like the published code, because a long text's angles differ between f32 and f64.
        let speed = |i: usize| 1.0 / (theta as f32).powf((2 * (i % half)) as f32 / dim as f32);
        let angles = (0..length).flat_map(|place| (0..dim).map(move |i| (place, i)));
        let angles: Vec<f32> = angles.map(|(place, i)| place as f32 * speed(i)).collect();
        let whole = |of: fn(f32) -> f32| {
            let values: Vec<f32> = angles.iter().map(|&angle| of(angle)).collect();
            Tensor::from_vec(values, (1, length, 1, dim), device)?
                .broadcast_as((batch, length, heads, dim))?
                .contiguous()
        };
        let mut quarter = vec![0f32; dim * dim];
        for i in 0..half {
            quarter[i * dim + half + i] = -1.0;
            quarter[(half + i) * dim + i] = 1.0;
        }
        Ok(Self {
            cosines: whole(f32::cos)?,
            sines: whole(f32::sin)?,
            quarter: Tensor::from_vec(quarter, (dim, dim), device)?,
        })
    }

    /// Turns the queries or keys (batch, length, heads * dim) of the first tokens.
    pub(super) fn turn(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (batch, length, width) = x.dims3()?;
        let (_, _, heads, dim) = self.cosines.dims4()?;
        let first = |all: &Tensor| all.narrow(1, 0, length)?.contiguous();
        let x = reshape(x, (batch, length, heads, dim))?;
        let turned = linear(&x, &self.quarter, None)?;
        let turned = add(
            &mul(&x, &first(&self.cosines)?)?,
            &mul(&turned, &first(&self.sines)?)?,
        )?;
        reshape(&turned, (batch, length, width))
    }
}

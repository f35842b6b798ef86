//! Upper limits of this machine, both measured: the rate of a large matrix product and the bandwidth of a large copy.
//! Their distance from a computation's times shows how much could still be gained.

use crate::bench::case::Run;
use crate::bench::timing;
use candle_core::{DType, Device};
use l0gm_ops::Generator;
use rayon::prelude::*;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// f32 floating-point operations per second in a 1,024-cubed product.
    pub(crate) flops: f64,
    /// Bytes read and written per second in a copy far larger than the caches.
    pub(crate) bytes: f64,
}

impl Limits {
    /// The shortest time, in milliseconds, in which this work can be done.
    pub(crate) fn floor_ms(&self, flops: f64, bytes: f64) -> f64 {
        (flops / self.flops).max(bytes / self.bytes) * 1e3
    }
}

impl std::fmt::Display for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "matrix products reach {:.0} GFLOP/s, copies {:.1} GB/s read and written",
            self.flops / 1e9,
            self.bytes / 1e9
        )
    }
}

/// Number of values copied; they take 256 MiB.
const COPIED: usize = 1 << 26;

/// Measures both limits.
pub(crate) fn measure(threads: usize) -> anyhow::Result<Limits> {
    let size = 1024;
    let mut generator = Generator::new(0);
    let a = generator.normal_tensor((size, size), 0.0, 1.0, DType::F32, &Device::Cpu)?;
    let b = a.clone();
    let mut product: Run = Box::new(move || Ok(a.matmul(&b).map(drop)?));
    let product = timing::sample(&mut product, 0.4)?;
    let from = vec![1f32; COPIED];
    let mut to = vec![0f32; COPIED];
    let part = COPIED.div_ceil(threads);
    let mut copy: Run = Box::new(move || {
        to.par_chunks_mut(part)
            .zip(from.par_chunks(part))
            .for_each(|(to, from)| to.copy_from_slice(from));
        Ok(())
    });
    let copy = timing::sample(&mut copy, 0.4)?;
    Ok(Limits {
        flops: 2.0 * (size as f64).powi(3) / (timing::median(&product) / 1e3),
        bytes: 8.0 * COPIED as f64 / (timing::median(&copy) / 1e3),
    })
}

//! The median time of one training step: 14 tables x 16, an MLP 256-128, batch 512. Prints the same
//! line as `benchmarks/peers/steps.py tabular`; `benchmarks/peers/compare.py` runs both by turns.

use candle_core::{Device, Tensor};
use l0gm_ops::{Generator, cross_entropy};
use l0gm_train::layers::{Embedding, Linear};
use l0gm_train::{Optimiser, OptimiserConfig, Part};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rows of each table, as in the peer's script.
const ROWS: [usize; 14] = [32, 32, 32, 32, 32, 32, 10, 18, 9, 16, 8, 7, 4, 44];
const DIM: usize = 16;
const BATCH: usize = 512;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::Cpu;
    let mut random = Generator::new(0);
    // One table for all fields, each field at its own offset: one lookup, one gradient.
    let total = ROWS.iter().sum();
    let table = Embedding::new(
        "table",
        Part::Encoder,
        total,
        DIM,
        0.1,
        &mut random,
        &device,
    )?;
    let layers = [(ROWS.len() * DIM, 256), (256, 128), (128, 2)]
        .into_iter()
        .enumerate()
        .map(|(i, (inputs, outputs))| {
            let name = format!("layer{i}");
            Linear::new(
                &name,
                Part::Head,
                inputs,
                outputs,
                true,
                &mut random,
                &device,
            )
        })
        .collect::<candle_core::Result<Vec<_>>>()?;
    let mut ids = Vec::with_capacity(BATCH * ROWS.len());
    for _ in 0..BATCH {
        let mut offset = 0;
        for rows in ROWS {
            ids.push(offset + random.below(rows as u64) as u32);
            offset += rows as u32;
        }
    }
    let ids = Tensor::from_vec(ids, (BATCH, ROWS.len()), &device)?;
    let labels: Vec<u32> = (0..BATCH).map(|_| random.below(2) as u32).collect();
    let labels = Tensor::from_vec(labels, BATCH, &device)?;

    let mut parameters = table.parameters();
    parameters.extend(layers.iter().flat_map(Linear::parameters));
    let mut optimiser = Optimiser::new(&parameters, &OptimiserConfig::default(), 1000)?;
    let mut times = Vec::new();
    for step in 0..220 {
        let start = Instant::now();
        let mut x = table.forward(&ids)?.reshape((BATCH, ROWS.len() * DIM))?;
        for (i, layer) in layers.iter().enumerate() {
            x = layer.forward(&x)?;
            if i + 1 < layers.len() {
                x = x.relu()?;
            }
        }
        let loss = cross_entropy(&x, &labels)?;
        optimiser.step(&mut loss.backward()?, 0.5, step == 0)?;
        loss.to_scalar::<f32>()?;
        if step >= 20 {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    println!("tabular-step {:.3}", times[times.len() / 2]);
    Ok(())
}

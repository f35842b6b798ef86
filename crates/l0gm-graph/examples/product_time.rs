//! The median time of A X on a graph folder, A the normalised adjacency of eq. 2, for widths 64, 128 and
//! 512: `cargo run --example product_time -- DATA/amazon-computers`. Prints the same lines
//! as `benchmarks/peers/steps.py csr`; `benchmarks/peers/compare.py` runs both by turns.

use candle_core::{DType, Device};
use l0gm_graph::settings::TableSettings;
use l0gm_graph::{read_graph, symmetric_normalisation};
use l0gm_ops::{Generator, csr_matmul};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("which folder holds the graph?")?;
    let graph = read_graph(folder.as_ref(), &TableSettings::default())?;
    let matrix = symmetric_normalisation(graph.adjacency())?;
    let mut random = Generator::new(0);
    for width in [64, 128, 512] {
        let shape = (graph.nodes(), width);
        let x = random.normal_tensor(shape, 0.0, 1.0, DType::F32, &Device::Cpu)?;
        let mut times = Vec::new();
        for pass in 0..35 {
            let start = Instant::now();
            csr_matmul(&matrix, &x)?;
            if pass >= 5 {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        times.sort_by(f64::total_cmp);
        println!("csr-{width} {:.3}", times[times.len() / 2]);
    }
    Ok(())
}

//! Times each fused op, forward and backward, beside the same computation in stock candle operations, in one process:
//! `cargo run --example speed`. Compare the ratios; the times themselves depend on what else the machine is doing.

use candle_core::{DType, Device, Result, Tensor, Var};
use l0gm_ops::{AdamWStep, Csr, Generator, Mode, SparseMatrix, Stretch, composed};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Number of timed repetitions, after one warm-up run.
const REPEATS: usize = 5;

/// A computation to time.
type Run<'a> = &'a dyn Fn() -> Result<()>;

/// The time of the fastest of several runs.
fn fastest(run: Run<'_>) -> Result<Duration> {
    run()?;
    let mut best = Duration::MAX;
    for _ in 0..REPEATS {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed());
    }
    Ok(best)
}

fn compare(name: &str, ours: Run<'_>, stock: Run<'_>) -> Result<()> {
    let (ours, stock) = (fastest(ours)?, fastest(stock)?);
    println!(
        "{name:<44}{:>10.2} ms{:>10.2} ms{:>8.1}x",
        ours.as_secs_f64() * 1e3,
        stock.as_secs_f64() * 1e3,
        stock.as_secs_f64() / ours.as_secs_f64()
    );
    Ok(())
}

/// Runs the backward pass from the sum of `y`.
fn backward(y: Result<Tensor>) -> Result<()> {
    y?.sum_all()?.backward().map(drop)
}

fn main() -> Result<()> {
    let mut generator = Generator::new(0);
    let mut var = |shape: &[usize]| -> Result<Var> {
        Var::from_tensor(&generator.normal_tensor(shape, 0.0, 1.0, DType::F32, &Device::Cpu)?)
    };
    println!(
        "{:<44}{:>13}{:>13}{:>9}",
        "forward + backward", "ours", "stock", "gain"
    );

    let (x, wide) = (var(&[16, 128, 384])?, var(&[16, 128, 1536])?);
    let (w, b) = (var(&[1536, 384])?, var(&[1536])?);
    compare(
        "linear, 16 x 128 x 384 to 1536",
        &|| backward(l0gm_ops::linear(&x, &w, Some(&b))),
        &|| backward(composed::linear(&x, &w, Some(&b))),
    )?;
    compare(
        "gelu, 16 x 128 x 1536",
        &|| backward(l0gm_ops::gelu(&wide)),
        &|| backward(wide.gelu_erf()),
    )?;
    let (scale, shift) = (var(&[384])?, var(&[384])?);
    compare(
        "layer_norm, 16 x 128 x 384",
        &|| backward(l0gm_ops::layer_norm(&x, &scale, &shift, 1e-12)),
        &|| backward(composed::layer_norm(&x, &scale, &shift, 1e-12)),
    )?;
    let scores = var(&[16, 12, 128, 128])?;
    compare(
        "softmax, 16 x 12 x 128 x 128",
        &|| backward(l0gm_ops::softmax(&scores)),
        &|| backward(composed::softmax(&scores)),
    )?;
    let (q, k, v) = (
        var(&[16, 128, 384])?,
        var(&[16, 128, 384])?,
        var(&[16, 128, 384])?,
    );
    let mask = Tensor::ones((16, 128), DType::U8, &Device::Cpu)?;
    compare(
        "attention, 16 x 128, 12 heads of 32",
        &|| {
            backward(l0gm_ops::attention(
                &q,
                &k,
                &v,
                Some(&mask),
                12,
                0.0,
                &mut Mode::Eval,
            ))
        },
        &|| backward(composed::attention(&q, &k, &v, Some(&mask), 12, None)),
    )?;
    let noise = Generator::new(1);
    compare(
        "attention with dropout",
        &|| {
            let mut noise = noise.clone();
            backward(l0gm_ops::attention(
                &q,
                &k,
                &v,
                None,
                12,
                0.1,
                &mut Mode::Train(&mut noise),
            ))
        },
        &|| {
            backward(composed::attention(
                &q,
                &k,
                &v,
                None,
                12,
                Some((0.1, &noise)),
            ))
        },
    )?;
    compare(
        "dropout, 16 x 128 x 1536",
        &|| {
            backward(l0gm_ops::dropout(
                &wide,
                0.1,
                &mut Mode::Train(&mut noise.clone()),
            ))
        },
        &|| backward(composed::dropout(&wide, 0.1, &noise)),
    )?;
    let table = var(&[30_522, 384])?;
    let ids = Tensor::from_iter((0..2048u32).map(|i| i * 7919 % 30_522), &Device::Cpu)?;
    compare(
        "embedding, 2,048 of 30,522 rows of 384",
        &|| backward(l0gm_ops::embedding(&table, &ids)),
        &|| backward(composed::embedding(&table, &ids)),
    )?;
    let logits = var(&[4096, 64])?;
    let labels = Tensor::from_iter((0..4096u32).map(|i| i % 64), &Device::Cpu)?;
    compare(
        "cross_entropy, 4,096 x 64",
        &|| backward(l0gm_ops::cross_entropy(&logits, &labels)),
        &|| backward(composed::cross_entropy(&logits, &labels)),
    )?;
    let log_alpha = var(&[224])?;
    let u =
        Generator::new(2).uniform_tensor((512, 224), 1e-6, 1.0 - 1e-6, DType::F32, &Device::Cpu)?;
    let stretch = Stretch::default();
    compare(
        "hard_concrete, 512 x 224",
        &|| backward(l0gm_ops::hard_concrete(&log_alpha, &u, 0.66, stretch)),
        &|| backward(composed::hard_concrete(&log_alpha, &u, 0.66, stretch)),
    )?;
    let (fields, maps) = (var(&[512, 14, 16])?, var(&[32, 14, 14])?);
    compare(
        "pairwise_interaction, 512 x 14 x 16, 32 maps",
        &|| backward(l0gm_ops::pairwise_interaction(&fields, &fields, &maps)),
        &|| backward(composed::pairwise_interaction(&fields, &fields, &maps)),
    )?;
    let graph = random_graph(13_752, 36)?;
    for width in [64, 128, 512] {
        let dense = var(&[13_752, width])?;
        compare(
            &format!("csr_matmul, 495,072 entries, width {width}"),
            &|| backward(l0gm_ops::csr_matmul(&graph, &dense)),
            &|| backward(composed::csr_matmul(graph.matrix(), &dense)),
        )?;
    }
    let (m, v) = (w.zeros_like()?, w.zeros_like()?);
    let (m, v) = (Var::from_tensor(&m)?, Var::from_tensor(&v)?);
    let gradient = w.as_tensor().copy()?.detach();
    let step = AdamWStep {
        learning_rate: 1e-4,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.01,
        step: 1,
        gradient_scale: 1.0,
    };
    compare(
        "adamw_step, 1536 x 384",
        &|| l0gm_ops::adamw_step(&w, &gradient, &m, &v, &step),
        &|| composed::adamw_step(&w, &gradient, &m, &v, &step),
    )
}

/// A graph in which each of `nodes` nodes has `degree` random neighbours.
fn random_graph(nodes: usize, degree: usize) -> Result<SparseMatrix> {
    let mut generator = Generator::new(3);
    let indptr = (0..=nodes as u32).map(|row| row * degree as u32).collect();
    let indices: Vec<u32> = (0..nodes * degree)
        .map(|_| generator.below(nodes as u64) as u32)
        .collect();
    let values = vec![1.0 / degree as f32; indices.len()];
    Ok(SparseMatrix::new(Csr::new(
        nodes, nodes, indptr, indices, values,
    )?))
}

//! Single operations, forward and then backward from a given gradient, and the optimiser.

use crate::bench::case::{Case, Inputs, Run};
use candle_core::{DType, Device, Result, Tensor, Var};
use l0gm_ops::{AdamWSlot, AdamWStep, Generator, Tape, adamw_steps, composed};

/// The shape of docs/performance.md.
const SHAPE: [usize; 3] = [64, 128, 384];

fn values() -> f64 {
    SHAPE.iter().product::<usize>() as f64
}

fn normal(seed: u64, shape: &[usize]) -> Result<Var> {
    Var::from_tensor(&Generator::new(seed).normal_tensor(
        shape,
        0.0,
        1.0,
        DType::F32,
        &Device::Cpu,
    )?)
}

/// Runs the forward pass, then the backward pass from the gradient `dy`.
fn through(op: impl Fn() -> Result<Tensor> + 'static, dy: &Tensor) -> Run {
    let dy = dy.clone();
    Box::new(move || {
        let tape = Tape::start()?;
        Ok(tape.backward_from(&op()?, &dy).map(drop)?)
    })
}

/// A case in which at least `passes` arrays of this shape are read or written, forward and backward together.
fn case(
    passes: f64,
    flops: f64,
    ours: impl Fn() -> Result<Tensor> + 'static,
    stock: impl Fn() -> Result<Tensor> + 'static,
) -> anyhow::Result<Case> {
    let dy = normal(9, &SHAPE)?.as_detached_tensor();
    Ok(Case {
        result_bytes: None,
        goal: Some(1.0),
        flops: flops * values(),
        bytes: 4.0 * passes * values(),
        ours: through(ours, &dy),
        // candle's backward pass starts from a scalar, which needs an extra product and sum.
        stock: Some(Box::new(move || {
            Ok((stock()? * &dy)?.sum_all()?.backward().map(drop)?)
        })),
        peer: true,
        input: String::new(),
    })
}

pub(crate) fn layer_norm(_: &Inputs) -> anyhow::Result<Case> {
    let (x, w, b) = (
        normal(0, &SHAPE)?,
        normal(1, &SHAPE[2..])?,
        normal(2, &SHAPE[2..])?,
    );
    let (x2, w2, b2) = (x.clone(), w.clone(), b.clone());
    case(
        5.0,
        20.0,
        move || l0gm_ops::layer_norm(&x, &w, &b, 1e-12),
        move || composed::layer_norm(&x2, &w2, &b2, 1e-12),
    )
}

pub(crate) fn gelu(_: &Inputs) -> anyhow::Result<Case> {
    let x = normal(0, &SHAPE)?;
    let x2 = x.clone();
    case(5.0, 60.0, move || l0gm_ops::gelu(&x), move || x2.gelu_erf())
}

pub(crate) fn softmax(_: &Inputs) -> anyhow::Result<Case> {
    let x = normal(0, &SHAPE)?;
    let x2 = x.clone();
    case(
        5.0,
        30.0,
        move || l0gm_ops::softmax(&x),
        move || composed::softmax(&x2),
    )
}

pub(crate) fn cross_entropy(_: &Inputs) -> anyhow::Result<Case> {
    let (rows, classes) = (SHAPE[0] * SHAPE[1], SHAPE[2]);
    let x = normal(0, &[rows, classes])?;
    let labels = Tensor::from_iter(
        (0..rows as u32).map(|i| i * 7 % classes as u32),
        &Device::Cpu,
    )?;
    let (x2, labels2) = (x.clone(), labels.clone());
    Ok(Case {
        result_bytes: None,
        goal: Some(1.0),
        flops: 40.0 * values(),
        bytes: 12.0 * values(),
        ours: Box::new(move || {
            let tape = Tape::start()?;
            Ok(tape
                .backward(&l0gm_ops::cross_entropy(&x, &labels)?)
                .map(drop)?)
        }),
        stock: Some(Box::new(move || {
            Ok(composed::cross_entropy(&x2, &labels2)?
                .backward()
                .map(drop)?)
        })),
        peer: true,
        input: String::new(),
    })
}

fn minilm() -> Vec<Vec<usize>> {
    let mut shapes = vec![
        vec![30_522, 384],
        vec![512, 384],
        vec![2, 384],
        vec![384],
        vec![384],
    ];
    for _ in 0..6 {
        shapes.extend((0..4).flat_map(|_| [vec![384, 384], vec![384]]));
        shapes.extend([vec![1536, 384], vec![1536], vec![384, 1536], vec![384]]);
        shapes.extend((0..4).map(|_| vec![384]));
    }
    shapes
}

pub(crate) fn adamw(_: &Inputs) -> anyhow::Result<Case> {
    let slots = minilm()
        .iter()
        .enumerate()
        .map(|(i, shape)| {
            let gradient = normal(i as u64, shape)?.as_detached_tensor();
            let zeros = || Var::zeros(shape.as_slice(), DType::F32, &Device::Cpu);
            Ok((normal(100 + i as u64, shape)?, gradient, zeros()?, zeros()?))
        })
        .collect::<Result<Vec<_>>>()?;
    let count: usize = slots.iter().map(|slot| slot.0.elem_count()).sum();
    let step = AdamWStep {
        learning_rate: 1e-4,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.01,
        step: 1,
        gradient_scale: 1.0,
    };
    let (stock, stock_step) = (slots.clone(), step);
    Ok(Case {
        result_bytes: None,
        goal: Some(0.8),
        flops: 15.0 * count as f64,
        // Four arrays are read and three written.
        bytes: 28.0 * count as f64,
        ours: Box::new(move || {
            let slots: Vec<_> = slots
                .iter()
                .map(|(parameter, gradient, first, second)| AdamWSlot {
                    parameter,
                    gradient,
                    first,
                    second,
                    step,
                })
                .collect();
            Ok(adamw_steps(&slots)?)
        }),
        stock: Some(Box::new(move || {
            for (p, g, m, v) in &stock {
                composed::adamw_step(p, g, m, v, &stock_step)?;
            }
            Ok(())
        })),
        peer: true,
        input: String::new(),
    })
}

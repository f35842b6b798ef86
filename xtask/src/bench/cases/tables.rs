//! Training steps of tabular networks. The work is small, so mostly overhead is timed.

use crate::bench::case::{Case, Inputs, Run};
use candle_core::{DType, Device, Result, Tensor, Var};
use l0gm_ops::{Generator, Tape, composed, cross_entropy, pairwise_interaction};
use l0gm_train::layers::{Embedding, Linear};
use l0gm_train::{Optimiser, OptimiserConfig, Parameter, ParameterKind, Part};

/// Rows of each embedding table: six binned numbers, and Adult's categories.
const ROWS: [usize; 14] = [32, 32, 32, 32, 32, 32, 10, 18, 9, 16, 8, 7, 4, 44];
const DIM: usize = 16;
const MAPS: usize = 16;

/// Makes linear layers; ReLU stands between them.
fn perceptron(sizes: &[usize], random: &mut Generator) -> Result<Vec<Linear>> {
    sizes
        .windows(2)
        .enumerate()
        .map(|(i, pair)| {
            let name = format!("layer{i}");
            Linear::new(
                &name,
                Part::Head,
                pair[0],
                pair[1],
                true,
                random,
                &Device::Cpu,
            )
        })
        .collect()
}

fn forward(layers: &[Linear], x: &Tensor) -> Result<Tensor> {
    let mut x = x.clone();
    for (i, layer) in layers.iter().enumerate() {
        x = layer.forward(&x)?;
        if i + 1 < layers.len() {
            x = l0gm_ops::relu(&x)?;
        }
    }
    Ok(x)
}

/// Like [`forward`], with candle's own operations.
fn stock_forward(layers: &[Linear], x: &Tensor) -> Result<Tensor> {
    let mut x = x.clone();
    for (i, layer) in layers.iter().enumerate() {
        x = composed::linear(&x, layer.weight(), layer.bias().map(Var::as_tensor))?;
        if i + 1 < layers.len() {
            x = x.relu()?;
        }
    }
    Ok(x)
}

/// One embedding table for all fields, each with its own offset, which needs one lookup and one gradient.
fn table(random: &mut Generator) -> Result<Embedding> {
    let total = ROWS.iter().sum();
    Embedding::new(
        "table",
        Part::Encoder,
        total,
        DIM,
        0.1,
        random,
        &Device::Cpu,
    )
}

fn labels(batch: usize, random: &mut Generator) -> Result<Tensor> {
    Tensor::from_iter((0..batch).map(|_| random.below(2) as u32), &Device::Cpu)
}

/// One optimiser step on a loss. It also reads the loss's value, as every training loop does.
fn step(
    parameters: &[Parameter],
    loss: impl Fn() -> Result<Tensor> + 'static,
) -> anyhow::Result<Run> {
    let mut optimiser = Optimiser::new(parameters, &OptimiserConfig::default(), 1000)?;
    Ok(Box::new(move || {
        let tape = Tape::start()?;
        let loss = loss()?;
        optimiser.step(&mut tape.backward(&loss)?, 0.5, false)?;
        loss.to_scalar::<f32>()?;
        Ok(())
    }))
}

/// Floating-point operations of the layers, forward and backward, and bytes of one pass over parameters and moments.
fn cost(sizes: &[usize], batch: usize) -> (f64, f64) {
    let weights: usize = sizes.windows(2).map(|pair| pair[0] * pair[1]).sum();
    (6.0 * (weights * batch) as f64, 28.0 * weights as f64)
}

pub(crate) fn mlp(_: &Inputs) -> anyhow::Result<Case> {
    let (sizes, batch) = ([128, 256, 128, 2], 256);
    let mut random = Generator::new(0);
    let layers = perceptron(&sizes, &mut random)?;
    let x = random.normal_tensor((batch, sizes[0]), 0.0, 1.0, DType::F32, &Device::Cpu)?;
    let y = labels(batch, &mut random)?;
    let parameters: Vec<_> = layers.iter().flat_map(Linear::parameters).collect();
    let (flops, bytes) = cost(&sizes, batch);
    Ok(Case {
        result_bytes: None,
        goal: Some(0.7),
        flops,
        bytes,
        ours: step(&parameters, move || {
            cross_entropy(&forward(&layers, &x)?, &y)
        })?,
        stock: Some(stock_mlp(&sizes, batch)?),
        peer: true,
        input: String::new(),
    })
}

/// The same network with candle's matmul and log-softmax, and AdamW made of candle's operations.
fn stock_mlp(sizes: &[usize], batch: usize) -> anyhow::Result<Run> {
    let mut random = Generator::new(0);
    let layers = perceptron(sizes, &mut random)?;
    let x = random.normal_tensor((batch, sizes[0]), 0.0, 1.0, DType::F32, &Device::Cpu)?;
    let y = labels(batch, &mut random)?;
    let parameters: Vec<Var> = layers
        .iter()
        .flat_map(Linear::parameters)
        .map(|parameter| parameter.var)
        .collect();
    let loss = move || composed::cross_entropy(&stock_forward(&layers, &x)?, &y);
    stock_step(parameters, loss)
}

fn stock_step(
    parameters: Vec<Var>,
    loss: impl Fn() -> Result<Tensor> + 'static,
) -> anyhow::Result<Run> {
    let zeros = |var: &Var| Var::zeros(var.shape(), DType::F32, &Device::Cpu);
    let slots = parameters
        .iter()
        .map(|var| Ok((var.clone(), zeros(var)?, zeros(var)?)))
        .collect::<Result<Vec<_>>>()?;
    let step = l0gm_ops::AdamWStep {
        learning_rate: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.01,
        step: 1,
        gradient_scale: 1.0,
    };
    Ok(Box::new(move || {
        let loss = loss()?;
        let gradients = loss.backward()?;
        for (var, first, second) in &slots {
            if let Some(gradient) = gradients.get(var) {
                composed::adamw_step(var, gradient, first, second, &step)?;
            }
        }
        loss.to_scalar::<f32>()?;
        Ok(())
    }))
}

/// The ids of one batch, offset so that one table holds all fields.
fn ids(batch: usize, random: &mut Generator) -> Result<Tensor> {
    let mut ids = Vec::with_capacity(batch * ROWS.len());
    for _ in 0..batch {
        let mut offset = 0;
        for rows in ROWS {
            ids.push(offset + random.below(rows as u64) as u32);
            offset += rows as u32;
        }
    }
    Tensor::from_vec(ids, (batch, ROWS.len()), &Device::Cpu)
}

pub(crate) fn tabular(_: &Inputs) -> anyhow::Result<Case> {
    let (batch, width) = (512, ROWS.len() * DIM);
    let sizes = [width, 256, 128, 2];
    let (flops, bytes) = cost(&sizes, batch);
    let mut random = Generator::new(0);
    let table = table(&mut random)?;
    let layers = perceptron(&sizes, &mut random)?;
    let (ids, y) = (ids(batch, &mut random)?, labels(batch, &mut random)?);
    let mut parameters = table.parameters();
    parameters.extend(layers.iter().flat_map(Linear::parameters));
    let stock = {
        let (table, layers) = (table.clone(), layers.clone());
        let (ids, y) = (ids.clone(), y.clone());
        let own: Vec<Var> = parameters.iter().map(|p| p.var.clone()).collect();
        stock_step(own, move || {
            let x = composed::embedding(table.weight(), &ids)?.reshape((batch, width))?;
            composed::cross_entropy(&stock_forward(&layers, &x)?, &y)
        })?
    };
    Ok(Case {
        result_bytes: None,
        goal: Some(0.7),
        flops,
        bytes,
        ours: step(&parameters, move || {
            let x = l0gm_ops::reshape(&table.forward(&ids)?, (batch, width))?;
            cross_entropy(&forward(&layers, &x)?, &y)
        })?,
        stock: Some(stock),
        peer: true,
        input: String::new(),
    })
}

pub(crate) fn tabular_cin(_: &Inputs) -> anyhow::Result<Case> {
    let (batch, fields) = (512, ROWS.len());
    let width = fields * DIM;
    let sizes = [width, 256, 128, 2];
    let mut random = Generator::new(0);
    let table = table(&mut random)?;
    let layers = perceptron(&sizes, &mut random)?;
    let head = Linear::new(
        "cin",
        Part::Head,
        2 * MAPS,
        2,
        false,
        &mut random,
        &Device::Cpu,
    )?;
    let mut weight = |before: usize| {
        let drawn =
            random.normal_tensor((MAPS, before, fields), 0.0, 0.05, DType::F32, &Device::Cpu)?;
        Var::from_tensor(&drawn)
    };
    let weights = [weight(fields)?, weight(MAPS)?];
    let (ids, y) = (ids(batch, &mut random)?, labels(batch, &mut random)?);
    let mut parameters = table.parameters();
    parameters.extend(layers.iter().flat_map(Linear::parameters));
    parameters.extend(head.parameters());
    for (i, var) in weights.iter().enumerate() {
        parameters.push(Parameter {
            name: format!("maps{i}"),
            var: var.clone(),
            kind: ParameterKind::Weight,
            part: Part::Head,
        });
    }
    let (mlp, bytes) = cost(&sizes, batch);
    let maps = 6.0 * (batch * DIM * MAPS * fields * (fields + MAPS)) as f64;
    Ok(Case {
        result_bytes: None,
        goal: Some(0.6),
        flops: mlp + maps,
        bytes,
        ours: step(&parameters, move || {
            let x = table.forward(&ids)?; // (batch, fields, dim)
            let first = pairwise_interaction(&x, &x, &weights[0])?;
            let second = pairwise_interaction(&first, &x, &weights[1])?;
            let sums = Tensor::cat(&[l0gm_ops::sum(&first, 2)?, l0gm_ops::sum(&second, 2)?], 1)?;
            let deep = forward(&layers, &l0gm_ops::reshape(&x, (batch, width))?)?;
            cross_entropy(&(deep + head.forward(&sums)?)?, &y)
        })?,
        stock: None,
        peer: true,
        input: String::new(),
    })
}

//! Sparse products and an epoch of a graph convolutional network.

use crate::bench::case::{Case, Inputs};
use candle_core::{DType, Device, Result, Tensor, Var};
use l0gm_graph::settings::TableSettings;
use l0gm_graph::{Graph, read_graph, symmetric_normalisation};
use l0gm_ops::{
    Csr, Generator, SparseMatrix, Tape, composed, cross_entropy, csr_matmul, linear, relu,
};
use l0gm_train::{Optimiser, OptimiserConfig, Parameter, ParameterKind, Part};

const GRAPH: &str = "amazon-computers";

fn graph(inputs: &Inputs) -> anyhow::Result<(Graph, SparseMatrix, String)> {
    let dir = inputs.dataset(GRAPH)?;
    let graph = read_graph(&dir, &TableSettings::default())?;
    let matrix = symmetric_normalisation(graph.adjacency())?;
    Ok((graph, matrix, dir.display().to_string()))
}

fn normal(seed: u64, shape: (usize, usize)) -> Result<Tensor> {
    Generator::new(seed).normal_tensor(shape, 0.0, 1.0, DType::F32, &Device::Cpu)
}

/// Operations and bytes of one product, in which indices, values, the dense matrix and the result are each touched
/// once.
fn cost(matrix: &SparseMatrix, width: usize) -> (f64, f64) {
    let (rows, entries) = (matrix.matrix().rows(), matrix.matrix().indices().len());
    let bytes = 8 * entries + 4 * (rows + 2 * rows * width);
    (2.0 * (entries * width) as f64, bytes as f64)
}

fn product(inputs: &Inputs, width: usize, goal: f64) -> anyhow::Result<Case> {
    let (graph, matrix, input) = graph(inputs)?;
    let x = normal(0, (graph.nodes(), width))?;
    let (flops, bytes) = cost(&matrix, width);
    let (matrix2, x2) = (matrix.clone(), x.clone());
    Ok(Case {
        result_bytes: None,
        goal: Some(goal),
        flops,
        bytes,
        ours: Box::new(move || Ok(csr_matmul(&matrix, &x).map(drop)?)),
        stock: Some(Box::new(move || {
            Ok(composed::csr_matmul(matrix2.matrix(), &x2).map(drop)?)
        })),
        peer: true,
        input,
    })
}

pub(crate) fn csr_64(inputs: &Inputs) -> anyhow::Result<Case> {
    product(inputs, 64, 0.9)
}
pub(crate) fn csr_128(inputs: &Inputs) -> anyhow::Result<Case> {
    product(inputs, 128, 0.9)
}
pub(crate) fn csr_512(inputs: &Inputs) -> anyhow::Result<Case> {
    product(inputs, 512, 0.9)
}
pub(crate) fn csr_767(inputs: &Inputs) -> anyhow::Result<Case> {
    product(inputs, 767, 0.9)
}
pub(crate) fn pyg_128(inputs: &Inputs) -> anyhow::Result<Case> {
    product(inputs, 128, 0.03)
}

/// A forward and backward pass, given the gradient of the result.
fn train(inputs: &Inputs, width: usize) -> anyhow::Result<Case> {
    let (graph, matrix, input) = graph(inputs)?;
    let shape = (graph.nodes(), width);
    let (x, dy) = (Var::from_tensor(&normal(0, shape)?)?, normal(1, shape)?);
    let (flops, bytes) = cost(&matrix, width);
    Ok(Case {
        result_bytes: None,
        goal: Some(0.9),
        flops: 2.0 * flops,
        bytes: 2.0 * bytes,
        ours: Box::new(move || {
            let tape = Tape::start()?;
            Ok(tape
                .backward_from(&csr_matmul(&matrix, &x)?, &dy)
                .map(drop)?)
        }),
        stock: None,
        peer: true,
        input,
    })
}

pub(crate) fn train_64(inputs: &Inputs) -> anyhow::Result<Case> {
    train(inputs, 64)
}
pub(crate) fn train_128(inputs: &Inputs) -> anyhow::Result<Case> {
    train(inputs, 128)
}
pub(crate) fn train_512(inputs: &Inputs) -> anyhow::Result<Case> {
    train(inputs, 512)
}
pub(crate) fn train_767(inputs: &Inputs) -> anyhow::Result<Case> {
    train(inputs, 767)
}

pub(crate) fn epoch(inputs: &Inputs) -> anyhow::Result<Case> {
    let (graph, matrix, input) = graph(inputs)?;
    let (nodes, sizes) = (graph.nodes(), [graph.features().columns(), 256, 256, 10]);
    let x = Tensor::from_slice(
        graph.features().dense().unwrap_or_default(),
        (nodes, sizes[0]),
        &Device::Cpu,
    )?;
    let ax = csr_matmul(&matrix, &x)?;
    let labels = Tensor::from_iter((0..nodes as u32).map(|i| i % 10), &Device::Cpu)?;
    let mut parameters = Vec::new();
    for (i, pair) in sizes.windows(2).enumerate() {
        let weight = (normal(i as u64, (pair[1], pair[0]))? * (1.0 / pair[0] as f64).sqrt())?;
        let bias = Tensor::zeros(pair[1], DType::F32, &Device::Cpu)?;
        for (name, value, kind) in [
            ("weight", weight, ParameterKind::Weight),
            ("bias", bias, ParameterKind::NoDecay),
        ] {
            parameters.push(Parameter {
                name: format!("{i}.{name}"),
                var: Var::from_tensor(&value)?,
                kind,
                part: Part::Encoder,
            });
        }
    }
    let mut optimiser = Optimiser::new(&parameters, &OptimiserConfig::default(), 1000)?;
    let vars: Vec<Var> = parameters
        .into_iter()
        .map(|parameter| parameter.var)
        .collect();
    let weights: usize = sizes.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let dense = 2.0 * (nodes * (3 * weights - sizes[0] * sizes[1])) as f64;
    let (sparse_256, bytes_256) = cost(&matrix, 256);
    let (sparse_10, bytes_10) = cost(&matrix, 10);
    Ok(Case {
        result_bytes: None,
        goal: Some(0.8),
        flops: dense + 2.0 * (sparse_256 + sparse_10),
        bytes: 2.0 * (bytes_256 + bytes_10) + 4.0 * (2 * nodes * sizes[0]) as f64,
        ours: Box::new(move || {
            let tape = Tape::start()?;
            let h = relu(&linear(&ax, &vars[0], Some(&vars[1]))?)?;
            let h = linear(&csr_matmul(&matrix, &h)?, &vars[2], Some(&vars[3]))?;
            let h = linear(&relu(&h)?, &vars[4], None)?;
            let h = l0gm_ops::add_bias(&csr_matmul(&matrix, &h)?, &vars[5])?;
            let loss = cross_entropy(&h, &labels)?;
            optimiser.step(&mut tape.backward(&loss)?, 0.5, false)?;
            loss.to_scalar::<f32>()?;
            Ok(())
        }),
        stock: None,
        peer: true,
        input,
    })
}

pub(crate) fn million(_: &Inputs) -> anyhow::Result<Case> {
    let (nodes, degree, width) = (1_000_000usize, 25usize, 100);
    let mut random = Generator::new(3);
    let indptr = (0..=nodes as u32).map(|row| row * degree as u32).collect();
    let mut indices: Vec<u32> = Vec::with_capacity(nodes * degree);
    for _ in 0..nodes {
        let mut row: Vec<u32> = (0..degree)
            .map(|_| random.below(nodes as u64) as u32)
            .collect();
        row.sort_unstable();
        indices.extend(row);
    }
    let values = vec![1.0 / degree as f32; indices.len()];
    let matrix = SparseMatrix::new(Csr::new(nodes, nodes, indptr, indices, values)?);
    let x = normal(0, (nodes, width))?;
    let (flops, bytes) = cost(&matrix, width);
    Ok(Case {
        result_bytes: Some(4.0 * (nodes * width) as f64),
        goal: Some(0.9),
        flops,
        bytes,
        ours: Box::new(move || Ok(csr_matmul(&matrix, &x).map(drop)?)),
        stock: None,
        peer: true,
        input: String::new(),
    })
}

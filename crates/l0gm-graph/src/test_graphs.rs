//! Small graphs for tests, and eq. 2 in dense form as the reference.
#![allow(clippy::unwrap_used)]
use crate::{Adjacency, Features, Graph, NodeId};
use l0gm_ops::{Csr, Generator};

/// Six nodes: a square with a diagonal, a leaf, and an isolated node.
pub(crate) fn small_graph() -> Graph {
    let edges =
        [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (3, 4)].map(|(a, b)| (NodeId(a), NodeId(b)));
    let adjacency = Adjacency::from_edges(6, &edges).unwrap();
    let features = Features::new(4, (0..24).map(|i| ((i * 7) % 5) as f32 - 1.5).collect()).unwrap();
    Graph::new(
        features,
        vec![0u32, 1, 2, 0, 1, 2],
        vec!["a".into(), "b".into(), "c".into()],
        adjacency,
    )
    .unwrap()
}

/// The same graph with features that keep no zeros.
pub(crate) fn sparse_copy(graph: &Graph) -> Graph {
    let columns = graph.features().columns();
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for node in 0..graph.nodes() as u32 {
        for (column, value) in graph.features().row(NodeId(node)).into_iter().enumerate() {
            if value != 0.0 {
                indices.push(column as u32);
                values.push(value);
            }
        }
        indptr.push(indices.len() as u32);
    }
    let matrix = Csr::new(graph.nodes(), columns, indptr, indices, values).unwrap();
    Graph::new(
        Features::from_sparse(matrix).unwrap(),
        graph.labels().to_vec(),
        graph.classes().to_vec(),
        graph.adjacency().clone(),
    )
    .unwrap()
}

/// Two communities of `half` nodes each, with noisy features that indicate the community.
pub(crate) fn two_communities(half: usize, seed: u64) -> Graph {
    let mut random = Generator::new(seed);
    let nodes = 2 * half;
    let mut edges = Vec::new();
    for a in 0..nodes as u32 {
        for _ in 0..4 {
            let community = if random.uniform() < 0.85 {
                a as usize / half
            } else {
                1 - a as usize / half
            };
            let b = community as u32 * half as u32 + random.below(half as u64) as u32;
            edges.push((NodeId(a), NodeId(b)));
        }
    }
    let labels: Vec<u32> = (0..nodes).map(|n| (n / half) as u32).collect();
    let values = labels
        .iter()
        .flat_map(|&label| {
            (0..8)
                .map(|column| random.normal() as f32 + if column % 2 == label { 0.6 } else { 0.0 })
                .collect::<Vec<_>>()
        })
        .collect();
    let adjacency = Adjacency::from_edges(nodes, &edges).unwrap();
    Graph::new(
        Features::new(8, values).unwrap(),
        labels,
        vec!["0".into(), "1".into()],
        adjacency,
    )
    .unwrap()
}

/// D^-1/2 (A + I) D^-1/2, nodes x nodes, by its definition.
pub(crate) fn dense_normalisation(adjacency: &Adjacency) -> Vec<f64> {
    let n = adjacency.nodes();
    let mut a = vec![0f64; n * n];
    for row in 0..n {
        a[row * n + row] = 1.0;
        for &other in adjacency.neighbours(NodeId(row as u32)) {
            a[row * n + other as usize] = 1.0;
        }
    }
    let degree: Vec<f64> = a.chunks(n).map(|row| row.iter().sum()).collect();
    (0..n * n)
        .map(|at| a[at] / (degree[at / n].sqrt() * degree[at % n].sqrt()))
        .collect()
}

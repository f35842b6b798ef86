//! Symmetric normalisation with self-loops, eq. 2 of the paper: D^-1/2 (A + I) D^-1/2, where D counts each node's
//! neighbours and the node itself. Also scales the features before they enter the network.
use crate::settings::FeatureScaling;
use crate::{Adjacency, Error, Graph, NodeId, Result};
use l0gm_ops::{Csr, SparseMatrix};

/// D^-1/2 (A + I) D^-1/2 as a symmetric matrix of nodes x nodes.
pub fn symmetric_normalisation(adjacency: &Adjacency) -> Result<SparseMatrix> {
    let nodes = adjacency.nodes();
    let scale: Vec<f64> = (0..nodes)
        .map(|node| 1.0 / ((adjacency.neighbours(NodeId(node as u32)).len() + 1) as f64).sqrt())
        .collect();
    let entries = adjacency.indices().len() + nodes;
    let (mut indptr, mut indices, mut values) = (
        Vec::with_capacity(nodes + 1),
        Vec::with_capacity(entries),
        Vec::with_capacity(entries),
    );
    indptr.push(0);
    for node in 0..nodes as u32 {
        let row = adjacency.neighbours(NodeId(node));
        // Insert the self-loop where it keeps the row sorted.
        let (before, after) = row.split_at(row.partition_point(|&other| other < node));
        for &other in before.iter().chain(std::iter::once(&node)).chain(after) {
            indices.push(other);
            values.push((scale[node as usize] * scale[other as usize]) as f32);
        }
        indptr.push(indices.len() as u32);
    }
    Ok(SparseMatrix::new(Csr::new(
        nodes, nodes, indptr, indices, values,
    )?))
}

/// Selects rows of a matrix in the given order: all that the last layer needs of the graph for the wanted nodes.
pub(crate) fn select_rows(matrix: &Csr, rows: &[NodeId]) -> candle_core::Result<SparseMatrix> {
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for &NodeId(row) in rows {
        let span =
            matrix.indptr()[row as usize] as usize..matrix.indptr()[row as usize + 1] as usize;
        indices.extend_from_slice(&matrix.indices()[span.clone()]);
        values.extend_from_slice(&matrix.values()[span]);
        indptr.push(indices.len() as u32);
    }
    let matrix = Csr::new(rows.len(), matrix.columns(), indptr, indices, values)?;
    Ok(SparseMatrix::new(matrix))
}

/// D^-1 A without self-loops, from any matrix that has the graph's edges and self-loops as its entries: rows of equal
/// shares over a node's neighbours, empty where a node has none.
pub(crate) fn neighbour_means(with_loops: &Csr) -> candle_core::Result<Csr> {
    let (mut indptr, mut indices) = (vec![0u32], Vec::new());
    for (row, span) in with_loops.indptr().windows(2).enumerate() {
        let others = &with_loops.indices()[span[0] as usize..span[1] as usize];
        indices.extend(others.iter().filter(|&&other| other as usize != row));
        indptr.push(indices.len() as u32);
    }
    let values = vec![1.0; indices.len()];
    let nodes = with_loops.rows();
    Ok(Csr::new(nodes, nodes, indptr, indices, values)?.averaging())
}

/// The columns of a matrix in the given order, which rises.
pub(crate) fn select_columns(matrix: &Csr, columns: &[u32]) -> candle_core::Result<Csr> {
    let mut place = vec![None; matrix.columns()];
    for (to, &from) in columns.iter().enumerate() {
        match place.get_mut(from as usize) {
            Some(place) => *place = Some(to as u32),
            None => candle_core::bail!("there is no column {from} among {}", matrix.columns()),
        }
    }
    let (mut indptr, mut indices, mut values) = (vec![0u32], Vec::new(), Vec::new());
    for span in matrix.indptr().windows(2) {
        let span = span[0] as usize..span[1] as usize;
        for (&column, &value) in matrix.indices()[span.clone()]
            .iter()
            .zip(&matrix.values()[span])
        {
            if let Some(to) = place[column as usize] {
                indices.push(to);
                values.push(value);
            }
        }
        indptr.push(indices.len() as u32);
    }
    Csr::new(matrix.rows(), columns.len(), indptr, indices, values)
}

/// Scales the features in place, without looking at labels. It uses the features of all nodes, which are known in the
/// transductive setting of the paper's graph task.
///
/// [`FeatureScaling::Auto`] changes nothing: what it stands for is chosen later.
///
/// # Errors
/// Features that are stored without their zeros cannot be standardised.
pub fn scale_features(graph: &mut Graph, scaling: FeatureScaling) -> Result<()> {
    graph.features_mut().scale(scaling)
}

/// Scales features that keep no zeros, in place.
///
/// # Errors
/// Standardising would leave no feature at 0.
pub(crate) fn scale_sparse(matrix: &mut Csr, scaling: FeatureScaling) -> Result<()> {
    match scaling {
        FeatureScaling::None | FeatureScaling::Auto => Ok(()),
        FeatureScaling::Row => {
            let (columns, indptr) = (matrix.columns(), matrix.indptr().to_vec());
            for span in indptr.windows(2) {
                let row = &mut matrix.values_mut()[span[0] as usize..span[1] as usize];
                scale_row(row, columns);
            }
            Ok(())
        }
        FeatureScaling::Standard => Err(Error::Setting(
            "features is \"standard\", but these features are stored without their zeros, and with the mean taken off \
             none would be 0; use \"row\" or \"none\""
                .into(),
        )),
    }
}

/// Divides a row's values by the sum of their absolute values.
fn scale_row(row: &mut [f32], columns: usize) {
    let sum: f64 = row.iter().map(|v| f64::from(v.abs())).sum();
    if sum > 0.0 {
        // A row sums to the square root of the number of features, so its entries have a size that suits the first
        // layer's initial weights, however many features there are.
        let factor = (columns as f64).sqrt() / sum;
        row.iter_mut()
            .for_each(|v| *v = (f64::from(*v) * factor) as f32);
    }
}

/// Scales nodes x columns values in place.
pub(crate) fn scale(values: &mut [f32], columns: usize, scaling: FeatureScaling) {
    match scaling {
        FeatureScaling::None | FeatureScaling::Auto => {}
        FeatureScaling::Row => {
            for row in values.chunks_exact_mut(columns) {
                scale_row(row, columns);
            }
        }
        FeatureScaling::Standard => {
            let (mut sum, mut squares) = (vec![0f64; columns], vec![0f64; columns]);
            for row in values.chunks_exact(columns) {
                for (column, &v) in row.iter().enumerate() {
                    sum[column] += f64::from(v);
                    squares[column] += f64::from(v) * f64::from(v);
                }
            }
            let n = (values.len() / columns) as f64;
            let fit: Vec<(f64, f64)> = sum
                .iter()
                .zip(&squares)
                .map(|(s, q)| {
                    let mean = s / n;
                    let deviation = (q / n - mean * mean).max(0.0).sqrt();
                    (
                        mean,
                        if deviation > 1e-12 {
                            1.0 / deviation
                        } else {
                            0.0
                        },
                    )
                })
                .collect();
            for row in values.chunks_exact_mut(columns) {
                for (v, (mean, factor)) in row.iter_mut().zip(&fit) {
                    *v = ((f64::from(*v) - mean) * factor) as f32;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Features;
    use crate::test_graphs::{dense_normalisation, small_graph};

    #[test]
    fn normalisation_equals_equation_2_in_dense_form() {
        let graph = small_graph();
        let matrix = symmetric_normalisation(graph.adjacency()).unwrap();
        assert!(matrix.is_symmetric());
        let dense = dense_normalisation(graph.adjacency());
        let csr = matrix.matrix();
        let n = graph.nodes();
        let mut found = vec![0f64; n * n];
        for row in 0..n {
            for at in csr.indptr()[row] as usize..csr.indptr()[row + 1] as usize {
                found[row * n + csr.indices()[at] as usize] += f64::from(csr.values()[at]);
            }
        }
        for (a, b) in found.iter().zip(&dense) {
            assert!((a - b).abs() < 1e-7, "{a} {b}");
        }
    }

    #[test]
    fn selected_rows_are_the_matrixs_own() {
        let graph = small_graph();
        let matrix = symmetric_normalisation(graph.adjacency()).unwrap();
        let rows = select_rows(matrix.matrix(), &[NodeId(4), NodeId(1)]).unwrap();
        let span = |csr: &Csr, row: usize| {
            let span = csr.indptr()[row] as usize..csr.indptr()[row + 1] as usize;
            (
                csr.indices()[span.clone()].to_vec(),
                csr.values()[span].to_vec(),
            )
        };
        assert_eq!(rows.matrix().rows(), 2);
        assert_eq!(span(rows.matrix(), 0), span(matrix.matrix(), 4));
        assert_eq!(span(rows.matrix(), 1), span(matrix.matrix(), 1));
    }

    #[test]
    fn standard_scaling_gives_mean_zero_and_deviation_one_and_silences_constants() {
        let adjacency = Adjacency::from_edges(3, &[(NodeId(0), NodeId(1))]).unwrap();
        let features = Features::new(2, vec![1.0, 5.0, 2.0, 5.0, 3.0, 5.0]).unwrap();
        let mut graph = Graph::new(
            features,
            vec![0u32, 1, 0],
            vec!["a".into(), "b".into()],
            adjacency,
        )
        .unwrap();
        scale_features(&mut graph, FeatureScaling::Standard).unwrap();
        let expected = [-1.224_744_9, 0.0, 0.0, 0.0, 1.224_744_9, 0.0];
        for (a, b) in graph.features().dense().unwrap().iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
}

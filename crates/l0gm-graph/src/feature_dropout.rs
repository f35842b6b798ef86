//! Dropout on the raw attributes. Features that are stored without their zeros lose entries and stay so.

use crate::GraphInput;
use crate::entry_hash::share;
use crate::input::Attributes;
use candle_core::Result;
use l0gm_ops::{Generator, Mode, SparseMatrix, dropout};
use std::sync::Arc;

/// The same input with each feature of each node set to 0 with probability `rate`, and the others scaled up so that their
/// expectation stays. With `sparse`, features that are mostly 0 are multiplied without their zeros and not written out.
pub(crate) fn drop_features(
    input: &GraphInput,
    rate: f64,
    sparse: bool,
    generator: &mut Generator,
) -> Result<GraphInput> {
    let graph = &input.graph;
    let stored = match sparse || graph.is_sparse() {
        true => graph.sparse()?,
        false => None,
    };
    let features = match stored {
        Some(matrix) => {
            let salt = generator.below(u64::MAX);
            Attributes::Sparse(dropped(&matrix, rate, salt))
        }
        None => Attributes::Dense(dropout(
            graph.features()?,
            rate,
            &mut Mode::Train(generator),
        )?),
    };
    Ok(GraphInput {
        graph: Arc::new(graph.with_features(features)),
        rows: input.rows.clone(),
    })
}

fn dropped(matrix: &SparseMatrix, rate: f64, salt: u64) -> SparseMatrix {
    let scale = (1.0 / (1.0 - rate)) as f32;
    matrix.map_values(|row, column, value| match share(row, column, salt) < rate {
        true => 0.0,
        false => value * scale,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_graphs::{sparse_copy, two_communities};
    use crate::{GraphTensors, NodeId, NodeRows};
    use candle_core::Device;

    #[test]
    fn stored_and_written_out_features_lose_the_share_asked_for_and_keep_their_mean() {
        let graph = two_communities(100, 1);
        for graph in [graph.clone(), sparse_copy(&graph)] {
            let tensors = Arc::new(GraphTensors::new(&graph, &Device::Cpu).unwrap());
            let rows = Arc::new(NodeRows::new(&tensors, &[NodeId(0)]).unwrap());
            let input = GraphInput {
                graph: tensors,
                rows,
            };
            let found = drop_features(&input, 0.25, false, &mut Generator::new(3)).unwrap();
            let values = |input: &GraphInput| -> Vec<f32> {
                match input.graph.is_sparse() {
                    true => {
                        let matrix = input.graph.sparse().unwrap().unwrap();
                        // Both orders of the matrix must have lost the same entries.
                        assert_eq!(&matrix.matrix().transpose(), matrix.transposed());
                        matrix.matrix().values().to_vec()
                    }
                    false => {
                        let features = input.graph.features().unwrap();
                        features.flatten_all().unwrap().to_vec1().unwrap()
                    }
                }
            };
            let (before, after) = (values(&input), values(&found));
            let kept = after.iter().filter(|v| **v != 0.0).count() as f64;
            let share = kept / before.len() as f64;
            assert!((share - 0.75).abs() < 0.04, "{share}");
            for (before, after) in before.iter().zip(&after) {
                let scaled = before / 0.75;
                assert!(*after == 0.0 || (after - scaled).abs() < 1e-5);
            }
        }
    }
}

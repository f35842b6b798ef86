//! Compares ops on sparse matrices with their composition and with finite differences.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use candle_core::Tensor;
use common::{assert_close, check_views, device, normal, on_every_device, values};
use l0gm_ops::{
    Csr, SparseMatrix, composed, csr_matmul, csr_max, edge_softmax, edge_sum, segment_sum,
};

/// A 5 x 4 matrix with an empty row, a full row, and an entry that is stored twice.
fn matrix() -> SparseMatrix {
    let indptr = vec![0, 2, 2, 6, 9, 10];
    let indices = vec![0, 3, 0, 1, 2, 3, 1, 1, 2, 3];
    let values = (0..10).map(|i| 0.3 * i as f32 - 1.0).collect();
    SparseMatrix::new(Csr::new(5, 4, indptr, indices, values).unwrap())
}

#[test]
fn a_product_has_the_gradients_of_its_composition_at_every_width() {
    on_every_device(|| {
        // The widths cover one column, part of a register, a whole stretch, and several stretches with a rest.
        for width in [1, 2, 15, 16, 31, 64, 100, 131] {
            let x = [normal(1, &[4, width])];
            let what = format!("csr_matmul, width {width}");
            check_views(&what, &x, &|x| csr_matmul(&matrix(), &x[0]), &|x| {
                composed::csr_matmul(matrix().matrix(), &x[0].contiguous()?)
            });
        }
    });
}

#[test]
fn a_wide_product_of_a_denser_matrix_equals_its_composition() {
    on_every_device(|| {
        // There are enough entries per column for the columns to be packed.
        let (rows, columns, degree) = (90usize, 70usize, 40u32);
        let indptr = (0..=rows as u32).map(|row| row * degree).collect();
        let indices: Vec<u32> = (0..rows as u32)
            .flat_map(|row| (0..degree).map(move |e| (row * 7 + e * 13) % columns as u32))
            .collect();
        let values = (0..indices.len())
            .map(|i| ((i * 31 % 17) as f32 - 8.0) / 8.0)
            .collect();
        let matrix = SparseMatrix::new(Csr::new(rows, columns, indptr, indices, values).unwrap());
        for width in [32, 33, 64, 200] {
            let x = normal(2, &[columns, width]);
            let ours = csr_matmul(&matrix, &x).unwrap();
            let reference = composed::csr_matmul(matrix.matrix(), &x).unwrap();
            assert_close(&format!("width {width}"), &ours, &reference, 1e-10);
        }
    });
}

#[test]
fn a_mean_averages_a_rows_neighbours() {
    on_every_device(|| {
        let mean = SparseMatrix::new(matrix().matrix().clone().averaging());
        let x = Tensor::new(&[[1f64], [2.0], [4.0], [8.0]], &device()).unwrap();
        let y = csr_matmul(&mean, &x).unwrap();
        let expected = [4.5, 0.0, 3.75, 8.0 / 3.0, 8.0];
        for (y, expected) in values(&y).iter().zip(expected) {
            assert!((y - expected).abs() < 1e-6, "{y} against {expected}");
        }
    });
}

#[test]
fn a_maximum_gives_its_gradient_to_the_largest_neighbour() {
    on_every_device(|| {
        for width in [1, 3, 17] {
            let x = [normal(3, &[4, width])];
            let what = format!("csr_max, width {width}");
            check_views(&what, &x, &|x| csr_max(&matrix(), &x[0]), &|x| {
                composed::csr_max(matrix().matrix(), &x[0].contiguous()?)
            });
        }
        let message = csr_max(&matrix(), &normal(1, &[5, 2]))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("csr_max") && message.contains("[5, 2]"),
            "{message}"
        );
    });
}

#[test]
fn attention_on_edges_has_the_gradients_of_its_composition() {
    on_every_device(|| {
        for (heads, dim) in [(1, 1), (1, 5), (3, 2), (2, 19)] {
            let inputs = [normal(4, &[10, heads]), normal(5, &[4, heads * dim])];
            let what = format!("{heads} heads of {dim}");
            check_views(
                &format!("edge_softmax, {what}"),
                &inputs[..1],
                &|x| edge_softmax(&matrix(), &x[0]),
                &|x| composed::edge_softmax(matrix().matrix(), &x[0]),
            );
            check_views(
                &format!("edge_sum, {what}"),
                &inputs,
                &|x| edge_sum(&matrix(), &x[0], &x[1]),
                &|x| {
                    composed::edge_sum(matrix().matrix(), &x[0].contiguous()?, &x[1].contiguous()?)
                },
            );
        }
        let extreme = (normal(4, &[10, 2]) * 1e4).unwrap();
        let weights = values(&edge_softmax(&matrix(), &extreme).unwrap());
        assert!(
            weights.iter().all(|w| (0.0..=1.0).contains(w)),
            "{weights:?}"
        );
        let message = edge_softmax(&matrix(), &normal(1, &[9, 2]))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("[9, 2]") && message.contains("(10, heads)"),
            "{message}"
        );
        let message = edge_sum(&matrix(), &normal(1, &[10, 2]), &normal(1, &[4, 3])).unwrap_err();
        assert!(message.to_string().contains("[4, 3]"), "{message}");
    });
}

#[test]
fn segments_are_summed_and_empty_ones_are_zero() {
    on_every_device(|| {
        let offsets = [0, 2, 2, 7, 8];
        for width in [1, 3] {
            check_views(
                &format!("segment_sum, width {width}"),
                &[normal(6, &[8, width])],
                &|x| segment_sum(&x[0], &offsets),
                &|x| composed::segment_sum(&x[0], &offsets),
            );
        }
        let x = normal(6, &[8, 2]);
        for (offsets, word) in [
            (&[0u32, 3, 7][..], "0 to the 8 rows"),
            (&[0, 5, 3, 8], "below"),
        ] {
            let message = segment_sum(&x, offsets).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    });
}

//! Properties that must hold for any shape and any values: the fused ops agree with their compositions on random
//! sizes, and laws that need no reference.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use candle_core::{DType, Device, Tensor};
use common::{assert_close, gradients, normal, values};
use l0gm_ops::{Csr, Generator, SparseMatrix, composed};
use proptest::prelude::*;

/// A matrix with any number of entries per row, including repeated ones.
fn matrix(rows: usize, columns: usize, entries: usize, seed: u64) -> SparseMatrix {
    let mut random = Generator::new(seed);
    let mut of_row: Vec<Vec<u32>> = vec![Vec::new(); rows];
    for _ in 0..entries {
        let row = random.below(rows as u64) as usize;
        of_row[row].push(random.below(columns as u64) as u32);
    }
    let mut indptr = vec![0u32];
    let mut indices = Vec::new();
    for mut row in of_row {
        row.sort_unstable();
        indices.extend(row);
        indptr.push(indices.len() as u32);
    }
    let values = indices.iter().map(|_| random.normal() as f32).collect();
    SparseMatrix::new(Csr::new(rows, columns, indptr, indices, values).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_linear_layer_equals_its_composition(
        rows in 0usize..70, inner in 1usize..90, out in 1usize..90, seed in 0u64..1000
    ) {
        let inputs = [normal(seed, &[rows, inner]), normal(seed + 1, &[out, inner]), normal(seed + 2, &[out])];
        let (y, ours) = gradients(&|x| l0gm_ops::linear(&x[0], &x[1], Some(&x[2])), &inputs);
        prop_assert_eq!(y.dims(), &[rows, out]);
        if rows > 0 {
            let (expected, theirs) = gradients(&|x| composed::linear(&x[0], &x[1], Some(&x[2])), &inputs);
            assert_close("linear", &y, &expected, 1e-10);
            for (a, b) in ours.iter().zip(&theirs) {
                assert_close("a gradient of linear", a, b, 1e-10);
            }
        }
    }

    #[test]
    fn a_sparse_product_and_its_gradient_equal_their_composition(
        rows in 1usize..40, columns in 1usize..40, entries in 0usize..400, width in 1usize..140, seed in 0u64..1000
    ) {
        let matrix = matrix(rows, columns, entries, seed);
        let inputs = [normal(seed, &[columns, width])];
        let (y, ours) = gradients(&|x| l0gm_ops::csr_matmul(&matrix, &x[0]), &inputs);
        let reference = composed::csr_matmul(matrix.matrix(), &inputs[0]).unwrap();
        assert_close("csr_matmul", &y, &reference, 1e-9);
        if entries > 0 {
            let (_, theirs) = gradients(&|x| composed::csr_matmul(matrix.matrix(), &x[0]), &inputs);
            assert_close("its gradient", &ours[0], &theirs[0], 1e-9);
        }
    }

    #[test]
    fn a_transpose_of_a_transpose_is_the_matrix(
        rows in 1usize..30, columns in 1usize..30, entries in 0usize..200, seed in 0u64..1000
    ) {
        let matrix = matrix(rows, columns, entries, seed);
        let (here, back) = (matrix.matrix(), matrix.matrix().transpose().transpose());
        prop_assert_eq!(here.indptr(), back.indptr());
        prop_assert_eq!(here.indices(), back.indices());
    }

    #[test]
    fn softmax_rows_are_shares_whatever_the_scale(
        rows in 1usize..20, width in 1usize..50, scale in -5f64..5.0, seed in 0u64..1000
    ) {
        let x = (normal(seed, &[rows, width]) * 10f64.powf(scale)).unwrap().to_dtype(DType::F32).unwrap();
        let shares = l0gm_ops::softmax(&x).unwrap();
        let logs = l0gm_ops::log_softmax(&x).unwrap();
        for row in 0..rows {
            let shares = values(&shares.get(row).unwrap());
            prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-5);
            prop_assert!(shares.iter().all(|s| (0.0..=1.0).contains(s)));
            let largest = values(&logs.get(row).unwrap()).into_iter().fold(f64::MIN, f64::max);
            prop_assert!(largest <= 1e-6 && largest >= -(width as f64).ln() - 1e-4);
        }
    }

    #[test]
    fn normalised_rows_have_mean_zero_and_size_one(
        rows in 1usize..20, width in 2usize..60, shift in -1e3f64..1e3, seed in 0u64..1000
    ) {
        let x = (normal(seed, &[rows, width]) + shift).unwrap();
        let one = Tensor::ones(width, DType::F64, &Device::Cpu).unwrap();
        let y = l0gm_ops::layer_norm(&x, &one, &one.zeros_like().unwrap(), 0.0).unwrap();
        for row in 0..rows {
            let row = values(&y.get(row).unwrap());
            let mean = row.iter().sum::<f64>() / width as f64;
            let square = row.iter().map(|v| v * v).sum::<f64>() / width as f64;
            prop_assert!(mean.abs() < 1e-6 && (square - 1.0).abs() < 1e-6, "{mean} {square}");
        }
    }

    #[test]
    fn an_embeddings_gradient_counts_how_often_a_row_was_used(
        rows in 1usize..200, used in 1usize..300, seed in 0u64..1000
    ) {
        let mut random = Generator::new(seed);
        let ids: Vec<u32> = (0..used).map(|_| random.below(rows as u64) as u32).collect();
        let table = candle_core::Var::ones((rows, 3), DType::F32, &Device::Cpu).unwrap();
        let y = l0gm_ops::embedding(&table, &Tensor::new(ids.as_slice(), &Device::Cpu).unwrap()).unwrap();
        let store = y.sum_all().unwrap().backward().unwrap();
        let gradient = store.get(&table).unwrap().to_vec2::<f32>().unwrap();
        for (row, gradient) in gradient.iter().enumerate() {
            let count = ids.iter().filter(|&&id| id as usize == row).count() as f32;
            prop_assert_eq!(gradient, &vec![count; 3]);
        }
    }
}

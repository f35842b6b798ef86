//! Compares every op in f64 with its composition of candle's operations and with finite differences.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use candle_core::Tensor;
use common::{check, check_views, device, normal, on_every_device};
use l0gm_ops::{Csr, Generator, Mode, SparseMatrix, Stretch, composed};

#[test]
fn linear_has_the_gradients_of_its_composition() {
    on_every_device(|| {
        for (shape, out) in [
            (vec![1, 1], 1),
            (vec![1, 7], 5),
            (vec![5, 1], 3),
            (vec![2, 3, 7], 5),
            (vec![2, 3, 2, 5], 1),
        ] {
            let inner = shape[shape.len() - 1];
            let inputs = [
                normal(1, &shape),
                normal(2, &[out, inner]),
                normal(3, &[out]),
            ];
            let name = format!("linear {shape:?} -> {out}");
            check_views(
                &name,
                &inputs,
                &|x| l0gm_ops::linear(&x[0], &x[1], Some(&x[2])),
                &|x| composed::linear(&x[0], &x[1], Some(&x[2])),
            );
            check_views(
                &format!("{name} without bias"),
                &inputs[..2],
                &|x| l0gm_ops::linear(&x[0], &x[1], None),
                &|x| composed::linear(&x[0], &x[1], None),
            );
        }
    });
}

#[test]
fn softmax_has_the_gradients_of_its_composition() {
    on_every_device(|| {
        for shape in [vec![1], vec![1, 1], vec![3, 1], vec![1, 17], vec![2, 3, 19]] {
            check_views(
                &format!("softmax {shape:?}"),
                &[normal(4, &shape)],
                &|x| l0gm_ops::softmax(&x[0]),
                &|x| composed::softmax(&x[0]),
            );
        }
    });
}

#[test]
fn layer_norm_has_the_gradients_of_its_composition() {
    on_every_device(|| {
        for shape in [
            vec![1, 2],
            vec![5],
            vec![1, 17],
            vec![2, 3, 19],
            vec![31, 7],
        ] {
            let width = shape[shape.len() - 1];
            check_views(
                &format!("layer_norm {shape:?}"),
                &[normal(5, &shape), normal(6, &[width]), normal(7, &[width])],
                &|x| l0gm_ops::layer_norm(&x[0], &x[1], &x[2], 0.1),
                &|x| composed::layer_norm(&x[0], &x[1], &x[2], 0.1),
            );
        }
    });
}

#[test]
fn gelu_has_the_gradients_of_its_composition() {
    on_every_device(|| {
        for shape in [vec![1], vec![1, 37], vec![5, 7]] {
            check_views(
                &format!("gelu {shape:?}"),
                &[(normal(8, &shape) * 2.0).unwrap()],
                &|x| l0gm_ops::gelu(&x[0]),
                &|x| composed::gelu(&x[0]),
            );
        }
    });
}

#[test]
fn cross_entropy_has_the_gradients_of_its_composition() {
    on_every_device(|| {
        for (batch, classes) in [(1, 1), (1, 5), (7, 2), (5, 19)] {
            let labels: Vec<u32> = (0..batch as u32)
                .map(|i| (i * 3) % classes as u32)
                .collect();
            let labels = Tensor::new(labels, &device()).unwrap();
            check_views(
                &format!("cross_entropy {batch} x {classes}"),
                &[normal(9, &[batch, classes])],
                &|x| l0gm_ops::cross_entropy(&x[0], &labels),
                &|x| composed::cross_entropy(&x[0], &labels),
            );
        }
    });
}

#[test]
fn dropout_has_the_gradients_of_its_composition() {
    on_every_device(|| {
        for shape in [vec![1], vec![5, 7], vec![2, 3, 11]] {
            check_views(
                &format!("dropout {shape:?}"),
                &[normal(10, &shape)],
                &|x| l0gm_ops::dropout(&x[0], 0.3, &mut Mode::Train(&mut Generator::new(11))),
                &|x| composed::dropout(&x[0], 0.3, &Generator::new(11)),
            );
        }
    });
}

#[test]
fn embedding_has_the_gradients_of_its_composition() {
    on_every_device(|| {
        for (rows, dim, ids) in [
            (1, 1, vec![0u32]),
            (7, 3, vec![6, 0, 6, 2, 2, 6]),
            (5, 1, vec![4, 3]),
        ] {
            let ids = Tensor::new(ids, &device()).unwrap();
            check_views(
                &format!("embedding {rows} x {dim}"),
                &[normal(12, &[rows, dim])],
                &|x| l0gm_ops::embedding(&x[0], &ids),
                &|x| composed::embedding(&x[0].contiguous()?, &ids),
            );
            let square = ids.reshape((1, (), 1)).unwrap();
            check(
                "embedding with ids of three dimensions",
                &[normal(12, &[rows, dim])],
                &|x| l0gm_ops::embedding(&x[0], &square),
                &|x| composed::embedding(&x[0], &square),
            );
        }
    });
}

#[test]
fn hard_concrete_has_the_gradients_of_its_composition() {
    on_every_device(|| {
        for (noise, gates) in [(vec![1, 1], 1), (vec![6, 7], 7), (vec![2, 3, 5], 5)] {
            let u = Generator::new(13)
                .uniform_tensor(
                    noise.as_slice(),
                    0.0,
                    1.0,
                    candle_core::DType::F64,
                    &device(),
                )
                .unwrap();
            let stretch = Stretch::default();
            for log_alpha in [normal(14, &[gates]), normal(14, &noise)] {
                let leading = log_alpha.rank() > 1;
                let noise = |x: &Tensor| u.to_dtype(x.dtype());
                check(
                    &format!(
                        "hard_concrete {:?}, log_alpha of its own: {leading}",
                        u.dims()
                    ),
                    &[log_alpha],
                    &|x| l0gm_ops::hard_concrete(&x[0], &noise(&x[0])?, 2.0 / 3.0, stretch),
                    &|x| composed::hard_concrete(&x[0], &noise(&x[0])?, 2.0 / 3.0, stretch),
                );
            }
        }
    });
}

#[test]
fn pairwise_interaction_has_the_gradients_of_its_composition() {
    on_every_device(|| {
        for (batch, m, n, dim, maps) in [
            (1, 1, 1, 1, 1),
            (3, 2, 5, 7, 3),
            (2, 3, 3, 1, 1),
            (1, 5, 2, 3, 7),
        ] {
            check_views(
                &format!("pairwise_interaction {batch} {m} {n} {dim} {maps}"),
                &[
                    normal(15, &[batch, m, dim]),
                    normal(16, &[batch, n, dim]),
                    normal(17, &[maps, m, n]),
                ],
                &|x| l0gm_ops::pairwise_interaction(&x[0], &x[1], &x[2]),
                &|x| composed::pairwise_interaction(&x[0], &x[1], &x[2].contiguous()?),
            );
        }
    });
}

#[test]
fn pairwise_interaction_of_a_tensor_with_itself_adds_both_gradients() {
    on_every_device(|| {
        check(
            "pairwise_interaction of x with x",
            &[normal(15, &[3, 4, 5]), normal(17, &[2, 4, 4])],
            &|x| l0gm_ops::pairwise_interaction(&x[0], &x[0], &x[1]),
            &|x| composed::pairwise_interaction(&x[0], &x[0], &x[1]),
        );
    });
}

#[test]
fn attention_has_the_gradients_of_its_composition() {
    on_every_device(|| {
        for (batch, length, heads, dim) in [(1, 1, 1, 1), (2, 5, 3, 2), (3, 7, 1, 5), (1, 3, 2, 1)]
        {
            let shape = [batch, length, heads * dim];
            let inputs = [normal(18, &shape), normal(19, &shape), normal(20, &shape)];
            let mut open: Vec<u8> = (0..batch * length).map(|i| u8::from(i % 3 != 1)).collect();
            // The last example consists of padding only.
            open[(batch - 1) * length..].fill(0);
            let padded = Tensor::from_vec(open, (batch, length), &device()).unwrap();
            for mask in [None, Some(&padded)] {
                for p in [0.0, 0.4] {
                    let noise = Generator::new(21);
                    let drop = (p > 0.0).then_some((p, &noise));
                    check_views(
                        &format!(
                            "attention {shape:?}, {heads} heads, mask {}, dropout {p}",
                            mask.is_some()
                        ),
                        &inputs,
                        &|x| {
                            let mut generator = noise.clone();
                            let mut mode = Mode::Train(&mut generator);
                            l0gm_ops::attention(&x[0], &x[1], &x[2], mask, heads, p, &mut mode)
                        },
                        &|x| {
                            let [q, k, v] = [&x[0], &x[1], &x[2]].map(|t| t.contiguous().unwrap());
                            composed::attention(&q, &k, &v, mask, heads, drop)
                        },
                    );
                }
            }
        }
    });
}

#[test]
fn attention_over_one_tensor_adds_all_three_gradients() {
    on_every_device(|| {
        check(
            "attention of x over x",
            &[normal(18, &[2, 4, 6])],
            &|x| l0gm_ops::attention(&x[0], &x[0], &x[0], None, 2, 0.0, &mut Mode::Eval),
            &|x| composed::attention(&x[0], &x[0], &x[0], None, 2, None),
        );
    });
}

#[test]
fn csr_matmul_has_the_gradients_of_its_composition() {
    on_every_device(|| {
        // Row 1 is empty, column 2 is unused, and row 3 is longer than one unrolled step.
        let matrix = Csr::new(
            4,
            7,
            vec![0, 2, 2, 3, 9],
            vec![0, 6, 5, 0, 1, 3, 4, 5, 6],
            vec![0.5, -1.25, 2.0, 0.75, 1.0, -0.5, 0.25, 3.0, -1.0],
        )
        .unwrap();
        let matrix = SparseMatrix::new(matrix);
        for width in [1, 3, 16, 37] {
            check_views(
                &format!("csr_matmul of width {width}"),
                &[normal(22, &[7, width])],
                &|x| l0gm_ops::csr_matmul(&matrix, &x[0]),
                &|x| composed::csr_matmul(matrix.matrix(), &x[0].contiguous()?),
            );
        }
    });
}

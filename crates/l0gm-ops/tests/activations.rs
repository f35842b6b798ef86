//! Compares entrywise ops, normalisations, reductions and losses with their composition and with finite differences,
//! on odd shapes and through views. Then tests them with extreme values.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use candle_core::{DType, Result, Tensor, Var};
use common::{assert_close, check, check_views, device, normal, on_every_device, values};
use l0gm_ops::{Stretch, composed};

type Unary = fn(&Tensor) -> Result<Tensor>;

/// The values of an op, and the gradient of their sum.
fn slopes(op: impl Fn(&Tensor) -> Result<Tensor>, x: &Tensor) -> (Vec<f64>, Vec<f64>) {
    let x = Var::from_tensor(x).unwrap();
    let y = op(&x).unwrap();
    let store = y.sum_all().unwrap().backward().unwrap();
    (values(&y), values(store.get(&x).unwrap()))
}

const SHAPES: [&[usize]; 5] = [&[1], &[1, 37], &[5, 7], &[3, 1], &[2, 3, 11]];

#[test]
fn activations_have_the_gradients_of_their_compositions() {
    on_every_device(|| {
        let cases: [(&str, Unary, Unary); 4] = [
            ("relu", l0gm_ops::relu, composed::relu),
            ("silu", l0gm_ops::silu, composed::silu),
            ("gelu", l0gm_ops::gelu, composed::gelu),
            ("gelu_tanh", l0gm_ops::gelu_tanh, composed::gelu_tanh),
        ];
        for (name, op, reference) in cases {
            for shape in SHAPES {
                let x = (normal(8, shape) * 2.0).unwrap();
                let what = format!("{name} {shape:?}");
                check_views(&what, &[x], &|x| op(&x[0]), &|x| reference(&x[0]));
            }
        }
    });
}

#[test]
fn activations_are_finite_at_the_extremes_and_keep_a_nan() {
    on_every_device(|| {
        let ends = [
            1e4f32,
            -1e4,
            0.0,
            -0.0,
            1e-40,
            -1e-40,
            88.0,
            -88.0,
            f32::MAX,
            f32::MIN,
        ];
        let x = Tensor::new(&ends, &device()).unwrap();
        let nan = Tensor::new(&[f32::NAN], &device()).unwrap();
        let ops: [(&str, Unary); 4] = [
            ("relu", l0gm_ops::relu),
            ("silu", l0gm_ops::silu),
            ("gelu", l0gm_ops::gelu),
            ("gelu_tanh", l0gm_ops::gelu_tanh),
        ];
        for (name, op) in ops {
            let (y, dx) = slopes(op, &x);
            for (x, (y, dx)) in ends.iter().zip(y.into_iter().zip(dx)) {
                assert!(y.is_finite(), "{name}({x}) is {y}");
                assert!((-0.2..=1.2).contains(&dx), "slope of {name} at {x} is {dx}");
            }
            assert!(values(&op(&nan).unwrap())[0].is_nan(), "{name} hides a NaN");
        }
    });
}

#[test]
fn the_open_probability_equals_the_gates_formula_and_its_gradient() {
    on_every_device(|| {
        let stretch = Stretch::default();
        for temperature in [0.1, 2.0 / 3.0, 2.0] {
            let shift = temperature * (-stretch.gamma / stretch.zeta).ln();
            let reference = |x: &[Tensor]| {
                let half = ((&x[0] - shift)? * 0.5)?;
                (half.tanh()? * 0.5)? + 0.5
            };
            let op = |x: &[Tensor]| l0gm_ops::open_probability(&x[0], temperature, stretch);
            check(
                "open_probability",
                &[(normal(3, &[31]) * 3.0).unwrap()],
                &op,
                &reference,
            );
        }
        // The constants of Louizos et al. at tau = 2/3.
        let x = Tensor::new(&[-4.605f64, 0.0, 2.0, 4.605], &device()).unwrap();
        let p = values(&l0gm_ops::open_probability(&x, 2.0 / 3.0, stretch).unwrap());
        for (p, expected) in p.iter().zip([0.04713, 0.83182, 0.97337, 0.99798]) {
            assert!((p - expected).abs() < 1e-5, "{p} against {expected}");
        }
    });
}

#[test]
fn rms_norm_and_log_softmax_have_the_gradients_of_their_compositions() {
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
                &format!("rms_norm {shape:?}"),
                &[normal(5, &shape), normal(6, &[width])],
                &|x| l0gm_ops::rms_norm(&x[0], &x[1], 0.1),
                &|x| composed::rms_norm(&x[0], &x[1], 0.1),
            );
            check_views(
                &format!("log_softmax {shape:?}"),
                &[normal(7, &shape)],
                &|x| l0gm_ops::log_softmax(&x[0]),
                &|x| composed::log_softmax(&x[0]),
            );
        }
    });
}

#[test]
fn a_masked_softmax_gives_closed_entries_and_closed_rows_zero() {
    on_every_device(|| {
        let x = normal(1, &[4, 5]);
        let rows: Vec<u8> = vec![1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1];
        let masks = [
            Tensor::from_vec(rows, (4, 5), &device()).unwrap(),
            Tensor::new(&[1u8, 0, 1, 1, 0], &device()).unwrap(),
        ];
        for mask in masks {
            check_views(
                "masked_softmax",
                std::slice::from_ref(&x),
                &|x| l0gm_ops::masked_softmax(&x[0], &mask),
                &|x| composed::masked_softmax(&x[0], &mask),
            );
            check_views(
                "masked_log_softmax",
                std::slice::from_ref(&x),
                &|x| l0gm_ops::masked_log_softmax(&x[0], &mask),
                &|x| composed::masked_log_softmax(&x[0], &mask),
            );
        }
        let closed = Tensor::zeros(5, DType::U8, &device()).unwrap();
        let extreme = (&x * 1e4).unwrap().to_dtype(DType::F32).unwrap();
        let y = l0gm_ops::masked_softmax(&extreme, &closed).unwrap();
        assert_eq!(values(&y), [0.0; 20]);
        let y = l0gm_ops::masked_log_softmax(&extreme, &closed).unwrap();
        assert_eq!(values(&y), [0.0; 20]);
        let wrong = Tensor::zeros(4, DType::U8, &device()).unwrap();
        let message = l0gm_ops::masked_softmax(&x, &wrong)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("[4]") && message.contains("[4, 5]"),
            "{message}"
        );
    });
}

#[test]
fn sums_means_and_biases_have_the_gradients_of_their_compositions() {
    on_every_device(|| {
        for shape in [
            vec![7],
            vec![1, 5],
            vec![5, 1],
            vec![13, 17],
            vec![2, 3, 5],
            vec![3, 70, 2],
        ] {
            for dim in 0..shape.len() {
                let what = format!("over dimension {dim} of {shape:?}");
                let x = [normal(2, &shape)];
                check_views(
                    &format!("sum {what}"),
                    &x,
                    &|x| l0gm_ops::sum(&x[0], dim),
                    &|x| x[0].sum(dim),
                );
                check_views(
                    &format!("mean {what}"),
                    &x,
                    &|x| l0gm_ops::mean(&x[0], dim),
                    &|x| x[0].mean(dim),
                );
            }
            let width = shape[shape.len() - 1];
            check_views(
                &format!("add_bias {shape:?}"),
                &[normal(3, &shape), normal(4, &[width])],
                &|x| l0gm_ops::add_bias(&x[0], &x[1]),
                &|x| x[0].broadcast_add(&x[1]),
            );
            check_views(
                &format!("add {shape:?}"),
                &[normal(3, &shape), normal(4, &shape)],
                &|x| l0gm_ops::add(&x[0], &x[1]),
                &|x| &x[0] + &x[1],
            );
            check_views(
                &format!("mul {shape:?}"),
                &[normal(3, &shape), normal(4, &shape)],
                &|x| l0gm_ops::mul(&x[0], &x[1]),
                &|x| &x[0] * &x[1],
            );
        }
        let empty = Tensor::zeros((0, 3), DType::F32, &device()).unwrap();
        assert_eq!(values(&l0gm_ops::sum(&empty, 0).unwrap()), [0.0; 3]);
        assert!(
            l0gm_ops::mean(&empty, 0)
                .unwrap_err()
                .to_string()
                .contains("[0, 3]")
        );
        assert!(
            l0gm_ops::sum(&empty, 2)
                .unwrap_err()
                .to_string()
                .contains("dimension 2")
        );
    });
}

#[test]
fn binary_cross_entropy_has_the_gradients_of_its_composition_and_names_a_bad_target() {
    on_every_device(|| {
        for shape in [vec![1], vec![7], vec![3, 5]] {
            let targets = normal(2, &shape).clamp(-1.0, 1.0).unwrap();
            let targets = ((targets + 1.0).unwrap() * 0.5).unwrap();
            check_views(
                &format!("binary_cross_entropy {shape:?}"),
                &[normal(1, &shape)],
                &|x| {
                    l0gm_ops::binary_cross_entropy(
                        &x[0],
                        &targets.to_dtype(x[0].dtype())?.reshape(x[0].shape())?,
                    )
                },
                &|x| {
                    composed::binary_cross_entropy(
                        &x[0],
                        &targets.to_dtype(x[0].dtype())?.reshape(x[0].shape())?,
                    )
                },
            );
        }
        let x = Tensor::new(&[1e4f32, -1e4], &device()).unwrap();
        let wrong = Tensor::new(&[0f32, 1.0], &device()).unwrap();
        let (loss, dx) = slopes(|x| l0gm_ops::binary_cross_entropy(x, &wrong), &x);
        assert_eq!(loss, [1e4]);
        assert_eq!(dx, [0.5, -0.5]);
        type Loss = fn(&Tensor, &Tensor) -> candle_core::Result<Tensor>;
        let losses: [Loss; 2] = [
            l0gm_ops::binary_cross_entropy,
            composed::binary_cross_entropy,
        ];
        let infinite = Tensor::new(&[f32::INFINITY, f32::NEG_INFINITY], &device()).unwrap();
        let right = Tensor::new(&[1f32, 0.0], &device()).unwrap();
        for of in losses {
            let (loss, dx) = slopes(|x| of(x, &right), &infinite);
            assert_eq!((loss, dx), (vec![0.0], vec![0.0, 0.0]));
            let (loss, dx) = slopes(|x| of(x, &wrong), &infinite);
            assert_eq!((loss, dx), (vec![f64::INFINITY], vec![0.5, -0.5]));
            for label in [&right, &wrong] {
                let nan = Tensor::new(&[f32::NAN, 1.0], &device()).unwrap();
                let (loss, dx) = slopes(|x| of(x, label), &nan);
                assert!(loss[0].is_nan() && dx[0].is_nan() && dx[1].is_finite());
            }
        }
        let bad = Tensor::new(&[0f32, 1.5], &device()).unwrap();
        let message = l0gm_ops::binary_cross_entropy(&x, &bad)
            .unwrap_err()
            .to_string();
        assert!(message.contains("target 1.5 at entry 1"), "{message}");
    });
}

#[test]
fn a_mean_over_many_rows_is_that_of_f64() {
    on_every_device(|| {
        let x = normal(5, &[4099, 33]);
        let single = x.to_dtype(DType::F32).unwrap();
        let mean = l0gm_ops::mean(&single, 0).unwrap();
        assert_close("mean over rows", &mean, &x.mean(0).unwrap(), 1e-6);
    });
}

#[test]
fn scale_members_has_the_gradients_of_its_composition() {
    on_every_device(|| {
        for (rows, members, width) in [(1, 1, 1), (5, 1, 3), (3, 4, 1), (7, 3, 5), (131, 2, 3)] {
            for shared in [true, false] {
                let x = match shared {
                    true => normal(1, &[rows, width]),
                    false => normal(1, &[rows, members, width]),
                };
                check_views(
                    &format!("scale_members {rows} x {members} x {width}, shared {shared}"),
                    &[x, normal(2, &[members, width])],
                    &|x| l0gm_ops::scale_members(&x[0], &x[1]),
                    &|x| composed::scale_members(&x[0], &x[1]),
                );
            }
        }
    });
}

#[test]
fn scale_members_refuses_shapes_that_do_not_fit() {
    for (x, scale) in [
        (vec![2, 3], vec![2, 4]),
        (vec![2, 5, 3], vec![4, 3]),
        (vec![3], vec![1, 3]),
        (vec![2, 3], vec![0, 3]),
    ] {
        let error = l0gm_ops::scale_members(&normal(1, &x), &normal(2, &scale));
        let text = error.unwrap_err().to_string();
        assert!(text.contains("(rows, members, width)"), "{text}");
    }
}

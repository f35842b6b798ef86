//! Tests extreme values, independence of the number of threads, updates in place, and refusals.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use candle_core::{DType, Result, Tensor, Var};
use common::{assert_close, device, gradients, normal, on_every_device, values};
use l0gm_ops::{AdamWStep, Csr, Generator, Mode, SparseMatrix, Stretch, composed};

fn f32(x: &Tensor) -> Tensor {
    x.to_dtype(DType::F32).unwrap()
}

fn row(values: &[f32]) -> Tensor {
    Tensor::new(values, &device())
        .unwrap()
        .unsqueeze(0)
        .unwrap()
}

#[test]
fn extreme_inputs_give_finite_values_and_gradients() {
    on_every_device(|| {
        let x = row(&[1e4, -1e4, 0.0, 1e4, 1e-30, -3.0, 88.0, -88.0]);
        let ones = Tensor::ones(8, DType::F32, &device()).unwrap();
        let label = Tensor::new(&[1u32], &device()).unwrap();
        let cube = x.reshape((2, 2, 2)).unwrap();
        type Case<'a> = (&'a str, &'a Tensor, &'a dyn Fn(&[Tensor]) -> Result<Tensor>);
        let cases: [Case<'_>; 5] = [
            ("softmax", &x, &|x| l0gm_ops::softmax(&x[0])),
            ("gelu", &x, &|x| l0gm_ops::gelu(&x[0])),
            ("layer_norm", &x, &|x| {
                l0gm_ops::layer_norm(&x[0], &ones, &ones, 1e-12)
            }),
            ("cross_entropy", &x, &|x| {
                l0gm_ops::cross_entropy(&x[0], &label)
            }),
            ("attention", &cube, &|x| {
                l0gm_ops::attention(&x[0], &x[0], &x[0], None, 1, 0.0, &mut Mode::Eval)
            }),
        ];
        for (name, input, op) in cases {
            let (value, grads) = gradients(op, std::slice::from_ref(input));
            for value in values(&value).into_iter().chain(values(&grads[0])) {
                assert!(value.is_finite(), "{name}: {value}");
            }
        }
        let loss = l0gm_ops::cross_entropy(&x, &label).unwrap();
        assert_eq!(values(&loss)[0], f64::from(2e4f32 + 2f32.ln()));
        let constant = Tensor::full(7f32, (2, 8), &device()).unwrap();
        let normed = l0gm_ops::layer_norm(&constant, &ones, &ones, 1e-12).unwrap();
        assert_eq!(values(&normed), [1.0; 16]);
    });
}

#[test]
fn hard_concrete_is_finite_at_the_ends_of_noise_and_of_log_alpha() {
    on_every_device(|| {
        let us = [
            1e-45f32,
            1e-38,
            1e-8,
            1e-6,
            0.5,
            1.0 - 1e-6,
            1.0 - f32::EPSILON / 2.0,
        ];
        for log_alpha in [-20f32, -4.605, 0.0, 2.0, 20.0] {
            for temperature in [0.1, 2.0 / 3.0, 2.0] {
                let alpha = Tensor::full(log_alpha, us.len(), &device()).unwrap();
                let op = |x: &[Tensor]| {
                    l0gm_ops::hard_concrete(&x[0], &row(&us), temperature, Stretch::default())
                };
                let (z, grads) = gradients(&op, &[alpha]);
                assert!(values(&z).iter().all(|z| (0.0..=1.0).contains(z)));
                assert!(values(&grads[0]).iter().all(|g| g.is_finite()));
            }
        }
    });
}

/// Runs every op at a size that takes several tasks, and returns all values and gradients.
fn everything() -> Vec<Tensor> {
    let shape = [9, 67, 96];
    let x = f32(&normal(1, &shape));
    let inputs = [
        x.clone(),
        f32(&normal(2, &[96, 96])),
        f32(&normal(3, &[96])),
    ];
    let generator = Generator::new(5);
    let noise = generator
        .clone()
        .uniform_tensor((603, 96), 0.0, 1.0, DType::F32, &device())
        .unwrap();
    let nodes = 603usize;
    let indptr: Vec<u32> = (0..=nodes as u32).map(|row| row * 5).collect();
    let indices: Vec<u32> = (0..5 * nodes as u32)
        .map(|e| (e * 37) % nodes as u32)
        .collect();
    let entries = indices.len();
    let csr = Csr::new(nodes, nodes, indptr, indices, vec![0.3; entries]).unwrap();
    let sparse = SparseMatrix::new(csr);
    let ids = Tensor::from_iter((0..2000u32).map(|i| i * i % 96), &device()).unwrap();
    let labels = Tensor::from_iter((0..603u32).map(|i| i % 96), &device()).unwrap();
    let flat = |x: &Tensor| x.reshape((603, 96));
    let mut out = Vec::new();
    let mut add = |op: &dyn Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]| {
        let (value, grads) = gradients(op, inputs);
        out.push(value);
        out.extend(grads);
    };
    add(&|x| l0gm_ops::linear(&x[0], &x[1], Some(&x[2])), &inputs);
    // The sums over k are long enough to be cut into blocks.
    let long = [
        f32(&normal(12, &[150, 1999])),
        f32(&normal(13, &[203, 1999])),
    ];
    add(&|x| l0gm_ops::linear(&x[0], &x[1], None), &long);
    add(&|x| l0gm_ops::softmax(&x[0]), &inputs[..1]);
    add(&|x| l0gm_ops::gelu(&x[0]), &inputs[..1]);
    let norm = [x.clone(), inputs[2].clone(), inputs[2].clone()];
    add(&|x| l0gm_ops::layer_norm(&x[0], &x[1], &x[2], 1e-5), &norm);
    add(
        &|x| l0gm_ops::cross_entropy(&flat(&x[0])?, &labels),
        &inputs[..1],
    );
    let drop =
        |x: &[Tensor]| l0gm_ops::dropout(&x[0], 0.2, &mut Mode::Train(&mut generator.clone()));
    add(&drop, &inputs[..1]);
    add(&|x| l0gm_ops::embedding(&x[0], &ids), &inputs[1..2]);
    add(
        &|x| l0gm_ops::hard_concrete(&x[0], &noise, 0.5, Stretch::default()),
        &inputs[2..],
    );
    let attend = |x: &[Tensor]| {
        let mut generator = generator.clone();
        let mut mode = Mode::Train(&mut generator);
        l0gm_ops::attention(&x[0], &x[1], &x[2], None, 4, 0.1, &mut mode)
    };
    let y = f32(&normal(7, &shape));
    add(&attend, &[x.clone(), y.clone(), (&x + &y).unwrap()]);
    let weight = f32(&normal(8, &[3, 67, 67]));
    add(
        &|x| l0gm_ops::pairwise_interaction(&x[0], &x[1], &x[2]),
        &[x.clone(), y, weight],
    );
    add(
        &|x| l0gm_ops::csr_matmul(&sparse, &flat(&x[0])?),
        &inputs[..1],
    );
    let norm = l0gm_ops::squared_norm(&x).unwrap();
    out.push(Tensor::new(norm, &device()).unwrap());
    let p = Var::from_tensor(&x).unwrap();
    let (m, v) = (p.zeros_like().unwrap(), p.zeros_like().unwrap());
    let (m, v) = (Var::from_tensor(&m).unwrap(), Var::from_tensor(&v).unwrap());
    let gradient = f32(&normal(9, &shape));
    l0gm_ops::adamw_step(&p, &gradient, &m, &v, &adamw(1)).unwrap();
    out.push(p.as_tensor().clone());
    let mut generator = generator;
    let drawn = generator.normal_tensor(30_011, 0.0, 1.0, DType::F32, &device());
    out.push(drawn.unwrap());
    out
}

#[test]
fn results_are_the_same_bits_with_one_and_with_two_threads() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(everything)
    };
    let (one, two) = (run(1), run(2));
    assert_eq!(one.len(), two.len());
    for (index, (one, two)) in one.iter().zip(&two).enumerate() {
        assert!(values(one) == values(two), "result {index} differs");
    }
}

#[test]
fn matrix_products_are_the_same_bits_for_any_number_of_threads() {
    // Use sizes around those at which the matrix kernels choose another way: small results, long sums, one row.
    let sizes = [
        (1, 5000, 1000),
        (2, 3000, 65),
        (7, 5000, 65),
        (64, 1000, 65),
        (64, 1000, 128),
        (65, 1000, 64),
        (128, 700, 128),
        (127, 2000, 127),
        (128, 3000, 10),
        (300, 513, 190),
    ];
    let products = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            sizes.map(|(m, k, n)| {
                let inputs = [f32(&normal(1, &[m, k])), f32(&normal(2, &[n, k]))];
                let (y, gradients) = gradients(&|x| l0gm_ops::linear(&x[0], &x[1], None), &inputs);
                [y, gradients[0].clone(), gradients[1].clone()].map(|x| values(&x))
            })
        })
    };
    let one = products(1);
    for threads in [2, 3, 5, 16] {
        for (size, (one, many)) in sizes.iter().zip(one.iter().zip(products(threads))) {
            assert!(*one == many, "{size:?} differs with {threads} threads");
        }
    }
}

#[test]
fn a_nan_is_never_hidden() {
    on_every_device(|| {
        let nan = row(&[f32::NAN, 1.0, 2.0]);
        let label = Tensor::new(&[1u32], &device()).unwrap();
        let open = Tensor::new(&[1u8, 0, 0], &device()).unwrap();
        let cube = nan.reshape((1, 1, 3)).unwrap();
        let all = Tensor::ones((1, 1), DType::U8, &device()).unwrap();
        let eval = &mut Mode::Eval;
        let results = [
            l0gm_ops::cross_entropy(&nan, &label),
            l0gm_ops::cross_entropy(&nan.to_dtype(DType::F64).unwrap(), &label),
            l0gm_ops::log_softmax(&nan),
            l0gm_ops::softmax(&nan),
            l0gm_ops::masked_softmax(&nan, &open),
            l0gm_ops::attention(&cube, &cube, &cube, Some(&all), 1, 0.0, eval),
            l0gm_ops::layer_norm(
                &nan,
                &nan.squeeze(0).unwrap(),
                &nan.squeeze(0).unwrap(),
                1e-5,
            ),
        ];
        for (number, result) in results.into_iter().enumerate() {
            let result = values(&result.unwrap());
            assert!(
                result.iter().any(|x| x.is_nan()),
                "result {number}: {result:?}"
            );
        }
        for order in [vec![0u32, 1], vec![1, 0]] {
            let matrix =
                SparseMatrix::new(Csr::new(1, 2, vec![0, 2], order, vec![1.0; 2]).unwrap());
            let x = Tensor::new(&[[1f32], [f32::NAN]], &device()).unwrap();
            assert!(values(&l0gm_ops::csr_max(&matrix, &x).unwrap())[0].is_nan());
        }
    });
}

fn adamw(step: usize) -> AdamWStep {
    AdamWStep {
        learning_rate: 0.01,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.1,
        step,
        gradient_scale: 0.5,
    }
}

#[test]
fn adamw_equals_its_composition_over_several_steps() {
    on_every_device(|| {
        for shape in [vec![1], vec![7, 5], vec![130, 131]] {
            let var = |seed| Var::from_tensor(&normal(seed, &shape)).unwrap();
            let zeros = || Var::zeros(shape.as_slice(), DType::F64, &device()).unwrap();
            let (p, m, v) = (var(1), zeros(), zeros());
            let (p2, m2, v2) = (var(1), zeros(), zeros());
            for step in 1..=4 {
                let gradient = normal(10 + step as u64, &shape);
                l0gm_ops::adamw_step(&p, &gradient, &m, &v, &adamw(step)).unwrap();
                composed::adamw_step(&p2, &gradient, &m2, &v2, &adamw(step)).unwrap();
            }
            for (name, a, b) in [
                ("parameter", &p, &p2),
                ("first", &m, &m2),
                ("second", &v, &v2),
            ] {
                assert_close(name, a, b, 1e-12);
            }
            assert!(values(&p) != values(&var(1)));
        }
    });
}

#[test]
fn adamw_takes_a_first_step_of_the_learning_rate() {
    on_every_device(|| {
        // With zero moments, the corrected update is the sign of the gradient.
        let p = Var::new(&[1.0f64, -2.0], &device()).unwrap();
        let (m, v) = (p.zeros_like().unwrap(), p.zeros_like().unwrap());
        let (m, v) = (Var::from_tensor(&m).unwrap(), Var::from_tensor(&v).unwrap());
        let gradient = Tensor::new(&[3.0f64, -0.5], &device()).unwrap();
        let step = AdamWStep {
            weight_decay: 0.0,
            ..adamw(1)
        };
        l0gm_ops::adamw_step(&p, &gradient, &m, &v, &step).unwrap();
        let expected = Tensor::new(&[0.99f64, -1.99], &device()).unwrap();
        assert_close("one step", &p, &expected, 1e-9);
    });
}

#[test]
fn squared_norm_is_the_sum_of_squares() {
    on_every_device(|| {
        let x = normal(3, &[31, 1009]);
        let expected: f64 = values(&x).iter().map(|x| x * x).sum();
        let got = l0gm_ops::squared_norm(&x).unwrap();
        assert!((got - expected).abs() < 1e-9 * expected);
        let transposed = l0gm_ops::squared_norm(&x.t().unwrap()).unwrap();
        assert!((transposed - expected).abs() < 1e-9 * expected);
        // The square of 1e30 is too large for f32.
        let huge = Tensor::full(1e30f32, 5000, &device()).unwrap();
        let got = l0gm_ops::squared_norm(&huge).unwrap();
        assert!((got - 5e63).abs() < 1e-6 * 5e63, "{got:e}");
    });
}

#[test]
fn an_empty_view_behind_the_end_of_its_storage_gives_an_empty_result() {
    on_every_device(|| {
        let empty = Tensor::zeros((0, 2), DType::F32, &device()).unwrap();
        let view = empty.narrow(1, 1, 1).unwrap();
        assert_eq!(l0gm_ops::gelu(&view).unwrap().dims(), [0, 1]);
        assert_eq!(l0gm_ops::squared_norm(&view).unwrap(), 0.0);
    });
}

#[test]
fn dropout_keeps_the_right_share_and_is_the_identity_in_evaluation() {
    on_every_device(|| {
        let x = Tensor::ones(100_003, DType::F32, &device()).unwrap();
        let mut generator = Generator::new(1);
        let y = values(&l0gm_ops::dropout(&x, 0.25, &mut Mode::Train(&mut generator)).unwrap());
        assert_eq!(generator.state().1, 100_003);
        let kept = y.iter().filter(|y| **y != 0.0).count() as f64 / y.len() as f64;
        // The tolerance is five standard errors.
        assert!((kept - 0.75).abs() < 0.007, "kept {kept}");
        assert!(y.iter().all(|y| *y == 0.0 || *y == f64::from(4.0f32 / 3.0)));
        let same = l0gm_ops::dropout(&x, 0.25, &mut Mode::Eval).unwrap();
        assert_eq!(values(&same), values(&x));
    });
}

#[test]
fn attention_gives_zeros_where_every_key_is_padding_and_ignores_padded_keys() {
    on_every_device(|| {
        let [q, k, v] = [1, 2, 3].map(|seed| normal(seed, &[2, 3, 4]));
        let mask = Tensor::new(&[[0u8, 0, 0], [1, 1, 0]], &device()).unwrap();
        let attend = |q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>| {
            l0gm_ops::attention(q, k, v, mask, 2, 0.0, &mut Mode::Eval).unwrap()
        };
        let y = attend(&q, &k, &v, Some(&mask));
        assert_eq!(values(&y)[..12], [0.0; 12]);
        let short = |x: &Tensor| x.narrow(0, 1, 1).unwrap().narrow(1, 0, 2).unwrap();
        let alone = attend(&q.narrow(0, 1, 1).unwrap(), &short(&k), &short(&v), None);
        assert_close("padding", &y.narrow(0, 1, 1).unwrap(), &alone, 1e-12);
    });
}

#[test]
fn attention_over_equal_keys_is_their_mean_even_where_scores_are_of_the_order_of_a_billion() {
    on_every_device(|| {
        // A score is 32 products of 4e8. Every partial sum is exact in f32, in any order, but 1 / sqrt(32) is not.
        let large = Tensor::full(2e4f32, (1, 5, 32), &device()).unwrap();
        let v = f32(&normal(4, &[1, 5, 32]));
        let mean = v
            .mean_keepdim(1)
            .unwrap()
            .broadcast_as(v.shape())
            .unwrap()
            .contiguous()
            .unwrap();
        let attend =
            |x: &[Tensor]| l0gm_ops::attention(&x[0], &x[1], &x[2], None, 1, 0.0, &mut Mode::Eval);
        let (y, grads) = gradients(&attend, &[large.clone(), large, v]);
        assert_close("the values' mean", &y, &mean, 1e-6);
        assert!(grads.iter().flat_map(values).all(f64::is_finite));
    });
}

#[test]
fn untracked_inputs_get_no_gradient() {
    on_every_device(|| {
        let weight = Var::from_tensor(&normal(1, &[3, 4])).unwrap();
        let x = normal(2, &[5, 4]);
        let y = l0gm_ops::linear(&x, &weight, Some(&normal(3, &[3]))).unwrap();
        let grads = y.sum_all().unwrap().backward().unwrap();
        assert!(grads.get(weight.as_tensor()).is_some());
        assert!(grads.get(&x).is_none());
    });
}

/// The message of an error that must occur.
fn refusal<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("an unfit input was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn unfit_inputs_are_refused_by_name() {
    on_every_device(|| {
        let x = |shape: &[usize]| normal(1, shape);
        let ids = |ids: &[u32]| Tensor::new(ids, &device()).unwrap();
        let message = refusal(l0gm_ops::linear(&x(&[2, 3]), &x(&[4, 5]), None));
        assert!(
            message.contains("linear") && message.contains("[2, 3]") && message.contains("[4, 5]")
        );
        let message = refusal(l0gm_ops::linear(&f32(&x(&[2, 3])), &x(&[4, 3]), None));
        assert!(
            message.contains("F32") && message.contains("F64"),
            "{message}"
        );
        let message = refusal(l0gm_ops::embedding(&x(&[4, 2]), &ids(&[1, 9])));
        assert!(message.contains("id 9"), "{message}");
        let message = refusal(l0gm_ops::cross_entropy(&x(&[2, 3]), &ids(&[0, 3])));
        assert!(message.contains("label 3 in row 1"), "{message}");
        let message = refusal(l0gm_ops::layer_norm(&x(&[2, 3]), &x(&[2]), &x(&[3]), 1e-5));
        assert!(message.contains("weight [2]"), "{message}");
        let message = refusal(l0gm_ops::pairwise_interaction(
            &x(&[2, 3, 4]),
            &x(&[2, 3, 5]),
            &x(&[1, 3, 3]),
        ));
        assert!(message.contains("pairwise_interaction"), "{message}");
        let q = x(&[1, 2, 6]);
        let message = refusal(l0gm_ops::attention(
            &q,
            &q,
            &q,
            None,
            4,
            0.0,
            &mut Mode::Eval,
        ));
        assert!(message.contains("4 heads"), "{message}");
        let message = refusal(l0gm_ops::attention(
            &q,
            &q,
            &q,
            Some(&x(&[1, 2])),
            2,
            0.0,
            &mut Mode::Eval,
        ));
        assert!(message.contains("mask"), "{message}");
        let stretch = Stretch {
            gamma: 0.0,
            zeta: 1.1,
        };
        let message = refusal(l0gm_ops::hard_concrete(&x(&[3]), &x(&[2, 3]), 1.0, stretch));
        assert!(message.contains("gamma"), "{message}");
        let message = refusal(l0gm_ops::hard_concrete(
            &x(&[3]),
            &x(&[2, 3]),
            0.0,
            Stretch::default(),
        ));
        assert!(message.contains("temperature"), "{message}");
        let message = refusal(l0gm_ops::dropout(&x(&[3]), 1.0, &mut Mode::Eval));
        assert!(message.contains("probability 1"), "{message}");
        let message = refusal(Csr::new(1, 2, vec![0, 1], vec![2], vec![1.0]));
        assert!(message.contains("column 2"), "{message}");
        let message = refusal(Csr::new(2, 2, vec![0, 2, 1], vec![0], vec![1.0]));
        assert!(message.contains("row 1"), "{message}");
        let eye = SparseMatrix::new(Csr::new(1, 1, vec![0, 1], vec![0], vec![1.0]).unwrap());
        assert!(eye.is_symmetric());
        assert!(refusal(l0gm_ops::csr_matmul(&eye, &x(&[2, 3]))).contains("[2, 3]"));
        let p = Var::from_tensor(&x(&[2])).unwrap();
        assert!(refusal(l0gm_ops::adamw_step(&p, &x(&[3]), &p, &p, &adamw(1))).contains("[3]"));
        assert!(
            refusal(l0gm_ops::adamw_step(&p, &x(&[2]), &p, &p, &adamw(1))).contains("same tensor")
        );
    });
}

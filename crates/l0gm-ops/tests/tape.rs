//! The gradients of a tape are those of candle's own `backward`, whatever stands between our ops.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};
use common::{assert_close, normal, on_every_device};
use l0gm_ops::{Tape, add, add_bias, gelu, layer_norm, linear, relu, softmax, sum};

fn var(seed: u64, shape: &[usize]) -> Var {
    Var::from_tensor(&normal(seed, shape)).unwrap()
}

/// Compares the gradients of the same computation by a tape and by candle.
fn both(loss: impl Fn() -> Result<Tensor>, variables: &[&Var]) {
    let tape = Tape::start().unwrap();
    let ours = tape.backward(&loss().unwrap()).unwrap();
    let theirs = loss().unwrap().backward().unwrap();
    let of = |store: &GradStore, var: &Var| store.get(var).cloned();
    for (number, var) in variables.iter().enumerate() {
        match (of(&ours, var), of(&theirs, var)) {
            (Some(a), Some(b)) => assert_close(&format!("variable {number}"), &a, &b, 1e-12),
            (None, None) => {}
            (a, b) => panic!("variable {number}: {} against {}", a.is_some(), b.is_some()),
        }
    }
}

#[test]
fn a_residual_block_gives_the_gradients_of_candles_backward() {
    on_every_device(|| {
        let (x, w, b) = (var(1, &[6, 5]), var(2, &[5, 5]), var(3, &[5]));
        let (scale, unused) = (var(4, &[5]), var(5, &[3]));
        let loss = || {
            let h = gelu(&linear(&x, &w, Some(&b))?)?;
            // Use the same weight twice and the same activation three times.
            let h = add(&linear(&h, &w, None)?, &h)?;
            let h = add(&layer_norm(&h, &scale, &b, 1e-5)?, &h)?;
            sum(&sum(&relu(&h)?, 1)?, 0)
        };
        both(loss, &[&x, &w, &b, &scale, &unused]);
    });
}

#[test]
fn candles_own_operations_may_stand_before_between_and_behind_ours() {
    on_every_device(|| {
        let (x, w, b) = (var(1, &[4, 6]), var(2, &[6, 6]), var(3, &[6]));
        let loss = || {
            let before = (x.as_tensor() * 2.0)?.tanh()?;
            let h = linear(&before, &w.t()?.contiguous()?, None)?;
            // Two outputs of one stretch, each used by two of our ops, and a path around them.
            let halves = [h.narrow(1, 0, 3)?, h.narrow(1, 3, 3)?];
            let product = (&halves[0] * &halves[1])?;
            let left = softmax(&product.contiguous()?)?;
            let right = gelu(&product)?;
            let joined = Tensor::cat(&[&left, &right], 1)?.reshape((2, 12))?;
            let joined = add_bias(&joined.reshape((4, 6))?, &b)?;
            let around = (joined.sqr()? + before.sqr()?)?;
            around.mean_all()? + h.sum_all()?
        };
        both(loss, &[&x, &w, &b]);
    });
}

#[test]
fn a_loss_of_candles_operations_alone_or_a_variable_itself_is_differentiated_too() {
    on_every_device(|| {
        let (x, scalar) = (var(1, &[3]), var(2, &[]));
        both(|| x.sqr()?.sum_all(), &[&x, &scalar]);
        both(|| Ok(scalar.as_tensor().clone()), &[&x, &scalar]);
    });
}

#[test]
fn recording_ends_with_the_tape_and_there_is_one_a_thread() {
    on_every_device(|| {
        let x = var(1, &[2, 2]);
        let tape = Tape::start().unwrap();
        let error = Tape::start().unwrap_err().to_string();
        assert!(error.contains("recording already"), "{error}");
        drop(tape);
        let y = relu(&x).unwrap().sum_all().unwrap();
        assert!(y.backward().unwrap().get(&x).is_some());
        let tape = Tape::start().unwrap();
        let error = tape.backward(&x).unwrap_err().to_string();
        assert!(error.contains("[2, 2]"), "{error}");
        Tape::start().unwrap();
    });
}

#[test]
fn another_job_on_the_recording_thread_is_not_recorded() {
    on_every_device(|| {
        use rayon::prelude::*;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(3)
            .build()
            .unwrap();
        let jobs = |number: u64| {
            let x = var(number, &[300, 70]);
            let w = var(number + 1, &[90, 70]);
            let gradients = if number.is_multiple_of(2) {
                let tape = Tape::start().unwrap();
                let y = gelu(&linear(&x, &w, None).unwrap()).unwrap();
                tape.backward(&y.sqr().unwrap().sum_all().unwrap())
            } else {
                let y = gelu(&linear(&x, &w, None).unwrap()).unwrap();
                y.sqr().unwrap().sum_all().unwrap().backward()
            };
            gradients.unwrap().get(&w).is_some()
        };
        let all: Vec<bool> = pool.install(|| (0..200u64).into_par_iter().map(jobs).collect());
        assert_eq!(all.iter().filter(|&&found| found).count(), 200);
    });
}

#[test]
fn a_long_stretch_with_many_outputs_is_walked_once() {
    on_every_device(|| {
        let x = var(1, &[3]);
        both(
            || {
                let mut h = x.as_tensor().clone();
                let mut total = h.sum_all()?;
                for _ in 0..300 {
                    h = (h.tanh()? + 0.1)?;
                    total = (total + gelu(&h)?.sum_all()?)?;
                }
                Ok(total)
            },
            &[&x],
        );
    });
}

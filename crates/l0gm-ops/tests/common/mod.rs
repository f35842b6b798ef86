//! Devices, finite differences and comparisons that the integration tests share.
#![allow(dead_code, clippy::unwrap_used, missing_docs, unreachable_pub)]

mod host;

use candle_core::{DType, Device, Tensor, Var};
use l0gm_ops::Generator;
use std::cell::RefCell;

thread_local! {
    static DEVICE: RefCell<Device> = const { RefCell::new(Device::Cpu) };
}

/// The device on which the current test runs.
pub fn device() -> Device {
    DEVICE.with_borrow(Clone::clone)
}

/// Runs a test on the CPU's kernels, on the device kernels compiled for the host, and on a GPU if there is one and
/// the tests are built for it.
pub fn on_every_device(test: impl Fn()) {
    eprintln!("on the CPU's kernels:");
    test();
    if let Some(launcher) = host::launcher() {
        eprintln!("on the device kernels, run on the host:");
        l0gm_ops::device::with_launcher(launcher, &test);
    }
    #[cfg(feature = "cuda")]
    match Device::new_cuda_with_stream(0) {
        Ok(cuda) => {
            eprintln!("on CUDA:");
            DEVICE.set(cuda);
            test();
            DEVICE.set(Device::Cpu);
        }
        Err(error) => eprintln!("not tried on CUDA: {error}"),
    }
}

/// A function of several tensors.
pub type Op<'a> = &'a dyn Fn(&[Tensor]) -> candle_core::Result<Tensor>;

pub fn normal(seed: u64, shape: &[usize]) -> Tensor {
    Generator::new(seed)
        .normal_tensor(shape, 0.0, 1.0, DType::F64, &device())
        .unwrap()
}

pub fn values(x: &Tensor) -> Vec<f64> {
    let x = x.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
    x.to_vec1::<f64>().unwrap()
}

/// Asserts |a - b| <= tolerance * max(1, |b|) for all entries, and that there is no NaN.
pub fn assert_close(what: &str, a: &Tensor, b: &Tensor, tolerance: f64) {
    assert_eq!(a.dims(), b.dims(), "{what}: shapes differ");
    for (i, (a, b)) in values(a).into_iter().zip(values(b)).enumerate() {
        let bound = tolerance * b.abs().max(1.0);
        assert!((a - b).abs() <= bound, "{what}, entry {i}: {a} against {b}");
    }
}

/// Computes sum(op(inputs) * weights) with fixed weights, so that no gradient is trivially uniform.
fn objective(op: Op<'_>, inputs: &[Tensor]) -> Tensor {
    let y = op(inputs).unwrap();
    let weights = normal(991, y.dims()).to_dtype(y.dtype()).unwrap();
    y.mul(&weights).unwrap().sum_all().unwrap()
}

/// The value of `op`, and the gradient of its weighted sum with respect to each input.
pub fn gradients(op: Op<'_>, inputs: &[Tensor]) -> (Tensor, Vec<Tensor>) {
    let vars: Vec<Var> = inputs
        .iter()
        .map(|input| Var::from_tensor(&input.contiguous().unwrap()).unwrap())
        .collect();
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let value = op(&tensors).unwrap();
    let grads = objective(op, &tensors).backward().unwrap();
    let gradients = vars
        .iter()
        .map(|var| match grads.get(var.as_tensor()) {
            Some(gradient) => gradient.clone(),
            None => panic!("an input of shape {:?} got no gradient", var.dims()),
        })
        .collect();
    (value, gradients)
}

/// Central differences of the weighted sum of `op`, one entry at a time.
fn finite_differences(op: Op<'_>, inputs: &[Tensor], which: usize) -> Tensor {
    let shape = inputs[which].shape().clone();
    let centre = values(&inputs[which]);
    let step = 1e-5;
    let at = |entry: usize, value: f64| -> f64 {
        let mut moved = centre.clone();
        moved[entry] = value;
        let mut inputs = inputs.to_vec();
        inputs[which] = Tensor::from_vec(moved, &shape, &device()).unwrap();
        objective(op, &inputs).to_scalar::<f64>().unwrap()
    };
    let slopes: Vec<f64> = (0..centre.len())
        .map(|entry| {
            let h = step * centre[entry].abs().max(1.0);
            (at(entry, centre[entry] + h) - at(entry, centre[entry] - h)) / (2.0 * h)
        })
        .collect();
    Tensor::from_vec(slopes, &shape, &device()).unwrap()
}

/// Compares the value and every gradient of `op` in f64 with `reference` and with finite differences, and those in
/// f32 with f64.
pub fn check(name: &str, inputs: &[Tensor], op: Op<'_>, reference: Op<'_>) {
    let (value, grads) = gradients(op, inputs);
    let (expected, expected_grads) = gradients(reference, inputs);
    assert_close(&format!("{name}: value"), &value, &expected, 1e-10);
    for (i, (grad, expected)) in grads.iter().zip(&expected_grads).enumerate() {
        let what = format!("{name}: gradient {i}");
        assert_close(
            &format!("{what} against the composition"),
            grad,
            expected,
            1e-9,
        );
        let slopes = finite_differences(op, inputs, i);
        assert_close(
            &format!("{what} against finite differences"),
            grad,
            &slopes,
            2e-6,
        );
    }
    let single: Vec<Tensor> = inputs
        .iter()
        .map(|x| x.to_dtype(DType::F32).unwrap())
        .collect();
    let (value32, grads32) = gradients(op, &single);
    assert_eq!(value32.dtype(), DType::F32);
    assert_close(&format!("{name}: value in f32"), &value32, &value, 1e-4);
    for (grad32, grad) in grads32.iter().zip(&grads) {
        assert_close(&format!("{name}: gradient in f32"), grad32, grad, 1e-3);
    }
}

/// Like [`check`], but the op receives the same inputs as views through a transpose and through a narrow, which are
/// not contiguous.
pub fn check_views(name: &str, inputs: &[Tensor], op: Op<'_>, reference: Op<'_>) {
    let swap = |inputs: &[Tensor]| -> Vec<Tensor> {
        let swap = |x: &Tensor| match x.rank() {
            0 | 1 => x.clone(),
            rank => x.transpose(rank - 2, rank - 1).unwrap(),
        };
        inputs.iter().map(swap).collect()
    };
    let stored: Vec<Tensor> = swap(inputs)
        .iter()
        .map(|x| x.contiguous().unwrap())
        .collect();
    check(
        &format!("{name}, transposed views"),
        &stored,
        &|x| op(&swap(x)),
        &|x| reference(&swap(x)),
    );
    let padded: Vec<Tensor> = inputs
        .iter()
        .map(|x| {
            let axis = x.rank() - 1;
            let side = x.narrow(axis, 0, 1).unwrap();
            Tensor::cat(&[&side, x, &side], axis).unwrap()
        })
        .collect();
    let narrow = |inputs: &[Tensor]| -> Vec<Tensor> {
        inputs
            .iter()
            .map(|x| {
                let axis = x.rank() - 1;
                x.narrow(axis, 1, x.dims()[axis] - 2).unwrap()
            })
            .collect()
    };
    check(
        &format!("{name}, narrowed views"),
        &padded,
        &|x| op(&narrow(x)),
        &|x| reference(&narrow(x)),
    );
}

//! AdamW for many parameters at once: it follows the formula, gives the same bits as one parameter after the other,
//! and refuses bad input.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::{DType, Result, Tensor, Var};
use common::{device, on_every_device};
use l0gm_ops::{AdamWSlot, AdamWStep, Generator, adamw_step, adamw_steps};

/// A parameter, its gradient, both moments and the coefficients.
struct Slot(Var, Tensor, Var, Var, AdamWStep);

impl Slot {
    fn lend(&self) -> AdamWSlot<'_> {
        AdamWSlot {
            parameter: &self.0,
            gradient: &self.1,
            first: &self.2,
            second: &self.3,
            step: self.4,
        }
    }
}

fn step(number: usize) -> AdamWStep {
    AdamWStep {
        learning_rate: 0.01 * (1 + number % 3) as f64,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.1 * (number % 2) as f64,
        step: number,
        gradient_scale: 0.5,
    }
}

fn draw(seed: u64, shape: &[usize], dtype: DType) -> Tensor {
    let mut generator = Generator::new(seed);
    generator
        .normal_tensor(shape, 0.0, 1.0, dtype, &device())
        .unwrap()
}

/// Parameters of all sizes around a chunk, including empty ones, in both precisions. Their values depend on
/// (step, seed).
fn slots(sizes: &[usize]) -> Vec<Slot> {
    let make = |(i, &size): (usize, &usize)| {
        let dtype = [DType::F32, DType::F32, DType::F64][i % 3];
        let var = |seed| Var::from_tensor(&draw(seed, &[size], dtype)).unwrap();
        let root = draw(1000 + i as u64, &[size], dtype);
        let second = if size == 0 { root } else { root.sqr().unwrap() };
        Slot(
            var(i as u64),
            // The gradient is a view: every second value of a longer tensor.
            draw(2000 + i as u64, &[size, 2], dtype)
                .narrow(1, 1, 1)
                .unwrap()
                .squeeze(1)
                .unwrap(),
            var(3000 + i as u64),
            Var::from_tensor(&second).unwrap(),
            step(1 + i % 5),
        )
    };
    sizes.iter().enumerate().map(make).collect()
}

fn bits(slots: &[Slot]) -> Vec<Vec<u64>> {
    let values = |var: &Var| -> Vec<u64> {
        // On a GPU, candle launches no kernel for a tensor without entries.
        if var.elem_count() == 0 {
            return Vec::new();
        }
        let wide = var.to_dtype(DType::F64).unwrap();
        let wide: Vec<f64> = wide.flatten_all().unwrap().to_vec1().unwrap();
        wide.into_iter().map(f64::to_bits).collect()
    };
    slots
        .iter()
        .flat_map(|slot| [values(&slot.0), values(&slot.2), values(&slot.3)])
        .collect()
}

fn one_after_the_other(slots: &[Slot]) -> Result<()> {
    slots
        .iter()
        .try_for_each(|slot| adamw_step(&slot.0, &slot.1, &slot.2, &slot.3, &slot.4))
}

fn all_at_once(slots: &[Slot]) -> Result<()> {
    adamw_steps(&slots.iter().map(Slot::lend).collect::<Vec<_>>())
}

/// The values of a tensor as f64.
fn wide(tensor: &Tensor) -> Vec<f64> {
    let wide = tensor.to_dtype(DType::F64).unwrap();
    wide.flatten_all().unwrap().to_vec1().unwrap()
}

/// Parameter and both moments after one step, computed in f64 by the formula of Loshchilov and Hutter (2019),
/// Algorithm 2.
fn by_formula(slot: &Slot) -> [Vec<f64>; 3] {
    let Slot(parameter, gradient, first, second, step) = slot;
    let power = |beta: f64| beta.powi(step.step as i32);
    let (mut parameter, mut first, mut second) = (wide(parameter), wide(first), wide(second));
    for (i, g) in wide(gradient).into_iter().enumerate() {
        let g = g * step.gradient_scale;
        first[i] = step.beta1 * first[i] + (1.0 - step.beta1) * g;
        second[i] = step.beta2 * second[i] + (1.0 - step.beta2) * g * g;
        let m = first[i] / (1.0 - power(step.beta1));
        let v = second[i] / (1.0 - power(step.beta2));
        parameter[i] -=
            step.learning_rate * (step.weight_decay * parameter[i] + m / (v.sqrt() + step.epsilon));
    }
    [parameter, first, second]
}

fn is_the_formula(slots: &[Slot], expected: &[[Vec<f64>; 3]]) {
    for (i, (slot, expected)) in slots.iter().zip(expected).enumerate() {
        let tolerance = match slot.0.dtype() {
            DType::F64 => 1e-12,
            _ => 2e-6,
        };
        for (found, expected) in [&slot.0, &slot.2, &slot.3].into_iter().zip(expected) {
            for (a, b) in wide(found).into_iter().zip(expected) {
                assert!(
                    (a - b).abs() <= tolerance * b.abs().max(1.0),
                    "slot {i}: {a}, by the formula {b}"
                );
            }
        }
    }
}

#[test]
fn one_step_gives_the_values_of_the_formula() {
    on_every_device(|| {
        for run in [one_after_the_other, all_at_once] {
            let slots = slots(&[1, 3, 4097, 5, 64, 2]);
            let expected: Vec<_> = slots.iter().map(by_formula).collect();
            run(&slots).unwrap();
            is_the_formula(&slots, &expected);
        }
    });
}

#[test]
fn all_parameters_at_once_give_the_bits_of_one_after_the_other_with_any_number_of_threads() {
    on_every_device(|| {
        let sizes = [0, 1, 3, 4095, 4096, 4097, 20_011, 5, 7, 64, 12_289, 2];
        let (alone, together) = (slots(&sizes), slots(&sizes));
        one_after_the_other(&alone).unwrap();
        all_at_once(&together).unwrap();
        assert_ne!(bits(&alone), bits(&slots(&sizes)));
        assert!(bits(&alone) == bits(&together), "on this thread");
        // The stand-in for a GPU works on this thread only; the threads of a pool use the CPU's kernels.
        let mut expected = None;
        for threads in [1, 2, 3] {
            let (alone, together) = (slots(&sizes), slots(&sizes));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap()
                .install(|| one_after_the_other(&alone).and_then(|()| all_at_once(&together)))
                .unwrap();
            assert!(bits(&alone) == bits(&together), "{threads} threads");
            let expected = expected.get_or_insert_with(|| bits(&alone));
            assert!(*expected == bits(&alone), "{threads} threads and one");
        }
    });
}

#[test]
fn a_thousand_parameters_fit_on_the_stack_of_a_worker() {
    on_every_device(|| {
        let sizes: Vec<usize> = (0..1000).map(|i| 1 + i % 9).collect();
        let (alone, together) = (slots(&sizes), slots(&sizes));
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .stack_size(1 << 19)
            .build();
        pool.unwrap()
            .install(|| one_after_the_other(&alone).and_then(|()| all_at_once(&together)))
            .unwrap();
        assert!(bits(&alone) == bits(&together));
    });
}

#[test]
fn a_gradient_that_is_a_view_of_a_variable_is_refused_and_nothing_changes() {
    on_every_device(|| {
        let slots = slots(&[4, 4, 4, 4]);
        let before = bits(&slots);
        let (own, anothers) = (slots[1].0.detach(), slots[3].3.detach());
        let mut lent: Vec<_> = slots.iter().map(Slot::lend).collect();
        lent[1].gradient = &own;
        let message = adamw_steps(&lent).unwrap_err().to_string();
        assert!(message.contains("gradient [4] of slot 1"), "{message}");
        assert!(message.contains("parameter of slot 1"), "{message}");
        lent[1] = slots[1].lend();
        lent[0].gradient = &anothers;
        let message = adamw_steps(&lent).unwrap_err().to_string();
        assert!(message.contains("gradient [4] of slot 0"), "{message}");
        assert!(message.contains("second of slot 3"), "{message}");
        assert!(bits(&slots) == before);
    });
}

#[test]
fn a_variable_in_two_places_is_refused() {
    on_every_device(|| {
        let slots = slots(&[4, 4]);
        let mut lent: Vec<_> = slots.iter().map(Slot::lend).collect();
        lent[1].first = lent[0].second;
        let message = adamw_steps(&lent).unwrap_err().to_string();
        assert!(
            message.contains("slot 0") && message.contains("slot 1"),
            "{message}"
        );
        let again = [lent[0], lent[0]];
        let message = adamw_steps(&again).unwrap_err().to_string();
        assert!(
            message.contains("slot 0") && message.contains("slot 1"),
            "{message}"
        );
    });
}

#[test]
fn one_gradient_may_serve_two_parameters() {
    on_every_device(|| {
        let mut slots = slots(&[9, 9]);
        slots[1].1 = slots[0].1.clone();
        let expected: Vec<_> = slots.iter().map(by_formula).collect();
        all_at_once(&slots).unwrap();
        is_the_formula(&slots, &expected);
    });
}

#[test]
fn an_error_in_the_last_slot_leaves_the_first_as_it_was() {
    on_every_device(|| {
        let mut slots = slots(&[9, 9]);
        slots[1].1 = draw(1, &[8], DType::F32);
        let before = bits(&slots);
        let message = all_at_once(&slots).unwrap_err().to_string();
        assert!(
            message.contains("[8]") && message.contains("[9]"),
            "{message}"
        );
        assert!(bits(&slots) == before);
    });
}

#[test]
fn squared_norms_are_those_of_each_tensor_alone() {
    on_every_device(|| {
        let tensors: Vec<Tensor> = [0usize, 1, 16_383, 16_384, 16_385, 70_001]
            .iter()
            .enumerate()
            .map(|(i, &size)| {
                let dtype = [DType::F32, DType::F64, DType::BF16][i % 3];
                let x = draw(i as u64, &[size], DType::F32);
                x.to_dtype(dtype).unwrap()
            })
            .collect();
        let alone: Vec<f64> = tensors
            .iter()
            .map(|x| l0gm_ops::squared_norm(x).unwrap())
            .collect();
        let together = l0gm_ops::squared_norms(&tensors.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(alone, together);
        for (x, norm) in tensors.iter().zip(together) {
            let wide: Vec<f64> = match x.elem_count() {
                0 => Vec::new(),
                _ => x.to_dtype(DType::F64).unwrap().to_vec1().unwrap(),
            };
            let exact: f64 = wide.iter().map(|x| x * x).sum();
            assert!((norm - exact).abs() <= 1e-9 * exact);
        }
    });
}

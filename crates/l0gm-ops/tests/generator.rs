//! Known answers of the generator, its statistics, and the promises of its streams.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use candle_core::{DType, Device};
use common::values;
use l0gm_ops::Generator;
use std::collections::HashSet;

#[test]
fn the_first_draws_of_seed_zero_never_change() {
    let mut generator = Generator::new(0);
    let drawn: Vec<u64> = (0..3).map(|_| generator.next_u64()).collect();
    assert_eq!(
        drawn, KNOWN_DRAWS,
        "runs of earlier versions could not be continued"
    );
    let mut stream = Generator::new(0).stream("dropout", 7);
    assert_eq!(stream.next_u64(), KNOWN_STREAM_DRAW);
    assert_eq!(Generator::new(0).permutation(8), KNOWN_ORDER);
}

#[test]
fn a_rebuilt_generator_goes_on_where_it_was() {
    let mut generator = Generator::new(3);
    generator.normal();
    let (key, counter) = generator.state();
    let mut again = Generator::from_state(key, counter);
    assert_eq!(counter, 2);
    assert_eq!(generator.next_u64(), again.next_u64());
}

#[test]
fn streams_differ_by_seed_name_and_index_and_do_not_advance_their_root() {
    let mut firsts = HashSet::new();
    for seed in 0..50 {
        let root = Generator::new(seed);
        for name in [
            "",
            "a",
            "gate",
            "a name longer than one word",
            "a name longer than one wore",
        ] {
            for index in 0..20 {
                firsts.insert(root.stream(name, index).next_u64());
            }
        }
        assert_eq!(root.state().1, 0);
    }
    assert_eq!(firsts.len(), 50 * 5 * 20);
}

#[test]
fn uniform_values_have_the_moments_of_the_uniform_distribution() {
    let x = Generator::new(1)
        .uniform_tensor(200_000, 0.0, 1.0, DType::F64, &Device::Cpu)
        .unwrap();
    let x = values(&x);
    assert!(x.iter().all(|x| *x > 0.0 && *x < 1.0));
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let serial: f64 = x
        .windows(2)
        .map(|w| (w[0] - 0.5) * (w[1] - 0.5))
        .sum::<f64>()
        * 12.0
        / n;
    // Each tolerance is five standard errors.
    assert!((mean - 0.5).abs() < 0.0033, "mean {mean}");
    assert!(serial.abs() < 0.0112, "serial correlation {serial}");
    let mut counts = [0f64; 64];
    x.iter().for_each(|x| counts[(x * 64.0) as usize] += 1.0);
    let chi2: f64 = counts
        .iter()
        .map(|c| (c - n / 64.0).powi(2) / (n / 64.0))
        .sum();
    assert!(
        (20.0..130.0).contains(&chi2),
        "chi-square of 63 degrees {chi2}"
    );
}

#[test]
fn normal_values_have_the_moments_of_the_normal_distribution() {
    let x = Generator::new(2)
        .normal_tensor(200_000, 1.0, 2.0, DType::F32, &Device::Cpu)
        .unwrap();
    let z: Vec<f64> = values(&x).iter().map(|x| (x - 1.0) / 2.0).collect();
    let n = z.len() as f64;
    let moment = |power: i32| z.iter().map(|z| z.powi(power)).sum::<f64>() / n;
    assert!(moment(1).abs() < 0.0112, "{}", moment(1));
    assert!((moment(2) - 1.0).abs() < 0.0159, "{}", moment(2));
    assert!(moment(3).abs() < 0.0434, "{}", moment(3));
    assert!((moment(4) - 3.0).abs() < 0.11, "{}", moment(4));
}

#[test]
fn a_tensor_holds_the_values_that_single_draws_give() {
    let mut a = Generator::new(4);
    let mut b = a.clone();
    let x = a
        .uniform_tensor((3, 5), 0.0, 1.0, DType::F64, &Device::Cpu)
        .unwrap();
    let single: Vec<f64> = (0..15).map(|_| b.uniform()).collect();
    assert_eq!(values(&x), single);
    let y = a
        .normal_tensor(7, 0.0, 1.0, DType::F64, &Device::Cpu)
        .unwrap();
    let single: Vec<f64> = (0..7).map(|_| b.normal()).collect();
    assert_eq!(values(&y), single);
    assert_eq!(a, b);
}

#[test]
fn uniform_values_in_f32_stay_below_the_upper_end() {
    let mut generator = Generator::new(5);
    let (low, high) = (1.0, 1.0 + 2.0 * f64::from(f32::EPSILON));
    let x = generator.uniform_tensor(1000, low, high, DType::F32, &Device::Cpu);
    assert!(values(&x.unwrap()).iter().all(|x| *x >= low && *x < high));
    assert!(
        generator
            .uniform_tensor(1, 1.0, 1.0, DType::F32, &Device::Cpu)
            .is_err()
    );
    assert!(
        generator
            .uniform_tensor(1, 0.0, 1.0, DType::U8, &Device::Cpu)
            .is_err()
    );
    assert!(
        generator
            .normal_tensor(1, 0.0, -1.0, DType::F32, &Device::Cpu)
            .is_err()
    );
}

#[test]
fn below_is_uniform_and_permutations_hold_every_number_once() {
    let mut generator = Generator::new(6);
    let mut counts = [0u32; 7];
    (0..70_000).for_each(|_| counts[generator.below(7) as usize] += 1);
    // The tolerance is five standard deviations of a binomial count.
    assert!(
        counts.iter().all(|c| c.abs_diff(10_000) < 463),
        "{counts:?}"
    );
    let mut order = generator.permutation(1001);
    assert_ne!(order, (0..1001).collect::<Vec<u32>>());
    order.sort_unstable();
    assert_eq!(order, (0..1001).collect::<Vec<u32>>());
    assert!(generator.permutation(0).is_empty());
}

// Computed independently of this crate, from the definition in `rng.rs`.
const KNOWN_DRAWS: [u64; 3] = [
    4_415_354_622_385_899_382,
    14_724_042_343_938_855_852,
    8_544_042_796_559_764_369,
];
const KNOWN_STREAM_DRAW: u64 = 4_803_398_996_082_270_244;
const KNOWN_ORDER: [u32; 8] = [6, 0, 7, 3, 4, 2, 5, 1];

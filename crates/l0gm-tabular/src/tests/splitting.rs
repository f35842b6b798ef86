//! Splits are disjoint, complete, stratified, and depend on the seed alone.
#![allow(clippy::unwrap_used)]

use crate::{official_split, random_split};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_random_split_is_disjoint_complete_and_stratified(
        labels in proptest::collection::vec(0u32..4, 60..400),
        seed in any::<u64>(),
    ) {
        let split = random_split(&labels, 0.2, 0.1, seed).unwrap();
        let mut all: Vec<u32> = [&split.train, &split.valid, &split.test].into_iter().flatten().copied().collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..labels.len() as u32).collect::<Vec<_>>());
        prop_assert_eq!(split.test.len(), (0.2 * labels.len() as f64).ceil() as usize);
        for class in 0..4 {
            let count = |rows: &[u32]| rows.iter().filter(|&&row| labels[row as usize] == class).count() as f64;
            let total = labels.iter().filter(|&&label| label == class).count() as f64;
            let exact = total * split.test.len() as f64 / labels.len() as f64;
            prop_assert!((count(&split.test) - exact).abs() <= 1.0);
        }
        prop_assert_eq!(random_split(&labels, 0.2, 0.1, seed).unwrap(), split);
    }
}

#[test]
fn another_seed_gives_another_split() {
    let labels: Vec<u32> = (0..200).map(|i| i % 2).collect();
    let split = |seed| random_split(&labels, 0.2, 0.1, seed).unwrap();
    assert_ne!(split(0).test, split(1).test);
}

#[test]
fn the_official_split_keeps_the_test_rows_of_the_files() {
    let labels: Vec<u32> = (0..100).map(|i| i % 2).collect();
    let split = official_split(&labels, 70, 0.1, 0).unwrap();
    assert_eq!(split.test, (70..100).collect::<Vec<u32>>());
    assert_eq!((split.train.len(), split.valid.len()), (63, 7));
}

#[test]
fn too_few_rows_for_a_split_are_an_error() {
    let text = random_split(&[0], 0.2, 0.1, 0).unwrap_err().to_string();
    assert!(text.contains("would be empty"), "{text}");
}

//! Splits are disjoint, complete and stratified, and depend on the seed alone.
#![allow(clippy::unwrap_used)]

use crate::{official_split, random_split};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_random_split_is_disjoint_complete_and_stratified(
        labels in proptest::collection::vec(0u32..4, 60..400),
        seed in any::<u32>().prop_map(u64::from),
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
fn fewer_training_rows_keep_the_classes_shares_and_the_other_parts() {
    let labels: Vec<u32> = (0..1000).map(|i| u32::from(i % 10 == 0)).collect();
    let whole = random_split(&labels, 0.2, 0.1, 3).unwrap();
    for count in [10, 100, 719] {
        let few = whole.clone().with_train_rows(&labels, count, 3).unwrap();
        assert_eq!((&few.valid, &few.test), (&whole.valid, &whole.test));
        assert_eq!(few.train.len(), count);
        assert!(few.train.is_sorted() && few.train.iter().all(|row| whole.train.contains(row)));
        let rare = few.train.iter().filter(|row| labels[**row as usize] == 1);
        assert!((rare.count() as f64 - count as f64 / 10.0).abs() <= 1.0);
    }
    let all = whole.clone().with_train_rows(&labels, 720, 3).unwrap();
    assert_eq!(all, whole);
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

/// Test and validation rows of `train_test_split(test_size=.2, stratify=y, random_state=seed)` and then of the same
/// with .1 on its training rows, from scikit-learn 1.9 with numpy's legacy generator.
#[test]
fn random_splits_are_scikit_learns() {
    let labels: Vec<u32> = (0..50).map(|i| u32::from(i * 7 % 10 < 3)).collect();
    let known = [
        (
            vec![0, 1, 5, 10, 11, 14, 23, 28, 31, 48],
            vec![16, 37, 41, 44],
        ),
        (
            vec![0, 1, 3, 8, 12, 14, 17, 18, 22, 30],
            vec![13, 27, 41, 47],
        ),
        (
            vec![6, 12, 13, 17, 22, 27, 32, 40, 45, 48],
            vec![15, 29, 33, 41],
        ),
    ];
    for (seed, (test, valid)) in known.into_iter().enumerate() {
        let split = random_split(&labels, 0.2, 0.1, seed as u64).unwrap();
        assert_eq!((split.test, split.valid), (test, valid), "seed {seed}");
    }
    // Four classes with equal remainders.
    let labels: Vec<u32> = (0..53).map(|i| i * 7 % 10 % 4).collect();
    let split = random_split(&labels, 0.2, 0.1, 5).unwrap();
    assert_eq!(split.test, vec![5, 8, 10, 17, 20, 21, 42, 43, 44, 48, 49]);
}

#[test]
fn a_seed_too_large_for_the_split_is_an_error() {
    let labels: Vec<u32> = (0..100).map(|i| i % 2).collect();
    let text = random_split(&labels, 0.2, 0.1, 1 << 40)
        .unwrap_err()
        .to_string();
    assert!(text.contains("seed is 1099511627776"), "{text}");
}

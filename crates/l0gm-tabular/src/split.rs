//! Which rows are trained on, selected on and tested on. The benchmark split of Adult is 80/20 by
//! seed, stratified by class (39,073 / 9,769 rows, as in the paper's Table 2); a tenth of the training
//! rows, stratified too, is held out for selection.

use crate::{Error, Result};
use l0gm_ops::Generator;

/// Row numbers of each split, ascending; disjoint, together every row they were made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitRows {
    /// Fitted on.
    pub train: Vec<u32>,
    /// Selected on.
    pub valid: Vec<u32>,
    /// Judged on.
    pub test: Vec<u32>,
}

/// Draws `test_fraction` of all rows for test and `valid_fraction` of the rest for validation, each
/// rounded up, every class in proportion.
///
/// # Errors
/// Where a split would be empty.
pub fn random_split(
    labels: &[u32],
    test_fraction: f64,
    valid_fraction: f64,
    seed: u64,
) -> Result<SplitRows> {
    let all: Vec<u32> = (0..labels.len() as u32).collect();
    let mut generator = Generator::new(seed).stream("split-test", 0);
    let (rest, test) = take(labels, &all, test_fraction, &mut generator)?;
    hold_out(labels, &rest, test, valid_fraction, seed)
}

/// The split that came with the files: the first `train_rows` rows train (less the validation rows),
/// the rest test.
///
/// # Errors
/// Where a split would be empty.
pub fn official_split(
    labels: &[u32],
    train_rows: usize,
    valid_fraction: f64,
    seed: u64,
) -> Result<SplitRows> {
    let rest: Vec<u32> = (0..train_rows as u32).collect();
    let test: Vec<u32> = (train_rows as u32..labels.len() as u32).collect();
    hold_out(labels, &rest, test, valid_fraction, seed)
}

fn hold_out(
    labels: &[u32],
    rest: &[u32],
    test: Vec<u32>,
    valid_fraction: f64,
    seed: u64,
) -> Result<SplitRows> {
    let mut generator = Generator::new(seed).stream("split-valid", 0);
    let (train, valid) = take(labels, rest, valid_fraction, &mut generator)?;
    let split = SplitRows { train, valid, test };
    for (name, rows) in [
        ("train", &split.train),
        ("validation", &split.valid),
        ("test", &split.test),
    ] {
        if rows.is_empty() {
            return Err(Error::Setting(format!(
                "the {name} split would be empty: {} rows are too few for the fractions asked for",
                labels.len()
            )));
        }
    }
    Ok(split)
}

/// (the rest, the taken): `ceil(fraction * rows)` of `rows`, every class in proportion; what rounding
/// leaves goes to the classes with the largest remainders.
fn take(
    labels: &[u32],
    rows: &[u32],
    fraction: f64,
    generator: &mut Generator,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
    let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); classes];
    for &row in rows {
        by_class[labels[row as usize] as usize].push(row);
    }
    let wanted = (fraction * rows.len() as f64).ceil() as usize;
    let exact: Vec<f64> = by_class
        .iter()
        .map(|class| wanted as f64 * class.len() as f64 / rows.len().max(1) as f64)
        .collect();
    let mut counts: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
    let mut order: Vec<usize> = (0..classes).collect();
    order.sort_by(|&a, &b| {
        exact[b]
            .fract()
            .total_cmp(&exact[a].fract())
            .then(a.cmp(&b))
    });
    let short = wanted - counts.iter().sum::<usize>();
    for &class in order.iter().take(short) {
        counts[class] += 1;
    }
    let (mut rest, mut taken) = (Vec::new(), Vec::new());
    for (mut class, count) in by_class.into_iter().zip(counts) {
        generator.shuffle(&mut class);
        taken.extend_from_slice(&class[..count]);
        rest.extend_from_slice(&class[count..]);
    }
    rest.sort_unstable();
    taken.sort_unstable();
    Ok((rest, taken))
}

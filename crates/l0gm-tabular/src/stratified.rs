//! scikit-learn's stratified split, reproduced draw for draw. On Adult, results depend on the split more than most
//! methods differ (the standard error of a test accuracy is .0033). So this is the split of `train_test_split(rows,
//! test_size=f, stratify=y, random_state=seed)`, and comparisons with a model trained in Python use the same test
//! rows.

use rand_mt::Mt;

/// Divides `rows` into two parts, stratified by class: the rest, and `ceil(fraction * rows)` drawn rows. Both are in
/// scikit-learn's order, on which its next split depends. `labels` holds the labels of all rows.
pub(crate) fn stratified_split(
    labels: &[u32],
    rows: &[u32],
    fraction: f64,
    seed: u32,
) -> (Vec<u32>, Vec<u32>) {
    let classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
    let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); classes];
    for &row in rows {
        by_class[labels[row as usize] as usize].push(row);
    }
    // numpy's classes are the labels that occur.
    by_class.retain(|class| !class.is_empty());
    let mut random = Mt::new(seed);
    let wanted = ((fraction * rows.len() as f64).ceil() as usize).min(rows.len());
    let sizes: Vec<usize> = by_class.iter().map(Vec::len).collect();
    let kept = approximate_mode(&sizes, rows.len() - wanted, &mut random);
    let left: Vec<usize> = sizes
        .iter()
        .zip(&kept)
        .map(|(all, kept)| all - kept)
        .collect();
    let drawn = approximate_mode(&left, wanted, &mut random);
    let (mut rest, mut taken) = (Vec::new(), Vec::new());
    for ((mut class, kept), drawn) in by_class.into_iter().zip(kept).zip(drawn) {
        shuffle(&mut class, &mut random);
        rest.extend_from_slice(&class[..kept]);
        taken.extend_from_slice(&class[kept..kept + drawn]);
    }
    shuffle(&mut rest, &mut random);
    shuffle(&mut taken, &mut random);
    (rest, taken)
}

/// How many of `draws` draws each class gets: its share rounded down, plus one for the largest remainders, with ties
/// in random order.
fn approximate_mode(sizes: &[usize], draws: usize, random: &mut Mt) -> Vec<usize> {
    let all: usize = sizes.iter().sum();
    let exact: Vec<f64> = sizes
        .iter()
        .map(|&size| size as f64 / all.max(1) as f64 * draws as f64)
        .collect();
    let mut counts: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
    let mut short = draws - counts.iter().sum::<usize>().min(draws);
    let mut remainders: Vec<f64> = exact.iter().map(|share| share - share.floor()).collect();
    remainders.sort_by(|a, b| b.total_cmp(a));
    remainders.dedup();
    for remainder in remainders {
        if short == 0 {
            break;
        }
        let mut tied: Vec<usize> = (0..sizes.len())
            .filter(|&class| exact[class] - exact[class].floor() == remainder)
            .collect();
        shuffle(&mut tied, random);
        for &class in tied.iter().take(short) {
            counts[class] += 1;
        }
        short -= tied.len().min(short);
    }
    counts
}

/// numpy's legacy shuffle: from the last item down, each is swapped with one at or before it.
fn shuffle<T>(items: &mut [T], random: &mut Mt) {
    for i in (1..items.len()).rev() {
        items.swap(i, at_most(i as u32, random) as usize);
    }
}

/// numpy's `random_interval`: draws 32 bits under the smallest mask that covers `max`, again and again until they are
/// at most `max`.
fn at_most(max: u32, random: &mut Mt) -> u32 {
    let mask = u32::MAX >> max.leading_zeros().min(31);
    loop {
        let value = random.next_u32() & mask;
        if value <= max {
            return value;
        }
    }
}

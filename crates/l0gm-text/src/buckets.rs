//! Batches of rows with similar lengths that hold about the same number of tokens. There is little padding, and a
//! batch of short texts uses the kernels as well as one of long texts, in the same memory.

/// Number of tokens in a batch, including padding.
pub const TOKEN_BUDGET: usize = 2048;

/// Divides rows that are sorted by length, in either direction, into consecutive batches of at most `budget` tokens,
/// including padding, and at most `rows` rows. A row longer than the budget is a batch of its own.
pub fn token_batches<R: Copy>(
    sorted: &[R],
    length: impl Fn(R) -> usize,
    budget: usize,
    rows: usize,
) -> Vec<Vec<R>> {
    let mut batches: Vec<Vec<R>> = Vec::new();
    let mut longest = 0;
    for &row in sorted {
        let length = length(row);
        match batches.last_mut() {
            Some(batch)
                if batch.len() < rows && longest.max(length) * (batch.len() + 1) <= budget =>
            {
                longest = longest.max(length);
                batch.push(row);
            }
            _ => {
                longest = length;
                batches.push(vec![row]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_to_the_budget_and_hold_as_much_as_it_allows() {
        let lengths = [1usize, 2, 2, 3, 5, 5, 6, 30, 40];
        for reversed in [false, true] {
            let mut sorted: Vec<usize> = (0..lengths.len()).collect();
            if reversed {
                sorted.reverse();
            }
            let batches = token_batches(&sorted, |row| lengths[row], 12, 100);
            assert_eq!(batches.concat(), sorted);
            let cost = |batch: &[usize]| {
                let longest = batch.iter().map(|&row| lengths[row]).max();
                longest.unwrap_or(0) * batch.len()
            };
            for (i, batch) in batches.iter().enumerate() {
                assert!(cost(batch) <= 12 || batch.len() == 1, "{batch:?}");
                if let Some(next) = batches.get(i + 1) {
                    let more = [batch.as_slice(), &next[..1]].concat();
                    assert!(cost(&more) > 12, "{batch:?} had room for {}", next[0]);
                }
            }
        }
    }

    #[test]
    fn batches_hold_no_more_rows_than_asked_for() {
        let sorted: Vec<u32> = (0..10).collect();
        let batches = token_batches(&sorted, |_| 1, 1000, 4);
        assert_eq!(batches, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
        assert!(token_batches(&[], |row: u32| row as usize, 10, 4).is_empty());
    }
}

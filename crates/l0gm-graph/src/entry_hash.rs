//! Numbers that depend on an entry of a matrix and a step of training alone, so that they can be drawn in any order and on
//! any thread.

/// A number from 0 to 1 for the entry (a, b) in the step with this salt.
pub(crate) fn share(a: u32, b: u32, salt: u64) -> f64 {
    let entry = (u64::from(a) << 32) | u64::from(b);
    // The finaliser of SplitMix64 (Steele et al. 2014).
    let mut x = (entry ^ salt).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    (x >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_differ_between_entries_and_steps() {
        let all: Vec<f64> = (0..10_000u32).map(|n| share(n / 100, n % 100, 7)).collect();
        let mean = all.iter().sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        let below = all.iter().filter(|share| **share < 0.1).count();
        assert!((900..1100).contains(&below), "{below}");
        assert_ne!(all[5], share(0, 5, 8));
    }
}

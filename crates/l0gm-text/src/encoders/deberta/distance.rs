//! The rows of the table of distances. Near distances have a row each; if there are buckets, farther ones share rows
//! that grow with the logarithm of the distance.
use candle_core::{Device, Tensor};

/// No table of distances is larger, so that a damaged number gives an error and not a table that fills the memory.
const MOST: usize = 1 << 20;

/// How the distance between two tokens becomes a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distances {
    /// Distances from this one on are alike.
    pub(super) farthest: usize,
    /// Number of rows on each side, if distances share rows.
    pub(super) buckets: Option<usize>,
}

impl Distances {
    /// Refuses numbers from which no buckets can be made. The message names the keys.
    pub(super) fn check(self) -> std::result::Result<(), String> {
        let Self { farthest, buckets } = self;
        if farthest > MOST {
            return Err(format!(
                "max_relative_positions (or max_position_embeddings, which it is if absent) is {farthest}; it must be at \
                 most {MOST}"
            ));
        }
        let Some(buckets) = buckets else {
            return Ok(());
        };
        if buckets < 2 {
            return Err("position_buckets is 1; it must be at least 2, or -1 for none".into());
        }
        // Half of the buckets hold one distance each, and the others share what lies between those and the farthest.
        match farthest.saturating_sub(1) > buckets / 2 {
            true => Ok(()),
            false => Err(format!(
                "position_buckets is {buckets}, half of which reach beyond the farthest distance: \
                 max_relative_positions (or max_position_embeddings, which it is if absent) is {farthest} and must be at \
                 least {}",
                buckets / 2 + 2
            )),
        }
    }

    /// Number of rows on each side.
    pub(super) fn span(self) -> usize {
        self.buckets.unwrap_or(self.farthest)
    }

    /// The row of each query's (first dimension) distance to each key, (length, length) u32.
    pub(super) fn rows(self, length: usize, device: &Device) -> candle_core::Result<Tensor> {
        let pairs = (0..length).flat_map(|query| (0..length).map(move |key| (query, key)));
        let rows: Vec<u32> = pairs.map(|(query, key)| self.row(query, key)).collect();
        Tensor::from_vec(rows, (length, length), device)
    }

    fn row(self, query: usize, key: usize) -> u32 {
        let span = self.span() as i64;
        let step = self.bucket(query.abs_diff(key)) as i64;
        let signed = if query < key { -step } else { step };
        (signed + span).clamp(0, 2 * span - 1) as u32
    }

    /// The number of the bucket on its side.
    fn bucket(self, distance: usize) -> usize {
        let Some(buckets) = self.buckets else {
            return distance;
        };
        let exact = buckets / 2;
        if distance <= exact {
            return distance;
        }
        // In f32 like the published code, which rounds up.
        let share = (distance as f32 / exact as f32).ln()
            / ((self.farthest as f32 - 1.0) / exact as f32).ln();
        (share * (exact as f32 - 1.0)).ceil() as usize + exact
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Distances;

    #[test]
    fn distances_fall_into_the_buckets_of_the_published_code() {
        let distances = Distances {
            farthest: 512,
            buckets: Some(256),
        };
        let of = |distance| distances.bucket(distance);
        let asked = [0, 1, 127, 128, 129, 200, 300, 400, 510, 511];
        assert_eq!(asked.map(of), EXPECTED);
        assert_eq!(distances.row(3, 3), 256);
        assert_eq!(distances.row(7, 3), 260);
        assert_eq!(distances.row(3, 7), 252);
        assert_eq!(distances.row(100_000, 0), 511);
        assert_eq!(distances.row(0, 100_000), 0);
    }

    #[test]
    fn numbers_that_make_no_buckets_are_refused() {
        let check = |farthest, buckets| Distances { farthest, buckets }.check();
        assert_eq!(check(512, Some(256)), Ok(()));
        assert_eq!(check(6, None), Ok(()));
        assert_eq!(check(6, Some(8)), Ok(()));
        assert!(
            check(5, Some(8))
                .unwrap_err()
                .contains("must be at least 6")
        );
        assert!(check(5, Some(usize::MAX)).is_err() && check(0, Some(2)).is_err());
        assert!(check(9, Some(1)).unwrap_err().contains("at least 2"));
        assert!(check(usize::MAX, None).unwrap_err().contains("at most"));
        // The smallest number of buckets gives rows of the table.
        let smallest = Distances {
            farthest: 3,
            buckets: Some(2),
        };
        assert_eq!(check(3, Some(2)), Ok(()));
        assert_eq!([0, 1, 2, 9].map(|at| smallest.row(at, 0)), [2, 3, 3, 3]);
    }

    const EXPECTED: [usize; 10] = [0, 1, 127, 128, 129, 169, 207, 233, 255, 255];
}

//! Divides the nodes of a graph into training, validation and test with a seed, for twins and for originals without a
//! split.

use crate::rng::Rng;

/// Kinds of split that a seed determines.
pub(crate) const BY_SEED: [&str; 2] = ["random-60-20-20", "low-label-20-30"];
/// The kind of split that node degrees determine, as sales ranks determine the official split of ogbn-products.
pub(crate) const SALES_RANKING: &str = "sales_ranking";

/// Training, validation and test nodes, each sorted; `None` for an unknown kind. Every node is in exactly one part.
///
/// `labels` and `degrees` are indexed by node; only [`SALES_RANKING`] uses the degrees.
pub(crate) fn draw(
    kind: &str,
    labels: &[usize],
    degrees: &[usize],
    seed: u64,
) -> Option<[Vec<usize>; 3]> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    let mut rng = Rng::new(seed, 3);
    let mut parts = match kind {
        "random-60-20-20" => {
            rng.shuffle(&mut order);
            cut(&order, 0.6, 0.8)
        }
        "low-label-20-30" => {
            rng.shuffle(&mut order);
            few_of_each_class(&order, labels)
        }
        // As in ogbn-products, the best-selling products are for training and the rest for test. The shares are the
        // official ones (196,615 and 39,323 of 2,449,029), and the degree replaces the sales rank.
        SALES_RANKING => {
            order.sort_by_key(|&node| std::cmp::Reverse(degrees[node]));
            cut(&order, 0.0803, 0.0963)
        }
        _ => return None,
    };
    parts.iter_mut().for_each(|part| part.sort_unstable());
    Some(parts)
}

/// Cuts the order of nodes at two shares into first, middle and last nodes.
fn cut(order: &[usize], first: f64, second: f64) -> [Vec<usize>; 3] {
    let at = |share: f64| (order.len() as f64 * share) as usize;
    let (train, rest) = order.split_at(at(first));
    let (valid, test) = rest.split_at(at(second) - at(first));
    [train.to_vec(), valid.to_vec(), test.to_vec()]
}

/// 20 nodes of each class are for training, 30 for validation, all others for test.
fn few_of_each_class(order: &[usize], labels: &[usize]) -> [Vec<usize>; 3] {
    let mut seen = vec![0; labels.iter().max().map_or(0, |&last| last + 1)];
    let mut parts: [Vec<usize>; 3] = Default::default();
    for &node in order {
        let seen = &mut seen[labels[node]];
        let part = match *seen {
            0..20 => 0,
            20..50 => 1,
            _ => 2,
        };
        parts[part].push(node);
        *seen += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn parts_of_a_random_split_have_the_sizes_of_the_published_files() {
        let labels = vec![0; 13_752];
        let parts = draw("random-60-20-20", &labels, &labels, 0).unwrap();
        assert_eq!(parts.each_ref().map(Vec::len), [8_251, 2_750, 2_751]);
    }

    #[test]
    fn a_low_label_split_takes_the_same_number_of_every_class() {
        let labels: Vec<usize> = (0..1_000).map(|i| usize::from(i % 5 == 0)).collect();
        let parts = draw("low-label-20-30", &labels, &labels, 0).unwrap();
        for (part, [of_0, of_1]) in parts.iter().zip([[20, 20], [30, 30], [750, 150]]) {
            let ones = part.iter().filter(|&&node| labels[node] == 1).count();
            assert_eq!([part.len() - ones, ones], [of_0, of_1]);
        }
    }

    #[test]
    fn another_seed_draws_another_split_and_the_same_seed_the_same() {
        let labels = vec![0; 200];
        let of = |seed| draw("random-60-20-20", &labels, &labels, seed).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}

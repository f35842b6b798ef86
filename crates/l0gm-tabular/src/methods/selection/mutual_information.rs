//! A filter: each field by itself, by its mutual information with the label.
//!
//! ```text
//! I(X; Y) = Σ p(x, y) log (p(x, y) / (p(x) p(y))) - (K_xy - K_x - K_y + 1) / 2n
//! ```
//!
//! The first term counts the rows of each level and class; it is too large by about the second one, because chance alone
//! makes levels differ (Miller 1955). K are the numbers of levels, classes and pairs that occur among the n rows.

use super::TrainingRows;
use super::levels::FieldLevels;
use l0gm_train::{Result, RunContext};

/// Every field, the one with the most information first.
pub(super) fn rank(
    rows: &TrainingRows<'_>,
    _: usize,
    _: &mut RunContext<'_>,
) -> Result<Vec<usize>> {
    let fields = FieldLevels::all(rows.encoding, &rows.cells);
    let information = fields
        .iter()
        .map(|field| information(field, &rows.labels, rows.classes));
    Ok(super::best_first(&information.collect::<Vec<f64>>()))
}

/// The mutual information I(X; Y) of a field's levels and the classes, in nats.
fn information(field: &FieldLevels, labels: &[u32], classes: usize) -> f64 {
    let mut pairs = vec![0usize; field.count * classes];
    let mut of_class = vec![0usize; classes];
    for (&level, &label) in field.of_rows.iter().zip(labels) {
        pairs[level as usize * classes + label as usize] += 1;
        of_class[label as usize] += 1;
    }
    let of_level = field.counts();
    let n = labels.len().max(1) as f64;
    let mut total = 0.0;
    for (level, pairs) in pairs.chunks_exact(classes).enumerate() {
        for (class, &count) in pairs.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = count as f64;
            let independent = of_level[level] as f64 * of_class[class] as f64 / n;
            total += count / n * (count / independent).ln();
        }
    }
    let occur = |counts: &[usize]| counts.iter().filter(|count| **count > 0).count() as f64;
    total - (occur(&pairs) - occur(&of_level) - occur(&of_class) + 1.0) / (2.0 * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(of_rows: &[u32]) -> FieldLevels {
        FieldLevels {
            of_rows: of_rows.to_vec(),
            count: 4,
        }
    }

    #[test]
    fn a_copy_of_the_label_has_the_labels_entropy_and_an_independent_field_has_none() {
        let labels: Vec<u32> = (0..400).map(|row| row / 200).collect();
        let copy = information(&field(&labels), &labels, 2);
        // Two levels, two classes and two pairs: nothing is added.
        assert!(
            (copy - (2f64.ln() - (2.0 - 2.0 - 2.0 + 1.0) / 800.0)).abs() < 1e-12,
            "{copy}"
        );
        let independent: Vec<u32> = (0..400).map(|row| row % 2).collect();
        let none = information(&field(&independent), &labels, 2);
        assert!((none + 1.0 / 800.0).abs() < 1e-12, "{none}");
    }

    #[test]
    fn levels_that_differ_by_chance_alone_have_about_no_information() {
        let mut generator = l0gm_ops::Generator::new(5);
        let labels: Vec<u32> = (0..2000).map(|row| row % 2).collect();
        let mut levels: Vec<u32> = (0..2000).map(|row| row % 100).collect();
        let order = generator.permutation(levels.len());
        levels = order.iter().map(|&at| levels[at as usize]).collect();
        let field = FieldLevels {
            of_rows: levels,
            count: 100,
        };
        let found = information(&field, &labels, 2);
        // Uncorrected it would be about 99 / 4000 = .025.
        assert!(found.abs() < 0.01, "{found}");
    }
}

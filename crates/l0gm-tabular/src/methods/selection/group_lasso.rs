//! An embedded criterion: logistic regression with a penalty on whole fields (the group lasso; Meier, van de Geer and
//! Bühlmann 2008), whose strength falls until as many fields as wanted have a weight. Fields rank by when they enter.
//!
//! With levels c of field g, which the share π_c of the rows has,
//!
//! ```text
//! logits = b + Σ_g u_g[c] / √π_c
//! minimise  mean cross-entropy + λ Σ_g √(degrees of freedom of g) |u_g|
//! ```
//!
//! In these units the columns of a field are orthonormal over the rows, so a field is penalised for the size of its
//! effect and not for how it is coded. Fields are updated in turn by a gradient step of the size that the softmax's
//! curvature of at most 1/2 allows, and shrunk as a whole.

use super::TrainingRows;
use super::levels::FieldLevels;
use l0gm_train::{Error, Result, RunContext};

/// Largest curvature of the cross-entropy in any direction of the logits.
const CURVATURE: f64 = 0.5;
/// Factor on λ from one step of the path to the next, and the most steps.
const STEP: f64 = 0.9;
const MOST_STEPS: usize = 120;
/// Sweeps over all fields for each λ end after so many, or where no effect changes by more than a share of the largest.
const MOST_SWEEPS: usize = 30;
const TOLERANCE: f64 = 1e-3;

/// Every field, the first to enter first; at least `wanted` have entered unless the path ends before.
pub(super) fn rank(
    rows: &TrainingRows<'_>,
    wanted: usize,
    context: &mut RunContext<'_>,
) -> Result<Vec<usize>> {
    let fields = FieldLevels::all(rows.encoding, &rows.cells);
    let mut path = Path::new(&fields, &rows.labels, rows.classes);
    let mut order: Vec<usize> = Vec::new();
    let mut lambda = path.largest_lambda();
    for _ in 0..MOST_STEPS {
        if order.len() >= wanted {
            break;
        }
        if context.stop.is_set() {
            return Err(Error::Stopped);
        }
        lambda *= STEP;
        path.descend(lambda);
        let sizes = path.sizes();
        let entered = super::best_first(&sizes);
        let new = entered
            .into_iter()
            .filter(|&field| sizes[field] > 0.0 && !order.contains(&field));
        order.extend(new.collect::<Vec<_>>());
    }
    // Those that never entered follow by how near they are to entering.
    let rest = super::best_first(&path.pulls());
    let rest = rest.into_iter().filter(|field| !order.contains(field));
    let rest: Vec<usize> = rest.collect();
    order.extend(rest);
    Ok(order)
}

/// A point on the path of solutions.
struct Path<'a> {
    groups: Vec<Group<'a>>,
    labels: &'a [u32],
    classes: usize,
    /// Logits, (rows, classes).
    logits: Vec<f64>,
}

/// The features of one field, which enter the model together.
struct Group<'a> {
    levels: &'a [u32],
    /// √π_c; 0 where the level does not occur.
    roots: Vec<f64>,
    /// u_g, (levels, classes).
    effects: Vec<f64>,
    /// √(degrees of freedom).
    weight: f64,
}

impl<'a> Path<'a> {
    fn new(fields: &'a [FieldLevels], labels: &'a [u32], classes: usize) -> Self {
        let n = labels.len().max(1) as f64;
        let groups = fields.iter().map(|field| {
            let counts = field.counts();
            let occur = counts.iter().filter(|count| **count > 0).count();
            let freedom = (occur.max(2) - 1) * (classes - 1);
            Group {
                levels: &field.of_rows,
                roots: counts.iter().map(|&c| (c as f64 / n).sqrt()).collect(),
                effects: vec![0.0; field.count * classes],
                weight: (freedom as f64).sqrt(),
            }
        });
        let mut shares = vec![0.5; classes];
        for &label in labels {
            shares[label as usize] += 1.0;
        }
        let intercepts: Vec<f64> = shares.iter().map(|share| (share / n).ln()).collect();
        Self {
            groups: groups.collect(),
            labels,
            classes,
            logits: intercepts.repeat(labels.len()),
        }
    }

    /// Gradient of the mean cross-entropy by each logit times the number of rows: p - y, (rows, classes).
    fn residuals(&self) -> Vec<f64> {
        let mut residuals = self.logits.clone();
        for (row, &label) in residuals.chunks_exact_mut(self.classes).zip(self.labels) {
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row.iter_mut()
                .for_each(|logit| *logit = (*logit - largest).exp());
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|weight| *weight /= sum);
            row[label as usize] -= 1.0;
        }
        residuals
    }

    /// Gradient by the effects of a field.
    fn gradient(&self, group: &Group<'_>, residuals: &[f64]) -> Vec<f64> {
        let mut gradient = vec![0.0; group.effects.len()];
        for (row, &level) in residuals.chunks_exact(self.classes).zip(group.levels) {
            let of_level = &mut gradient[level as usize * self.classes..][..self.classes];
            of_level.iter_mut().zip(row).for_each(|(sum, r)| *sum += r);
        }
        let n = self.labels.len().max(1) as f64;
        for (of_level, root) in gradient.chunks_exact_mut(self.classes).zip(&group.roots) {
            let factor = if *root > 0.0 { 1.0 / (n * root) } else { 0.0 };
            of_level.iter_mut().for_each(|g| *g *= factor);
        }
        gradient
    }

    /// Length of each field's gradient in units of its penalty: a field without effects enters where λ is smaller.
    fn pulls(&self) -> Vec<f64> {
        let residuals = self.residuals();
        let pull = |group: &Group<'_>| length(&self.gradient(group, &residuals)) / group.weight;
        self.groups.iter().map(pull).collect()
    }

    /// The smallest λ at which no field has an effect.
    fn largest_lambda(&self) -> f64 {
        self.pulls().into_iter().fold(0.0, f64::max)
    }

    /// |u_g| of each field.
    fn sizes(&self) -> Vec<f64> {
        self.groups.iter().map(|g| length(&g.effects)).collect()
    }

    /// Moves to the solution for `lambda` from the one before.
    fn descend(&mut self, lambda: f64) {
        for _ in 0..MOST_SWEEPS {
            self.update_intercepts();
            let mut largest = 0f64;
            let mut change = 0f64;
            for at in 0..self.groups.len() {
                change = change.max(self.update(at, lambda));
                largest = largest.max(length(&self.groups[at].effects));
            }
            if change <= TOLERANCE * largest {
                break;
            }
        }
    }

    fn update_intercepts(&mut self) {
        let mut step = vec![0.0; self.classes];
        for row in self.residuals().chunks_exact(self.classes) {
            step.iter_mut().zip(row).for_each(|(sum, r)| *sum += r);
        }
        let scale = 1.0 / (CURVATURE * self.labels.len().max(1) as f64);
        for row in self.logits.chunks_exact_mut(self.classes) {
            row.iter_mut().zip(&step).for_each(|(b, s)| *b -= scale * s);
        }
    }

    /// Updates one field: u ← shrink(u - gradient / curvature). Returns how far u moved.
    fn update(&mut self, at: usize, lambda: f64) -> f64 {
        let residuals = self.residuals();
        let gradient = self.gradient(&self.groups[at], &residuals);
        let group = &mut self.groups[at];
        let mut moved: Vec<f64> = group
            .effects
            .iter()
            .zip(&gradient)
            .map(|(u, g)| u - g / CURVATURE)
            .collect();
        let size = length(&moved);
        let kept =
            (1.0 - lambda * group.weight / (CURVATURE * size.max(f64::MIN_POSITIVE))).max(0.0);
        moved.iter_mut().for_each(|u| *u *= kept);
        let by: Vec<f64> = moved
            .iter()
            .zip(&group.effects)
            .map(|(new, old)| new - old)
            .collect();
        let far = length(&by);
        if far > 0.0 {
            for (row, &level) in self.logits.chunks_exact_mut(self.classes).zip(group.levels) {
                let root = group.roots[level as usize];
                let of_level = &by[level as usize * self.classes..][..self.classes];
                row.iter_mut()
                    .zip(of_level)
                    .for_each(|(logit, by)| *logit += by / root);
            }
        }
        group.effects = moved;
        far
    }
}

fn length(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// 600 rows: the label follows field 0 strongly, field 1 weakly, and field 2 not at all.
    fn fields() -> (Vec<FieldLevels>, Vec<u32>) {
        let mut generator = l0gm_ops::Generator::new(2);
        let mut columns = vec![Vec::new(); 3];
        let mut labels = Vec::new();
        for _ in 0..600 {
            let levels = [0, 1, 2].map(|_| (generator.uniform() * 3.0) as u32);
            let logit = 2.5 * (f64::from(levels[0]) - 1.0) + 0.8 * (f64::from(levels[1]) - 1.0);
            labels.push(u32::from(
                generator.uniform() < 1.0 / (1.0 + (-logit).exp()),
            ));
            columns
                .iter_mut()
                .zip(levels)
                .for_each(|(column, level)| column.push(level));
        }
        let fields = columns
            .into_iter()
            .map(|of_rows| FieldLevels { of_rows, count: 3 });
        (fields.collect(), labels)
    }

    #[test]
    fn fields_enter_by_the_size_of_their_effect() {
        let (fields, labels) = fields();
        let mut path = Path::new(&fields, &labels, 2);
        let largest = path.largest_lambda();
        path.descend(1.001 * largest);
        assert!(path.sizes().iter().all(|size| *size == 0.0));
        path.descend(0.9 * largest);
        let sizes = path.sizes();
        assert!(
            sizes[0] > 0.0 && sizes[1] == 0.0 && sizes[2] == 0.0,
            "{sizes:?}"
        );
        path.descend(0.1 * largest);
        let sizes = path.sizes();
        assert!(sizes[0] > sizes[1] && sizes[1] > sizes[2], "{sizes:?}");
    }

    #[test]
    fn at_a_solution_each_gradient_is_balanced_by_its_penalty() {
        let (fields, labels) = fields();
        let mut path = Path::new(&fields, &labels, 2);
        let lambda = 0.2 * path.largest_lambda();
        for _ in 0..20 {
            path.descend(lambda);
        }
        let residuals = path.residuals();
        for group in &path.groups {
            let gradient = path.gradient(group, &residuals);
            let size = length(&group.effects);
            if size == 0.0 {
                assert!(length(&gradient) <= 1.001 * lambda * group.weight);
                continue;
            }
            for (u, g) in group.effects.iter().zip(&gradient) {
                assert!(
                    (g + lambda * group.weight * u / size).abs() < 1e-3,
                    "{g} {u}"
                );
            }
        }
    }
}

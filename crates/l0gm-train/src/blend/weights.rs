//! Fits what each part of a blend counts for.

/// Weights are fitted as if one more validation row drew each of them towards an equal share. It matters only where
/// there are few rows, all of which may be predicted without a mistake.
const PRIOR: f64 = 1.0;
/// Most steps of Newton's method; a handful suffices.
const STEPS: usize = 50;

/// The weights, none below 0, with which the sum of the parts' logits has the lowest loss. Each part is
/// rows x classes. The loss is convex in the weights; Newton's method is used on those that are above 0 or want to be.
pub(super) fn weights(parts: &[Vec<f32>], labels: &[u32]) -> Vec<f64> {
    let equal = 1.0 / parts.len() as f64;
    let mut at = vec![equal; parts.len()];
    let mut here = Slope::at(&at, parts, labels, equal);
    for _ in 0..STEPS {
        let free: Vec<usize> = (0..at.len())
            .filter(|&i| at[i] > 0.0 || here.gradient[i] < 0.0)
            .collect();
        let step = here.newton(&free);
        let mut length = 1.0;
        let better = loop {
            let mut there = at.clone();
            for (&i, step) in free.iter().zip(&step) {
                there[i] = (at[i] - length * step).max(0.0);
            }
            let slope = Slope::at(&there, parts, labels, equal);
            if slope.loss < here.loss {
                break Some((there, slope));
            }
            length *= 0.5;
            if length < 1e-4 {
                break None;
            }
        };
        let Some((there, slope)) = better else { break };
        let gain = here.loss - slope.loss;
        (at, here) = (there, slope);
        if gain < 1e-9 {
            break;
        }
    }
    at
}

/// The mean loss at some weights, with its first and second derivatives.
pub(super) struct Slope {
    pub(super) loss: f64,
    pub(super) gradient: Vec<f64>,
    /// weights x weights, row by row.
    pub(super) curvature: Vec<f64>,
}

impl Slope {
    pub(super) fn at(weights: &[f64], parts: &[Vec<f32>], labels: &[u32], equal: f64) -> Self {
        let (k, n) = (weights.len(), labels.len().max(1));
        let classes = parts.first().map_or(0, |part| part.len() / n);
        let mut loss = 0.0;
        let (mut gradient, mut curvature) = (vec![0.0; k], vec![0.0; k * k]);
        let mut p = vec![0.0; classes];
        let mut mean = vec![0.0; k];
        for (row, &label) in labels.iter().enumerate() {
            let of = |part: usize, class: usize| f64::from(parts[part][row * classes + class]);
            for (class, p) in p.iter_mut().enumerate() {
                *p = (0..k).map(|part| weights[part] * of(part, class)).sum();
            }
            let top = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let true_logit = p[label as usize] - top;
            p.iter_mut().for_each(|p| *p = (*p - top).exp());
            let sum: f64 = p.iter().sum();
            p.iter_mut().for_each(|p| *p /= sum);
            loss += sum.ln() - true_logit;
            for (part, mean) in mean.iter_mut().enumerate() {
                *mean = (0..classes).map(|class| p[class] * of(part, class)).sum();
                gradient[part] += *mean - of(part, label as usize);
            }
            for a in 0..k {
                for b in a..k {
                    let product = |class: usize| p[class] * of(a, class) * of(b, class);
                    let both: f64 = (0..classes).map(product).sum();
                    curvature[a * k + b] += both - mean[a] * mean[b];
                }
            }
        }
        let n = n as f64;
        for a in 0..k {
            let away = weights[a] - equal;
            loss += 0.5 * PRIOR * away * away;
            gradient[a] = (gradient[a] + PRIOR * away) / n;
            curvature[a * k + a] += PRIOR;
            for b in a..k {
                curvature[a * k + b] /= n;
                curvature[b * k + a] = curvature[a * k + b];
            }
        }
        Self {
            loss: loss / n,
            gradient,
            curvature,
        }
    }

    /// H⁻¹ g over the `free` weights, by elimination. The prior makes H positive definite.
    fn newton(&self, free: &[usize]) -> Vec<f64> {
        let k = self.gradient.len();
        let mut rows: Vec<Vec<f64>> = free
            .iter()
            .map(|&a| {
                let row = free.iter().map(|&b| self.curvature[a * k + b]);
                row.chain([self.gradient[a]]).collect()
            })
            .collect();
        let size = free.len();
        for i in 0..size {
            let (done, below) = rows.split_at_mut(i + 1);
            let row = &done[i];
            for other in below {
                let factor = other[i] / row[i];
                for (value, pivot) in other[i..].iter_mut().zip(&row[i..]) {
                    *value -= factor * pivot;
                }
            }
        }
        let mut step = vec![0.0; size];
        for i in (0..size).rev() {
            let known: f64 = (i + 1..size).map(|j| rows[i][j] * step[j]).sum();
            step[i] = (rows[i][size] - known) / rows[i][i];
        }
        step
    }
}

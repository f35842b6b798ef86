//! The interaction network as a polynomial of the open embeddings.
//!
//! Without activations every layer multiplies its maps with the fields, coordinate by coordinate, and all that is read of
//! them is a weighted sum. So the whole branch is a polynomial in which each monomial has columns of one coordinate, two
//! for the first layer and one more for each further layer. Where the gate leaves a few fields open in a coordinate,
//! there are far fewer monomials than products of maps and fields.

use crate::compact::CompactModel;
use crate::settings::CinActivation;
use candle_core::{Result, Tensor};
use std::collections::BTreeMap;

/// Number of rows that are computed side by side.
pub(super) const LANES: usize = 16;
/// Most factors of a monomial.
const DEGREE: usize = 4;

/// A polynomial for each output, arranged by Horner's rule.
#[derive(Clone, Debug)]
pub(super) struct Polynomial {
    outputs: Vec<Vec<Step>>,
}

/// A step of the evaluation: `sums[depth] += x[column] (coefficient + sums[depth + 1])`, after which the deeper sum is
/// 0 again.
#[derive(Clone, Copy, Debug)]
struct Step {
    depth: usize,
    column: usize,
    coefficient: f32,
}

/// Coefficients by monomial, which is a list of columns in ascending order.
type Monomials = BTreeMap<Vec<usize>, f64>;

impl Polynomial {
    /// Returns `None` if the network has an activation, a split or too many layers, or if the maps take fewer
    /// multiplications.
    pub(super) fn new(model: &CompactModel, outputs: usize) -> Result<Option<Self>> {
        let Some(cin) = &model.cin else {
            return Ok(None);
        };
        let settings = &cin.settings;
        let layers = settings.maps.len();
        if settings.activation != CinActivation::None || settings.split || layers >= DEGREE {
            return Ok(None);
        }
        let weights: Vec<Vec<Vec<Vec<f32>>>> = cin
            .weights
            .iter()
            .map(Tensor::to_vec3::<f32>)
            .collect::<Result<_>>()?;
        let output: Vec<Vec<f32>> = cin.output.to_vec2()?; // (outputs, sums of all layers)
        let coordinates = coordinates(model);
        // Counted before anything is expanded: with hundreds of open fields there are billions of monomials.
        let (mut most, mut products) = (0, 0);
        for open in &coordinates {
            most += outputs as u128 * monomials(open.len(), layers);
            products += cost(open.len(), &settings.maps);
        }
        if most > products as u128 {
            return Ok(None);
        }
        let mut all = vec![Monomials::new(); outputs];
        let mut steps = 0;
        for open in coordinates {
            let found = maps_of(&open, &weights);
            for (all, output) in all.iter_mut().zip(&output) {
                let before = all.len();
                for (map, weight) in found.iter().flatten().zip(output) {
                    for (monomial, coefficient) in map {
                        *all.entry(monomial.clone()).or_default() +=
                            coefficient * f64::from(*weight);
                    }
                }
                steps += all.len() - before;
            }
            if steps > products {
                return Ok(None);
            }
        }
        Ok(Some(Self {
            outputs: all.iter().map(program).collect(),
        }))
    }

    /// Adds the polynomial to `sums`, (outputs, R), for `R` rows. `x` is (columns, R).
    pub(super) fn add<const R: usize>(&self, x: &[[f32; R]], sums: &mut [[f32; R]]) {
        for (steps, total) in self.outputs.iter().zip(sums) {
            let mut levels = [[0f32; R]; DEGREE + 1];
            for step in steps {
                let column = &x[step.column];
                let deeper = std::mem::replace(&mut levels[step.depth + 1], [0f32; R]);
                let level = &mut levels[step.depth];
                for r in 0..R {
                    level[r] += column[r] * (step.coefficient + deeper[r]);
                }
            }
            for r in 0..R {
                total[r] += levels[0][r];
            }
        }
    }
}

/// Number of monomials of degree 2 to `layers` + 1 in `columns` columns: the sum of the binomials (columns + k - 1 over k).
fn monomials(columns: usize, layers: usize) -> u128 {
    let columns = columns as u128;
    let mut count = columns;
    let of_degree = (2..=layers as u128 + 1).map(|degree| {
        count = count * (columns + degree - 1) / degree;
        count
    });
    of_degree.sum()
}

/// For each coordinate with an open field: the place of each open field among those that are left, and its column of the
/// embeddings.
fn coordinates(model: &CompactModel) -> Vec<Vec<(usize, usize)>> {
    let left: Vec<&Vec<u32>> = model.kept.iter().filter(|f| !f.is_empty()).collect();
    let of = |d: u32| -> Vec<(usize, usize)> {
        let (mut open, mut start) = (Vec::new(), 0);
        for (field, kept) in left.iter().enumerate() {
            if let Some(place) = kept.iter().position(|&k| k == d) {
                open.push((field, start + place));
            }
            start += kept.len();
        }
        open
    };
    let all = (0..model.dim as u32).map(of);
    all.filter(|open| !open.is_empty()).collect()
}

/// The polynomial of every map of every layer in one coordinate.
fn maps_of(open: &[(usize, usize)], weights: &[Vec<Vec<Vec<f32>>>]) -> Vec<Vec<Monomials>> {
    let fields = open
        .iter()
        .map(|(_, column)| Monomials::from([(vec![*column], 1.0)]));
    // The maps before the first layer are the fields, by their place among those that are left.
    let mut before: BTreeMap<usize, Monomials> =
        open.iter().map(|(field, _)| *field).zip(fields).collect();
    let mut layers = Vec::with_capacity(weights.len());
    for layer in weights {
        let mut maps = Vec::with_capacity(layer.len());
        for weight in layer {
            let mut map = Monomials::new();
            for (i, factor) in &before {
                for (j, column) in open {
                    for (monomial, coefficient) in factor {
                        let mut monomial = monomial.clone();
                        let at = monomial.partition_point(|c| c <= column);
                        monomial.insert(at, *column);
                        *map.entry(monomial).or_default() +=
                            coefficient * f64::from(weight[*i][*j]);
                    }
                }
            }
            maps.push(map);
        }
        before = maps.iter().cloned().enumerate().collect();
        layers.push(maps);
    }
    layers
}

/// Multiplications of one coordinate with `open` fields, if the maps are computed.
fn cost(open: usize, maps: &[usize]) -> usize {
    let mut products = open * (open + 1) / 2;
    let mut total = 0;
    for (layer, &count) in maps.iter().enumerate() {
        total += match layer + 1 < maps.len() {
            true => products * (count + 1),
            false => 2 * products,
        };
        products = count * open;
    }
    total
}

/// The steps of Horner's rule: monomials with the same first columns share the sum behind them.
fn program(monomials: &Monomials) -> Vec<Step> {
    // Every beginning of a monomial is a node of a tree; a node comes after those that begin with it.
    let mut nodes: BTreeMap<Vec<usize>, f64> = BTreeMap::new();
    for (monomial, coefficient) in monomials {
        for length in 1..monomial.len() {
            nodes.entry(monomial[..length].to_vec()).or_default();
        }
        *nodes.entry(monomial.clone()).or_default() += coefficient;
    }
    let mut steps = Vec::with_capacity(nodes.len());
    let mut waiting: Vec<(Vec<usize>, f64)> = Vec::new();
    let finish = |node: (Vec<usize>, f64), steps: &mut Vec<Step>| {
        let depth = node.0.len() - 1;
        steps.push(Step {
            depth,
            column: node.0[depth],
            coefficient: node.1 as f32,
        });
    };
    // In the map's order a node stands before those that begin with it.
    for (columns, coefficient) in nodes {
        while let Some(last) = waiting.pop() {
            if columns.starts_with(&last.0) {
                waiting.push(last);
                break;
            }
            finish(last, &mut steps);
        }
        waiting.push((columns, coefficient));
    }
    while let Some(last) = waiting.pop() {
        finish(last, &mut steps);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn horners_rule_gives_the_sum_of_all_monomials() {
        let monomials = Monomials::from([
            (vec![0, 0], 2.0),
            (vec![0, 1], -1.0),
            (vec![0, 1, 2], 3.0),
            (vec![1, 1, 1], 0.5),
            (vec![2, 2], 4.0),
        ]);
        let polynomial = Polynomial {
            outputs: vec![program(&monomials)],
        };
        let x = [[1.5f32, -1.0], [2.0, 0.25], [-0.5, 3.0]];
        let mut sums = [[10f32, 20.0]];
        polynomial.add(&x, &mut sums);
        for r in 0..2 {
            let [a, b, c] = [x[0][r], x[1][r], x[2][r]];
            let expected = 2.0 * a * a - a * b + 3.0 * a * b * c + 0.5 * b * b * b + 4.0 * c * c;
            let found = sums[0][r] - [10.0, 20.0][r];
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}

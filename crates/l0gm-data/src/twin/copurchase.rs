//! A co-purchase graph in OGB's raw layout, drawn from a degree-corrected stochastic block model (Karrer and Newman
//! 2011) whose blocks are not the classes. Products belong to *shelves*; most of a shelf has one class, and the rest
//! another. Words and edges mainly show the shelf. In a mixed shelf, the class shows only in a smaller part of both.
//! Thus structure and words are both needed, and no labels are wrong.

use crate::ogb_layout::{OgbGraph, write_split};
use crate::rng::{Rng, Table};
use crate::{Error, Result, node_split};
use std::collections::HashSet;
use std::path::Path;

/// Size and seed of a co-purchase twin.
#[derive(Clone, Debug)]
pub struct Copurchase {
    /// Products, the nodes of the graph.
    pub nodes: usize,
    /// Number of undirected edges.
    pub edges: usize,
    /// Number of binary features.
    pub features: usize,
    /// Product categories, the labels of the nodes.
    pub classes: usize,
    /// Names of the split folders: "random-60-20-20", "low-label-20-30" or "sales_ranking".
    pub splits: Vec<String>,
    /// Seed; equal seeds give equal graphs.
    pub seed: u64,
}

// The constants below were chosen so that simple models have the same accuracy on a twin of amazon-computers' size as
// on amazon-computers (docs/data.md states both).

/// Approximate number of nodes on a shelf.
const SHELF: usize = 250;
/// Largest share of a shelf's nodes with its second class, and how fast the share falls from shelf to shelf.
const STRANGERS: (f64, f64) = (0.5, 2.0);
/// Largest probability that an edge leads anywhere, and how fast it falls from node to node.
const STRAYING: (f64, f64) = (0.9, 8.0);
/// Probability that any other edge stays on the shelf; otherwise it stays within the class.
const ON_SHELF: f64 = 0.85;
/// Probability that an edge on the shelf leads to the node's own class.
const LOYALTY: f64 = 0.15;
/// Largest share of a node's words that come from its class rather than from its shelf.
const TOPICALITY: f64 = 0.3;
/// How much a class's and a shelf's use of a word differs from the general use (log scale).
const WORDING: (f64, f64) = (0.5, 0.6);
/// Median length of a description (expected uses of a word with mean frequency), and its spread.
const LENGTH: (f64, f64) = (0.45, 0.95);

/// A graph in memory.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    /// Each undirected edge once, smaller node first; sorted.
    pub(crate) edges: Vec<(usize, usize)>,
    /// Class of each node.
    pub(crate) labels: Vec<usize>,
    /// Words of each node, sorted; each has the value 1.
    pub(crate) words: Vec<Vec<(usize, f32)>>,
}

/// The shelf and class of each node.
struct Places {
    /// First and second class of each shelf.
    shelves: Vec<[usize; 2]>,
    /// Shelf of each node.
    shelf: Vec<usize>,
    /// Whether each node has its shelf's second class.
    stranger: Vec<bool>,
    /// Class of each node.
    labels: Vec<usize>,
}

impl Copurchase {
    /// Writes `raw/*.csv.gz` and `split/<kind>/{train,valid,test}.csv.gz` into `dir`.
    ///
    /// # Errors
    /// Fails for sizes that no simple graph can have, an unknown split, or a file that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let graph = self.draw(dir)?;
        let ogb = OgbGraph {
            edges: &graph.edges,
            labels: &graph.labels,
            features: self.features,
            rows: &graph.words,
        };
        ogb.write_raw(dir)?;
        let degrees = ogb.degrees();
        for kind in &self.splits {
            let parts = node_split::draw(kind, &graph.labels, &degrees, self.seed);
            let parts = parts.ok_or_else(|| {
                Error::file(
                    dir,
                    format!(
                        "no twin has a split called {kind:?}; known: {}, {}",
                        node_split::BY_SEED.join(", "),
                        node_split::SALES_RANKING
                    ),
                )
            })?;
            write_split(dir, kind, &parts)?;
        }
        Ok(())
    }

    /// Draws the graph.
    pub(crate) fn draw(&self, dir: &Path) -> Result<Graph> {
        let most = self.nodes.saturating_mul(self.nodes.saturating_sub(1)) / 8;
        if self.classes < 2
            || self.nodes < 10 * self.classes
            || self.features < 2 * self.classes.min(10)
            || self.edges > most
        {
            return Err(Error::file(
                dir,
                format!(
                    "no twin has {} nodes, {} edges, {} features and {} classes: give two classes or \
                     more, ten nodes a class, twenty features and at most {most} edges",
                    self.nodes, self.edges, self.features, self.classes
                ),
            ));
        }
        // Each part has its own stream, so that the number of words does not change the edges.
        let places = self.draw_places(&mut Rng::new(self.seed, 1));
        let edges = self.draw_edges(&mut Rng::new(self.seed, 4), &places);
        let words = self.draw_words(&mut Rng::new(self.seed, 2), &places);
        Ok(Graph {
            edges,
            labels: places.labels,
            words,
        })
    }

    fn draw_places(&self, rng: &mut Rng) -> Places {
        // Class sizes decrease, as those of product categories do.
        let sizes: Vec<f64> = (0..self.classes).map(|c| 1.0 / (1.0 + c as f64)).collect();
        let total: f64 = sizes.iter().sum();
        let mut shelves = Vec::new();
        let mut shares = Vec::new();
        let mut weights = Vec::new();
        for (class, size) in sizes.iter().map(|s| s / total).enumerate() {
            let count = ((size * self.nodes as f64 / SHELF as f64).round() as usize).max(2);
            for rank in 0..count {
                shelves.push([class, self.other(rng, class)]);
                // Take one value from each stratum, so that no seed gives a class without mixed shelves.
                let at = (rank as f64 + rng.uniform()) / count as f64;
                shares.push(STRANGERS.0 * at.powf(STRANGERS.1));
                weights.push(size / count as f64 * (0.3 * rng.normal()).exp());
            }
        }
        let table = Table::new(weights.into_iter());
        let shelf: Vec<usize> = (0..self.nodes).map(|_| table.draw(rng)).collect();
        let stranger: Vec<bool> = shelf.iter().map(|&s| rng.chance(shares[s])).collect();
        let labels = shelf
            .iter()
            .zip(&stranger)
            .map(|(&s, &stranger)| shelves[s][usize::from(stranger)])
            .collect();
        Places {
            shelves,
            shelf,
            stranger,
            labels,
        }
    }

    /// Another class, most often one of the two neighbouring ones.
    fn other(&self, rng: &mut Rng, class: usize) -> usize {
        let step = if rng.chance(0.5) {
            if rng.chance(0.5) { 1 } else { self.classes - 1 }
        } else {
            1 + rng.below(self.classes - 1)
        };
        (class + step) % self.classes
    }

    fn draw_edges(&self, rng: &mut Rng, places: &Places) -> Vec<(usize, usize)> {
        // Log-normal propensities with a maximum, so that no hub takes the whole graph.
        let pull: Vec<f64> = (0..self.nodes)
            .map(|_| (1.05 * rng.normal()).exp().min(60.0))
            .collect();
        let straying: Vec<f64> = (0..self.nodes)
            .map(|_| STRAYING.0 * (-STRAYING.1 * rng.uniform()).exp())
            .collect();
        let steady = |i: usize| pull[i] * (1.0 - straying[i]);
        let everyone = Group::new((0..self.nodes).collect(), |i| pull[i]);
        let strays = Group::new((0..self.nodes).collect(), |i| pull[i] * straying[i]);
        let of_class = Group::by(self.classes, &places.labels, steady);
        let of_shelf = Group::by(places.shelves.len(), &places.shelf, steady);
        let half: Vec<usize> = (places.shelf.iter().zip(&places.stranger))
            .map(|(&shelf, &stranger)| 2 * shelf + usize::from(stranger))
            .collect();
        let of_half = Group::by(2 * places.shelves.len(), &half, steady);
        let mut edges = HashSet::with_capacity(self.edges);
        let mut tries = 0;
        while edges.len() < self.edges {
            tries += 1;
            let a = everyone.draw(rng);
            // Each end belongs to every group from which it draws, so no group is empty.
            let b = if tries > 10 * self.edges {
                // After this many attempts the shelves are full, because the graph is so dense.
                rng.below(self.nodes)
            } else if rng.chance(straying[a]) {
                strays.draw(rng)
            } else if !rng.chance(ON_SHELF) {
                of_class[places.labels[a]].draw(rng)
            } else if rng.chance(LOYALTY) {
                of_half[half[a]].draw(rng)
            } else {
                of_shelf[places.shelf[a]].draw(rng)
            };
            if a != b {
                edges.insert((a.min(b), a.max(b)));
            }
        }
        let mut edges: Vec<_> = edges.into_iter().collect();
        edges.sort_unstable();
        edges
    }

    fn draw_words(&self, rng: &mut Rng, places: &Places) -> Vec<Vec<(usize, f32)>> {
        let mut use_of = |spread: f64| -> Vec<f64> {
            let uses = (0..self.features).map(|_| (spread * rng.normal()).exp());
            uses.collect()
        };
        let common = use_of(0.9);
        let mean = common.iter().sum::<f64>() / self.features as f64;
        let times =
            |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(x, y)| x * y).collect() };
        let common: Vec<f64> = common.iter().map(|u| u / mean).collect();
        let by_class: Vec<Vec<f64>> = (0..self.classes)
            .map(|_| times(&common, &use_of(WORDING.0)))
            .collect();
        let by_shelf: Vec<Vec<f64>> = places
            .shelves
            .iter()
            .map(|[first, _]| times(&by_class[*first], &use_of(WORDING.1)))
            .collect();
        (0..self.nodes)
            .map(|i| {
                let own = TOPICALITY * rng.uniform();
                let length = LENGTH.0 * (LENGTH.1 * rng.normal()).exp();
                let class = &by_class[places.labels[i]];
                let shelf = &by_shelf[places.shelf[i]];
                (0..self.features)
                    .filter(|&w| {
                        // A word is present if it is used at least once (Poisson).
                        let uses = length * ((1.0 - own) * shelf[w] + own * class[w]);
                        rng.uniform() < 1.0 - (-uses).exp()
                    })
                    .map(|w| (w, 1.0))
                    .collect()
            })
            .collect()
    }
}

/// Nodes that are drawn with probability proportional to a weight.
struct Group {
    nodes: Vec<usize>,
    table: Table,
}

impl Group {
    fn new(nodes: Vec<usize>, weight: impl Fn(usize) -> f64) -> Self {
        let table = Table::new(nodes.iter().map(|&i| weight(i)));
        Group { nodes, table }
    }

    /// Makes one group for each key; a key without nodes gives an empty group.
    fn by(keys: usize, key_of: &[usize], weight: impl Fn(usize) -> f64) -> Vec<Self> {
        let mut members = vec![Vec::new(); keys];
        for (node, &key) in key_of.iter().enumerate() {
            members[key].push(node);
        }
        let groups = members.into_iter().map(|m| Group::new(m, &weight));
        groups.collect()
    }

    /// Draws one node; the group must not be empty.
    fn draw(&self, rng: &mut Rng) -> usize {
        self.nodes[self.table.draw(rng)]
    }
}

#[cfg(test)]
mod tests;

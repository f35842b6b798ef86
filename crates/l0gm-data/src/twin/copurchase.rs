//! A co-purchase graph in OGB's raw layout, from a degree-corrected stochastic block model (Karrer and
//! Newman 2011): few products are bought with very many others, most edges stay within a class, and
//! some products sit in the wrong neighbourhood. Features are sparse words, informative but not
//! enough, so that a model that looks at neighbours beats one that does not.

use crate::ogb_layout::{OgbGraph, write_split};
use crate::rng::{Rng, Table};
use crate::{Error, Result, node_split};
use std::collections::BTreeSet;
use std::path::Path;

/// Size and seed of a co-purchase twin.
#[derive(Clone, Debug)]
pub struct Copurchase {
    /// Number of nodes.
    pub nodes: usize,
    /// Number of undirected edges.
    pub edges: usize,
    /// Number of binary features.
    pub features: usize,
    /// Number of classes.
    pub classes: usize,
    /// Split folders: "random-60-20-20", "low-label-20-30" or "sales_ranking".
    pub splits: Vec<String>,
    /// The same seed gives the same graph.
    pub seed: u64,
}

/// Share of nodes whose edges are those of another class.
const MISPLACED: f64 = 0.09;
/// Chance that an edge stays within its (apparent) class.
const LOYALTY: f64 = 0.85;
/// Share of a node's words that come from its class; the rest from everywhere.
const TOPICALITY: f64 = 0.23;

/// A graph in memory.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    /// Each undirected edge once, smaller node first, sorted.
    pub(crate) edges: Vec<(usize, usize)>,
    /// Class of each node.
    pub(crate) labels: Vec<usize>,
    /// Words of each node, sorted, each with its value 1.
    pub(crate) words: Vec<Vec<(usize, f32)>>,
}

impl Copurchase {
    /// Writes `raw/*.csv.gz` and `split/<kind>/{train,valid,test}.csv.gz` into `dir`.
    ///
    /// # Errors
    /// Sizes that no simple graph has, an unknown split, a file that cannot be written.
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
        let mut rng = Rng::new(self.seed, 1);
        // Class sizes fall off, as product categories do.
        let sizes = Table::new((0..self.classes).map(|c| 1.0 / (1.0 + c as f64).powf(0.6)));
        let labels: Vec<usize> = (0..self.nodes).map(|_| sizes.draw(&mut rng)).collect();
        // The class a node's neighbours see.
        let apparent: Vec<usize> = labels
            .iter()
            .map(|&c| {
                if rng.chance(MISPLACED) {
                    self.near(&mut rng, c)
                } else {
                    c
                }
            })
            .collect();
        let edges = self.draw_edges(&mut rng, &apparent);
        let words = self.draw_words(&mut Rng::new(self.seed, 2), &labels);
        Ok(Graph {
            edges,
            labels,
            words,
        })
    }

    /// Another class; mostly one of the two beside it, so that classes overlap in pairs.
    fn near(&self, rng: &mut Rng, class: usize) -> usize {
        let step = if rng.chance(0.7) {
            if rng.chance(0.5) { 1 } else { self.classes - 1 }
        } else {
            1 + rng.below(self.classes - 1)
        };
        (class + step) % self.classes
    }

    fn draw_edges(&self, rng: &mut Rng, apparent: &[usize]) -> Vec<(usize, usize)> {
        // Pareto propensities, capped so that no hub takes the whole graph.
        let pull: Vec<f64> = (0..self.nodes)
            .map(|_| (1.0 - rng.uniform()).powf(-0.55).min(25.0))
            .collect();
        let all = Table::new(pull.iter().copied());
        let members: Vec<Vec<usize>> = (0..self.classes)
            .map(|c| (0..self.nodes).filter(|&i| apparent[i] == c).collect())
            .collect();
        let tables: Vec<Option<Table>> = members
            .iter()
            .map(|m| (!m.is_empty()).then(|| Table::new(m.iter().map(|&i| pull[i]))))
            .collect();
        let mut edges = BTreeSet::new();
        while edges.len() < self.edges {
            let a = all.draw(rng);
            let class = apparent[a];
            let class = if rng.chance(LOYALTY) {
                class
            } else {
                self.near(rng, class)
            };
            let b = match &tables[class] {
                Some(table) => members[class][table.draw(rng)],
                None => all.draw(rng),
            };
            if a != b {
                edges.insert((a.min(b), a.max(b)));
            }
        }
        edges.into_iter().collect()
    }

    fn draw_words(&self, rng: &mut Rng, labels: &[usize]) -> Vec<Vec<(usize, f32)>> {
        // Zipf over all words; each class prefers a tenth of them, which overlap by chance.
        let common = Table::new((0..self.features).map(|j| 1.0 / (3.0 + j as f64).powf(0.7)));
        let mut order: Vec<usize> = (0..self.features).collect();
        let own = (self.features / 10).max(3);
        let preferred: Vec<Vec<usize>> = (0..self.classes)
            .map(|_| {
                rng.shuffle(&mut order);
                order[..own].to_vec()
            })
            .collect();
        labels
            .iter()
            .map(|&class| {
                // About a tenth of the features, more for long descriptions.
                let count =
                    (0.1 * self.features as f64 * (0.5 * rng.normal()).exp()).max(2.0) as usize;
                let mut words = BTreeSet::new();
                for _ in 0..count {
                    let topical = rng.chance(TOPICALITY);
                    words.insert(if topical {
                        *rng.pick(&preferred[class])
                    } else {
                        common.draw(rng)
                    });
                }
                words.into_iter().map(|w| (w, 1.0)).collect()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;

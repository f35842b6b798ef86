//! A co-purchase graph in OGB's raw layout, from a degree-corrected stochastic block model (Karrer and
//! Newman 2011): few products are bought with very many others, most edges stay within a class, and
//! some products sit in the wrong neighbourhood. Features are sparse words, informative but not
//! enough, so that a model that looks at neighbours beats one that does not.

use super::rng::{Rng, Table};
use crate::folders::write_atomically;
use crate::{Error, Result};
use flate2::{Compression, write::GzEncoder};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
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
    /// Sorted words of each node.
    pub(crate) words: Vec<Vec<usize>>,
}

impl Copurchase {
    /// Writes `raw/*.csv.gz` and `split/<kind>/{train,valid,test}.csv.gz` into `dir`.
    ///
    /// # Errors
    /// Sizes that no simple graph has, an unknown split, a file that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let graph = self.draw(dir)?;
        let raw = dir.join("raw");
        let lines = |items: &mut dyn Iterator<Item = String>| {
            items.fold(String::new(), |t, l| t + &l + "\n")
        };
        let edges = lines(&mut graph.edges.iter().map(|(a, b)| format!("{a},{b}")));
        write_gz(&raw.join("edge.csv.gz"), &edges)?;
        write_gz(&raw.join("node-feat.csv.gz"), &self.feature_lines(&graph))?;
        write_gz(
            &raw.join("node-label.csv.gz"),
            &lines(&mut graph.labels.iter().map(usize::to_string)),
        )?;
        write_gz(
            &raw.join("num-node-list.csv.gz"),
            &format!("{}\n", self.nodes),
        )?;
        write_gz(
            &raw.join("num-edge-list.csv.gz"),
            &format!("{}\n", self.edges),
        )?;
        for kind in &self.splits {
            let parts = self.split(kind, &graph, dir)?;
            for (part, mut nodes) in ["train", "valid", "test"].into_iter().zip(parts) {
                nodes.sort_unstable();
                let path = dir.join("split").join(kind).join(format!("{part}.csv.gz"));
                write_gz(&path, &lines(&mut nodes.iter().map(usize::to_string)))?;
            }
        }
        Ok(())
    }

    fn feature_lines(&self, graph: &Graph) -> String {
        let mut text = String::with_capacity(self.nodes * self.features * 2);
        for words in &graph.words {
            let mut next = words.iter().peekable();
            for j in 0..self.features {
                let has = next.next_if(|&&w| w == j).is_some();
                let _ = write!(text, "{}{}", if j == 0 { "" } else { "," }, u8::from(has));
            }
            text.push('\n');
        }
        text
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

    fn draw_words(&self, rng: &mut Rng, labels: &[usize]) -> Vec<Vec<usize>> {
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
                words.into_iter().collect()
            })
            .collect()
    }

    /// Training, validation and test nodes of a split.
    fn split(&self, kind: &str, graph: &Graph, dir: &Path) -> Result<[Vec<usize>; 3]> {
        let mut order: Vec<usize> = (0..self.nodes).collect();
        let mut rng = Rng::new(self.seed, 3);
        let at = |share: f64| (self.nodes as f64 * share) as usize;
        let cut = |order: Vec<usize>, a: usize, b: usize| {
            [
                order[..a].to_vec(),
                order[a..b].to_vec(),
                order[b..].to_vec(),
            ]
        };
        match kind {
            "random-60-20-20" => {
                rng.shuffle(&mut order);
                Ok(cut(order, at(0.6), at(0.8)))
            }
            "low-label-20-30" => {
                rng.shuffle(&mut order);
                let mut seen = vec![0; self.classes];
                let mut parts: [Vec<usize>; 3] = Default::default();
                for node in order {
                    let seen = &mut seen[graph.labels[node]];
                    parts[if *seen < 20 {
                        0
                    } else if *seen < 50 {
                        1
                    } else {
                        2
                    }]
                    .push(node);
                    *seen += 1;
                }
                Ok(parts)
            }
            // The best sold products train, the long tail tests: the official shares of ogbn-products
            // (196,615 and 39,323 of 2,449,029), with the degree as the rank.
            "sales_ranking" => {
                let mut degree = vec![0usize; self.nodes];
                for &(a, b) in &graph.edges {
                    degree[a] += 1;
                    degree[b] += 1;
                }
                order.sort_by_key(|&i| std::cmp::Reverse(degree[i]));
                Ok(cut(order, at(0.0803), at(0.0963)))
            }
            _ => Err(Error::file(
                dir,
                format!(
                    "no twin has a split called {kind:?}; known: random-60-20-20, low-label-20-30, sales_ranking"
                ),
            )),
        }
    }
}

fn write_gz(path: &Path, text: &str) -> Result<()> {
    // No name and no time in the header: the same text gives the same bytes.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder
        .write_all(text.as_bytes())
        .and_then(|()| encoder.finish());
    let packed = packed.map_err(|e| Error::file(path, format!("cannot compress: {e}")))?;
    write_atomically(path, &packed)
}

#[cfg(test)]
mod tests;

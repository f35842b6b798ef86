//! The split into training, validation and test nodes: read from `split/<kind>/` as OGB publishes it, or drawn at
//! random from a seed. It is checked once: every node with a label is in exactly one part, and every other node in
//! none.
use crate::settings::SplitSettings;
use crate::text_matrix::{parse_id, parse_lines};
use crate::{Error, NodeId, Result};
use l0gm_ops::Generator;
use l0gm_train::Split;
use std::collections::BTreeMap;
use std::path::Path;

/// The value of `split.kind` that asks for a random split instead of files.
pub const RANDOM: &str = "random";

/// The nodes of the three parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSplit {
    train: Vec<NodeId>,
    valid: Vec<NodeId>,
    test: Vec<NodeId>,
    left_out: usize,
    /// Number of training nodes before some were drawn; `None` if all are used.
    all_train: Option<usize>,
}

impl NodeSplit {
    /// Checks that no part is empty, no node occurs twice, and none is left out (unless allowed). An error names the
    /// node and the parts.
    pub fn new(
        nodes: usize,
        train: Vec<NodeId>,
        valid: Vec<NodeId>,
        test: Vec<NodeId>,
        allow_missing: bool,
    ) -> Result<Self> {
        let labelled = vec![true; nodes];
        Self::among(&labelled, [train, valid, test], allow_missing)
    }

    /// Like [`new`](Self::new), for the nodes with a label; the parts contain no others.
    fn among(labelled: &[bool], parts: [Vec<NodeId>; 3], allow_missing: bool) -> Result<Self> {
        let nodes = labelled.len();
        let [train, valid, test] = parts;
        let mut part_of = vec![None; nodes];
        for (name, part) in [("train", &train), ("valid", &valid), ("test", &test)] {
            if part.is_empty() {
                return Err(Error::Graph(format!("the split's part {name} is empty")));
            }
            for &NodeId(id) in part {
                let Some(slot) = part_of.get_mut(id as usize) else {
                    return Err(Error::Graph(format!(
                        "{name} lists node {id}, which does not exist: the graph has {nodes} nodes (ids 0 to {})",
                        nodes.saturating_sub(1)
                    )));
                };
                if let Some(before) = slot.replace(name) {
                    return Err(Error::Graph(if before == name {
                        format!("{name} lists node {id} twice")
                    } else {
                        format!(
                            "node {id} stands in {before} and in {name}; the parts must not overlap"
                        )
                    }));
                }
            }
        }
        let nowhere = |node: &usize| labelled[*node] && part_of[*node].is_none();
        if !allow_missing && let Some(id) = (0..nodes).find(nowhere) {
            let missing = (0..nodes).filter(nowhere).count();
            return Err(Error::Graph(format!(
                "node {id} stands in no part of the split ({missing} nodes in all); \
                 set split.allow-missing to leave nodes out on purpose"
            )));
        }
        Ok(Self {
            train,
            valid,
            test,
            left_out: 0,
            all_train: None,
        })
    }

    /// Makes the split that the settings ask for: from `dir`/split/KIND/{train,valid,test}.csv.gz, or at random.
    /// Nodes without a label (`labels` is [`Graph::labels`](crate::Graph::labels)) are in no part, even if a file
    /// lists them; see [`left_out`](Self::left_out). If `train_rows` is set, only so many training nodes are kept.
    pub fn load(dir: &Path, labels: &[Option<u32>], settings: &SplitSettings) -> Result<Self> {
        let whole = Self::load_whole(dir, labels, settings)?;
        Ok(match settings.train_rows {
            Some(count) => whole.with_train_rows(labels, count, settings.seed),
            None => whole,
        })
    }

    fn load_whole(dir: &Path, labels: &[Option<u32>], settings: &SplitSettings) -> Result<Self> {
        let nodes = labels.len();
        let labelled: Vec<bool> = labels.iter().map(Option::is_some).collect();
        if settings.kind == RANDOM {
            let known: Vec<NodeId> = (0..nodes as u32)
                .map(NodeId)
                .filter(|node| labelled[node.0 as usize])
                .collect();
            let parts = shares(&known, settings.train, settings.valid, settings.seed);
            return Self::among(&labelled, parts, false);
        }
        let folder = dir.join("split").join(&settings.kind);
        if !folder.is_dir() {
            let known = split_kinds(dir);
            return Err(Error::file(
                &folder,
                format!(
                    "no such split; known here: {}",
                    [known.as_slice(), &[RANDOM.to_string()]]
                        .concat()
                        .join(", ")
                ),
            ));
        }
        let mut left_out = 0;
        let mut part = |name: &str| {
            let mut listed = parse_lines(&folder.join(format!("{name}.csv.gz")), |line, out| {
                let NodeId(id) = NodeId(parse_id(line)?);
                if id as usize >= nodes {
                    return Err(format!(
                        "node {id} does not exist: the graph has {nodes} nodes (ids 0 to {})",
                        nodes.saturating_sub(1)
                    ));
                }
                out.push(NodeId(id));
                Ok(())
            })?;
            let before = listed.len();
            listed.retain(|node| labelled[node.0 as usize]);
            left_out += before - listed.len();
            Ok::<_, Error>(listed)
        };
        let parts = [part("train")?, part("valid")?, part("test")?];
        let split = Self::among(&labelled, parts, settings.allow_missing)
            .map_err(|e| Error::file(&folder, e.to_string()))?;
        Ok(Self { left_out, ..split })
    }

    /// Number of nodes without a label that the split's files list.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Splits a random order of the nodes into shares of size `train` and `valid`; the rest are test nodes.
    pub fn random(nodes: usize, train: f64, valid: f64, seed: u64) -> Result<Self> {
        let all: Vec<NodeId> = (0..nodes as u32).map(NodeId).collect();
        Self::among(&vec![true; nodes], shares(&all, train, valid, seed), false)
    }

    /// Keeps `count` of the training nodes, drawn by seed and stratified by class. The other parts stay as they are.
    ///
    /// Each class is shuffled, and from its beginning the same share of every class is taken, but at least one node if
    /// `count` allows it. So a smaller draw is a part of a larger one with the same seed.
    pub fn with_train_rows(mut self, labels: &[Option<u32>], count: usize, seed: u64) -> Self {
        let all = self.train.len();
        if count >= all {
            return self;
        }
        let mut by_class: BTreeMap<Option<u32>, Vec<NodeId>> = BTreeMap::new();
        for &node in &self.train {
            let class = labels[node.0 as usize];
            by_class.entry(class).or_default().push(node);
        }
        let generator = Generator::new(seed);
        let mut ranked: Vec<(f64, NodeId)> = Vec::with_capacity(all);
        for (place, mut nodes) in by_class.into_values().enumerate() {
            generator
                .stream("train-rows", place as u64)
                .shuffle(&mut nodes);
            let all = nodes.len() as f64;
            let share = |rank: usize| match rank {
                0 => 0.0,
                _ => (rank as f64 + 0.5) / all,
            };
            ranked.extend((0..nodes.len()).map(share).zip(nodes));
        }
        // The sort is stable, so classes with equal shares take turns in their order.
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.train = ranked[..count].iter().map(|(_, node)| *node).collect();
        self.train.sort_unstable();
        self.all_train = Some(all);
        self
    }

    /// What was left out of training on purpose, such as "500 of 8251 training nodes, stratified by class"; `None` if
    /// nothing was.
    pub fn reduction(&self) -> Option<String> {
        let all = self.all_train?;
        let kept = self.train.len();
        Some(format!(
            "{kept} of {all} training nodes, stratified by class"
        ))
    }

    /// The nodes of one part.
    pub fn part(&self, split: Split) -> &[NodeId] {
        match split {
            Split::Train => &self.train,
            Split::Valid => &self.valid,
            Split::Test => &self.test,
        }
    }
}

/// Splits a random order of these nodes into shares of size `train` and `valid` and the rest. Each part is sorted.
fn shares(known: &[NodeId], train: f64, valid: f64, seed: u64) -> [Vec<NodeId>; 3] {
    let order = Generator::new(seed)
        .stream("node-split", 0)
        .permutation(known.len());
    let count = |share: f64| ((share * known.len() as f64).round() as usize).min(known.len());
    let (a, b) = (count(train), count(train + valid));
    [0..a, a..b, b..known.len()].map(|part| {
        let mut nodes: Vec<NodeId> = order[part].iter().map(|&at| known[at as usize]).collect();
        nodes.sort_unstable();
        nodes
    })
}

/// Names of the splits with files under `dir`/split, sorted.
pub fn split_kinds(dir: &Path) -> Vec<String> {
    let mut kinds: Vec<String> = std::fs::read_dir(dir.join("split"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    kinds.sort();
    kinds
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ids(ids: &[u32]) -> Vec<NodeId> {
        ids.iter().map(|&i| NodeId(i)).collect()
    }

    #[test]
    fn overlapping_parts_name_the_node_and_both_parts() {
        let error = NodeSplit::new(4, ids(&[0, 1]), ids(&[2]), ids(&[1, 3]), false)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("node 1 stands in train and in test"),
            "{error}"
        );
    }

    #[test]
    fn a_node_listed_twice_is_refused() {
        let error = NodeSplit::new(3, ids(&[0, 0]), ids(&[1]), ids(&[2]), false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("train lists node 0 twice"), "{error}");
    }

    #[test]
    fn a_node_in_no_part_is_refused_unless_allowed() {
        let parts = || (ids(&[0]), ids(&[1]), ids(&[3]));
        let (a, b, c) = parts();
        let error = NodeSplit::new(4, a, b, c, false).unwrap_err().to_string();
        assert!(error.contains("node 2 stands in no part"), "{error}");
        let (a, b, c) = parts();
        assert!(NodeSplit::new(4, a, b, c, true).is_ok());
    }

    #[test]
    fn a_random_split_has_every_node_once_and_follows_its_seed() {
        let split = NodeSplit::random(100, 0.6, 0.2, 3).unwrap();
        let sizes = [Split::Train, Split::Valid, Split::Test].map(|s| split.part(s).len());
        assert_eq!(sizes, [60, 20, 20]);
        assert_eq!(split, NodeSplit::random(100, 0.6, 0.2, 3).unwrap());
        assert_ne!(split, NodeSplit::random(100, 0.6, 0.2, 4).unwrap());
    }

    /// A graph with 600 nodes of class 0, 60 of class 1 and 6 of class 2, of which every third is a training node.
    fn uneven() -> (NodeSplit, Vec<Option<u32>>) {
        let labels: Vec<Option<u32>> = (0..666)
            .map(|node| {
                Some(if node < 600 {
                    0
                } else if node < 660 {
                    1
                } else {
                    2
                })
            })
            .collect();
        let part = |rest: u32| (0..666).filter(|id| id % 3 == rest).map(NodeId).collect();
        let split = NodeSplit::new(666, part(0), part(1), part(2), false).unwrap();
        (split, labels)
    }

    #[test]
    fn fewer_training_nodes_keep_the_classes_shares_and_the_other_parts() {
        let (whole, labels) = uneven();
        let small = whole.clone().with_train_rows(&labels, 37, 0);
        let of = |class: u32| {
            let train = small.part(Split::Train).iter();
            train
                .filter(|node| labels[node.0 as usize] == Some(class))
                .count()
        };
        assert_eq!([of(0), of(1), of(2)], [33, 3, 1]);
        assert_eq!(small.part(Split::Valid), whole.part(Split::Valid));
        assert_eq!(small.part(Split::Test), whole.part(Split::Test));
        assert!(small.part(Split::Train).is_sorted());
        assert_eq!(
            small.reduction().unwrap(),
            "37 of 222 training nodes, stratified by class"
        );
        let other = whole.clone().with_train_rows(&labels, 37, 1);
        assert_ne!(other.part(Split::Train), small.part(Split::Train));
        assert_eq!(whole.clone().with_train_rows(&labels, 222, 0), whole);
    }

    #[test]
    fn a_smaller_draw_is_a_part_of_a_larger_one() {
        let (whole, labels) = uneven();
        let few = whole.clone().with_train_rows(&labels, 20, 5);
        let more = whole.with_train_rows(&labels, 90, 5);
        let in_more = |node| more.part(Split::Train).contains(node);
        assert!(few.part(Split::Train).iter().all(in_more));
    }
}

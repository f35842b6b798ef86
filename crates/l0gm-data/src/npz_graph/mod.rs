//! Reads the .npz of a published graph, and converts it to OGB's raw layout with splits drawn from a seed. The .npz
//! holds the CSR parts of adjacency and features, and labels, in the form of Shchur et al. 2018 (arXiv:1811.05868). The
//! adjacency need not be symmetric: an edge in either direction is one undirected edge.

mod csr;

use crate::error::io;
use crate::folders::unique;
use crate::npz::Npz;
use crate::ogb_layout::{OgbGraph, write_split};
use crate::{Error, Result, node_split};
use csr::Csr;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Seed of the splits.
const SPLIT_SEED: u64 = 0;

/// Whether an original is converted, or only needs splits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The graph is written in OGB's raw layout, features with all their zeros.
    Raw,
    /// The original itself is read, because its features with all zeros would be too large.
    Original,
}

/// Writes `raw/` (for [`Layout::Raw`]) and `split/<kind>/` into `dir` from the .npz at `original`, and keeps what is
/// there already. The new files appear complete, with `raw/` last, or not at all.
///
/// `counts` holds the manifest's numbers of nodes, edges, features and classes; those that are stated must be
/// correct.
///
/// # Errors
/// Fails if the file is not such an .npz (the error names the array), if counts differ (the error names them), or if
/// a folder cannot be written.
pub(crate) fn convert(
    original: &Path,
    counts: &BTreeMap<String, u64>,
    splits: &[String],
    layout: Layout,
    dir: &Path,
) -> Result<()> {
    let graph = NpzGraph::read(original)?;
    graph.check(original, counts)?;
    std::fs::create_dir_all(dir).map_err(io(dir, "cannot create the folder"))?;
    let temporary = dir.join(format!(".converting-{}", unique()));
    let done = graph
        .write(splits, layout, &temporary)
        .and_then(|()| put_in_place(&temporary, splits, layout, dir));
    // Delete the temporary folder whether or not the conversion succeeded.
    let removed = std::fs::remove_dir_all(&temporary);
    done?;
    removed.map_err(io(&temporary, "cannot remove"))
}

/// A graph in an .npz in the form of Shchur et al. 2018, with features that keep no zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct NpzGraph {
    /// Each undirected edge once, smaller node first; sorted.
    pub edges: Vec<(usize, usize)>,
    /// Class of each node.
    pub labels: Vec<usize>,
    /// Number of features of each node.
    pub features: usize,
    /// The non-zero features of each node as (column, value), sorted by column.
    pub rows: Vec<Vec<(usize, f32)>>,
}

impl NpzGraph {
    /// Reads the arrays `adj_*` and `attr_*` (scipy's CSR parts) and `labels`.
    ///
    /// # Errors
    /// Fails if an array is missing or damaged, or if the arrays do not fit each other. The error names the array.
    pub fn read(path: &Path) -> Result<Self> {
        read(path)
    }
}

fn read(path: &Path) -> Result<NpzGraph> {
    let npz = Npz::open(path)?;
    let adjacency = Csr::read(&npz, "adj")?;
    let attributes = Csr::read(&npz, "attr")?;
    let labels = npz.whole_numbers("labels")?;
    let nodes = adjacency.rows;
    if adjacency.columns != nodes {
        let what = format!("{nodes} x {}; an adjacency is square", adjacency.columns);
        return Err(npz.fault("adj_shape", what));
    }
    if attributes.rows != nodes {
        let what = format!(
            "{} rows for {nodes} nodes; there must be one a node",
            attributes.rows
        );
        return Err(npz.fault("attr_shape", what));
    }
    if labels.len() != nodes {
        let what = format!(
            "{} labels for {nodes} nodes; there must be one a node",
            labels.len()
        );
        return Err(npz.fault("labels", what));
    }
    // A label above the number of nodes is a mistake, not a class.
    if let Some(node) = labels.iter().position(|&label| label >= nodes) {
        let what = format!(
            "node {node} has label {}, outside any number of classes that {nodes} nodes can have",
            labels[node]
        );
        return Err(npz.fault("labels", what));
    }
    let rows = (0..nodes)
        .map(|node| merged(&attributes, node))
        .collect::<Vec<_>>();
    if let Some(node) = rows
        .iter()
        .position(|row| row.iter().any(|(_, v)| !v.is_finite()))
    {
        let what = format!("the entries of node {node} for one feature add up to no finite number");
        return Err(npz.fault("attr_data", what));
    }
    Ok(NpzGraph {
        edges: undirected(&adjacency),
        labels,
        features: attributes.columns,
        rows,
    })
}

/// Each edge once, smaller node first, without self-loops and entries of weight 0.
fn undirected(adjacency: &Csr) -> Vec<(usize, usize)> {
    let mut edges: Vec<(usize, usize)> = (0..adjacency.rows)
        .flat_map(|a| adjacency.row(a).map(move |(b, weight)| (a, b, weight)))
        .filter(|&(a, b, weight)| a != b && weight != 0.0)
        .map(|(a, b, _)| (a.min(b), a.max(b)))
        .collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// A row's non-zero features by column. Repeated entries are added, as scipy does.
fn merged(attributes: &Csr, node: usize) -> Vec<(usize, f32)> {
    let mut row: Vec<(usize, f32)> = attributes.row(node).collect();
    row.sort_by_key(|&(column, _)| column);
    row.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    row.retain(|&(_, value)| value != 0.0);
    row
}

impl NpzGraph {
    /// Compares the graph with the counts in the manifest.
    fn check(&self, path: &Path, counts: &BTreeMap<String, u64>) -> Result<()> {
        let classes = self.labels.iter().collect::<BTreeSet<_>>().len();
        let found = [
            ("nodes", self.labels.len()),
            ("edges", self.edges.len()),
            ("features", self.features),
            ("classes", classes),
        ];
        let differing: Vec<String> = found
            .iter()
            .filter_map(|&(what, found)| {
                let expected = *counts.get(what)?;
                (expected != found as u64)
                    .then(|| format!("{found} {what} where the catalogue says {expected}"))
            })
            .collect();
        if differing.is_empty() {
            return Ok(());
        }
        let message = format!("another graph than expected: {}", differing.join(", "));
        Err(Error::file(path, message))
    }

    fn write(&self, splits: &[String], layout: Layout, dir: &Path) -> Result<()> {
        let ogb = OgbGraph {
            edges: &self.edges,
            labels: &self.labels,
            features: self.features,
            rows: &self.rows,
        };
        let degrees = ogb.degrees();
        for kind in splits {
            let parts = node_split::draw(kind, &self.labels, &degrees, SPLIT_SEED);
            let parts = parts.ok_or_else(|| {
                Error::Unknown(format!(
                    "no split by seed is called {kind:?}; known: {}",
                    node_split::BY_SEED.join(", ")
                ))
            })?;
            write_split(dir, kind, &parts)?;
        }
        match layout {
            Layout::Raw => ogb.write_raw(dir),
            Layout::Original => Ok(()),
        }
    }
}

/// Moves what is missing in `dir` from `from`. A graph without `raw/` counts as missing, so `raw/` comes last, and
/// the next call repairs an interrupted one.
fn put_in_place(from: &Path, splits: &[String], layout: Layout, dir: &Path) -> Result<()> {
    for kind in splits {
        let folder = Path::new("split").join(kind);
        if !dir.join(&folder).exists() {
            move_into(&from.join(&folder), &dir.join(&folder))?;
        }
    }
    if layout == Layout::Original {
        return Ok(());
    }
    if !dir.join("raw").exists() {
        return move_into(&from.join("raw"), &dir.join("raw"));
    }
    for name in RAW {
        let target = dir.join("raw").join(name);
        if !target.exists() {
            move_into(&from.join("raw").join(name), &target)?;
        }
    }
    Ok(())
}

/// The files of `raw/`.
const RAW: [&str; 5] = [
    "edge.csv.gz",
    "node-feat.csv.gz",
    "node-label.csv.gz",
    "num-node-list.csv.gz",
    "num-edge-list.csv.gz",
];

fn move_into(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(io(parent, "cannot create the folder"))?;
    }
    std::fs::rename(from, to).map_err(io(to, "cannot put the converted files in place"))
}

#[cfg(test)]
mod tests;

//! Reads OGB's raw layout, in which ogbn-products is published:
//! `raw/{edge,node-feat,node-label,num-node-list,num-edge-list}.csv.gz`, without headers. An undirected edge is
//! listed once, and its inverse is added here.
use crate::graph::numbered_classes;
use crate::text_matrix::{fields, parse_f32, parse_id, parse_lines};
use crate::{Adjacency, Error, Features, Graph, NodeId, Result};
use l0gm_data::rows::MISSING_WORDS;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Reads the graph under `dir`, the folder that contains `raw/`.
pub fn read_ogb_raw(dir: &Path) -> Result<Graph> {
    let raw = dir.join("raw");
    let nodes = read_count(&raw.join("num-node-list.csv.gz"))?;
    let edges = read_count(&raw.join("num-edge-list.csv.gz"))?;
    // Read the labels first, so that memory for `nodes` nodes is allocated only if the file really holds that many.
    let labels = read_labels(&raw.join("node-label.csv.gz"), nodes)?;
    let adjacency = read_edges(&raw.join("edge.csv.gz"), nodes, edges)?;
    let features = read_features(&raw.join("node-feat.csv.gz"), nodes)?;
    let classes = numbered_classes(&labels);
    Graph::new(features, labels, classes, adjacency)
}

/// Reads a file that holds one number: how many nodes or edges the only graph has.
fn read_count(path: &Path) -> Result<usize> {
    let counts = parse_lines(path, |line, out: &mut Vec<u32>| {
        out.push(parse_id(line)?);
        Ok(())
    })?;
    match counts.as_slice() {
        [one] => Ok(*one as usize),
        many => Err(Error::file(
            path,
            format!(
                "{} graphs are listed; a node classifier works on one",
                many.len()
            ),
        )),
    }
}

fn read_edges(path: &Path, nodes: usize, expected: usize) -> Result<Adjacency> {
    let edges = parse_lines(path, |line, out| {
        let mut ends = fields(line);
        let (Some(a), Some(b), None) = (ends.next(), ends.next(), ends.next()) else {
            return Err(format!("{} fields; an edge has two", fields(line).count()));
        };
        let (a, b) = (parse_id(a)?, parse_id(b)?);
        if let Some(id) = [a, b].into_iter().find(|&id| id as usize >= nodes) {
            return Err(format!(
                "an edge to node {id}, which does not exist: the graph has {nodes} nodes (ids 0 to {})",
                nodes.saturating_sub(1)
            ));
        }
        out.push((NodeId(a), NodeId(b)));
        Ok(())
    })?;
    if edges.len() != expected {
        return Err(Error::file(
            path,
            format!(
                "{} edges, but num-edge-list.csv.gz says {expected}; one of the two is cut short",
                edges.len()
            ),
        ));
    }
    Adjacency::from_edges(nodes, &edges)
}

fn read_features(path: &Path, nodes: usize) -> Result<Features> {
    // The row that is parsed first determines the number of columns; every other row must have as many.
    let columns = AtomicUsize::new(0);
    let values = parse_lines(path, |line, out| {
        let before = out.len();
        for (column, field) in fields(line).enumerate() {
            let value =
                parse_f32(field).map_err(|message| format!("column {column}: {message}"))?;
            if !value.is_finite() {
                return Err(format!(
                    "column {column}: the feature is {value}; it must be a finite number"
                ));
            }
            out.push(value);
        }
        let found = out.len() - before;
        match columns.compare_exchange(0, found, Ordering::Relaxed, Ordering::Relaxed) {
            Err(expected) if expected != found => Err(format!(
                "{found} features, where other nodes have {expected}"
            )),
            _ => Ok(()),
        }
    })?;
    let columns = columns.into_inner();
    check_rows(path, "rows of features", values.len() / columns, nodes)?;
    Features::new(columns, values)
}

/// Labels may be written as fractions (`3.0`); a missing one (`nan`) marks a node without a label.
fn read_labels(path: &Path, nodes: usize) -> Result<Vec<Option<u32>>> {
    let labels = parse_lines(path, |line, out| {
        let text = line.trim_ascii();
        let whole = text.strip_suffix(b".0").unwrap_or(text);
        out.push(
            match MISSING_WORDS.iter().any(|word| word.as_bytes() == text) {
                true => None,
                false => Some(parse_id(whole).map_err(|message| format!("the label {message}"))?),
            },
        );
        Ok(())
    })?;
    check_rows(path, "labels", labels.len(), nodes)?;
    // A label above the number of nodes is a mistake, not a class.
    if let Some(line) = labels
        .iter()
        .position(|label| label.is_some_and(|label| label as usize >= nodes.max(2)))
    {
        return Err(Error::file(
            path,
            format!(
                "line {}: label {} is outside any number of classes that {nodes} nodes can have",
                line + 1,
                labels[line].unwrap_or_default()
            ),
        ));
    }
    Ok(labels)
}

/// Checks that there is one row for each node; the error states both counts.
pub(crate) fn check_rows(path: &Path, what: &str, found: usize, nodes: usize) -> Result<()> {
    if found == nodes {
        return Ok(());
    }
    Err(Error::file(
        path,
        format!("{found} {what} for {nodes} nodes; there must be one a node"),
    ))
}

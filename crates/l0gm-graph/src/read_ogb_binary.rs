//! Reads OGB's binary layout, which its larger graphs use: `raw/data.npz` with `edge_index` (2, edges), `node_feat`
//! (nodes, features), `num_nodes_list` and `num_edges_list`, and `raw/node-label.npz` with `node_label` (nodes, 1).
//! An error about an array that is missing, damaged or of another shape names it.
use crate::graph::numbered_classes;
use crate::read_ogb_raw::check_rows;
use crate::{Adjacency, Error, Features, Graph, NodeId, Result};
use candle_core::{DType, Tensor};
use l0gm_data::Npz;
use std::path::Path;

/// Reads the graph under `dir`, the folder that contains `raw/`.
pub fn read_ogb_binary(dir: &Path) -> Result<Graph> {
    let path = dir.join("raw").join("data.npz");
    let data = Npz::open(&path)?;
    let features = data.array("node_feat")?;
    let (rows, columns) = features
        .dims2()
        .map_err(|_| wrong_shape(&data, "node_feat", "(nodes, features)", &features))?;
    let counts = data.whole_numbers("num_nodes_list")?;
    let &[nodes] = counts.as_slice() else {
        let what = format!(
            "lists {} graphs; a node classifier works on one",
            counts.len()
        );
        return Err(data.fault("num_nodes_list", what).into());
    };
    check_rows(&path, "rows of node_feat", rows, nodes)?;
    // Read the labels before the edges, so that memory for `nodes` nodes is allocated only if the file really holds
    // that many.
    let labels = read_labels(&dir.join("raw").join("node-label.npz"), nodes)?;
    let adjacency = read_edges(&data, nodes)?;
    let values = features.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    let features =
        Features::new(columns, values).map_err(|e| data.fault("node_feat", e.to_string()))?;
    let classes = numbered_classes(&labels);
    Graph::new(features, labels, classes, adjacency)
}

/// Floating-point labels are accepted if they are whole. NaN marks a node without a label, as in ogbn-papers100M.
fn read_labels(path: &Path, nodes: usize) -> Result<Vec<Option<u32>>> {
    let file = Npz::open(path)?;
    let labels = file.numbers("node_label")?;
    check_rows(path, "labels", labels.len(), nodes)?;
    let labels = labels.iter().enumerate();
    labels
        .map(|(node, &label)| match label {
            label if label.is_nan() => Ok(None),
            // A label above the number of nodes is a mistake, not a class.
            label if label >= 0.0 && label.fract() == 0.0 && label < nodes.max(2) as f32 => {
                Ok(Some(label as u32))
            }
            _ => {
                let what = format!("node {node} has label {label}, outside the classes");
                Err(file.fault("node_label", what).into())
            }
        })
        .collect()
}

fn read_edges(data: &Npz, nodes: usize) -> Result<Adjacency> {
    let index = data.array("edge_index")?;
    let Ok((2, edges)) = index.dims2() else {
        return Err(wrong_shape(data, "edge_index", "(2, edges)", &index));
    };
    let ends = data.whole_numbers_of("edge_index", &index)?;
    let node = |at: usize, id: usize| match u32::try_from(id) {
        Ok(number) if id < nodes => Ok(NodeId(number)),
        _ => {
            let what = format!(
                "edge {at} ends in node {id}, which does not exist: the graph has {nodes} nodes (ids 0 to {})",
                nodes.saturating_sub(1)
            );
            Err(Error::from(data.fault("edge_index", what)))
        }
    };
    let pairs = (0..edges)
        .map(|at| Ok((node(at, ends[at])?, node(at, ends[edges + at])?)))
        .collect::<Result<Vec<_>>>()?;
    Adjacency::from_edges(nodes, &pairs)
}

fn wrong_shape(file: &Npz, name: &str, expected: &str, found: &Tensor) -> Error {
    let what = format!("has shape {:?}, not {expected}", found.dims());
    file.fault(name, what).into()
}

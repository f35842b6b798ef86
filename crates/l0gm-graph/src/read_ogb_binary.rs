//! OGB's binary layout, used for its larger graphs: `raw/data.npz` with `edge_index` (2, edges),
//! `node_feat` (nodes, features), `num_nodes_list` and `num_edges_list`, and `raw/node-label.npz` with
//! `node_label` (nodes, 1). An array that is missing or has another shape is named.
use crate::graph::numbered_classes;
use crate::read_ogb_raw::check_rows;
use crate::{Adjacency, Error, Features, Graph, NodeId, Result};
use candle_core::npy::NpzTensors;
use candle_core::{DType, Tensor};
use std::path::Path;

/// Reads the graph under `dir`, the folder that holds `raw/`.
pub fn read_ogb_binary(dir: &Path) -> Result<Graph> {
    let data = dir.join("raw").join("data.npz");
    let arrays = open(&data)?;
    let features = array(&data, &arrays, "node_feat")?;
    let (rows, columns) = features
        .dims2()
        .map_err(|_| wrong_shape(&data, "node_feat", "(nodes, features)", &features))?;
    let counts = whole_numbers(
        &data,
        "num_nodes_list",
        &array(&data, &arrays, "num_nodes_list")?,
    )?;
    let [nodes] = counts.as_slice() else {
        return Err(Error::file(
            &data,
            format!(
                "num_nodes_list lists {} graphs; a node classifier works on one",
                counts.len()
            ),
        ));
    };
    let nodes = *nodes as usize;
    check_rows(&data, "rows of node_feat", rows, nodes)?;
    let adjacency = read_edges(&data, &array(&data, &arrays, "edge_index")?, nodes)?;
    let values = features.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    let features = Features::new(columns, values)
        .map_err(|e| Error::file(&data, format!("node_feat: {e}")))?;

    let path = dir.join("raw").join("node-label.npz");
    let labels = whole_numbers(
        &path,
        "node_label",
        &array(&path, &open(&path)?, "node_label")?,
    )?;
    check_rows(&path, "labels", labels.len(), nodes)?;
    let labels: Vec<u32> = labels
        .iter()
        .enumerate()
        .map(|(node, &label)| match u32::try_from(label) {
            Ok(label) if (label as usize) < nodes.max(2) => Ok(label),
            _ => Err(Error::file(
                &path,
                format!("node_label: node {node} has label {label}, outside the classes"),
            )),
        })
        .collect::<Result<_>>()?;
    let classes = numbered_classes(&labels);
    Graph::new(features, labels, classes, adjacency)
}

fn read_edges(path: &Path, index: &Tensor, nodes: usize) -> Result<Adjacency> {
    let Ok((2, edges)) = index.dims2() else {
        return Err(wrong_shape(path, "edge_index", "(2, edges)", index));
    };
    let ends = whole_numbers(path, "edge_index", index)?;
    let node = |at: usize, id: i64| match u32::try_from(id) {
        Ok(id) if (id as usize) < nodes => Ok(NodeId(id)),
        _ => Err(Error::file(
            path,
            format!(
                "edge_index: edge {at} ends in node {id}, which does not exist: the graph has {nodes} nodes (ids 0 to {})",
                nodes.saturating_sub(1)
            ),
        )),
    };
    let pairs = (0..edges)
        .map(|at| Ok((node(at, ends[at])?, node(at, ends[edges + at])?)))
        .collect::<Result<Vec<_>>>()?;
    Adjacency::from_edges(nodes, &pairs)
}

fn open(path: &Path) -> Result<NpzTensors> {
    std::fs::File::open(path).map_err(|e| Error::read(path, &e))?;
    NpzTensors::new(path)
        .map_err(|e| Error::file(path, format!("not a whole npz file: {e}; fetch it again")))
}

fn array(path: &Path, arrays: &NpzTensors, name: &str) -> Result<Tensor> {
    arrays
        .get(name)
        .map_err(|e| {
            Error::file(
                path,
                format!("array {name} cannot be read: {e}; fetch the file again"),
            )
        })?
        .ok_or_else(|| {
            let mut names: Vec<_> = arrays.names().into_iter().cloned().collect();
            names.sort();
            Error::file(
                path,
                format!("no array {name}; the file has {}", names.join(", ")),
            )
        })
}

/// An array of any numeric type as whole numbers; a fraction or NaN is an error.
fn whole_numbers(path: &Path, name: &str, array: &Tensor) -> Result<Vec<i64>> {
    let flat = array.flatten_all()?;
    if flat.dtype().is_float() {
        let values: Vec<f64> = flat.to_dtype(DType::F64)?.to_vec1()?;
        return values
            .iter()
            .enumerate()
            .map(|(at, &v)| {
                if v.fract() == 0.0 {
                    Ok(v as i64)
                } else {
                    Err(Error::file(
                        path,
                        format!("{name}: entry {at} is {v}, not a whole number"),
                    ))
                }
            })
            .collect();
    }
    Ok(flat.to_dtype(DType::I64)?.to_vec1()?)
}

fn wrong_shape(path: &Path, name: &str, expected: &str, found: &Tensor) -> Error {
    Error::file(
        path,
        format!("array {name} has shape {:?}, not {expected}", found.dims()),
    )
}

//! One door for every kind of graph: a folder in OGB's raw or binary layout, a folder with an edge list
//! and a table of nodes, or the edge list's own path.
use crate::read_edge_list::node_table_path;
use crate::settings::{GraphSettings, TableSettings};
use crate::split::{RANDOM, split_kinds};
use crate::{Error, Graph, Result, read_edge_list, read_ogb_binary, read_ogb_raw};
use l0gm_data::checksums_of;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Reads whatever stands at `path`.
pub fn read_graph(path: &Path, table: &TableSettings) -> Result<Graph> {
    if path.is_file() {
        return read_edge_list(path, table);
    }
    if path.join("raw").join("edge.csv.gz").is_file() {
        return read_ogb_raw(path);
    }
    if path.join("raw").join("data.npz").is_file() {
        return read_ogb_binary(path);
    }
    if let Some(edges) = edge_list_in(path) {
        return read_edge_list(&edges, table);
    }
    Err(Error::file(
        path,
        "no graph here; expected raw/edge.csv.gz (OGB's raw layout), raw/data.npz (its binary layout) or \
         edges.csv beside nodes.csv or nodes.parquet",
    ))
}

fn edge_list_in(folder: &Path) -> Option<PathBuf> {
    ["edges.csv", "edges.csv.gz"]
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

/// sha256 of the files that [`read_graph`] reads at `path`, a graph of one's own, and of its splits.
pub(crate) fn own_checksums(
    path: &Path,
    table: &TableSettings,
) -> Result<BTreeMap<String, String>> {
    let edges = if path.is_file() {
        Some(path.to_path_buf())
    } else {
        edge_list_in(path)
    };
    let mut parts = match edges {
        Some(edges) => vec![node_table_path(&edges, table)?, edges],
        None => vec![path.join("raw")],
    };
    let split = split_folder(path).join("split");
    if split.is_dir() {
        parts.push(split);
    }
    let mut sums = BTreeMap::new();
    for part in parts {
        sums.extend(checksums_of(&part)?);
    }
    Ok(sums)
}

/// The folder in which splits are looked for.
pub(crate) fn split_folder(path: &Path) -> PathBuf {
    if path.is_file() {
        path.parent().unwrap_or(Path::new(".")).to_path_buf()
    } else {
        path.to_path_buf()
    }
}

/// The split "auto" stands for: the only one on disk, a well-known one among several, else a random one.
pub(crate) fn resolve_split(path: &Path, settings: &mut GraphSettings) -> Result<()> {
    if settings.split.kind != "auto" {
        return Ok(());
    }
    let kinds = split_kinds(&split_folder(path));
    settings.split.kind = usual_split(&kinds, path)?;
    Ok(())
}

/// Which of these kinds of split a dataset at `path` is used with where nobody chose.
pub(crate) fn usual_split(kinds: &[String], path: &Path) -> Result<String> {
    let usual = ["random-60-20-20", "sales_ranking"];
    Ok(match kinds {
        [] => RANDOM.into(),
        [one] => one.clone(),
        several => usual
            .iter()
            .find(|name| several.iter().any(|k| k == *name))
            .ok_or_else(|| {
                Error::Setting(format!(
                    "split.kind is \"auto\", but {} has several: {}; name one",
                    path.display(),
                    several.join(", ")
                ))
            })?
            .to_string(),
    })
}

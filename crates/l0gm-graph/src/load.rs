//! Reads every kind of graph: a folder in OGB's raw or binary layout, a folder with an edge list and a table of
//! nodes, an edge list, or an .npz of sparse matrices.
use crate::feature_schema::FeatureSchema;
use crate::read_edge_list::{node_table_path, read_new_graph, read_with_summary, rows_file};
use crate::reading::GraphReading;
use crate::settings::{GraphSettings, TableSettings};
use crate::split::{RANDOM, split_kinds};
use crate::{Error, Graph, Result, read_npz, read_ogb_binary, read_ogb_raw};
use l0gm_data::{checksums_of, is_file, is_there};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Reads the graph at `path`, in any of the supported layouts.
pub fn read_graph(path: &Path, table: &TableSettings) -> Result<Graph> {
    Ok(read_with_words(path, table)?.graph)
}

/// Like [`read_graph`], with what is reported about the graph before training.
pub(crate) fn read_with_words(path: &Path, table: &TableSettings) -> Result<GraphReading> {
    match layout(path)? {
        Layout::OgbRaw | Layout::OgbBinary => read_ogb(path),
        Layout::EdgeList(edges) => read_with_summary(&edges, table),
        Layout::Npz(file) => Ok(GraphReading::of_ogb(&file, read_npz(&file)?)),
    }
}

/// Reads a graph of the catalogue that stays in its original .npz.
pub(crate) fn read_original(dir: &Path) -> Result<GraphReading> {
    match original(dir)? {
        Some(file) => Ok(GraphReading::of_ogb(dir, read_npz(&file)?)),
        None => Err(Error::file(
            dir,
            "there is no .npz, or more than one, in its folder original/",
        )),
    }
}

/// The only .npz in `original/`.
fn original(dir: &Path) -> Result<Option<PathBuf>> {
    let folder = dir.join("original");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::read(&folder, &e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::read(&folder, &e))?.path();
        if is_npz(&path) {
            found.push(path);
        }
    }
    match found.len() {
        1 => Ok(found.pop()),
        _ => Ok(None),
    }
}

fn is_npz(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "npz")
}

/// Reads a graph of the catalogue, which has one of OGB's layouts.
pub(crate) fn read_ogb(path: &Path) -> Result<GraphReading> {
    let graph = match is_file(&path.join("raw").join("data.npz"))?
        && !is_file(&path.join("raw").join("edge.csv.gz"))?
    {
        true => read_ogb_binary(path)?,
        false => read_ogb_raw(path)?,
    };
    Ok(GraphReading::of_ogb(path, graph))
}

/// Reads a graph whose labels are to be predicted, the names of its nodes if they have any, and remarks for the user.
/// `schema` gives the features of the graph that was trained on. Without it, and for OGB's layouts, labels are read
/// too.
pub(crate) fn read_to_predict(
    path: &Path,
    table: &TableSettings,
    schema: Option<&FeatureSchema>,
    classes: &[String],
) -> Result<(Graph, Option<Vec<String>>, Vec<String>)> {
    match (layout(path)?, schema) {
        (Layout::EdgeList(edges), Some(schema)) => {
            let (graph, names, said) = read_new_graph(&edges, table, schema, classes)?;
            Ok((graph, Some(names), said))
        }
        _ => Ok((read_graph(path, table)?, None, Vec::new())),
    }
}

pub(crate) enum Layout {
    OgbRaw,
    OgbBinary,
    EdgeList(PathBuf),
    Npz(PathBuf),
}

pub(crate) fn layout(path: &Path) -> Result<Layout> {
    if !is_there(path)? {
        return Err(Error::file(
            path,
            "there is nothing; give a folder with a graph, or the path of its edges",
        ));
    }
    if path.is_file() {
        let file = path.to_path_buf();
        return Ok(match is_npz(path) {
            true => Layout::Npz(file),
            false => Layout::EdgeList(file),
        });
    }
    if is_file(&path.join("raw").join("edge.csv.gz"))? {
        return Ok(Layout::OgbRaw);
    }
    if is_file(&path.join("raw").join("data.npz"))? {
        return Ok(Layout::OgbBinary);
    }
    if let Some(file) = original(path)? {
        return Ok(Layout::Npz(file));
    }
    let edges = rows_file(path, "edges")?;
    edges.map(Layout::EdgeList).ok_or_else(|| {
        Error::file(
            path,
            "no graph here; expected raw/edge.csv.gz (OGB's raw layout), raw/data.npz (its binary layout), one .npz in \
             original/, or edges.csv beside nodes.csv (both also as .tsv, .txt, .data, .parquet and .arff; text also as .gz and .zst)",
        )
    })
}

/// sha256 of the files that [`read_graph`] reads for a user's graph at `path`, and of its splits.
pub(crate) fn own_checksums(
    path: &Path,
    table: &TableSettings,
) -> Result<BTreeMap<String, String>> {
    let mut parts = match layout(path)? {
        Layout::EdgeList(edges) => vec![node_table_path(&edges, table)?, edges],
        Layout::OgbRaw | Layout::OgbBinary => vec![path.join("raw")],
        Layout::Npz(file) => vec![file],
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

/// The folder that contains the folder of splits.
pub(crate) fn split_folder(path: &Path) -> PathBuf {
    if path.is_file() {
        path.parent().unwrap_or(Path::new(".")).to_path_buf()
    } else {
        path.to_path_buf()
    }
}

/// The split that "auto" means: the only one on disk, a well-known one of several, or else a random one.
pub(crate) fn resolve_split(path: &Path, settings: &mut GraphSettings) -> Result<()> {
    if settings.split.kind != "auto" {
        return Ok(());
    }
    let kinds = split_kinds(&split_folder(path));
    settings.split.kind = usual_split(&kinds, path)?;
    Ok(())
}

/// Which of these kinds of split is used for a dataset at `path` if the user did not choose one.
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

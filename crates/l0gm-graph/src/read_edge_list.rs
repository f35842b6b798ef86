//! Reads a user's graph from a file of edges and a table of nodes, both files of rows (`docs/rows.md`). Nodes have an
//! id, features and optionally a label; ids may be any text, and edges refer to nodes by them.
use crate::feature_schema::FeatureSchema;
use crate::node_ids::{NodeIds, name};
use crate::node_table::{expect_column, read_new_nodes, read_node_table};
use crate::reading::{GraphReading, NodeNames};
use crate::settings::TableSettings;
use crate::{Adjacency, Error, Graph, NodeId, Result};
use l0gm_data::is_there;
use l0gm_data::rows::{self, HeaderRow, RawColumn, RawTable, Source, list};
use std::path::{Path, PathBuf};

/// File name extensions to try for a folder's nodes and edges, in this order.
const ENDINGS: [&str; 16] = [
    "parquet", "csv", "csv.gz", "csv.zst", "tsv", "tsv.gz", "tsv.zst", "txt", "txt.gz", "txt.zst",
    "data", "data.gz", "data.zst", "arff", "arff.gz", "arff.zst",
];

/// Reads the edges in `edges`. The table of nodes is `settings.nodes`; if that is empty, it is the file beside the
/// edges whose name is `nodes` with the extension of a file of rows.
pub fn read_edge_list(edges: &Path, settings: &TableSettings) -> Result<Graph> {
    Ok(read_with_summary(edges, settings)?.graph)
}

/// Like [`read_edge_list`], with what is reported about the files.
pub(crate) fn read_with_summary(edges: &Path, settings: &TableSettings) -> Result<GraphReading> {
    let nodes = node_table_path(edges, settings)?;
    let table = read_node_table(&nodes, settings)?;
    let (adjacency, said) = read_edges(edges, settings, &table.ids, &nodes)?;
    let mut summary = table.summary;
    // Report on the nodes before the edges.
    summary.notes.extend(said);
    let graph = Graph::new(
        table.features,
        table.labels.codes,
        table.labels.classes,
        adjacency,
    )
    .map_err(|e| Error::file(&nodes, e.to_string()))?;
    let file = nodes.file_name().unwrap_or(nodes.as_os_str());
    Ok(GraphReading {
        graph,
        names: Some(NodeNames {
            file: file.to_string_lossy().into(),
            ids: table.ids.into_names(),
        }),
        schema: Some(table.schema),
        summary,
        large: table.large,
    })
}

/// Reads a graph whose labels are to be predicted, the names of its nodes, and remarks for the user.
pub(crate) fn read_new_graph(
    edges: &Path,
    settings: &TableSettings,
    schema: &FeatureSchema,
    classes: &[String],
) -> Result<(Graph, Vec<String>, Vec<String>)> {
    let nodes = node_table_path(edges, settings)?;
    let (ids, features, mut said) = read_new_nodes(&nodes, settings, schema)?;
    let (adjacency, of_edges) = read_edges(edges, settings, &ids, &nodes)?;
    said.extend(of_edges);
    let unlabelled: Vec<Option<u32>> = vec![None; ids.len()];
    let graph = Graph::new(features, unlabelled, classes.to_vec(), adjacency)?;
    Ok((graph, ids.into_names(), said))
}

/// Reads the edges between known nodes, and remarks on them.
fn read_edges(
    path: &Path,
    settings: &TableSettings,
    ids: &NodeIds,
    nodes: &Path,
) -> Result<(Adjacency, Vec<String>)> {
    let table = rows::read(&Source::path(path), &settings.edge_options())?;
    let (source, target) = end_columns(settings);
    expect_column(path, &table, source, "table.source-column")?;
    expect_column(path, &table, target, "table.target-column")?;
    let ends = [table.column(source)?, table.column(target)?];
    let mut pairs = Vec::with_capacity(table.rows());
    let mut unknown: Option<(usize, &RawColumn)> = None;
    let mut lost = 0;
    for row in 0..table.rows() {
        let mut pair = [None; 2];
        for (end, column) in pair.iter_mut().zip(ends) {
            *end = ids.find(name(&table, column, row)?);
            if end.is_none() {
                unknown.get_or_insert((row, column));
            }
        }
        match pair {
            [Some(a), Some(b)] => pairs.push((a, b)),
            _ => lost += 1,
        }
    }
    if let Some((row, column)) = unknown {
        let more = match lost {
            1 => String::new(),
            lost => format!("; {lost} of {} edges name such nodes", table.rows()),
        };
        let expected = format!(
            "the id of one of the {} nodes in {} (add the node there, or delete the edge{more})",
            ids.len(),
            nodes.display()
        );
        return Err(table.cell_error(row, column, &expected).into());
    }
    let adjacency = Adjacency::from_edges(ids.len(), &pairs)?;
    let said = said(&table, &pairs, &adjacency, [source, target]);
    Ok((adjacency, said))
}

/// The columns of an edge's two ends. Without a header, the first two columns.
fn end_columns(settings: &TableSettings) -> (&str, &str) {
    let usual = TableSettings::default();
    let absent = settings.edges_header == Some(HeaderRow::Absent);
    let column = |set: &'_ str, usual: &str, place: &'static str| -> Option<&'static str> {
        (absent && set == usual).then_some(place)
    };
    let source = column(&settings.source_column, &usual.source_column, "column 1");
    let target = column(&settings.target_column, &usual.target_column, "column 2");
    (
        source.unwrap_or(&settings.source_column),
        target.unwrap_or(&settings.target_column),
    )
}

/// Remarks on the edges for the user, one on each line.
fn said(
    table: &RawTable,
    pairs: &[(NodeId, NodeId)],
    adjacency: &Adjacency,
    ends: [&str; 2],
) -> Vec<String> {
    let file = Path::new(table.name());
    let file = file
        .file_name()
        .map_or_else(|| table.name().into(), |name| name.to_string_lossy());
    let mut lines = Vec::new();
    let loops = pairs.iter().filter(|(a, b)| a == b).count();
    let mut line = format!(
        "edges: {} rows in {file} join {} pairs of nodes; an edge has no direction",
        pairs.len(),
        adjacency.edges()
    );
    match pairs.len() - loops - adjacency.edges() {
        0 => {}
        again => line += &format!(", and {again} rows that name a pair again count once"),
    }
    lines.push(line);
    if loops > 0 {
        lines.push(format!(
            "edges: {loops} rows join a node to itself and are left out (every node gets one such edge, eq. 2)"
        ));
    }
    let others: Vec<&str> = table.names().filter(|name| !ends.contains(name)).collect();
    if !others.is_empty() {
        lines.push(format!(
            "edges: not used, every edge counts the same: {} (weights, times and kinds of edges enter no model)",
            list(others)
        ));
    }
    let alone = (0..adjacency.nodes() as u32)
        .filter(|node| adjacency.neighbours(NodeId(*node)).is_empty())
        .count();
    if alone > 0 {
        lines.push(format!(
            "edges: {alone} nodes have none; they are classified by their own features"
        ));
    }
    lines.extend(table.said().iter().map(|said| format!("{file}: {said}")));
    lines
}

/// Path of the table of nodes that belongs to an edge list.
pub(crate) fn node_table_path(edges: &Path, settings: &TableSettings) -> Result<PathBuf> {
    let folder = edges.parent().unwrap_or(Path::new("."));
    if !settings.nodes.is_empty() {
        return Ok(folder.join(&settings.nodes));
    }
    rows_file(folder, "nodes")?.ok_or_else(|| {
        Error::file(
            folder,
            "no table of nodes beside the edges (nodes.csv, nodes.parquet, nodes.tsv.gz, ...); name it in the setting \
             table.nodes",
        )
    })
}

/// The file of rows with this name in a folder, with any of the extensions. Two such files are an error, because the
/// choice would be ambiguous.
pub(crate) fn rows_file(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    for ending in ENDINGS {
        let path = folder.join(format!("{name}.{ending}"));
        if is_there(&path)? {
            found.push(path);
        }
    }
    match found.as_slice() {
        [first, second, ..] => Err(Error::file(
            folder,
            format!(
                "both {} and {} are there; keep one of them, or name the file itself",
                first.file_name().unwrap_or_default().to_string_lossy(),
                second.file_name().unwrap_or_default().to_string_lossy()
            ),
        )),
        _ => Ok(found.pop()),
    }
}

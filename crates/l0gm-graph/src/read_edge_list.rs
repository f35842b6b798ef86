//! Any graph of one's own: a CSV of edges with a header, and a table of nodes (CSV or Parquet) with an
//! id, a label and numeric features. Ids may be any text; edges name nodes by them.
use crate::node_table::{csv_error, read_node_table};
use crate::settings::TableSettings;
use crate::text_matrix::open_text;
use crate::{Adjacency, Error, Features, Graph, NodeId, Result};
use std::path::{Path, PathBuf};

/// Names under which a folder's table of nodes is looked for.
const NODE_TABLES: [&str; 3] = ["nodes.parquet", "nodes.csv", "nodes.csv.gz"];

/// Reads the edges in `edges`; the table of nodes is `settings.nodes`, or, where that is empty,
/// `nodes.parquet`, `nodes.csv` or `nodes.csv.gz` beside it.
pub fn read_edge_list(edges: &Path, settings: &TableSettings) -> Result<Graph> {
    let nodes = node_table_path(edges, settings)?;
    let table = read_node_table(&nodes, &settings.id_column, &settings.label_column)?;
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(open_text(edges)?);
    let names: Vec<String> = reader
        .headers()
        .map_err(|e| csv_error(edges, e))?
        .iter()
        .map(String::from)
        .collect();
    if names.iter().all(String::is_empty) {
        return Err(Error::file(
            edges,
            "the file is empty; write a header and one edge a line",
        ));
    }
    let column = |wanted: &str, setting: &str| {
        names.iter().position(|n| n == wanted).ok_or_else(|| {
            Error::file(
                edges,
                format!(
                    "no column {wanted:?} among {}; name the right one in the setting {setting}",
                    names.join(", ")
                ),
            )
        })
    };
    let source = column(&settings.source_column, "table.source-column")?;
    let target = column(&settings.target_column, "table.target-column")?;
    let mut pairs = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| csv_error(edges, e))?;
        let line = record.position().map_or(0, csv::Position::line);
        let end = |at: usize| {
            table.rows.get(&record[at]).map(|&row| NodeId(row)).ok_or_else(|| {
                Error::file(
                    edges,
                    format!(
                        "line {line}: an edge to node {:?}, which does not exist: {} lists {} nodes",
                        &record[at],
                        nodes.display(),
                        table.labels.len()
                    ),
                )
            })
        };
        pairs.push((end(source)?, end(target)?));
    }
    let adjacency = Adjacency::from_edges(table.labels.len(), &pairs)?;
    let features = Features::new(table.columns, table.features)?;
    Graph::new(features, table.labels, table.classes, adjacency)
        .map_err(|e| Error::file(&nodes, e.to_string()))
}

/// Where the table of nodes of an edge list stands.
pub(crate) fn node_table_path(edges: &Path, settings: &TableSettings) -> Result<PathBuf> {
    let folder = edges.parent().unwrap_or(Path::new("."));
    if !settings.nodes.is_empty() {
        return Ok(folder.join(&settings.nodes));
    }
    NODE_TABLES
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Error::file(
                folder,
                format!(
                    "no table of nodes ({}) beside the edges; name it in the setting table.nodes",
                    NODE_TABLES.join(", ")
                ),
            )
        })
}

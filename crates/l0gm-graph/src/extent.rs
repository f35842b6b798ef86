//! About how large a run's graph and its split are, before the graph is read. Only beginnings of files are looked at.

use crate::estimate::GraphSize;
use crate::load::{Layout, layout, split_folder};
use crate::read_edge_list::node_table_path;
use crate::text_matrix::{parse_id, parse_lines};
use crate::{GraphModality, GraphSettings, RANDOM};
use l0gm_data::Npz;
use l0gm_data::rows::{self, ReadOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How much of a file is read to estimate its size.
const HEAD_BYTES: usize = 256 << 10;

/// What the time of a run depends on besides its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Extent {
    pub(crate) size: GraphSize,
    pub(crate) classes: f64,
    pub(crate) train: f64,
    pub(crate) valid: f64,
    pub(crate) test: f64,
}

impl Extent {
    /// The extent of a dataset. A graph that cannot be looked at is taken for amazon-computers; the run says what is
    /// wrong with it.
    pub(crate) fn of(modality: &GraphModality, dataset: &str, settings: &GraphSettings) -> Self {
        let path = Path::new(dataset);
        let entry = modality.catalogue().entry(dataset).ok();
        let counts = entry.map(|entry| &entry.counts);
        let (size, classes) = match counts {
            Some(counts) => published(counts),
            None => own(path, settings).unwrap_or((COMPUTERS, 10.0)),
        };
        let listed = |part: &str| {
            let name = format!("split/{}/{part}.csv.gz", settings.split.kind);
            let file = match counts {
                Some(_) => modality.catalogue().own_file(&path.join(name)).ok()?,
                None => Some(split_folder(path).join(name)),
            };
            lines(&file.filter(|file| file.is_file())?)
        };
        let split = &settings.split;
        let few = |each: f64, otherwise: f64| match split.kind.as_str() {
            RANDOM => otherwise * size.nodes,
            "low-label-20-30" => each * classes,
            _ => otherwise * size.nodes,
        };
        let train = listed("train").unwrap_or_else(|| few(20.0, split.train));
        let valid = listed("valid").unwrap_or_else(|| few(30.0, split.valid));
        let rest = (size.nodes - train - valid).max(0.0);
        Self {
            size,
            classes,
            train: split
                .train_rows
                .map_or(train, |most| train.min(most as f64)),
            valid,
            test: listed("test").unwrap_or(rest),
        }
    }
}

/// amazon-computers.
const COMPUTERS: GraphSize = GraphSize {
    nodes: 13_752.0,
    entries: 505_474.0,
    features: 767.0,
    stored: 3_675_081.0,
};

/// The size by a manifest's counts.
fn published(counts: &BTreeMap<String, u64>) -> (GraphSize, f64) {
    let count = |name: &str| counts.get(name).map(|count| *count as f64);
    let nodes = count("nodes").unwrap_or(COMPUTERS.nodes);
    let features = count("features").unwrap_or(COMPUTERS.features);
    let size = GraphSize {
        nodes,
        entries: 2.0 * count("edges").unwrap_or(15.0 * nodes) + nodes,
        features,
        stored: count("stored").unwrap_or(nodes * features),
    };
    (size, count("classes").unwrap_or(10.0))
}

/// The size of a graph of the user's own, and its number of classes.
fn own(path: &Path, settings: &GraphSettings) -> Option<(GraphSize, f64)> {
    match layout(path).ok()? {
        Layout::OgbRaw => raw(path),
        Layout::OgbBinary => None,
        Layout::EdgeList(edges) => edge_list(&edges, settings),
        Layout::Npz(file) => npz(&file),
    }
}

fn npz(file: &Path) -> Option<(GraphSize, f64)> {
    let file = Npz::open(file).ok()?;
    let shape = file.whole_numbers("attr_shape").ok()?;
    let length = |name: &str| Some(file.array(name).ok()?.elem_count() as f64);
    let (&[nodes, features], labels) = (shape.as_slice(), file.whole_numbers("labels").ok()?)
    else {
        return None;
    };
    let size = GraphSize {
        nodes: nodes as f64,
        // The file may list an edge in one direction or in both.
        entries: 1.5 * length("adj_indices")? + nodes as f64,
        features: features as f64,
        stored: length("attr_indices")?,
    };
    let classes: BTreeSet<usize> = labels.into_iter().collect();
    Some((size, classes.len() as f64))
}

fn raw(path: &Path) -> Option<(GraphSize, f64)> {
    let raw = path.join("raw");
    let number = |name: &str| -> Option<f64> {
        let numbers = parse_lines(&raw.join(name), |line, out: &mut Vec<u32>| {
            out.push(parse_id(line)?);
            Ok(())
        });
        Some(f64::from(*numbers.ok()?.first()?))
    };
    let nodes = number("num-node-list.csv.gz")?;
    let head = |name: &str| {
        let options = ReadOptions {
            header: rows::Header::Absent,
            ..ReadOptions::default()
        };
        rows::head(&raw.join(name), &options, HEAD_BYTES).ok()
    };
    let features = head("node-feat.csv.gz")?.table;
    let columns = features.columns().len() as f64;
    let cells = || features.columns().iter().flat_map(|c| c.cells.iter());
    let present = cells().filter(|cell| !matches!(*cell, Some("0" | "0.0")));
    let share = present.count() as f64 / cells().count().max(1) as f64;
    let size = GraphSize {
        nodes,
        entries: 2.0 * number("num-edge-list.csv.gz")? + nodes,
        features: columns,
        stored: share * nodes * columns,
    };
    let labels = head("node-label.csv.gz")?.table;
    Some((size, distinct(&labels, 0)?))
}

fn edge_list(edges: &Path, settings: &GraphSettings) -> Option<(GraphSize, f64)> {
    let table = &settings.table;
    let nodes_file: PathBuf = node_table_path(edges, table).ok()?;
    let nodes = rows::head(&nodes_file, &table.node_options(), HEAD_BYTES).ok()?;
    let edges = rows::head(edges, &table.edge_options(), HEAD_BYTES).ok()?;
    let (mut features, mut classes) = (0.0, 10.0);
    for (at, column) in nodes.table.columns().iter().enumerate() {
        if column.name == table.label_column {
            classes = distinct(&nodes.table, at)?;
        } else if column.name != table.id_column {
            let number = |cell: &str| cell.trim().parse::<f64>().is_ok();
            let words = column.cells.iter().flatten().any(|cell| !number(cell));
            features += match words {
                true => distinct(&nodes.table, at)?.min(256.0),
                false => 1.0,
            };
        }
    }
    let count = nodes.rows();
    let size = GraphSize {
        nodes: count,
        entries: 2.0 * edges.rows() + count,
        features,
        stored: count * (nodes.table.columns().len() as f64 - 2.0).max(1.0),
    };
    Some((size, classes))
}

/// Number of different words in a column.
fn distinct(table: &rows::RawTable, column: usize) -> Option<f64> {
    let cells = table.columns().get(column)?.cells.iter().flatten();
    let words: BTreeSet<&str> = cells.collect();
    Some((words.len() as f64).max(2.0))
}

/// Counts a file's lines; a split lists one node a line.
fn lines(file: &Path) -> Option<f64> {
    let lines = parse_lines(file, |_, out: &mut Vec<()>| {
        out.push(());
        Ok(())
    });
    Some(lines.ok()?.len() as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_graph_of_ones_own_is_measured_before_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let (mut nodes, mut edges) = ("id,label,x,kind\n".to_owned(), "source,target\n".to_owned());
        for node in 0..40 {
            let (label, kind) = (["a", "b"][node % 2], ["red", "green", "blue"][node % 3]);
            nodes += &format!("{node},{label},0.{node},{kind}\n");
            edges += &format!("{node},{}\n", (node + 1) % 40);
        }
        std::fs::write(dir.path().join("nodes.csv"), nodes).unwrap();
        std::fs::write(dir.path().join("edges.csv"), edges).unwrap();
        let (size, classes) = own(dir.path(), &GraphSettings::default()).unwrap();
        let found = [
            size.nodes,
            size.entries,
            size.features,
            size.stored,
            classes,
        ];
        assert_eq!(found, [40.0, 120.0, 4.0, 80.0, 2.0]);
    }

    #[test]
    fn the_catalogues_counts_are_used_without_its_files() {
        let empty = tempfile::tempdir().unwrap();
        let options = l0gm_data::DataOptions {
            data_dir: Some(empty.path().to_path_buf()),
            ..Default::default()
        };
        let catalogue = l0gm_data::Catalogue::new(options).unwrap();
        let mut settings = GraphSettings::default();
        settings.split.kind = "low-label-20-30".to_owned();
        let extent = Extent::of(
            &GraphModality::new(catalogue),
            "coauthor-physics",
            &settings,
        );
        assert_eq!(extent.size.entries, 2.0 * 247_962.0 + 34_493.0);
        assert!(extent.size.is_sparse());
        assert_eq!((extent.train, extent.valid), (100.0, 150.0));
    }
}

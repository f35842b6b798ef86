//! Graphs from files: what is read back, and the errors for what is refused.
#![allow(clippy::unwrap_used)]
use candle_core::{Device, Tensor};
use flate2::Compression;
use flate2::write::GzEncoder;
use l0gm_graph::settings::{SplitSettings, TableSettings};
use l0gm_graph::{Graph, NodeId, NodeSplit, read_graph};
use std::fs;
use std::io::Write;
use std::path::Path;

fn gz(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = GzEncoder::new(fs::File::create(path).unwrap(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap();
}

/// Four nodes in a path 0-1-2-3, three features, two classes.
fn ogb(dir: &Path) {
    gz(&dir.join("raw/edge.csv.gz"), "0,1\n1,2\n2,3\n");
    gz(
        &dir.join("raw/node-feat.csv.gz"),
        "1,0,0.5\n0,1,-2e-1\n1,1,3\n0,0,4\n",
    );
    gz(&dir.join("raw/node-label.csv.gz"), "0\n1\n1\n0\n");
    gz(&dir.join("raw/num-node-list.csv.gz"), "4\n");
    gz(&dir.join("raw/num-edge-list.csv.gz"), "3\n");
    for (part, ids) in [("train", "0\n1\n"), ("valid", "2\n"), ("test", "3\n")] {
        gz(&dir.join(format!("split/fixed/{part}.csv.gz")), ids);
    }
}

fn read(dir: &Path) -> l0gm_graph::Result<Graph> {
    read_graph(dir, &TableSettings::default())
}

fn is_the_small_path(graph: &Graph) {
    assert_eq!((graph.nodes(), graph.edges()), (4, 3));
    assert_eq!(graph.features().row(NodeId(1)), &[0.0, 1.0, -0.2]);
    assert_eq!(graph.labels(), &[0, 1, 1, 0].map(Some));
    assert_eq!(graph.adjacency().neighbours(NodeId(1)), &[0, 2]);
    assert_eq!(graph.adjacency().neighbours(NodeId(3)), &[2]);
}

/// Replaces one raw file, reads the graph, and returns the error's text.
fn refused(file: &str, text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    ogb(dir.path());
    gz(&dir.path().join("raw").join(file), text);
    let error = read(dir.path()).unwrap_err().to_string();
    // A count is compared with the file that it counts, which the error names.
    let named = file.replace("num-node-list", "node-label");
    assert!(error.contains(&named), "{error} does not name {named}");
    error
}

fn split_refused(part: &str, text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    ogb(dir.path());
    gz(&dir.path().join(format!("split/fixed/{part}.csv.gz")), text);
    let settings = SplitSettings {
        kind: "fixed".into(),
        ..SplitSettings::default()
    };
    NodeSplit::load(dir.path(), &[Some(0); 4], &settings)
        .unwrap_err()
        .to_string()
}

#[test]
fn ogb_raw_layout_is_read_and_edges_go_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    ogb(dir.path());
    is_the_small_path(&read(dir.path()).unwrap());
}

#[test]
fn ogb_binary_layout_reads_to_the_same_graph() {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw");
    fs::create_dir_all(&raw).unwrap();
    binary(&raw, "edge_index", &[0i64, 1, 2, 1, 2, 3]);
    is_the_small_path(&read(dir.path()).unwrap());
}

fn binary(raw: &Path, edge_name: &str, edges: &[i64]) {
    let device = Device::Cpu;
    let tensor =
        |values: &[i64], shape: &[usize]| Tensor::from_slice(values, shape, &device).unwrap();
    let features = [1f32, 0.0, 0.5, 0.0, 1.0, -0.2, 1.0, 1.0, 3.0, 0.0, 0.0, 4.0];
    let arrays = [
        (edge_name, tensor(edges, &[2, edges.len() / 2])),
        (
            "node_feat",
            Tensor::from_slice(&features, (4, 3), &device).unwrap(),
        ),
        ("num_nodes_list", tensor(&[4], &[1])),
        ("num_edges_list", tensor(&[3], &[1])),
    ];
    Tensor::write_npz(&arrays, raw.join("data.npz")).unwrap();
    Tensor::write_npz(
        &[("node_label", tensor(&[0, 1, 1, 0], &[4, 1]))],
        raw.join("node-label.npz"),
    )
    .unwrap();
}

#[test]
fn an_npz_without_the_wanted_array_names_it_and_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw");
    fs::create_dir_all(&raw).unwrap();
    binary(&raw, "edges", &[0, 1, 2, 1, 2, 3]);
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("data.npz")
            && error.contains("array edge_index: not in the file")
            && error.contains("node_feat"),
        "{error}"
    );
}

#[test]
fn a_binary_edge_to_a_node_that_does_not_exist_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw");
    fs::create_dir_all(&raw).unwrap();
    binary(&raw, "edge_index", &[0, 1, 2, 1, 2, -3]);
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("edge_index") && error.contains("entry 5 is -3"),
        "{error}"
    );
    binary(&raw, "edge_index", &[0, 1, 2, 1, 2, 9]);
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("edge 2 ends in node 9") && error.contains("4 nodes"),
        "{error}"
    );
}

/// Reads the folder once for every byte of `path`, with one bit of it flipped. The result must be an error or the
/// same graph.
fn no_flipped_bit_changes_the_graph(dir: &Path, path: &Path) {
    let whole = fs::read(path).unwrap();
    let expected = read(dir).unwrap();
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(path, &flipped).unwrap();
        match read(dir) {
            Err(_) => refused += 1,
            Ok(graph) => assert_eq!(graph, expected, "byte {at} of {}", path.display()),
        }
    }
    fs::write(path, &whole).unwrap();
    assert!(refused > whole.len() / 2, "{refused} of {}", whole.len());
}

#[test]
fn a_flipped_bit_anywhere_in_an_npz_is_an_error_or_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw");
    fs::create_dir_all(&raw).unwrap();
    binary(&raw, "edge_index", &[0, 1, 2, 1, 2, 3]);
    no_flipped_bit_changes_the_graph(dir.path(), &raw.join("node-label.npz"));
    no_flipped_bit_changes_the_graph(dir.path(), &raw.join("data.npz"));
}

#[test]
fn a_flipped_bit_anywhere_in_a_gzip_is_an_error_or_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    ogb(dir.path());
    for name in ["edge", "node-feat", "node-label", "num-node-list"] {
        let path = dir.path().join(format!("raw/{name}.csv.gz"));
        no_flipped_bit_changes_the_graph(dir.path(), &path);
    }
}

#[test]
fn bytes_after_a_gzips_end_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    ogb(dir.path());
    let path = dir.path().join("raw/node-feat.csv.gz");
    let mut longer = fs::read(&path).unwrap();
    longer.extend(b"9,9,9\n");
    fs::write(&path, longer).unwrap();
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(error.contains("node-feat.csv.gz"), "{error}");
}

#[test]
fn a_count_of_nodes_that_no_file_bears_out_is_refused_before_room_is_made_for_them() {
    let error = refused("num-node-list.csv.gz", "4294967295\n");
    assert!(error.contains("4 labels for 4294967295 nodes"), "{error}");
}

#[test]
fn a_truncated_npz_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw");
    fs::create_dir_all(&raw).unwrap();
    binary(&raw, "edge_index", &[0, 1, 2, 1, 2, 3]);
    let whole = fs::read(raw.join("data.npz")).unwrap();
    fs::write(raw.join("data.npz"), &whole[..whole.len() / 2]).unwrap();
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("data.npz") && error.contains("fetch it again"),
        "{error}"
    );
}

#[test]
fn an_edge_to_a_node_that_does_not_exist_names_file_line_node_and_count() {
    let error = refused("edge.csv.gz", "0,1\n1,9\n2,3\n");
    assert!(
        error.contains("line 2") && error.contains("node 9") && error.contains("4 nodes"),
        "{error}"
    );
}

#[test]
fn an_edge_with_one_end_is_refused() {
    let error = refused("edge.csv.gz", "0,1\n1\n2,3\n");
    assert!(
        error.contains("line 2") && error.contains("an edge has two"),
        "{error}"
    );
}

#[test]
fn fewer_edges_than_promised_are_refused() {
    let error = refused("edge.csv.gz", "0,1\n");
    assert!(
        error.contains("1 edges") && error.contains("says 3"),
        "{error}"
    );
}

#[test]
fn a_feature_that_is_nan_names_row_and_column() {
    let error = refused("node-feat.csv.gz", "1,0,0.5\n0,nan,1\n1,1,3\n0,0,4\n");
    assert!(
        error.contains("line 2") && error.contains("column 1") && error.contains("NaN"),
        "{error}"
    );
}

#[test]
fn a_feature_row_of_another_length_is_refused() {
    let error = refused("node-feat.csv.gz", "1,0,0.5\n0,1,1\n1,1\n0,0,4\n");
    assert!(
        error.contains("line 3") && error.contains("2 features"),
        "{error}"
    );
}

#[test]
fn a_wrong_number_of_feature_rows_is_refused() {
    let error = refused("node-feat.csv.gz", "1,0,0.5\n0,1,1\n");
    assert!(error.contains("2 rows of features for 4 nodes"), "{error}");
}

#[test]
fn a_label_outside_the_classes_is_refused() {
    assert!(refused("node-label.csv.gz", "0\n-1\n1\n0\n").contains("line 2"));
    let error = refused("node-label.csv.gz", "0\n1\n77\n0\n");
    assert!(
        error.contains("line 3") && error.contains("label 77"),
        "{error}"
    );
}

#[test]
fn a_truncated_gzip_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    ogb(dir.path());
    let path = dir.path().join("raw/node-feat.csv.gz");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("node-feat.csv.gz") && error.contains("fetch it again"),
        "{error}"
    );
}

#[test]
fn an_empty_file_is_refused() {
    assert!(refused("node-label.csv.gz", "").contains("empty"));
    let dir = tempfile::tempdir().unwrap();
    ogb(dir.path());
    fs::write(dir.path().join("raw/edge.csv.gz"), b"").unwrap();
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(error.contains("edge.csv.gz"), "{error}");
}

#[test]
fn a_folder_without_a_graph_says_what_was_expected() {
    let dir = tempfile::tempdir().unwrap();
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("raw/edge.csv.gz") && error.contains("edges.csv"),
        "{error}"
    );
}

#[test]
fn a_split_is_read_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    ogb(dir.path());
    let settings = SplitSettings {
        kind: "fixed".into(),
        ..SplitSettings::default()
    };
    let split = NodeSplit::load(dir.path(), &[Some(0); 4], &settings).unwrap();
    assert_eq!(
        split.part(l0gm_train::Split::Train),
        &[NodeId(0), NodeId(1)]
    );
    let error = split_refused("valid", "1\n2\n");
    assert!(
        error.contains("node 1 stands in train and in valid") && error.contains("fixed"),
        "{error}"
    );
    let error = split_refused("train", "0\n");
    assert!(error.contains("node 1 stands in no part"), "{error}");
    let error = split_refused("test", "3\n4\n");
    assert!(
        error.contains("test.csv.gz") && error.contains("line 2") && error.contains("node 4"),
        "{error}"
    );
    let missing = SplitSettings {
        kind: "other".into(),
        ..SplitSettings::default()
    };
    let error = NodeSplit::load(dir.path(), &[Some(0); 4], &missing)
        .unwrap_err()
        .to_string();
    assert!(error.contains("known here: fixed, random"), "{error}");
}

#[test]
fn an_edge_list_with_a_table_of_nodes_is_read_by_column_names() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    file(
        "edges.csv",
        "target,source,since\nb,a,2001\nb,c,2002\nd,c,2003\n",
    );
    file(
        "nodes.csv",
        "f0,id,f1,label,f2\n1,a,0,cat,0.5\n0,b,1,dog,-0.2\n1,c,1,dog,3\n0,d,0,cat,4\n",
    );
    let graph = read(dir.path()).unwrap();
    is_the_small_path(&graph);
    assert_eq!(graph.classes(), ["cat", "dog"]);
    // Reading the edge list's own path must give the same graph.
    assert_eq!(read(&dir.path().join("edges.csv")).unwrap(), graph);

    file("edges.csv", "source,target\na,b\nb,x\n");
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("edges.csv")
            && error.contains("line 3")
            && error.contains("'x'")
            && error.contains("4 nodes"),
        "{error}"
    );
    file("edges.csv", "from,to\na,b\n");
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("'source'") && error.contains("table.source-column"),
        "{error}"
    );
    file("edges.csv", "source,target\na,b\n");
    file("nodes.csv", "f0,id,label\n1,a,cat\n1e999,b,dog\n");
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("nodes.csv") && error.contains("line 3") && error.contains("f0"),
        "{error}"
    );
    file("nodes.csv", "f0,id,label\n1,a,cat\n2,a,dog\n");
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("line 3") && error.contains("'a'") && error.contains("line 2"),
        "{error}"
    );
    file("nodes.csv", "f0,id,label\n1,a\n");
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("nodes.csv") && error.contains("3 cells"),
        "{error}"
    );
    file("nodes.csv", "");
    assert!(read(dir.path()).unwrap_err().to_string().contains("empty"));
}

#[test]
fn a_table_of_nodes_may_be_parquet() {
    use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};
    use std::sync::Arc;
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("edges.csv"),
        "source,target\n10,11\n11,12\n12,13\n",
    )
    .unwrap();
    let column = |values: [f32; 4]| Arc::new(Float32Array::from(values.to_vec())) as ArrayRef;
    let table = |label: &str| {
        RecordBatch::try_from_iter([
            (
                "id",
                Arc::new(Int64Array::from(vec![10, 11, 12, 13])) as ArrayRef,
            ),
            ("f0", column([1.0, 0.0, 1.0, 0.0])),
            ("f1", column([0.0, 1.0, 1.0, 0.0])),
            ("f2", column([0.5, -0.2, 3.0, 4.0])),
            (
                label,
                Arc::new(StringArray::from(vec!["0", "1", "1", "0"])) as ArrayRef,
            ),
        ])
        .unwrap()
    };
    let write = |batch: &RecordBatch| {
        let file = fs::File::create(dir.path().join("nodes.parquet")).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
    };
    write(&table("label"));
    is_the_small_path(&read(dir.path()).unwrap());
    write(&table("kind"));
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("nodes.parquet") && error.contains("'label'") && error.contains("kind"),
        "{error}"
    );
}

#[test]
fn the_real_graphs_have_their_published_counts() {
    for (name, counts) in [
        ("amazon-computers", [13_752, 245_861, 767, 10]),
        ("amazon-photo", [7_650, 119_081, 745, 8]),
        ("coauthor-physics", [34_493, 247_962, 8_415, 5]),
    ] {
        let Some(dir) = l0gm_test_data::dataset(name) else {
            continue;
        };
        let graph = read(&dir).unwrap();
        let found = [
            graph.nodes(),
            graph.edges(),
            graph.features().columns(),
            graph.classes().len(),
        ];
        assert_eq!(found, counts, "{name}");
        let settings = SplitSettings {
            kind: match name {
                "coauthor-physics" => "public-60-20-20".into(),
                _ => "random-60-20-20".into(),
            },
            ..SplitSettings::default()
        };
        NodeSplit::load(&dir, graph.labels(), &settings).unwrap();
    }
}

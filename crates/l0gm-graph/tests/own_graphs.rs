//! Users' graphs as people write them: how nodes without labels, all kinds of columns and edges with weights are
//! read, and what is reported about them.
#![allow(clippy::unwrap_used)]
use l0gm_data::rows::Summary;
use l0gm_data::{Catalogue, DataOptions};
use l0gm_graph::settings::TableSettings;
use l0gm_graph::{Graph, GraphModality, NodeId, read_graph};
use l0gm_train::{Modality, SpecRequest};
use serde_json::json;
use std::fs;
use std::path::Path;

/// Forty nodes in a ring with two classes, as lines of `id,label,f0,f1`, and the ring's edges.
fn ring(cell: impl Fn(usize) -> String) -> (String, String) {
    let nodes = (0..40).map(|n| {
        let label = ["a", "b"][n % 2];
        format!("n{n},{label},{},{}\n", (n * 7) % 11, cell(n))
    });
    let edges = (0..40).map(|n| format!("n{n},n{}\n", (n + 1) % 40));
    (
        format!("id,label,f0,f1\n{}", nodes.collect::<String>()),
        format!("source,target\n{}", edges.collect::<String>()),
    )
}

fn write(dir: &Path, nodes: &str, edges: &str) {
    fs::write(dir.join("nodes.csv"), nodes).unwrap();
    fs::write(dir.join("edges.csv"), edges).unwrap();
}

fn read(dir: &Path) -> l0gm_graph::Result<Graph> {
    read_graph(dir, &TableSettings::default())
}

fn refused(nodes: &str, edges: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), nodes, edges);
    read(dir.path()).unwrap_err().to_string()
}

fn summary(dir: &Path, table: &serde_json::Value) -> (Summary, String) {
    let catalogue = Catalogue::new(DataOptions::default()).unwrap();
    let graphs = GraphModality::new(catalogue);
    // Features are not scaled here, so that large numbers are pointed out.
    let overrides = json!({ "table": table, "features": "none" });
    let spec = graphs
        .spec(&SpecRequest {
            overrides: &overrides,
            ..SpecRequest::new(dir.to_str().unwrap(), "dense")
        })
        .unwrap();
    let summary = graphs.summary(&spec).unwrap();
    let text = summary.to_string();
    (summary, text)
}

#[test]
fn nodes_without_a_label_stay_in_the_graph_and_are_in_no_part_of_the_split() {
    for word in ["", "nan", "NA", "?"] {
        let dir = tempfile::tempdir().unwrap();
        let (nodes, edges) = ring(|n| n.to_string());
        let nodes = nodes.replace("n3,b,", &format!("n3,{word},"));
        let nodes = nodes.replace("n8,a,", &format!("n8,{word},"));
        write(dir.path(), &nodes, &edges);
        let graph = read(dir.path()).unwrap();
        assert_eq!(graph.classes(), ["a", "b"]);
        assert_eq!(graph.labels()[3], None);
        assert_eq!(graph.adjacency().neighbours(NodeId(3)), &[2, 4]);
        let (found, text) = summary(dir.path(), &json!({}));
        assert_eq!((found.rows, found.unlabelled), (40, 2));
        assert_eq!(found.split.values().sum::<usize>(), 38);
        assert!(text.contains("without a label: 2"), "{text}");
    }
}

#[test]
fn one_class_may_be_spelled_in_several_ways() {
    let dir = tempfile::tempdir().unwrap();
    let (nodes, edges) = ring(|n| n.to_string());
    let nodes = nodes.replace("n0,a", "n0,0.0").replace(",a,", ",0,");
    let nodes = nodes.replace("n1,b", "n1,01").replace(",b,", ",1,");
    write(dir.path(), &nodes, &edges);
    assert_eq!(read(dir.path()).unwrap().classes(), ["0", "1"]);
}

#[test]
fn a_label_that_is_measured_is_refused_as_regression() {
    let (nodes, edges) = ring(|n| n.to_string());
    let nodes = nodes.replace(",a,", ",0.25,").replace(",b,", ",1.5,");
    let error = refused(&nodes, &edges);
    assert!(
        error.contains("regression") && error.contains("table.classes"),
        "{error}"
    );
}

#[test]
fn semicolons_and_weights_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let (nodes, edges) = ring(|n| format!("{n},5"));
    let nodes = nodes
        .replace(",5\n", "#5\n")
        .replace(',', ";")
        .replace('#', ",");
    let edges = edges.replace(',', ";").replace('\n', ";0,5\n");
    let edges = edges.replacen("target;0,5", "target;weight", 1);
    write(dir.path(), &nodes, &edges);
    let graph = read(dir.path()).unwrap();
    assert_eq!(graph.features().row(NodeId(2)), &[3.0, 2.5]);
    let (_, text) = summary(dir.path(), &json!({}));
    assert!(text.matches("semicolons").count() == 2, "{text}");
    assert!(
        text.contains("not used, every edge counts the same: 'weight'"),
        "{text}"
    );
}

#[test]
fn numbers_are_read_in_every_spelling_and_words_become_a_feature_each() {
    let dir = tempfile::tempdir().unwrap();
    let (nodes, edges) = ring(|n| {
        let pay = format!("\"1,{:03}.5\"", n * 10);
        let town = ["Rome", "Oslo", "NA", "Lima"][n % 4];
        format!("{pay},{town},{},{:02}.03.2021", n % 3 == 0, n % 28 + 1)
    });
    let nodes = nodes.replacen("f0,f1", "f0,pay,town,home,since", 1);
    write(dir.path(), &nodes, &edges);
    let graph = read(dir.path()).unwrap();
    // The features are f0, pay, three towns and one for a missing town, home, and day and weekday of the dates.
    let expected = [7.0, 1010.5, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 2.0];
    assert_eq!(graph.features().row(NodeId(1)), &expected);
    assert_eq!(graph.features().row(NodeId(2))[2..6], [0.0, 0.0, 0.0, 1.0]);
    let (found, text) = summary(dir.path(), &json!({}));
    assert_eq!(found.missing_cells, 10);
    assert!(
        text.contains("one feature a word") && text.contains("'town'"),
        "{text}"
    );
    assert!(text.contains("as large as 1390.5 (in 'pay')"), "{text}");
}

#[test]
fn a_missing_number_becomes_the_mean_and_is_marked() {
    let dir = tempfile::tempdir().unwrap();
    let (nodes, edges) = ring(|n| match n {
        5 => String::new(),
        n => (n % 2 * 4).to_string(),
    });
    write(dir.path(), &nodes, &edges);
    let graph = read(dir.path()).unwrap();
    let mean = 19.0 * 4.0 / 39.0;
    assert_eq!(graph.features().row(NodeId(5)), &[2.0, mean, 1.0]);
    assert_eq!(graph.features().row(NodeId(6)), &[9.0, 0.0, 0.0]);
    let (_, text) = summary(dir.path(), &json!({}));
    assert!(text.contains("missing cells: 1 (in 'f1')"), "{text}");
    assert!(text.contains("becomes its column's mean"), "{text}");
}

#[test]
fn a_column_of_too_many_words_is_refused_by_name_and_can_be_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let nodes: String = (0..1200)
        .map(|n| format!("n{n},{},{n}.5,w{}\n", ["a", "b"][n % 2], n % 600))
        .collect();
    write(
        dir.path(),
        &format!("id,label,x,word\n{nodes}"),
        "source,target\nn0,n1\n",
    );
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("'word'") && error.contains("600") && error.contains("table.ignore"),
        "{error}"
    );
    let (_, text) = summary(dir.path(), &json!({"ignore": ["word"]}));
    assert!(text.contains("1 features a node"), "{text}");
}

#[test]
fn columns_that_say_nothing_of_other_nodes_are_left_out_and_said_but_constants_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (nodes, edges) = ring(|n| format!("1,{},name {n}", ["a", "b"][n % 2]));
    let nodes = nodes.replacen("f0,f1", "f0,one,copy,name", 1);
    write(dir.path(), &nodes, &edges);
    assert_eq!(
        read(dir.path()).unwrap().features().row(NodeId(1)),
        &[7.0, 1.0]
    );
    let (_, text) = summary(dir.path(), &json!({}));
    for said in [
        "'copy' is a copy of the label: left out",
        "'name' has one value a row",
        "the same number in every row: used",
        "table.keep",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn ids_that_are_whole_numbers_are_one_node_however_they_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let nodes = "id,label,x\n1,a,0.5\n2,b,1\n3,a,2\n";
    write(dir.path(), nodes, "source,target\n1.0,2.0\n2.0,3.0\n");
    assert_eq!(read(dir.path()).unwrap().edges(), 2);
    // Codes and version numbers are names, not numbers.
    let nodes = "id,label,x\n007,a,0.5\n1.1,b,1\n1.10,a,2\n";
    write(dir.path(), nodes, "source,target\n1.1,1.10\n");
    assert_eq!(read(dir.path()).unwrap().edges(), 1);
}

#[test]
fn edges_that_cannot_be_meant_are_refused_or_said() {
    let (nodes, edges) = ring(|n| n.to_string());
    let error = refused(&nodes, &format!("{edges}n1,x\nn2,\"y\"\n"));
    assert!(
        error.contains("line 42") && error.contains("found 'x'") && error.contains("2 of 42 edges"),
        "{error}"
    );
    let error = refused(&nodes, &format!("{edges}n1,\n"));
    assert!(
        error.contains("line 42") && error.contains("the id of a node"),
        "{error}"
    );
    let error = refused(&nodes.replace("n7,", ","), &edges);
    assert!(
        error.contains("line 9") && error.contains("'id'"),
        "{error}"
    );
    let error = refused(&nodes, &edges.replacen("n4,", "\"n4,", 1));
    assert!(error.contains("edges.csv, line 6"), "{error}");
    let error = refused(&nodes, &edges.replacen("source,target\n", "", 1));
    assert!(
        error.contains("no column 'source'") && error.contains("table.edges-header"),
        "{error}"
    );

    let dir = tempfile::tempdir().unwrap();
    let loops = format!("{edges}n1,n1\nn1,n0\nn0,n1\n");
    write(
        dir.path(),
        &nodes.replacen("n0,", "lonely,a,0,0\nn0,", 1),
        &loops,
    );
    let (_, text) = summary(dir.path(), &json!({}));
    for said in [
        "43 rows in edges.csv join 40 pairs",
        "2 rows that name a pair again",
        "1 rows join a node to itself",
        "1 nodes have none",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn edges_without_a_header_are_read_where_a_setting_says_so() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "id,label,x\n1,a,0.5\n2,b,1\n3,a,2\n",
        "1,2\n2,3\n",
    );
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(error.contains("table.edges-header"), "{error}");
    let settings: TableSettings =
        serde_json::from_value(json!({"edges-header": "absent"})).unwrap();
    assert_eq!(read_graph(dir.path(), &settings).unwrap().edges(), 2);
}

#[test]
fn every_container_gives_the_same_graph() {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use std::sync::Arc;
    let dir = tempfile::tempdir().unwrap();
    let nodes = "id,label,x\n1,a,0.5\n2,b,1\n3,a,2\n";
    let edges = "source,target\n1,2\n2,3\n";
    write(dir.path(), nodes, edges);
    let expected = read(dir.path()).unwrap();
    let gz = |text: &str| {
        use std::io::Write;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    };
    let zst = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
    let tabs = |text: &str| text.replace(',', "\t");
    let again = |files: [(&str, Vec<u8>); 2]| {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        assert_eq!(read(dir.path()).unwrap(), expected);
    };
    again([
        ("nodes.tsv", tabs(nodes).into()),
        ("edges.txt", edges.into()),
    ]);
    again([("nodes.csv.gz", gz(nodes)), ("edges.data.gz", gz(edges))]);
    again([
        ("nodes.csv.zst", zst(nodes)),
        ("edges.tsv.zst", zst(&tabs(edges))),
    ]);
    let batch = RecordBatch::try_from_iter([
        ("target", Arc::new(Int64Array::from(vec![2, 3])) as ArrayRef),
        (
            "source",
            Arc::new(StringArray::from(vec!["1", "2"])) as ArrayRef,
        ),
    ])
    .unwrap();
    let mut parquet = Vec::new();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut parquet, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    again([("nodes.csv", nodes.into()), ("edges.parquet", parquet)]);
    // Two files would make the choice ambiguous.
    fs::write(dir.path().join("nodes.tsv"), tabs(nodes)).unwrap();
    let error = read(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("nodes.csv") && error.contains("nodes.tsv"),
        "{error}"
    );
}

#[test]
fn settings_that_were_added_are_not_written_where_they_have_their_defaults() {
    let written = serde_json::to_value(TableSettings::default()).unwrap();
    assert_eq!(written.as_object().unwrap().len(), 5, "{written}");
}

#![allow(clippy::unwrap_used)]
use super::*;
use flate2::read::GzDecoder;
use std::io::{Cursor, Read, Write};

/// A member of an .npz to build: its name, numpy's type, its bytes and its length.
type Member = (&'static str, &'static str, Vec<u8>, usize);

fn npz(members: &[Member]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, kind, bytes, length) in members {
        // Compressed, like published files.
        let packed = zip::write::SimpleFileOptions::default();
        zip.start_file(format!("{name}.npy"), packed).unwrap();
        let mut header =
            format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({length},), }}");
        while !(header.len() + 11).is_multiple_of(64) {
            header.push(' ');
        }
        header.push('\n');
        zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
        zip.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
        zip.write_all(header.as_bytes()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn i32s(name: &'static str, values: &[i32]) -> Member {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    (name, "<i4", bytes, values.len())
}

fn i64s(name: &'static str, values: &[i64]) -> Member {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    (name, "<i8", bytes, values.len())
}

fn f32s(name: &'static str, values: &[f32]) -> Member {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    (name, "<f4", bytes, values.len())
}

fn f64s(name: &'static str, values: &[f64]) -> Member {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    (name, "<f8", bytes, values.len())
}

/// Four nodes. The stored edges are 0->1 twice, 1->0, 1->1, 2->1, 3->0 with weight 0, and 3->2. The features have one
/// repeated entry, one in the wrong order, and one stored zero.
fn small(wide: bool) -> Vec<Member> {
    let starts = [0, 2, 4, 5, 7];
    let indices = [1, 1, 0, 1, 1, 0, 2];
    let weights = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0];
    let attr_starts = [0, 2, 4, 5, 5];
    let attr_indices = [2, 0, 1, 1, 0];
    let values = [0.5, 1.0, 1.0, 2.0, 0.0];
    // A pickled list, which must never be loaded.
    let pickled = ("node_names", "|O", b"\x80\x03]q\x00.".to_vec(), 4);
    if wide {
        let long = |v: &[i32]| v.iter().map(|&v| i64::from(v)).collect::<Vec<_>>();
        return vec![
            pickled,
            f64s("adj_data", &weights),
            i64s("adj_indices", &long(&indices)),
            i64s("adj_indptr", &long(&starts)),
            i64s("adj_shape", &[4, 4]),
            f64s("attr_data", &values),
            i64s("attr_indices", &long(&attr_indices)),
            i64s("attr_indptr", &long(&attr_starts)),
            i64s("attr_shape", &[4, 3]),
            i64s("labels", &[0, 1, 1, 2]),
        ];
    }
    vec![
        f32s("adj_data", &weights.map(|w| w as f32)),
        i32s("adj_indices", &indices),
        i32s("adj_indptr", &starts),
        i64s("adj_shape", &[4, 4]),
        f32s("attr_data", &values.map(|v| v as f32)),
        i32s("attr_indices", &attr_indices),
        i32s("attr_indptr", &attr_starts),
        i64s("attr_shape", &[4, 3]),
        i32s("labels", &[0, 1, 1, 2]),
    ]
}

/// Like [`small`], with one array replaced.
fn with(member: Member) -> Vec<Member> {
    let mut members = small(false);
    let at = members.iter().position(|m| m.0 == member.0).unwrap();
    members[at] = member;
    members
}

fn text(dir: &Path, name: &str) -> String {
    let file = std::fs::File::open(dir.join(name)).unwrap();
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

fn counts_of(nodes: u64, edges: u64, features: u64, classes: u64) -> BTreeMap<String, u64> {
    let counts = [
        ("nodes", nodes),
        ("edges", edges),
        ("features", features),
        ("classes", classes),
    ];
    counts.map(|(what, n)| (what.to_owned(), n)).into()
}

/// Converts bytes in a new folder, and returns the folder and the result.
fn converted(bytes: &[u8]) -> (tempfile::TempDir, Result<()>) {
    let tmp = tempfile::tempdir().unwrap();
    let original = tmp.path().join("graph.npz");
    std::fs::write(&original, bytes).unwrap();
    let splits = ["random-60-20-20".to_owned()];
    let outcome = convert(
        &original,
        &counts_of(4, 3, 3, 3),
        &splits,
        Layout::Raw,
        &tmp.path().join("x"),
    );
    (tmp, outcome)
}

#[test]
fn edges_stand_once_without_self_loops_whatever_the_number_types() {
    for wide in [false, true] {
        let (tmp, outcome) = converted(&npz(&small(wide)));
        outcome.unwrap();
        let dir = tmp.path().join("x");
        assert_eq!(text(&dir, "raw/edge.csv.gz"), "0,1\n1,2\n2,3\n");
        assert_eq!(
            text(&dir, "raw/node-feat.csv.gz"),
            "1,0,0.5\n0,3,0\n0,0,0\n0,0,0\n"
        );
        assert_eq!(text(&dir, "raw/node-label.csv.gz"), "0\n1\n1\n2\n");
        assert_eq!(text(&dir, "raw/num-node-list.csv.gz"), "4\n");
        assert_eq!(text(&dir, "raw/num-edge-list.csv.gz"), "3\n");
        let mut nodes: Vec<usize> = ["train", "valid", "test"]
            .iter()
            .flat_map(|part| {
                let lines = text(&dir, &format!("split/random-60-20-20/{part}.csv.gz"));
                lines
                    .lines()
                    .map(|l| l.parse().unwrap())
                    .collect::<Vec<_>>()
            })
            .collect();
        nodes.sort_unstable();
        assert_eq!(nodes, [0, 1, 2, 3]);
        let mut names: Vec<_> = std::fs::read_dir(&dir)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["raw", "split"]);
    }
}

#[test]
fn a_broken_npz_is_one_error_that_names_file_and_array_and_leaves_nothing() {
    let cases: Vec<(Vec<Member>, &str, &str)> = vec![
        (
            small(false).split_off(1),
            "array adj_data",
            "not in the file, which has adj_indices",
        ),
        (
            with(i32s("adj_indices", &[1, 1, 0, 9, 1, 0, 2])),
            "array adj_indices",
            "entry 3 is 9, but the matrix has 4 columns (0 to 3)",
        ),
        (
            with(i32s("attr_indices", &[2, 0, -1, 1, 0])),
            "array attr_indices",
            "entry 2 is -1",
        ),
        (
            with(i32s("adj_indptr", &[0, 4, 2, 5, 7])),
            "array adj_indptr",
            "falls from 4 to 2 after row 1",
        ),
        (
            with(i32s("adj_indptr", &[0, 2, 4, 5, 6])),
            "array adj_indptr",
            "runs from 0 to 6; expected 0 to 7",
        ),
        (
            with(i32s("attr_indptr", &[0, 2, 5])),
            "array attr_indptr",
            "3 entries for 4 rows",
        ),
        (
            with(f32s("attr_data", &[1.0; 3])),
            "array attr_data",
            "3 values for 5 indices",
        ),
        (
            with(f32s("attr_data", &[1.0, f32::NAN, 1.0, 1.0, 1.0])),
            "array attr_data",
            "entry 1 is NaN",
        ),
        (
            with(f64s("attr_data", &[1.0, 1e300, 1.0, 1.0, 1.0])),
            "array attr_data",
            "entry 1 is inf",
        ),
        (
            with(i64s("adj_shape", &[4, 5])),
            "array adj_shape",
            "square",
        ),
        (
            with(i64s("attr_shape", &[4, 3, 1])),
            "array attr_shape",
            "3 numbers",
        ),
        (
            with(i32s("labels", &[0, 1, 1])),
            "array labels",
            "3 labels for 4 nodes",
        ),
        (
            with(i32s("labels", &[0, 1, 1, 2_000])),
            "array labels",
            "node 3 has label 2000",
        ),
        (
            with(f32s("labels", &[0.0, 1.0, 0.5, 2.0])),
            "array labels",
            "entry 2 is 0.5",
        ),
        (
            with(("labels", "|O", b"\x80\x03]q\x00.".to_vec(), 4)),
            "array labels",
            "cannot be read",
        ),
        (
            with(("labels", "<i8", vec![0; 8], 1 << 60)),
            "array labels",
            "but it has",
        ),
    ];
    for (members, array, what) in cases {
        let (tmp, outcome) = converted(&npz(&members));
        let error = outcome.unwrap_err().to_string();
        for part in ["graph.npz", array, what] {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
        assert!(!tmp.path().join("x").exists(), "{array}: {what}");
    }
}

#[test]
fn a_truncated_or_damaged_npz_is_refused() {
    let whole = npz(&small(true));
    let (_tmp, outcome) = converted(&whole[..whole.len() / 2]);
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("not a whole .npz file"), "{error}");
    // Change one byte of the compressed labels, which come last before the directory.
    let start = whole.windows(10).position(|w| w == b"labels.npy").unwrap();
    let mut damaged = whole;
    damaged[start + 30] ^= 0x55;
    let (tmp, outcome) = converted(&damaged);
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("array labels"), "{error}");
    assert!(!tmp.path().join("x").exists());
}

#[test]
fn counts_that_differ_from_the_catalogue_are_refused_by_name() {
    let tmp = tempfile::tempdir().unwrap();
    let original = tmp.path().join("graph.npz");
    std::fs::write(&original, npz(&small(false))).unwrap();
    let counts = counts_of(4, 7, 3, 10);
    let error = convert(&original, &counts, &[], Layout::Raw, &tmp.path().join("x"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("3 edges where the catalogue says 7"),
        "{error}"
    );
    assert!(
        error.contains("3 classes where the catalogue says 10"),
        "{error}"
    );
    assert!(
        !error.contains("nodes") && !error.contains("features"),
        "{error}"
    );
    assert!(!tmp.path().join("x").exists());
}

#[test]
fn files_that_are_there_already_stay() {
    let tmp = tempfile::tempdir().unwrap();
    let original = tmp.path().join("graph.npz");
    std::fs::write(&original, npz(&small(false))).unwrap();
    let dir = tmp.path().join("x");
    let own = dir.join("split/random-60-20-20/train.csv.gz");
    std::fs::create_dir_all(own.parent().unwrap()).unwrap();
    std::fs::create_dir_all(dir.join("raw")).unwrap();
    std::fs::write(&own, "own").unwrap();
    std::fs::write(dir.join("raw/node-label.csv.gz"), "own").unwrap();
    let splits = ["random-60-20-20".to_owned()];
    convert(&original, &BTreeMap::new(), &splits, Layout::Raw, &dir).unwrap();
    assert_eq!(std::fs::read_to_string(own).unwrap(), "own");
    let labels = std::fs::read_to_string(dir.join("raw/node-label.csv.gz"));
    assert_eq!(labels.unwrap(), "own");
    assert_eq!(text(&dir, "raw/edge.csv.gz"), "0,1\n1,2\n2,3\n");
    assert!(!dir.join("split/random-60-20-20/test.csv.gz").exists());
}

#[test]
fn features_are_read_without_zeros_and_an_original_gets_splits_only() {
    let tmp = tempfile::tempdir().unwrap();
    let original = tmp.path().join("graph.npz");
    std::fs::write(&original, npz(&small(true))).unwrap();
    let graph = NpzGraph::read(&original).unwrap();
    assert_eq!(graph.edges, [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(graph.labels, [0, 1, 1, 2]);
    assert_eq!(graph.features, 3);
    // The repeated entry is added up, the stored zero is gone, and the columns are in order.
    let rows = [
        vec![(0, 1.0), (2, 0.5)],
        vec![(1, 3.0)],
        Vec::new(),
        Vec::new(),
    ];
    assert_eq!(graph.rows, rows);
    let dir = tmp.path().join("x");
    let splits = ["random-60-20-20".to_owned()];
    let counts = counts_of(4, 3, 3, 3);
    convert(&original, &counts, &splits, Layout::Original, &dir).unwrap();
    assert!(dir.join("split/random-60-20-20/test.csv.gz").is_file());
    assert!(!dir.join("raw").exists());
}

mod download;

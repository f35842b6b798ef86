//! The complete path from a server on loopback to files in the dataset's folder.
use super::*;
use crate::fetch::server::{Answer, serve};
use crate::fetch::{Failure, Fetcher, Kind, convert_local, fetch_entry};
use crate::folders::Folders;
use crate::manifest::{Entry, Source, compiled_in};
use crate::rng::Rng;

/// The catalogue's amazon-computers with another address and other sizes.
fn entry(url: &str, counts: BTreeMap<String, u64>) -> Entry {
    let mut entry = compiled_in().unwrap().remove("amazon-computers").unwrap();
    let [Source::NpzGraph { url: address, .. }] = entry.sources.as_mut_slice() else {
        panic!("amazon-computers has one source, an .npz");
    };
    *address = format!("{url}/npz/graph.npz");
    entry.counts = counts;
    entry
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_download_is_converted_pinned_and_kept_as_original() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("amazon-computers");
    let bytes = npz(&small(false));
    let sent = bytes.clone();
    let (url, requests) = serve(move |_| Answer::Body(sent.clone()));
    let entry = entry(&url, counts_of(4, 3, 3, 3));
    let fetcher = Fetcher::new(false);
    assert!(fetch_entry(&fetcher, &entry, &dir).unwrap().is_some());
    let there = [".checksums.toml", ".lock", "original", "raw", "split"];
    assert_eq!(names(&dir), there);
    assert_eq!(
        std::fs::read(dir.join("original/graph.npz")).unwrap(),
        bytes
    );
    let pins = std::fs::read_to_string(dir.join(".checksums.toml")).unwrap();
    for name in [
        "original/graph.npz",
        "raw/edge.csv.gz",
        "split/low-label-20-30/test.csv.gz",
    ] {
        assert!(pins.contains(name), "{pins}");
    }
    assert!(fetch_entry(&fetcher, &entry, &dir).unwrap().is_none());
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[test]
fn an_interrupted_download_goes_on_and_is_then_converted() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("amazon-computers");
    let (url, ranges) = serve(|n| match n {
        0 => Answer::Cut(npz(&small(false)), 700),
        _ => Answer::Body(npz(&small(false))),
    });
    let entry = entry(&url, counts_of(4, 3, 3, 3));
    fetch_entry(&Fetcher::new(false), &entry, &dir).unwrap();
    let ranges = ranges.lock().unwrap();
    assert!(matches!(ranges.as_slice(), [None, Some(1..)]), "{ranges:?}");
    assert_eq!(text(&dir, "raw/edge.csv.gz"), "0,1\n1,2\n2,3\n");
}

#[test]
fn a_download_that_is_another_graph_is_an_error_and_leaves_no_folder() {
    let tmp = tempfile::tempdir().unwrap();
    let whole = npz(&small(false));
    let cut = whole[..whole.len() - 40].to_vec();
    for (body, message) in [
        (whole, "3 edges where the catalogue says 4"),
        (cut, "not a whole .npz file"),
    ] {
        let (url, _) = serve(move |_| Answer::Body(body.clone()));
        let entry = entry(&url, counts_of(4, 4, 3, 3));
        let dir = tmp.path().join("amazon-computers");
        match fetch_entry(&Fetcher::new(false), &entry, &dir) {
            Err(Failure::Remote {
                kind: Kind::Corrupt,
                message: found,
                ..
            }) => assert!(
                found.contains(message) && found.contains("graph.npz") && found.contains("removed"),
                "{found}"
            ),
            other => panic!("expected a corrupt download, got {other:?}"),
        }
        assert!(names(tmp.path()).is_empty(), "{:?}", names(tmp.path()));
    }
}

#[test]
fn an_original_put_there_by_hand_is_converted_without_a_network() {
    let tmp = tempfile::tempdir().unwrap();
    let folders = Folders {
        search: vec![tmp.path().to_path_buf()],
        write: tmp.path().to_path_buf(),
    };
    let entry = entry("http://localhost:9", counts_of(4, 3, 3, 3));
    let dir = tmp.path().join("amazon-computers");
    assert!(convert_local(&entry, &folders).unwrap().is_none());
    std::fs::create_dir_all(dir.join("original")).unwrap();
    let original = dir.join("original/graph.npz");
    std::fs::write(&original, npz(&small(true))).unwrap();
    assert_eq!(
        convert_local(&entry, &folders).unwrap(),
        Some(original.clone())
    );
    assert_eq!(text(&dir, "raw/edge.csv.gz"), "0,1\n1,2\n2,3\n");
    // The checksum is pinned now, so another file in its place is refused.
    std::fs::remove_dir_all(dir.join("raw")).unwrap();
    std::fs::write(&original, npz(&small(false))).unwrap();
    let error = convert_local(&entry, &folders).unwrap_err().to_string();
    assert!(error.contains("wrong checksum"), "{error}");
}

/// The files of the real graph as an .npz like the published one: some edges in one direction and some in both, some
/// self-loops, and sparse features.
fn npz_of(raw: &Path) -> Vec<u8> {
    let numbers =
        |line: &str| -> Vec<i32> { line.split(',').map(|f| f.parse().unwrap()).collect() };
    let labels: Vec<i32> = text(raw, "node-label.csv.gz")
        .lines()
        .flat_map(numbers)
        .collect();
    let mut rng = Rng::new(7, 0);
    let mut adjacency = vec![Vec::new(); labels.len()];
    for edge in text(raw, "edge.csv.gz").lines().map(numbers) {
        let (a, b) = (edge[0], edge[1]);
        let which = rng.below(3);
        if which != 0 {
            adjacency[a as usize].push((b, 1.0));
        }
        if which != 1 {
            adjacency[b as usize].push((a, 1.0));
        }
    }
    for node in 0..200 {
        adjacency[node * 7].push((node as i32 * 7, 1.0));
    }
    let text = text(raw, "node-feat.csv.gz");
    let attributes: Vec<Vec<(i32, f32)>> = text
        .lines()
        .map(|line| {
            let fields = line
                .split(',')
                .map(|f| f.parse::<f32>().unwrap())
                .enumerate();
            fields
                .filter(|(_, v)| *v != 0.0)
                .map(|(j, v)| (j as i32, v))
                .collect()
        })
        .collect();
    let columns = text.lines().next().unwrap().split(',').count();
    let starts = |rows: &[Vec<(i32, f32)>]| -> Vec<i32> {
        let ends = rows.iter().scan(0, |end, row| {
            *end += row.len() as i32;
            Some(*end)
        });
        std::iter::once(0).chain(ends).collect()
    };
    let of = |rows: &[Vec<(i32, f32)>]| -> (Vec<i32>, Vec<f32>) {
        rows.iter().flatten().copied().unzip()
    };
    let ((adj_indices, adj_data), (attr_indices, attr_data)) = (of(&adjacency), of(&attributes));
    let nodes = labels.len() as i64;
    npz(&[
        f32s("adj_data", &adj_data),
        i32s("adj_indices", &adj_indices),
        i32s("adj_indptr", &starts(&adjacency)),
        i64s("adj_shape", &[nodes, nodes]),
        f32s("attr_data", &attr_data),
        i32s("attr_indices", &attr_indices),
        i32s("attr_indptr", &starts(&attributes)),
        i64s("attr_shape", &[nodes, columns as i64]),
        i64s(
            "labels",
            &labels.iter().map(|&l| i64::from(l)).collect::<Vec<_>>(),
        ),
        ("node_names", "|O", b"\x80\x03]q\x00.".to_vec(), 1),
    ])
}

#[test]
fn the_real_graph_comes_back_byte_for_byte_from_an_npz() {
    let Some(real) = l0gm_test_data::dataset("amazon-computers") else {
        return;
    };
    let bytes = npz_of(&real.join("raw"));
    let (url, _) = serve(move |_| Answer::Body(bytes.clone()));
    let counts = compiled_in().unwrap()["amazon-computers"].counts.clone();
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("amazon-computers");
    fetch_entry(&Fetcher::new(false), &entry(&url, counts), &dir).unwrap();
    for name in RAW {
        let name = format!("raw/{name}");
        assert!(text(&dir, &name) == text(&real, &name), "{name} differs");
    }
    // The seed differs from that of the published split, so only the sizes are equal.
    for kind in node_split::BY_SEED {
        for part in ["train", "valid", "test"] {
            let name = format!("split/{kind}/{part}.csv.gz");
            let lines = |dir: &Path| text(dir, &name).lines().count();
            assert_eq!(lines(&dir), lines(&real), "{name}");
        }
    }
}

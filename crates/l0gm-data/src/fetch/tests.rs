#![allow(clippy::unwrap_used)]
use super::server::{Answer, serve};
use super::*;
use crate::manifest::Source;
use crate::{Entry, FileSpec};

fn once() -> Fetcher {
    Fetcher {
        attempts: 1,
        ..Fetcher::new(false)
    }
}

fn kind(outcome: &Result<String, Failure>) -> (Kind, String) {
    match outcome {
        Err(Failure::Remote { kind, message, .. }) => (*kind, message.clone()),
        other => panic!("expected a remote failure, got {other:?}"),
    }
}

fn payload() -> Vec<u8> {
    (0..200_000u32).flat_map(|i| i.to_le_bytes()).collect()
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
fn a_whole_file_arrives_under_its_name_with_its_sum() {
    let tmp = tempfile::tempdir().unwrap();
    let (url, _) = serve(|_| Answer::Body(payload()));
    let sum = once().file(&url, &tmp.path().join("f"), None).unwrap();
    assert_eq!(sum, hex(&Sha256::digest(payload())));
    assert_eq!(std::fs::read(tmp.path().join("f")).unwrap(), payload());
    assert_eq!(names(tmp.path()), ["f"]);
}

#[test]
fn an_interrupted_download_keeps_its_part_and_goes_on_from_there() {
    let tmp = tempfile::tempdir().unwrap();
    let (url, ranges) = serve(|n| {
        if n == 0 {
            Answer::Cut(payload(), 300_000)
        } else {
            Answer::Body(payload())
        }
    });
    let target = tmp.path().join("f");
    let expected = hex(&Sha256::digest(payload()));
    let (kind, message) = kind(&once().file(&url, &target, Some(&expected)));
    assert_eq!(kind, Kind::Interrupted);
    assert!(message.contains("run the same command again"), "{message}");
    assert_eq!(names(tmp.path()), ["f.part"]);
    let have = std::fs::metadata(tmp.path().join("f.part")).unwrap().len();
    assert!(have > 0);
    assert_eq!(
        once().file(&url, &target, Some(&expected)).unwrap(),
        expected
    );
    assert_eq!(*ranges.lock().unwrap(), [None, Some(have)]);
    assert_eq!(std::fs::read(&target).unwrap(), payload());
    assert_eq!(names(tmp.path()), ["f"]);
}

#[test]
fn a_broken_connection_is_taken_up_again_within_one_call() {
    let tmp = tempfile::tempdir().unwrap();
    let (url, ranges) = serve(|n| {
        if n == 0 {
            Answer::Cut(payload(), 100_000)
        } else {
            Answer::Body(payload())
        }
    });
    Fetcher::new(false)
        .file(&url, &tmp.path().join("f"), None)
        .unwrap();
    assert_eq!(ranges.lock().unwrap().len(), 2);
    assert_eq!(std::fs::read(tmp.path().join("f")).unwrap(), payload());
}

#[test]
fn a_wrong_checksum_removes_the_part_and_names_both_sums() {
    let tmp = tempfile::tempdir().unwrap();
    let (url, _) = serve(|_| Answer::Body(payload()));
    let expected = "0".repeat(64);
    let (kind, message) = kind(&once().file(&url, &tmp.path().join("f"), Some(&expected)));
    assert_eq!(kind, Kind::Corrupt);
    assert!(
        message.contains(&expected) && message.contains("found"),
        "{message}"
    );
    assert!(names(tmp.path()).is_empty());
}

#[test]
fn a_missing_file_and_an_endless_redirect_are_told_apart() {
    let tmp = tempfile::tempdir().unwrap();
    for (answer, expected, word) in [
        (Answer::Status(404), Kind::Absent, "404"),
        (Answer::Status(401), Kind::Refused, "401"),
        (Answer::Redirect, Kind::Refused, "redirected without end"),
    ] {
        let (url, _) = serve(move |_| answer.clone());
        let (kind, message) = kind(&once().file(&url, &tmp.path().join("f"), None));
        assert_eq!(kind, expected);
        assert!(message.contains(word), "{message}");
    }
    assert!(names(tmp.path()).is_empty());
}

#[test]
fn a_truncated_gzip_is_removed() {
    let tmp = tempfile::tempdir().unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&payload()).unwrap();
    let whole = encoder.finish().unwrap();
    let cut = whole[..whole.len() / 2].to_vec();
    let (url, _) = serve(move |_| Answer::Body(cut.clone()));
    let (kind, message) = kind(&once().file(&url, &tmp.path().join("f.csv.gz"), None));
    assert_eq!(kind, Kind::Corrupt);
    assert!(message.contains("not a whole gzip"), "{message}");
    assert!(names(tmp.path()).is_empty());
    let (url, _) = serve(move |_| Answer::Body(whole.clone()));
    assert!(
        once()
            .file(&url, &tmp.path().join("f.csv.gz"), None)
            .is_ok()
    );
}

#[test]
fn a_refused_connection_means_no_network_and_is_tried_once() {
    let tmp = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/f");
    let fetcher = once();
    let (first, message) = kind(&fetcher.file(&url, &tmp.path().join("f"), None));
    assert_eq!(first, Kind::Unreachable);
    assert!(message.contains("no network"), "{message}");
    // The result is remembered, so a server that starts now is not asked.
    let _listener = std::net::TcpListener::bind(address);
    let again = fetcher.clone().file(&url, &tmp.path().join("f"), None);
    assert_eq!(kind(&again), (Kind::Unreachable, message));
}

fn files_entry(url: &str) -> Entry {
    Entry {
        name: "x".into(),
        modality: "text".into(),
        reader: "reviews".into(),
        description: String::new(),
        licence: String::new(),
        citation: String::new(),
        splits: vec![],
        manual: String::new(),
        counts: BTreeMap::new(),
        files: vec![FileSpec {
            path: "a/b.txt".into(),
            size: None,
            sha256: None,
            optional: false,
        }],
        alternatives: vec![],
        sources: vec![Source::Files {
            url: format!("{url}/"),
        }],
        twin: None,
    }
}

#[test]
fn two_threads_fetch_a_file_once_and_pin_its_sum() {
    let tmp = tempfile::tempdir().unwrap();
    let (url, requests) = serve(|_| Answer::Body(payload()));
    let entry = files_entry(&url);
    let dir = tmp.path().join("x");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| fetch_entry(&once(), &entry, &dir).unwrap());
        }
    });
    assert_eq!(requests.lock().unwrap().len(), 1);
    std::fs::write(dir.join("a/b.txt"), "changed").unwrap();
    let specs: Vec<&FileSpec> = entry.files.iter().collect();
    let error = crate::checksum::verify(&dir, &specs, tmp.path())
        .unwrap_err()
        .to_string();
    assert!(error.contains("pinned on its first download"), "{error}");
}

#[test]
fn a_failed_fetch_leaves_no_folder_behind() {
    let tmp = tempfile::tempdir().unwrap();
    let (url, _) = serve(|_| Answer::Status(404));
    assert!(fetch_entry(&once(), &files_entry(&url), &tmp.path().join("x")).is_err());
    assert!(names(tmp.path()).is_empty());
}

fn zip_of(members: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in members {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn the_listed_files_of_a_zip_are_unpacked_and_an_escaping_name_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let good = zip_of(&[("top/a/b.txt", "hello"), ("top/other", "x")]);
    let evil = zip_of(&[("top/a/b.txt", "hello"), ("../../evil", "x")]);
    for (bytes, ok) in [(good, true), (evil, false)] {
        let (url, _) = serve(move |_| Answer::Body(bytes.clone()));
        let source = Source::Zip {
            url: url.clone(),
            sha256: None,
            strip: "top/".into(),
        };
        let entry = Entry {
            sources: vec![source],
            ..files_entry(&url)
        };
        let dir = tmp.path().join(if ok { "good" } else { "evil" });
        let outcome = fetch_entry(&once(), &entry, &dir);
        if ok {
            assert_eq!(
                std::fs::read_to_string(dir.join("a/b.txt")).unwrap(),
                "hello"
            );
            assert_eq!(names(&dir), [".checksums.toml", ".lock", "a"]);
        } else {
            let error = Error::from(outcome.unwrap_err()).to_string();
            assert!(error.contains("leads out of the folder"), "{error}");
        }
    }
    assert_eq!(names(tmp.path()), ["good"]);
}

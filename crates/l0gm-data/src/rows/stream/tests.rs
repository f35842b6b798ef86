//! A file that is read in chunks of any size is what it is when read whole.
#![allow(clippy::unwrap_used)]

use super::super::tests::parquet;
use super::super::{RawTable, ReadOptions, Result, Source, read};
use super::{Sizes, stream, stream_with};
use arrow::array::{ArrayRef, Int64Array, StringArray};
use proptest::prelude::*;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A row as both ways of reading see it: its line, its number, and its cells with whether they are missing.
type Row = (String, u64, Vec<(String, bool)>);

fn rows_of(table: &RawTable) -> Vec<Row> {
    let cells = |row: usize| {
        let columns = table.columns().iter();
        columns
            .map(|c| (c.cells.raw(row).to_owned(), c.cell(row).is_none()))
            .collect()
    };
    (0..table.rows())
        .map(|row| (table.place(row).to_string(), table.number(row), cells(row)))
        .collect()
}

/// Names of the columns, rows and remarks of a file that is read whole, or the error.
fn whole(path: &Path, options: &ReadOptions) -> Result<(Vec<String>, Vec<Row>, Vec<String>)> {
    let table = read(&Source::path(path), options)?;
    let names = table.names().map(str::to_owned).collect();
    let mut said = table.said().to_vec();
    said.sort();
    Ok((names, rows_of(&table), said))
}

/// The same, read in chunks.
fn in_chunks(
    path: &Path,
    options: &ReadOptions,
    sizes: Sizes,
) -> Result<(Vec<String>, Vec<Row>, Vec<String>)> {
    let mut chunks = stream_with(&Source::path(path), options, sizes)?;
    let (mut names, mut rows) = (Vec::new(), Vec::new());
    while let Some(table) = chunks.next_chunk()? {
        assert!(table.said().is_empty());
        let found: Vec<String> = table.names().map(str::to_owned).collect();
        assert!(names.is_empty() || names == found);
        names = found;
        rows.extend(rows_of(&table));
    }
    assert_eq!(chunks.rows(), rows.len() as u64);
    let mut said = chunks.said().to_vec();
    said.sort();
    Ok((names, rows, said))
}

fn sizes(rows: usize, first: usize, block: usize) -> Sizes {
    Sizes {
        rows,
        first,
        block,
        most: 1 << 20,
    }
}

/// Small chunks, small windows, and windows in which hardly anything fits.
fn all_sizes(length: usize) -> Vec<Sizes> {
    let mut all = vec![
        sizes(1, length, 1),
        sizes(2, length / 2 + 1, 7),
        sizes(3, length, 64),
        sizes(1000, length / 3 + 1, 1),
    ];
    all.push(Sizes {
        most: 10,
        ..sizes(5, length / 2 + 1, 3)
    });
    all
}

fn file(dir: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn check(path: &Path, options: &ReadOptions) {
    let length = std::fs::metadata(path).unwrap().len() as usize;
    let expected = whole(path, options);
    for sizes in all_sizes(length) {
        let found = in_chunks(path, options, sizes);
        match (&expected, &found) {
            (Ok(expected), Ok(found)) => assert_eq!(found, expected, "{sizes:?}"),
            (Err(expected), Err(found)) => {
                assert_eq!(found.to_string(), expected.to_string(), "{sizes:?}");
            }
            _ => panic!("{sizes:?}: {found:?}, read whole {expected:?}"),
        }
    }
}

const TEXTS: [&str; 17] = [
    "a,b\n1,x\n2,y\n3,z\n4,w\n",
    "a;b\r\n1,5;x\r\n2,25;\"y\r\nsecond line\"\r\n\r\n3,0;z",
    "a,b\n\"one, \"\"quoted\"\", cell\",1\n\"line 1\nline 2\n\nline 4\",2\n3,\"\"\n",
    "a,b\r1,2\r3,4\r",
    "a\tb\n1\t\n\t\n2\t3\n\t\n\t\n",
    "a,b\n,\n,\n",
    "a,b,\n1,2,\n3,4,\n5,6,,,\n",
    "word\none\n\ntwo\n\n\nthree\n\n",
    "\n\nword\none\n",
    "a,b\n\"say \\\"hi\\\" now\",1\nplain,2\n\"ends in \\\"\",3\n",
    "a,b\nplain,1\nplain,2\nplain,3\n\"say \\\"hi\\\" now\",4\n\"and \\\"again\\\", here\",5\n",
    "sep=|\na|b\n1|2\n3|4\n",
    "a,b\n1,é\n2,漢字\n3,🦀\n",
    "a,b\n1,2\n3\n",
    "a,b\n1,2\n3,4\n5,\"open\n6,7\n",
    "a,b\n1,2\n3,\"x\" y\n",
    "a,b\n1,2\n3,4\na,b\n5,6\n",
];

#[test]
fn chunks_of_any_size_are_the_whole_file() {
    let dir = tempfile::tempdir().unwrap();
    for text in TEXTS {
        let path = file(dir.path(), "a.csv", text.as_bytes());
        check(&path, &ReadOptions::default());
    }
}

#[test]
fn a_header_that_is_absent_and_comments_are_read_as_in_a_whole_file() {
    let dir = tempfile::tempdir().unwrap();
    for text in [
        "1,x\n2,y\n3,z\n",
        "\n\n1\n\n2\n",
        "# note\n1,x\n# note, \"\n2,y\n",
    ] {
        let path = file(dir.path(), "a.csv", text.as_bytes());
        let options = ReadOptions {
            header: super::super::Header::Absent,
            comment: Some(b'#'),
            ..ReadOptions::default()
        };
        check(&path, &options);
    }
}

#[test]
fn utf_16_with_characters_of_two_units_is_decoded_across_windows() {
    let dir = tempfile::tempdir().unwrap();
    let text = "a,b\n1,é🦀x\n2,漢🦀🦀字\n";
    for mark in ["\u{feff}"] {
        let units: Vec<u16> = format!("{mark}{text}").encode_utf16().collect();
        let low: Vec<u8> = units.iter().flat_map(|u| u.to_le_bytes()).collect();
        let high: Vec<u8> = units.iter().flat_map(|u| u.to_be_bytes()).collect();
        let utf8 = format!("{mark}{text}").into_bytes();
        for bytes in [low, high, utf8] {
            check(&file(dir.path(), "a.csv", &bytes), &ReadOptions::default());
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_named_by_their_line() {
    let dir = tempfile::tempdir().unwrap();
    for bytes in [
        &b"a,b\n1,2\n3,\xff\n"[..],
        b"a,b\n1,2\n3,\xe6\xbc",
        b"a,b\n1,2\n3,\x00\n",
    ] {
        let path = file(dir.path(), "a.csv", bytes);
        let expected = whole(&path, &ReadOptions::default()).unwrap_err();
        let found = in_chunks(&path, &ReadOptions::default(), sizes(1, 9, 1)).unwrap_err();
        assert_eq!(found.to_string(), expected.to_string());
        assert!(found.to_string().contains("line 3"), "{found}");
    }
}

#[test]
fn packed_files_are_unpacked_block_by_block_and_damage_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let text: String = (0..5000).map(|i| format!("{i},\"text\n{i}\"\n")).collect();
    let text = format!("id,text\n{text}");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Default::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
    let expected = whole(
        &file(dir.path(), "a.csv", text.as_bytes()),
        &ReadOptions::default(),
    );
    for (name, bytes) in [("a.csv.gz", &gzip), ("a.csv.zst", &zstd)] {
        let path = file(dir.path(), name, bytes);
        let found = in_chunks(&path, &ReadOptions::default(), sizes(700, 1000, 333));
        assert_eq!(found, expected, "{name}");
        let path = file(dir.path(), name, &bytes[..bytes.len() / 2]);
        let found = in_chunks(&path, &ReadOptions::default(), sizes(700, 1000, 333));
        assert!(found.unwrap_err().to_string().contains("damaged"));
    }
}

#[test]
fn arff_is_one_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let text = "@relation r\n@attribute a numeric\n@attribute b {x,y}\n@data\n1,x\n2,y\n3,x\n";
    for name in ["a.arff", "a.txt"] {
        let path = file(dir.path(), name, text.as_bytes());
        let found = in_chunks(&path, &ReadOptions::default(), sizes(1, 20, 5)).unwrap();
        assert_eq!(found, whole(&path, &ReadOptions::default()).unwrap());
    }
}

#[test]
fn parquet_is_read_in_batches() {
    let dir = tempfile::tempdir().unwrap();
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter(
        (0..50).map(|i| (i % 7 > 0).then_some(i)),
    ));
    let words: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..50).map(|i| format!("word {i}")),
    ));
    let bytes = parquet(vec![("a", numbers), ("b", words)]);
    let path = file(dir.path(), "a.parquet", &bytes);
    check(&path, &ReadOptions::default());
    let cut = file(dir.path(), "cut.parquet", &bytes[..bytes.len() - 10]);
    assert!(stream(&Source::path(&cut), &ReadOptions::default(), 10).is_err());
}

#[test]
fn a_file_may_be_larger_than_the_limit_for_whole_files() {
    let dir = tempfile::tempdir().unwrap();
    let text = "a,b\n".to_owned() + &"1,2\n".repeat(1000);
    let path = file(dir.path(), "a.csv", text.as_bytes());
    let mut options = ReadOptions::default();
    options.caps.bytes = 500;
    assert!(whole(&path, &options).is_err());
    let (_, rows, _) = in_chunks(&path, &options, sizes(100, 300, 100)).unwrap();
    assert_eq!(rows.len(), 1000);
}

#[test]
fn the_decimal_mark_of_the_first_chunk_is_that_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "a.csv", b"a;b\n1,5;x\n2,5;x\n1.234;x\n");
    let mut chunks = stream_with(
        &Source::path(&path),
        &ReadOptions::default(),
        sizes(2, 99, 9),
    )
    .unwrap();
    let marks = std::iter::from_fn(|| chunks.next_chunk().unwrap()).map(|t| t.decimal());
    assert_eq!(marks.collect::<Vec<_>>(), [super::super::Decimal::Comma; 2]);
}

proptest! {
    #[test]
    fn whatever_cells_hold_chunks_are_the_whole_file(
        rows in proptest::collection::vec(
            proptest::collection::vec("[a-z ,;\"'\n\r\\\\é|\t]{0,8}", 3), 1..12),
        chunk in 1usize..5, first in 1usize..60, block in 1usize..40,
    ) {
        let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
        writer.write_record(["one", "two", "three"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), "a.csv", &writer.into_inner().unwrap());
        // The dialect is found from the first bytes, of which there may be too few here.
        let options = ReadOptions { separator: Some(b','), ..ReadOptions::default() };
        let (found, expected) = (in_chunks(&path, &options, sizes(chunk, first, block)), whole(&path, &options));
        prop_assert_eq!(found.is_ok(), expected.is_ok());
        if let (Ok(found), Ok(expected)) = (found, expected) {
            prop_assert_eq!(found, expected);
        }
    }
}

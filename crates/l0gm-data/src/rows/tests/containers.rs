//! Every file format, encoding and separator gives the same table.
#![allow(clippy::unwrap_used)]

use super::super::{ReadOptions, Source};
use super::{column, read, read_as, says, write};
use std::io::Write;

const TEXT: &str = "town,pay\nnorth,1\n\"far, south\",2\n";

fn packed(gz: bool) -> Vec<u8> {
    match gz {
        true => {
            let mut writer =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            writer.write_all(TEXT.as_bytes()).unwrap();
            writer.finish().unwrap()
        }
        false => zstd::encode_all(TEXT.as_bytes(), 0).unwrap(),
    }
}

#[test]
fn packed_files_and_all_endings_read_the_same() {
    let options = ReadOptions::default();
    let plain = read(TEXT);
    for (name, bytes) in [
        ("a.txt", TEXT.as_bytes().to_vec()),
        ("a.data", TEXT.as_bytes().to_vec()),
        ("a.csv.gz", packed(true)),
        ("a.csv.zst", packed(false)),
        ("a.csv", packed(true)),
        ("a.csv", [b"\xef\xbb\xbf", TEXT.as_bytes()].concat()),
        ("a.csv", TEXT.replace('\n', "\r\n").into_bytes()),
        ("a.csv", TEXT.replace('\n', "\r").into_bytes()),
        ("a.tsv", b"town\tpay\nnorth\t1\nfar, south\t2".to_vec()),
        ("a.csv", b"town;pay\nnorth;1\nfar, south;2\n\n".to_vec()),
        (
            "a.csv",
            b"town|pay|\n\"north\"|1|\nfar, south| 2 |\n||\n".to_vec(),
        ),
    ] {
        let found = read_as(name, &bytes, &options).unwrap();
        for name in ["town", "pay"] {
            assert_eq!(column(&found, name), column(&plain, name), "{bytes:?}");
        }
        assert_eq!((found.rows(), found.columns().len()), (2, 2));
    }
}

#[test]
fn utf_16_with_a_mark_is_read_and_other_encodings_say_how_to_convert() {
    let options = ReadOptions::default();
    let text = "town,pay\nMünchen,1\n";
    for big in [false, true] {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        let bytes: Vec<u8> = units
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect();
        let found = read_as("a.csv", &bytes, &options).unwrap();
        assert_eq!(column(&found, "town"), [Some("München".to_owned())]);
        let cut = read_as("a.csv", &bytes[..bytes.len() - 1], &options)
            .unwrap_err()
            .to_string();
        says(&cut, &["a.csv", "damaged", "UTF-16"]);
        let unmarked = read_as("a.csv", &bytes[2..], &options)
            .unwrap_err()
            .to_string();
        says(&unmarked, &["line 1", "iconv"]);
    }
    let latin = read_as("a.csv", b"town,pay\nx,1\nM\xfcnchen,1\n", &options)
        .unwrap_err()
        .to_string();
    says(
        &latin,
        &["a.csv, line 3", "UTF-8", "0xfc", "iconv -f WINDOWS-1252"],
    );
}

#[test]
fn what_was_found_is_said() {
    let table = read("a;b;\n1,5;x;\n2,5;y;\n");
    let said = table.said().join("; ");
    says(
        &said,
        &[
            "semicolons",
            "comma is the decimal mark",
            "empty columns at the end",
        ],
    );
    assert_eq!(table.numbers("a").unwrap(), [Some(1.5), Some(2.5)]);
}

#[test]
fn a_separator_and_a_decimal_mark_that_are_given_win() {
    let options = ReadOptions {
        separator: Some(b'|'),
        decimal: Some(super::super::Decimal::Comma),
        ..ReadOptions::default()
    };
    let table = read_as("a.csv", "a,b|c\n1,234|2\n", &options).unwrap();
    assert_eq!(table.numbers("a,b").unwrap(), [Some(1.234)]);
}

#[test]
fn places_name_lines_of_text_and_rows_of_parquet() {
    let table = read("a,b\n\n1,\"x\ny\"\n\n2,z\n");
    assert_eq!(
        [table.place(0).to_string(), table.place(1).to_string()],
        ["line 3", "line 6"]
    );
}

#[test]
fn a_folder_a_missing_file_and_a_workbook_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let of = |path| {
        super::super::read(&Source::path(path), &ReadOptions::default())
            .unwrap_err()
            .to_string()
    };
    says(&of(dir.path().to_path_buf()), &["is a folder"]);
    says(
        &of(dir.path().join("no.csv")),
        &["no.csv", "cannot be read"],
    );
    says(
        &of(write(dir.path(), "a.csv", b"PK\x03\x04rest")),
        &["Excel", "CSV"],
    );
    says(
        &of(write(dir.path(), "a.parquet", b"a,b\n1,2\n")),
        &["not readable Parquet"],
    );
    says(&of(write(dir.path(), "a.csv", b"")), &["is empty"]);
    says(
        &of(write(dir.path(), "a.csv", b"a,b\n")),
        &["is empty", "no rows"],
    );
}

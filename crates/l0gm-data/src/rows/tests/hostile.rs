//! Damaged and hostile files give an error quickly and never a panic.
#![allow(clippy::unwrap_used)]

use super::super::{Caps, ReadOptions};
use super::{parquet, read_as, says};
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use std::io::Write;
use std::sync::Arc;

fn small_parquet() -> Vec<u8> {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("a", Arc::new(Int64Array::from_iter_values(0..50))),
        (
            "b",
            Arc::new(StringArray::from_iter_values(
                (0..50).map(|i| format!("s{i}")),
            )),
        ),
        (
            "c",
            Arc::new(Float64Array::from_iter_values(
                (0..50).map(|i| f64::from(i) / 7.0),
            )),
        ),
    ];
    parquet(columns)
}

#[test]
fn every_changed_byte_of_a_parquet_file_is_read_or_refused() {
    let bytes = small_parquet();
    let options = ReadOptions::default();
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= change;
            if let Err(error) = read_as("a.parquet", &damaged, &options) {
                says(&error.to_string(), &["a.parquet"]);
            }
        }
    }
    for end in (0..bytes.len()).step_by(37) {
        assert!(read_as("a.parquet", &bytes[..end], &options).is_err());
    }
}

#[test]
fn damaged_packed_files_say_so() {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(b"a,b\n1,2\n3,4\n").unwrap();
    let gz = writer.finish().unwrap();
    let mut flipped = gz.clone();
    let at = gz.len() - 6; // in the checksum
    flipped[at] ^= 1;
    let zst = zstd::encode_all(&b"a,b\n1,2\n"[..], 0).unwrap();
    for bytes in [&gz[..gz.len() - 3], &flipped, &zst[..zst.len() - 1]] {
        let error = read_as("a.csv.gz", bytes, &ReadOptions::default())
            .unwrap_err()
            .to_string();
        says(&error, &["a.csv.gz", "damaged"]);
    }
}

#[test]
fn caps_name_the_setting_that_raises_them() {
    let caps = Caps {
        line_bytes: 100,
        bytes: 2_000,
        columns: 5,
    };
    let options = ReadOptions {
        caps,
        ..ReadOptions::default()
    };
    let refused =
        |name: &str, bytes: &[u8]| read_as(name, bytes, &options).unwrap_err().to_string();
    let long = format!("a,b\n1,2\n3,{}\n", "x".repeat(200));
    says(
        &refused("a.csv", long.as_bytes()),
        &["line 3", "100", "L0GM_MAX_LINE_MIB"],
    );
    let quoted = format!("a,b\n1,2\n3,\"{}\n", "x\n".repeat(200));
    says(
        &refused("a.csv", quoted.as_bytes()),
        &["line 3", "never closes"],
    );
    says(
        &refused("a.csv", &[b'x'; 3_000]),
        &["2000", "L0GM_MAX_UNPACKED_MIB"],
    );
    says(
        &refused("a.csv", b"a,b,c,d,e,f\n1,2,3,4,5,6\n"),
        &["line 1", "5 columns", "L0GM_MAX_COLUMNS"],
    );
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b'a'; 1 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 2_000);
    says(
        &refused("a.csv.gz", &bomb),
        &["unpacks", "L0GM_MAX_UNPACKED_MIB"],
    );
    let bomb = zstd::encode_all(&vec![b'a'; 1 << 20][..], 3).unwrap();
    says(
        &refused("a.csv.zst", &bomb),
        &["unpacks", "L0GM_MAX_UNPACKED_MIB"],
    );
    let rows: Vec<(&str, ArrayRef)> = vec![("a", Arc::new(Int64Array::from(vec![7; 100_000])))];
    let bytes = parquet(rows);
    assert!(bytes.len() < 2_000, "{}", bytes.len());
    says(
        &refused("a.parquet", &bytes),
        &["unpacks", "L0GM_MAX_UNPACKED_MIB"],
    );
}

#[test]
fn a_line_of_separators_is_refused_before_its_cells_are_held() {
    let caps = Caps {
        columns: 1_000,
        ..Caps::default()
    };
    let options = ReadOptions {
        caps,
        ..ReadOptions::default()
    };
    let commas = ",".repeat(10 << 20);
    for (text, line) in [
        (format!("{commas}\n1\n"), "line 1"),
        (format!("a,b\n1,2\n{commas}\n"), "line 3"),
    ] {
        let start = std::time::Instant::now();
        let error = read_as("a.csv", text, &options).unwrap_err().to_string();
        says(&error, &[line, "1000 columns", "L0GM_MAX_COLUMNS"]);
        assert!(start.elapsed().as_secs() < 10);
    }
}

#[test]
fn messages_stay_short_and_plain() {
    let text = format!("a,b\n1,2\n3,4,{}\n", "\u{1b}[31m".repeat(10_000));
    let names: Vec<String> = (0..5_000).map(|i| format!("col{i}")).collect();
    let wide = format!("{}\n{}\n", names.join(","), vec!["1"; 5_000].join(","));
    let wide = read_as("a.csv", wide, &ReadOptions::default()).unwrap();
    for message in [
        read_as("a.csv", text, &ReadOptions::default())
            .unwrap_err()
            .to_string(),
        wide.column("nothing").unwrap_err().to_string(),
    ] {
        assert!(
            message.len() < 600 && !message.contains('\u{1b}'),
            "{message}"
        );
    }
}

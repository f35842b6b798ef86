//! Rows that are predicted chunk by chunk have the probabilities of the whole file, and columns whose gates are closed
//! need not be there.
#![allow(clippy::unwrap_used)]

use super::compact_file::header;
use super::compaction::model;
use super::{small_csv, small_settings, write};
use crate::{CompactModel, CompactTable, TableStream};
use candle_core::Device;
use l0gm_data::rows::Source;
use l0gm_train::{CompactFolder, RowKeys, RowOptions, RowPredictor};
use std::io::Write;
use std::path::Path;

const ROWS: usize = 9000;

/// The open columns are `age` and `town`, or for any other pattern those it leaves.
const JOB_AND_GAIN_CLOSED: &[f32] = &[
    -9.0, -9.0, -9.0, -9.0, 0.5, 1.5, -9.0, 3.0, 1.0, 2.0, -9.0, 0.3, -9.0, -9.0, -9.0, -9.0,
];

/// A folder with a model without a raw branch, whose gates have these log_alpha.
fn folder(dir: &Path, log_alpha: &[f32]) {
    let mut settings = small_settings();
    settings.model.bypass = false;
    let (model, encoding, _) = model(&settings, log_alpha);
    let compact = CompactModel::new(&model, &encoding).unwrap();
    let parts = compact.parts(&encoding, &settings.data).unwrap();
    CompactFolder::write(dir, header(&["no", "yes"]), parts).unwrap();
}

fn load(dir: &Path) -> CompactTable {
    CompactTable::load(dir, &Device::Cpu).unwrap()
}

fn options(rows: usize, keep: &[&str]) -> RowOptions {
    RowOptions {
        keep: keep.iter().map(|name| (*name).to_owned()).collect(),
        rows,
        separator: None,
    }
}

/// Row numbers, kept cells and probabilities of all rows.
type Answers = (Vec<u64>, Vec<Vec<Option<String>>>, Vec<f64>);

fn all(stream: &mut TableStream) -> crate::Result<Answers> {
    let (mut numbers, mut kept, mut values) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(rows) = stream.next_rows()? {
        let RowKeys::Numbers(found) = rows.keys else {
            panic!("rows have numbers");
        };
        for row in 0..found.len() {
            kept.push(rows.kept.iter().map(|cells| cells[row].clone()).collect());
            values.extend(rows.probabilities.row(row));
        }
        numbers.extend(found);
    }
    Ok((numbers, kept, values))
}

/// Rows with a key that holds quotes, separators and line ends, and cells that training did not meet.
fn new_rows(rows: usize) -> String {
    let cells = small_csv(rows);
    let lines = cells.lines().skip(1).enumerate().map(|(i, line)| {
        let key = format!("\"key {i}\nof \"\"two\"\" lines, or more\"");
        let line = if i % 50 == 3 {
            "pilot,700,west,,no"
        } else {
            line
        };
        format!("{key},{line}\n")
    });
    format!("key,job,age,town,gain,label\n{}", lines.collect::<String>())
}

#[test]
fn chunks_of_any_size_have_the_probabilities_of_the_whole_file_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path(), &[-3.0, 0.4, 2.0, -0.2, 1.0, -5.0, 0.1]);
    // More rows than are predicted at once.
    let text = new_rows(ROWS);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Default::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let paths = [
        write(dir.path(), "new.csv", &text),
        write(dir.path(), "new.csv.gz", gzip.finish().unwrap()),
    ];
    let (whole, said) = load(dir.path())
        .predict_rows(&Source::path(&paths[0]))
        .unwrap();
    let expected: Vec<u64> = (0..ROWS)
        .flat_map(|row| whole.row(row))
        .map(|p| p.to_bits())
        .collect();
    for path in paths {
        for chunk in [7, 64, 1000, 5000, 20_000] {
            let options = options(chunk, &["key", "label"]);
            let mut stream = load(dir.path())
                .stream(&Source::path(&path), &options)
                .unwrap();
            let (numbers, kept, values) = all(&mut stream).unwrap();
            assert_eq!(numbers, (1..=ROWS as u64).collect::<Vec<u64>>());
            let bits: Vec<u64> = values.iter().map(|p| p.to_bits()).collect();
            assert_eq!(bits, expected, "{chunk}");
            assert_eq!(
                kept[5][0].as_deref(),
                Some("key 5\nof \"two\" lines, or more")
            );
            assert_eq!(stream.share(), Some(1.0));
            // What is said is that of the whole file too.
            let mut remarks = stream.said();
            remarks.extend(
                stream
                    .unseen()
                    .unwrap()
                    .into_iter()
                    .map(|unseen| unseen.remark),
            );
            assert_eq!(remarks, said);
        }
    }
    let unseen: Vec<(String, u64)> = {
        let path = write(dir.path(), "new.csv", &text);
        let mut stream = load(dir.path())
            .stream(&Source::path(path), &options(64, &[]))
            .unwrap();
        all(&mut stream).unwrap();
        stream
            .unseen()
            .unwrap()
            .into_iter()
            .map(|u| (u.column, u.cells))
            .collect()
    };
    let of = |name: &str| unseen.iter().find(|(column, _)| column == name).unwrap().1;
    assert_eq!(
        (of("job"), of("town"), of("age")),
        (180, 180, 180),
        "{unseen:?}"
    );
}

#[test]
fn a_column_whose_gate_is_closed_need_not_be_there_and_an_open_one_must() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path(), JOB_AND_GAIN_CLOSED);
    let model = load(dir.path());
    let columns: Vec<String> = model
        .columns()
        .into_iter()
        .map(|field| field.name)
        .collect();
    assert_eq!(columns, ["town", "age"]);
    // Nothing that was fitted on closed columns is in the folder.
    let json = std::fs::read_to_string(dir.path().join("model.json")).unwrap();
    assert!(json.contains("north") && !json.contains("smith"), "{json}");
    let both = write(
        dir.path(),
        "both.csv",
        "age,job,town,gain\n30,cook,north,1\n50,smith,south,2\n",
    );
    let only = write(dir.path(), "only.csv", "town,age\nnorth,30\nsouth,50\n");
    let found = model.predict_file(&only).unwrap();
    assert_eq!(found, model.predict_file(&both).unwrap());
    let without = write(dir.path(), "without.csv", "age,twon\n30,north\n");
    let mut stream = load(dir.path())
        .stream(&Source::path(&without), &options(5, &[]))
        .unwrap();
    let text = stream.next_rows().unwrap_err().to_string();
    assert!(text.contains("without.csv: has no column 'town'"), "{text}");
    let mut stream = load(dir.path())
        .stream(&Source::path(&only), &options(5, &["id"]))
        .unwrap();
    let text = stream.next_rows().unwrap_err().to_string();
    assert!(text.contains("has no column 'id'"), "{text}");
}

#[test]
fn a_model_of_which_nothing_is_open_predicts_any_rows() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path(), &[-9.0]);
    let model = load(dir.path());
    assert!(model.columns().is_empty());
    let path = write(dir.path(), "any.csv", "word\none\ntwo\nthree\n");
    let found = model.predict_file(&path).unwrap();
    assert_eq!(found.rows(), 3);
    assert_eq!(found.row(0), found.row(2));
}

#[test]
fn a_folder_of_format_1_with_closed_columns_is_read_and_does_not_need_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = small_settings();
    settings.model.bypass = false;
    let (model, encoding, input) = model(&settings, JOB_AND_GAIN_CLOSED);
    let compact = CompactModel::new(&model, &encoding).unwrap();
    let mut parts = compact.whole_parts(encoding, &settings.data).unwrap();
    parts.label = None;
    CompactFolder::write(dir.path(), header(&["no", "yes"]), parts).unwrap();
    let json = dir.path().join("model.json");
    let text = std::fs::read_to_string(&json).unwrap();
    assert!(text.contains("smith"));
    std::fs::write(&json, text.replace("\"format\": 2", "\"format\": 1")).unwrap();
    let loaded = load(dir.path());
    assert_eq!(loaded.header().format, 1);
    let rows: String = small_csv(120)
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            format!("{},{}\n", cells[1], cells[2])
        })
        .collect();
    let path = write(dir.path(), "rows.csv", rows);
    let rows = loaded.read_rows(&Source::path(&path)).unwrap().0;
    let found = loaded.logits(rows).unwrap().to_vec2::<f32>().unwrap();
    // Dropping columns that are not read changes no bit.
    assert_eq!(
        found,
        compact.logits(&input).unwrap().to_vec2::<f32>().unwrap()
    );
}

#[test]
fn the_first_chunk_decides_on_number_marks_and_the_order_of_dates() {
    let dir = tempfile::tempdir().unwrap();
    let train: String = (1..=60)
        .map(|i| {
            format!(
                "{},2021-{:02}-{:02},{}\n",
                i,
                i % 12 + 1,
                i % 28 + 1,
                ["no", "yes"][i % 2]
            )
        })
        .collect();
    let path = write(dir.path(), "train.csv", format!("pay,day,label\n{train}"));
    let settings = crate::TabularSettings {
        data: crate::DataSettings {
            label: Some("label".into()),
            ..Default::default()
        },
        ..small_settings()
    };
    let loaded = crate::LoadedTable::load_file(&path, &settings.data).unwrap();
    let all_rows: Vec<u32> = (0..60).collect();
    let encoding =
        crate::Encoding::fit(&loaded.table, &loaded.schema, &all_rows, &settings.encoding).unwrap();
    let model = crate::build_model(&encoding, 2, true, &settings, 0, &Device::Cpu).unwrap();
    let compact = CompactModel::new(&model, &encoding).unwrap();
    let parts = compact.parts(&encoding, &settings.data).unwrap();
    let home = dir.path().join("compact");
    CompactFolder::write(&home, header(&["no", "yes"]), parts).unwrap();
    // Only the first rows show the comma, and that the day comes first.
    let new = "pay;day\n1,5;13/02/2021\n2,5;14/02/2021\n3.000;03/04/2021\n4.000;05/06/2021\n";
    let path = write(dir.path(), "new.csv", new);
    let whole = load(&home).predict_file(&path).unwrap();
    let mut stream = load(&home)
        .stream(&Source::path(&path), &options(2, &[]))
        .unwrap();
    let (_, _, values) = all(&mut stream).unwrap();
    let expected: Vec<f64> = (0..4).flat_map(|row| whole.row(row).to_vec()).collect();
    assert_eq!(values, expected);
}

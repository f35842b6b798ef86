//! Bad input gives a single error that names the file, the place, what was expected and what was found.
#![allow(clippy::unwrap_used)]

use super::{small_csv, small_settings, write};
use crate::{LoadedTable, TabularModality};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_train::{Modality, SpecRequest};
use parquet::arrow::ArrowWriter;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

fn error_of(name: &str, content: impl AsRef<[u8]>) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), name, content);
    let error = LoadedTable::load_file(&path, &small_settings().data);
    let text = error.map(|_| ()).unwrap_err().to_string();
    assert!(text.contains(name), "the file is not named: {text}");
    assert!(!text.contains('\n'), "more than one line: {text}");
    text
}

fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "'{part}' is missing in: {text}");
    }
}

#[test]
fn a_row_with_too_few_or_too_many_fields_is_named() {
    let short = small_csv(5) + "cook,30,north\n" + "cook,31,north,1,yes\n";
    assert_says(
        &error_of("a.csv", short),
        &["line 7", "expected 5 cells", "found 3"],
    );
    let long = small_csv(3) + "cook,30,north,1,yes,more\n";
    assert_says(
        &error_of("a.csv", long),
        &["line 5", "expected 5 cells", "found 6"],
    );
}

#[test]
fn a_label_outside_the_classes_is_named_with_its_row() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "a.csv", small_csv(9) + "cook,30,north,1,yess\n");
    let mut settings = small_settings().data;
    settings.classes = Some(vec!["no".into(), "yes".into()]);
    let text = LoadedTable::load_file(&path, &settings)
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert_says(
        &text,
        &[
            "a.csv",
            "line 11",
            "'label'",
            "'no', 'yes'",
            "'yess'",
            "did you mean 'yes'",
        ],
    );
}

#[test]
fn a_missing_label_is_named_with_its_row() {
    let text = error_of("a.csv", small_csv(4) + "cook,30,north,1,\n");
    assert_says(&text, &["line 6", "'label'", "a label", "drop-unlabelled"]);
}

#[test]
fn a_third_label_in_adult_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let row = "39, Private, 7, HS-grad, 9, Divorced, Sales, Husband, White, Male, 0, 0, 40, Cuba, ";
    write(dir.path(), "adult.data", format!("{row}<=50K\n{row}>50K\n"));
    write(
        dir.path(),
        "adult.test",
        format!("|1x3 Cross validator\n{row}<=50K.\n{row}>60K.\n"),
    );
    let text = LoadedTable::load_adult(dir.path(), &Default::default())
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert_says(
        &text,
        &[
            "adult.test",
            "line 3",
            "'income'",
            "'<=50K', '>50K'",
            "'>60K'",
        ],
    );
}

#[test]
fn an_empty_file_and_a_header_without_rows_are_named() {
    assert_says(&error_of("a.csv", ""), &["is empty"]);
    assert_says(&error_of("a.csv", "job,age,label\n"), &["is empty", "rows"]);
    assert_says(&error_of("a.arff", ""), &["is empty"]);
}

#[test]
fn a_parquet_without_the_label_column_names_the_nearest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let labels: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let ages: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    write_parquet(&path, vec![("Labels", labels), ("age", ages)]);
    let error = LoadedTable::load_file(&path, &small_settings().data);
    let text = error.map(|_| ()).unwrap_err().to_string();
    assert_says(
        &text,
        &["a.parquet", "no column 'label'", "did you mean 'Labels'?"],
    );
}

#[test]
fn a_file_that_is_no_parquet_is_named() {
    assert_says(
        &error_of("a.parquet", "job,age\n"),
        &["not readable Parquet"],
    );
}

#[test]
fn invalid_utf8_is_named_with_its_line() {
    let mut bytes = small_csv(3).into_bytes();
    bytes.extend(b"co\xffok,30,north,1,yes\n");
    assert_says(&error_of("a.csv", &bytes), &["line 5", "UTF-8", "0xff"]);
    let arff = b"@relation r\n@attribute a string\n@data\nx\n\xff\n";
    assert_says(&error_of("a.arff", arff), &["line 5", "UTF-8"]);
}

#[test]
fn overflow_and_infinity_in_a_number_column_are_named_with_row_and_column() {
    for bad in ["1e999", "inf", "-Infinity"] {
        let text = error_of("a.csv", small_csv(6) + &format!("cook,{bad},north,1,yes\n"));
        assert_says(&text, &["line 8", "'age'", "finite number", bad]);
    }
}

#[test]
fn a_word_in_a_number_column_is_named_rather_than_taken_for_a_category() {
    let text = error_of("a.csv", small_csv(60) + "cook,old,north,1,yes\n");
    assert_says(&text, &["line 62", "'age'", "a number", "'old'"]);
}

#[test]
fn unknown_and_impossible_settings_are_refused_by_name() {
    let catalogue = Catalogue::new(DataOptions {
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    });
    let modality = TabularModality::new(catalogue.unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "a.csv", small_csv(50));
    let dataset = path.to_str().unwrap();
    let spec = |method: &str, overrides| {
        let spec = modality.spec(&SpecRequest {
            lambda: Some(1e-3),
            overrides: &overrides,
            ..SpecRequest::new(dataset, method)
        });
        spec.map(|_| ()).unwrap_err().to_string()
    };
    let label = json!({"label": "label"});
    let unknown = spec("l0gm", json!({"data": label, "model": {"dropuot": 0.1}}));
    assert_says(&unknown, &["dropuot", "dropout"]);
    let outside = spec("l0gm", json!({"data": label, "model": {"dropout": 1.0}}));
    assert_says(&outside, &["model.dropout", "1.0", "below 1"]);
    let method = spec("logm", json!({"data": label}));
    assert_says(&method, &["logm", "l0gm"]);
    assert_says(&spec("l0gm", json!({})), &["data.label", "a.csv"]);
    let negative = modality.spec(&SpecRequest {
        lambda: Some(-1.0),
        overrides: &json!({"data": label}),
        ..SpecRequest::new(dataset, "l0gm")
    });
    assert_says(
        &negative.map(|_| ()).unwrap_err().to_string(),
        &["lambda", "-1"],
    );
}

fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

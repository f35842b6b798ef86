//! What is written is what is read, in every format.
#![allow(clippy::unwrap_used)]

use super::{texts, write};
use crate::{
    CsvFormat, DataSettings, FieldKind, LoadedTable, Schema, read_adult, read_arff, read_csv,
    read_parquet,
};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use std::sync::Arc;

/// Rows of (category, number), either of which may be missing.
fn rows() -> impl Strategy<Value = Vec<(Option<String>, Option<f64>)>> {
    let category = proptest::option::of("[a-zA-Z ,\"';é-]{0,6}[a-z]");
    let number = proptest::option::of(-1e12..1e12f64);
    proptest::collection::vec(
        (
            category.prop_map(|c| c.map(|c| c.trim().to_owned())),
            number,
        ),
        1..40,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_table_written_as_csv_parquet_and_arff_reads_back_equal(rows in rows()) {
        let dir = tempfile::tempdir().unwrap();
        let expected = vec![
            ("town".to_owned(), rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>()),
            ("x".to_owned(), rows.iter().map(|row| row.1.map(|x| x.to_string())).collect()),
        ];

        let mut writer = csv::Writer::from_path(dir.path().join("t.csv")).unwrap();
        writer.write_record(["town", "x"]).unwrap();
        for (town, x) in &rows {
            let x = x.map_or("?".to_owned(), |x| x.to_string());
            writer.write_record([town.as_deref().unwrap_or("?"), &x]).unwrap();
        }
        writer.flush().unwrap();
        drop(writer);
        let table = read_csv(&dir.path().join("t.csv"), &CsvFormat::default()).unwrap();
        prop_assert_eq!(texts(table.columns()), expected.clone());

        let towns: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.0.clone())));
        let xs: ArrayRef = Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.1)));
        let batch = RecordBatch::try_from_iter_with_nullable([("town", towns, true), ("x", xs, true)]).unwrap();
        let file = std::fs::File::create(dir.path().join("t.parquet")).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let table = read_parquet(&dir.path().join("t.parquet"), &["?".into()]).unwrap();
        prop_assert_eq!(texts(table.columns()), expected.clone());

        let mut arff = "% a comment\n@RELATION r\n@attribute town string\n@attribute 'x' REAL\n@DATA\n".to_owned();
        for (town, x) in &rows {
            let town = town.as_ref().map_or("?".to_owned(), |town| format!("'{}'", town.replace('\'', "\\'")));
            arff += &format!("{town}, {}\n", x.map_or("?".to_owned(), |x| x.to_string()));
        }
        let path = write(dir.path(), "t.arff", arff);
        prop_assert_eq!(texts(read_arff(&path, &[]).unwrap().columns()), expected);
    }
}

#[test]
fn kinds_are_inferred_and_overridden() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(
        dir.path(),
        "t.csv",
        "zip,age,town,y\n1,2.5,a,1\n2,?,b,10\n1,1e3,,2\n",
    );
    let mut settings = DataSettings {
        label: Some("y".into()),
        categorical: vec!["zip".into()],
        ..DataSettings::default()
    };
    let loaded = LoadedTable::load_file(&path, &settings).unwrap();
    let kinds: Vec<FieldKind> = loaded
        .schema
        .fields
        .iter()
        .map(|field| field.kind)
        .collect();
    let (category, number) = (FieldKind::Categorical, FieldKind::Numeric);
    assert_eq!(kinds, [category, number, category]);
    assert_eq!(loaded.schema.classes, ["1", "2", "10"]); // as numbers
    assert_eq!(loaded.labels, [0, 2, 1]);
    settings.ignore = vec!["town".into(), "zip".into()];
    settings.categorical.clear();
    let table = read_csv(&path, &CsvFormat::default()).unwrap();
    let schema = Schema::infer(&table, &settings).unwrap();
    assert_eq!(schema.fields.len(), 1);
}

#[test]
fn adult_reads_labels_with_and_without_a_full_stop_and_skips_the_comment() {
    let dir = tempfile::tempdir().unwrap();
    let row = "39, ?, 7, HS-grad, 9, Divorced, Sales, Husband, White, Male, 0, 0, 40, Cuba, ";
    write(
        dir.path(),
        "adult.data",
        format!("{row}<=50K\n{row}>50K\n\n"),
    );
    write(
        dir.path(),
        "adult.test",
        format!("|1x3 Cross validator\n{row}>50K.\n\n"),
    );
    let (table, train_rows) = read_adult(dir.path()).unwrap();
    assert_eq!((table.rows(), train_rows), (3, 2));
    assert_eq!(table.place(2).1, 2); // the comment is line 1
    let loaded = LoadedTable::load_adult(dir.path(), &DataSettings::default()).unwrap();
    assert_eq!(loaded.labels, [0, 1, 1]);
    assert_eq!(
        loaded.table.column("workclass").unwrap().cells.text(0),
        None
    );
}

#[test]
fn the_real_adult_has_its_published_counts() {
    let Some(dir) = l0gm_test_data::dataset("adult") else {
        return;
    };
    let loaded = LoadedTable::load_adult(&dir, &DataSettings::default()).unwrap();
    assert_eq!(loaded.table.rows(), 48_842);
    assert_eq!(loaded.official_train_rows, Some(32_561));
    assert_eq!(loaded.labels.iter().sum::<u32>(), 11_687);
    let numeric = loaded
        .schema
        .fields
        .iter()
        .filter(|f| f.kind == FieldKind::Numeric);
    assert_eq!(numeric.count(), 6);
    let split = loaded.split(&crate::TabularSettings::default(), 0).unwrap();
    let sizes = (split.train.len(), split.valid.len(), split.test.len());
    assert_eq!(sizes, (35_165, 3_908, 9_769));
}

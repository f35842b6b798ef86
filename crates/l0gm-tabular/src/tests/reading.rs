//! How columns are read, and the real Adult.
#![allow(clippy::unwrap_used)]

use super::write;
use crate::{DataSettings, FieldKind, LoadedTable, read_adult};
use l0gm_data::rows::Place;

#[test]
fn kinds_are_inferred_and_overridden() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(
        dir.path(),
        "t.csv",
        "zip,age,town,y\n1,2.5,a,1\n2,?,b,10\n1,1e3,,2\n1,2,a,1\n",
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
    let reported = [("category".to_owned(), 2), ("number".to_owned(), 1)];
    assert_eq!(loaded.summary.kinds, reported.into());
    assert_eq!(loaded.schema.classes, ["1", "2", "10"]); // as numbers
    assert_eq!(loaded.labels, [0, 2, 1, 0]);
    settings.ignore = vec!["town".into(), "zip".into()];
    settings.categorical.clear();
    let loaded = LoadedTable::load_file(&path, &settings).unwrap();
    assert_eq!(loaded.schema.fields.len(), 1);
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
    let (table, train_rows) = read_adult(dir.path(), &[]).unwrap();
    assert_eq!((table.rows(), train_rows), (3, 2));
    assert_eq!(table.place(2), Place::Line(2)); // the comment is line 1
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

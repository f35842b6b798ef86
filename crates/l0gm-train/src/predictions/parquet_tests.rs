//! Tests of the predictions file: what is written, what is read back, and what is refused.
#![allow(clippy::unwrap_used)]

use super::*;

fn tables() -> Vec<PredictionTable> {
    vec![
        PredictionTable {
            split: Split::Valid,
            rows: vec![0, 1, 2],
            labels: vec![0, 1, 2],
            logits: vec![1.0, -1.0, 0.5, 0.1, 0.2, 0.3, f32::MIN_POSITIVE, 0.0, 9.0],
            classes: 3,
        },
        PredictionTable {
            split: Split::Test,
            rows: vec![0, 7],
            labels: vec![2, 2],
            logits: vec![0.0, 1.0, 2.0, -3.0, 1e30, 4.0],
            classes: 3,
        },
    ]
}

#[test]
fn predictions_come_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    write_predictions(&path, &tables(), Legend::default()).unwrap();
    assert_eq!(read_predictions(&path).unwrap(), tables());
    let first = std::fs::read(&path).unwrap();
    write_predictions(&path, &tables(), Legend::default()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), first);
}

#[test]
fn probabilities_sum_to_one_and_nll_is_their_logarithm() {
    let table = &tables()[0];
    let p = table.probabilities();
    for row in p.chunks(3) {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    let nll = -(p[0].ln() + p[4].ln() + p[8].ln()) / 3.0;
    assert!((table.nll() - nll).abs() < 1e-12);
    assert!((table.accuracy() - 2.0 / 3.0).abs() < 1e-12);
}

#[test]
fn tables_that_do_not_fit_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let mut bad = tables();
    bad[1].labels.pop();
    assert!(write_predictions(&path, &bad, Legend::default()).is_err());
    assert!(!path.exists());
}

#[test]
fn no_changed_byte_makes_reading_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    write_predictions(&path, &tables(), Legend::default()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for change in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            std::fs::write(&path, &bytes).unwrap();
            if let Err(error) = read_predictions(&path) {
                let text = error.to_string();
                assert!(text.contains("predictions.parquet"), "byte {at}: {text}");
            }
        }
    }
}

#[test]
fn a_truncated_file_and_another_file_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    write_predictions(&path, &tables(), Legend::default()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    let text = read_predictions(&path).unwrap_err().to_string();
    assert!(
        text.contains("predictions.parquet") && text.contains("delete it"),
        "{text}"
    );

    // A Parquet file with other columns than a prediction file's.
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::UInt32, false)]));
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(UInt32Array::from(vec![1]))]);
    let file = File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema, None).unwrap();
    writer.write(&batch.unwrap()).unwrap();
    writer.close().unwrap();
    let text = read_predictions(&path).unwrap_err().to_string();
    assert!(
        text.contains("logit_0") && text.contains("its columns: x"),
        "{text}"
    );
}

/// Names of the classes and places of the rows of [`tables`].
fn named() -> (Vec<String>, Origins) {
    let file: Arc<str> = "own.csv".into();
    let rows = |numbers: &[u64]| RowOrigins {
        files: vec![file.clone(); numbers.len()],
        keys: RowKeys::Numbers(numbers.to_vec()),
    };
    let classes = ["a", "b, quoted \"b\"", "ç"].map(str::to_owned).to_vec();
    let origins = Origins {
        valid: rows(&[9, 2, 4]),
        test: rows(&[1, 7]),
    };
    (classes, origins)
}

/// The file's rows as one batch, and the classes' names in its metadata.
fn whole(path: &Path) -> (RecordBatch, Option<String>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let told = builder.metadata().file_metadata().key_value_metadata();
    let told = told.and_then(|pairs| pairs.iter().find(|pair| pair.key == CLASSES).cloned());
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(|b| b.unwrap()).collect();
    let joined = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    (joined, told.and_then(|pair| pair.value))
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    let column: &StringArray = column(batch, name, Path::new("")).unwrap();
    column.iter().map(|cell| cell.unwrap().to_owned()).collect()
}

#[test]
fn rows_and_classes_are_named_and_probabilities_have_all_their_digits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let (classes, origins) = named();
    let legend = Legend {
        classes: &classes,
        origins: Some(&origins),
    };
    write_predictions(&path, &tables(), legend).unwrap();
    assert_eq!(read_predictions(&path).unwrap(), tables());
    let (batch, told) = whole(&path);
    let told: Vec<String> = serde_json::from_str(&told.unwrap()).unwrap();
    assert_eq!(told, classes);
    assert_eq!(texts(&batch, "source_file"), ["own.csv"; 5]);
    let rows: &UInt64Array = column(&batch, "source_row", &path).unwrap();
    assert_eq!(rows.values().to_vec(), [9, 2, 4, 1, 7]);
    let names = |labels: &[usize]| -> Vec<String> {
        labels.iter().map(|&label| classes[label].clone()).collect()
    };
    assert_eq!(texts(&batch, "label_class"), names(&[0, 1, 2, 2, 2]));
    assert_eq!(texts(&batch, "predicted_class"), names(&[0, 2, 2, 2, 1]));
    let p: &Float64Array = column(&batch, "p_2", &path).unwrap();
    let expected: Vec<f64> = tables()
        .iter()
        .flat_map(|table| table.probabilities().into_iter().skip(2).step_by(3))
        .collect();
    assert_eq!(p.values().to_vec(), expected);
}

#[test]
fn rows_may_have_names_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let rows = |names: &[&str]| RowOrigins {
        files: Vec::new(),
        keys: RowKeys::Names(names.iter().map(|name| (*name).to_owned()).collect()),
    };
    let origins = Origins {
        valid: rows(&["x", "y", "z"]),
        test: rows(&["007", "7"]),
    };
    let legend = Legend {
        origins: Some(&origins),
        ..Legend::default()
    };
    write_predictions(&path, &tables(), legend).unwrap();
    let (batch, told) = whole(&path);
    assert_eq!(texts(&batch, "source_row"), ["x", "y", "z", "007", "7"]);
    assert!(batch.column_by_name("source_file").is_none() && told.is_none());
}

#[test]
fn names_that_do_not_belong_to_the_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let (classes, mut origins) = named();
    let legend = Legend {
        classes: &classes[..2],
        origins: None,
    };
    let text = write_predictions(&path, &tables(), legend)
        .unwrap_err()
        .to_string();
    assert!(text.contains("2 names for the 3 classes"), "{text}");
    origins.test = origins.test.select(&[0]);
    let legend = Legend {
        classes: &classes,
        origins: Some(&origins),
    };
    let text = write_predictions(&path, &tables(), legend)
        .unwrap_err()
        .to_string();
    assert!(text.contains("the test split has 2 rows"), "{text}");
    assert!(!path.exists());
}

#[test]
fn a_file_of_an_earlier_version_is_still_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    // Neither places nor names of classes, and probabilities in f32.
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("split", Arc::new(StringArray::from(vec!["valid", "test"]))),
        ("row", Arc::new(UInt32Array::from(vec![0, 0]))),
        ("label", Arc::new(UInt32Array::from(vec![1, 0]))),
        ("logit_0", Arc::new(Float32Array::from(vec![0.5, 2.0]))),
        ("logit_1", Arc::new(Float32Array::from(vec![1.5, -1.0]))),
        ("p_0", Arc::new(Float32Array::from(vec![0.27, 0.95]))),
        ("p_1", Arc::new(Float32Array::from(vec![0.73, 0.05]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let tables = read_predictions(&path).unwrap();
    assert_eq!((tables.len(), tables[0].split), (2, Split::Valid));
    assert_eq!(tables[1].logits, [2.0, -1.0]);
    assert_eq!(tables[0].labels, [1]);
}

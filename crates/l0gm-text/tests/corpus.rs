//! Texts from every kind of file, and the errors for bad files.
#![allow(clippy::unwrap_used)]

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use l0gm_text::{Columns, Corpus, TextData};
use parquet::arrow::ArrowWriter;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const COLUMNS: Columns<'static> = Columns {
    text: "text",
    label: "label",
};

fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn strings(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn file(name: &str, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    (dir, path)
}

fn message(path: &Path, classes: &[&str]) -> String {
    let classes: Vec<String> = classes.iter().map(|c| (*c).to_string()).collect();
    let message = TextData::file(path, COLUMNS, &classes)
        .unwrap_err()
        .to_string();
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(message.contains(name), "the file is not named: {message}");
    message
}

/// Texts and labels, without where they came from.
fn read(corpus: &Corpus) -> (&[String], &[u32]) {
    (&corpus.texts, &corpus.labels)
}

#[test]
fn imdb_reads_the_same_from_parquet_and_from_the_folder_of_files() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, folder) = (dir.path().join("hub"), dir.path().join("original"));
    fs::create_dir_all(hub.join("plain_text")).unwrap();
    for split in ["train", "test"] {
        let labels: ArrayRef = Arc::new(Int64Array::from(vec![0, 0, 1]));
        let text = [
            format!("{split} bad"),
            format!("{split} dull"),
            format!("{split} good"),
        ];
        let path = hub.join(format!("plain_text/{split}-00000-of-00001.parquet"));
        write_parquet(
            &path,
            vec![
                ("text", strings(&text.each_ref().map(String::as_str))),
                ("label", labels),
            ],
        );
        for (name, text) in ["neg/0_1.txt", "neg/1_2.txt", "pos/0_9.txt"]
            .iter()
            .zip(&text)
        {
            let path = folder.join("aclImdb").join(split).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let (a, b) = (
        TextData::imdb(&hub).unwrap(),
        TextData::imdb(&folder).unwrap(),
    );
    assert_eq!(read(&a.train), read(&b.train));
    let (a_test, b_test) = (a.test.as_ref().map(read), b.test.as_ref().map(read));
    assert_eq!(a_test, b_test);
    assert_eq!(a.train.labels, [0, 0, 1]);
    assert_eq!(a.train.texts[2], "train good");
    assert_eq!(a.classes, ["negative", "positive"]);
}

#[test]
fn csv_and_parquet_read_the_same() {
    let (_dir, csv) = file("a.csv", b"id,label,text\n1,yes,\"one, two\"\n2,no,three\n");
    let parquet = csv.with_file_name("a.parquet");
    write_parquet(
        &parquet,
        vec![
            ("text", strings(&["one, two", "three"])),
            ("label", strings(&["yes", "no"])),
        ],
    );
    let (a, b) = (
        TextData::file(&csv, COLUMNS, &[]).unwrap(),
        TextData::file(&parquet, COLUMNS, &[]).unwrap(),
    );
    assert_eq!(read(&a.train), read(&b.train));
    assert_eq!(a.classes, ["no", "yes"]);
    assert_eq!(a.train.labels, [1, 0]);
}

#[test]
fn labels_may_be_numbers_or_booleans() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("n.parquet");
    write_parquet(
        &path,
        vec![
            ("text", strings(&["a", "b", "c"])),
            ("label", Arc::new(Int64Array::from(vec![10, 9, 10]))),
        ],
    );
    let data = TextData::file(&path, COLUMNS, &[]).unwrap();
    assert_eq!(
        (data.classes, data.train.labels),
        (vec!["9".to_string(), "10".into()], vec![1, 0, 1])
    );
    write_parquet(
        &path,
        vec![
            ("text", strings(&["a", "b"])),
            ("label", Arc::new(BooleanArray::from(vec![true, false]))),
        ],
    );
    let data = TextData::file(&path, COLUMNS, &[]).unwrap();
    assert_eq!(
        (data.classes, data.train.labels),
        (vec!["false".to_string(), "true".into()], vec![1, 0])
    );
}

#[test]
fn a_missing_column_is_named_with_the_nearest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.parquet");
    write_parquet(
        &path,
        vec![("texts", strings(&["a"])), ("label", strings(&["x"]))],
    );
    let text = message(&path, &[]);
    assert!(
        text.contains("no column 'text'") && text.contains("did you mean 'texts'?"),
        "{text}"
    );
    let (_dir, csv) = file("m.csv", b"text,lable\na,x\n");
    let text = message(&csv, &[]);
    assert!(
        text.contains("no column 'label'") && text.contains("did you mean 'lable'?"),
        "{text}"
    );
}

#[test]
fn a_column_of_another_kind_is_refused_and_a_missing_text_is_empty_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.parquet");
    write_parquet(
        &path,
        vec![
            ("text", Arc::new(Int64Array::from(vec![1, 2]))),
            ("label", strings(&["x", "y"])),
        ],
    );
    let text = message(&path, &[]);
    assert!(text.contains("column 'text' holds numbers"), "{text}");
    let gap: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    write_parquet(&path, vec![("text", gap), ("label", strings(&["x", "y"]))]);
    let data = TextData::file(&path, COLUMNS, &[]).unwrap();
    assert_eq!(data.train.texts, ["a", ""]);
    let notes = data.found.notes.join("\n");
    assert!(notes.contains("1 rows have no text"), "{notes}");
}

#[test]
fn a_label_outside_the_classes_is_named_with_its_row() {
    let (_dir, path) = file("l.csv", b"text,label\na,pos\nb,neg\nc,negg\n");
    let text = message(&path, &["neg", "pos"]);
    assert!(
        text.contains("line 4") && text.contains("'negg'") && text.contains("did you mean 'neg'?"),
        "{text}"
    );
}

#[test]
fn an_imdb_label_of_the_unlabelled_part_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("plain_text")).unwrap();
    for split in ["train", "test"] {
        let path = dir
            .path()
            .join(format!("plain_text/{split}-00000-of-00001.parquet"));
        write_parquet(
            &path,
            vec![
                ("text", strings(&["a", "b"])),
                ("label", Arc::new(Int64Array::from(vec![0, -1]))),
            ],
        );
    }
    let text = TextData::imdb(dir.path()).unwrap_err().to_string();
    assert!(text.contains("row 2") && text.contains("-1"), "{text}");
}

#[test]
fn invalid_utf8_is_named_with_its_line() {
    let (_dir, path) = file("u.csv", b"text,label\nfine,x\n\xff\xfe bad,y\n");
    let text = message(&path, &[]);
    assert!(text.contains("line 3") && text.contains("UTF-8"), "{text}");
}

#[test]
fn a_row_with_too_few_fields_is_named_with_its_line() {
    let (_dir, path) = file("f.csv", b"text,label\nfine,x\nalone\n");
    let text = message(&path, &[]);
    assert!(
        text.contains("line 3") && text.contains("expected 2 cells"),
        "{text}"
    );
}

#[test]
fn an_empty_file_is_an_error() {
    let (_dir, path) = file("e.csv", b"");
    assert!(message(&path, &[]).contains("empty"));
    let (_dir, path) = file("h.csv", b"text,label\n");
    assert!(message(&path, &["a", "b"]).contains("no rows of data"));
    let (_dir, path) = file("e.parquet", b"");
    assert!(message(&path, &[]).contains("not readable Parquet"));
}

#[test]
fn one_class_is_too_few() {
    let (_dir, path) = file("o.csv", b"text,label\na,x\nb,x\n");
    assert!(message(&path, &[]).contains("1 distinct value"));
}

#[test]
fn the_real_imdb_has_its_official_counts() {
    let Some(dir) = l0gm_test_data::dataset("imdb") else {
        return;
    };
    let data = TextData::imdb(&dir).unwrap();
    for corpus in [&data.train, data.test.as_ref().unwrap()] {
        assert_eq!(corpus.rows(), 25_000);
        assert_eq!(corpus.labels.iter().filter(|&&l| l == 1).count(), 12_500);
    }
}

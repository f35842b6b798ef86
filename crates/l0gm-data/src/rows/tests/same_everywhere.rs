//! A table has the same meaning as CSV, as Parquet and as ARFF.
#![allow(clippy::unwrap_used)]

use super::super::{Kind, ReadOptions, Typed, dates::DateOrder};
use super::{column, parquet, read_as, says};
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array, Int32Array,
    Int64Array, ListArray, NullArray, StringArray, TimestampNanosecondArray,
};
use arrow::datatypes::Int32Type;
use proptest::prelude::*;
use std::sync::Arc;

#[test]
fn typed_columns_read_like_their_text() {
    let dictionary = DictionaryArray::<Int32Type>::new(
        Int32Array::from(vec![Some(0), None, Some(1)]),
        Arc::new(Int64Array::from(vec![7, 9])),
    );
    let words: DictionaryArray<Int32Type> = vec![Some("a"), Some("NA"), None].into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "int",
            Arc::new(Int64Array::from(vec![
                Some(1),
                None,
                Some(1_609_459_200_000_000_001),
            ])),
        ),
        (
            "float",
            Arc::new(Float64Array::from(vec![
                Some(1.0),
                Some(f64::NAN),
                Some(0.1),
            ])),
        ),
        ("single", Arc::new(Float32Array::from(vec![0.1, 2.0, 1e20]))),
        (
            "flag",
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
        ),
        (
            "day",
            Arc::new(Date32Array::from(vec![Some(18_851), None, Some(0)])),
        ),
        (
            "at",
            Arc::new(
                TimestampNanosecondArray::from(vec![0, 5_400_000_000_000, -1]).with_timezone("UTC"),
            ),
        ),
        ("dictionary", Arc::new(dictionary)),
        ("words", Arc::new(words)),
        ("none", Arc::new(NullArray::new(3))),
        (
            "text",
            Arc::new(StringArray::from(vec![Some(" a "), Some("?"), Some("")])),
        ),
    ];
    let table = read_as("a.parquet", parquet(columns), &ReadOptions::default()).unwrap();
    let expect = |name: &str, cells: [&str; 3]| {
        let cells: Vec<Option<String>> = cells
            .map(|c| (!c.is_empty()).then(|| c.to_owned()))
            .to_vec();
        assert_eq!(column(&table, name), cells, "{name}");
    };
    expect("int", ["1", "", "1609459200000000001"]);
    expect("float", ["1", "", "0.1"]);
    expect("single", ["0.1", "2", "1e20"]);
    expect("flag", ["true", "false", ""]);
    expect("day", ["2021-08-12", "", "1970-01-01"]);
    expect(
        "at",
        [
            "1970-01-01",
            "1970-01-01T01:30:00",
            "1969-12-31T23:59:59.999999999",
        ],
    );
    expect("dictionary", ["7", "", "9"]);
    expect("words", ["a", "", ""]);
    expect("none", ["", "", ""]);
    expect("text", ["a", "", ""]);
    let kind = |name: &str| table.kind(table.column(name).unwrap()).unwrap();
    assert_eq!(kind("none"), Kind::Empty);
    assert_eq!(kind("at"), Kind::Date(DateOrder::YearFirst));
    assert_eq!(table.column("dictionary").unwrap().typed, Typed::Number);
    assert_eq!(table.place(2).to_string(), "row 3");
}

#[test]
fn bytes_that_are_no_text_name_their_row() {
    let bytes: Vec<&[u8]> = vec![b"fine", b"\xff\xfe", b"fine too"];
    let columns: Vec<(&str, ArrayRef)> =
        vec![("name", Arc::new(arrow::array::BinaryArray::from_vec(bytes)))];
    let error = read_as("a.parquet", parquet(columns), &ReadOptions::default());
    says(
        &error.unwrap_err().to_string(),
        &["row 2", "'name'", "UTF-8"],
    );
}

#[test]
fn a_column_of_lists_is_refused_unless_it_is_ignored() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)]), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("l", Arc::new(lists)),
        ("a", Arc::new(Int64Array::from(vec![1, 2]))),
    ];
    let bytes = parquet(columns);
    let refused = read_as("a.parquet", &bytes, &ReadOptions::default())
        .unwrap_err()
        .to_string();
    says(&refused, &["a.parquet", "'l'", "List", "--ignore"]);
    let options = ReadOptions {
        ignore: vec!["l".into()],
        ..ReadOptions::default()
    };
    assert_eq!(
        read_as("a.parquet", &bytes, &options)
            .unwrap()
            .columns()
            .len(),
        1
    );
    let options = ReadOptions {
        only: Some(vec!["a".into()]),
        ..ReadOptions::default()
    };
    assert_eq!(
        read_as("a.parquet", &bytes, &options)
            .unwrap()
            .columns()
            .len(),
        1
    );
}

#[test]
fn arff_is_read_with_comments_escapes_and_marks() {
    let text = "\u{feff}% about it\n@RELATION r\n@attribute 'person\\'s age' numeric % years\n\
        @attribute job {clerk, 'far south', None} % a set\n@attribute note string\n@attribute n REAL [0,1]\n\n\
        @data\n1,clerk,'it\\'s, so',0.5\n?, 'far south',\"?\",1 % first\n% between\n3,None,?,?\n";
    let table = read_as("a.arff", text, &ReadOptions::default()).unwrap();
    assert_eq!(
        table.numbers("person's age").unwrap(),
        [Some(1.0), None, Some(3.0)]
    );
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        column(&table, "job"),
        [some("clerk"), some("far south"), some("None")]
    );
    assert_eq!(column(&table, "note"), [some("it's, so"), some("?"), None]);
    assert_eq!(table.numbers("n").unwrap(), [Some(0.5), Some(1.0), None]);
    assert_eq!(table.place(2).to_string(), "line 12");
}

#[test]
fn arff_that_is_wrong_names_the_line() {
    let of = |data: &str| {
        let text =
            format!("@relation r\n@attribute a numeric\n@attribute b {{x,y}}\n@data\n{data}\n");
        read_as("a.arff", text, &ReadOptions::default())
            .unwrap_err()
            .to_string()
    };
    says(&of("1,x\n2,'y"), &["line 6", "quote opens"]);
    says(&of("1,z"), &["line 5", "'b'", "one of {'x', 'y'}", "'z'"]);
    says(&of("q,x"), &["line 5", "'a'", "finite number", "'q'"]);
    says(&of("1,x,2"), &["line 5", "2 cells", "found 3"]);
    says(&of("{0 1}"), &["line 5", "sparse"]);
    let odd = read_as(
        "a.arff",
        "@relation r\n@attribute a relational\n@data\n",
        &ReadOptions::default(),
    );
    says(
        &odd.unwrap_err().to_string(),
        &["line 2", "@attribute NAME"],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_table_is_the_same_as_csv_parquet_and_arff(
        rows in proptest::collection::vec(
            (proptest::option::of("[a-zA-Z ,;\"'\\\\%é-]{0,6}[a-z]"), proptest::option::of(-1e12..1e12f64)), 1..30)
    ) {
        let text: Vec<Option<String>> = rows.iter().map(|r| r.0.as_ref().map(|t| t.trim().to_owned())).collect();
        let numbers: Vec<Option<f64>> = rows.iter().map(|r| r.1).collect();
        let mut csv = "town,x\n".to_owned();
        let mut arff = "@relation r\n@attribute town string\n@attribute x numeric\n@data\n".to_owned();
        for (town, x) in text.iter().zip(&numbers) {
            let x = x.map_or(String::new(), |x| x.to_string());
            let quoted = town.as_ref().map_or(String::new(), |t| format!("\"{}\"", t.replace('"', "\"\"")));
            csv += &format!("{quoted},{x}\n");
            let quoted = town.as_ref().map_or("?".into(), |t| format!("'{}'", t.replace('\\', "\\\\").replace('\'', "\\'")));
            arff += &format!("{quoted},{}\n", if x.is_empty() { "?" } else { &x });
        }
        let arrays: Vec<(&str, ArrayRef)> = vec![
            ("town", Arc::new(StringArray::from(text.clone()))),
            ("x", Arc::new(Float64Array::from(numbers.clone()))),
        ];
        for (name, bytes) in [("a.csv", csv.into_bytes()), ("a.arff", arff.into_bytes()), ("a.parquet", parquet(arrays))] {
            // Empty rows at the end of a CSV file are left out.
            let options = ReadOptions { header: super::super::Header::FirstRow, ..ReadOptions::default() };
            let table = read_as(name, &bytes, &options).unwrap();
            let rows = table.rows();
            prop_assert!(rows == numbers.len() || name == "a.csv");
            prop_assert_eq!(&column(&table, "town")[..], &text[..rows], "{}", name);
            prop_assert_eq!(&table.numbers("x").unwrap()[..], &numbers[..rows], "{}", name);
        }
    }
}

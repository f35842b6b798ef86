//! Which of comma and point is the decimal mark: of a file, of a column, and of two files together.
#![allow(clippy::unwrap_used)]

use super::super::{Decimal, ReadOptions};
use super::{parquet, read, read_as};
use arrow::array::{ArrayRef, StringArray};
use std::sync::Arc;

/// The comma, where no cell tells.
fn usual() -> ReadOptions {
    ReadOptions {
        usual_decimal: Some(Decimal::Comma),
        ..ReadOptions::default()
    }
}

/// The comma, whatever the cells tell.
fn given() -> ReadOptions {
    ReadOptions {
        decimal: Some(Decimal::Comma),
        ..ReadOptions::default()
    }
}

#[test]
fn each_column_of_a_comma_separated_file_tells_its_own_mark() {
    let table = read("x,y\n1.234,\"4,5\"\n12.345,\"3,25\"\n");
    assert_eq!(table.numbers("x").unwrap(), [Some(1.234), Some(12.345)]);
    assert_eq!(table.numbers("y").unwrap(), [Some(4.5), Some(3.25)]);
    assert!(table.said().iter().any(|said| said.contains("'y'")));
    // Where something else separates the cells, the columns tell together.
    let table = read("x;y\n1.234;4,5\n12.345;3,25\n");
    assert_eq!(table.numbers("x").unwrap(), [Some(1234.0), Some(12345.0)]);
}

#[test]
fn the_usual_mark_holds_where_no_cell_tells() {
    let text = "a;b\n1.234;2\n2.500;3\n";
    let with = read_as("a.csv", text, &usual()).unwrap();
    assert_eq!(with.numbers("a").unwrap(), [Some(1234.0), Some(2500.0)]);
    let without = read(text);
    assert_eq!(without.numbers("a").unwrap(), [Some(1.234), Some(2.5)]);
    let told = read_as("a.csv", "a;b\n1.25;2\n2.500;3\n", &usual()).unwrap();
    assert_eq!(told.numbers("a").unwrap(), [Some(1.25), Some(2.5)]);
}

#[test]
fn text_in_parquet_and_arff_has_a_decimal_mark_too() {
    let cells = StringArray::from(vec!["1.234", "2.500"]);
    let columns: Vec<(&str, ArrayRef)> = vec![("a", Arc::new(cells))];
    let parquet = parquet(columns);
    let arff = b"@relation r\n@attribute a string\n@data\n'1.234'\n'2.500'\n".to_vec();
    for (name, bytes) in [("a.parquet", parquet), ("a.arff", arff)] {
        for options in [usual(), given()] {
            let table = read_as(name, &bytes, &options).unwrap();
            let numbers = table.numbers("a").unwrap();
            assert_eq!(numbers, [Some(1234.0), Some(2500.0)], "{name}");
        }
        let table = read_as(name, &bytes, &ReadOptions::default()).unwrap();
        assert_eq!(table.numbers("a").unwrap(), [Some(1.234), Some(2.5)]);
    }
}

#[test]
fn a_second_file_with_another_mark_is_read_with_its_own() {
    let mut first = read("a;b;c\n1,5;x;1\n1.000,25;y;2\n");
    first
        .append(read("a,b,c\n2.5,\"x,y\",3\n1.234,z,4\n"))
        .unwrap();
    let numbers = [Some(1.5), Some(1000.25), Some(2.5), Some(1.234)];
    assert_eq!(first.numbers("a").unwrap(), numbers);
    assert_eq!(first.column("b").unwrap().cell(2), Some("x,y"));
    let mut first = read("a,b\n2.5,x\n1.234,x\n");
    first.append(read("a;b\n2.500;y\n3,75;y\n")).unwrap();
    let numbers = [Some(2.5), Some(1.234), Some(2500.0), Some(3.75)];
    assert_eq!(first.numbers("a").unwrap(), numbers);
}

//! Wrong rows give an error with their line; untidy rows are read.
#![allow(clippy::unwrap_used)]

use super::super::{Header, ReadOptions};
use super::{column, read, read_as, refused, says};
use proptest::prelude::*;

#[test]
fn too_many_and_too_few_cells_name_the_line() {
    says(
        &refused("a,b,c\n1,2,3\n1,2\n"),
        &["a.csv, line 3", "3 cells", "'a' to 'c'", "found 2"],
    );
    says(
        &refused("a,b\n1,2\n1,2,3\n"),
        &["line 3", "2 cells", "found 3", "double quotes"],
    );
}

#[test]
fn empty_cells_beyond_the_header_are_dropped() {
    let table = read("a,b\n1,2,,\n3,4\n");
    assert_eq!(
        column(&table, "b"),
        [Some("2".to_owned()), Some("4".to_owned())]
    );
    let table = read("a,b,,\n1,2,,\n3,4\n5,6,,\n");
    assert_eq!((table.columns().len(), table.rows()), (2, 3));
}

#[test]
fn an_open_quote_names_its_line_whatever_follows() {
    says(
        &refused("a,b\n1,x\n2,\"y\n3,z\n"),
        &["line 3", "never closes"],
    );
    says(
        &refused("a,b\n1,x\n2,\"y\n3,\"z\"\n4,\"u\"\n"),
        &["line 3", "closes in line 4"],
    );
    says(&refused("a,b\n1,\"x\n"), &["line 2", "never closes"]);
    says(&refused("a;b\n1;x\n2;\"y\n"), &["line 3", "never closes"]);
}

#[test]
fn a_backslash_before_a_doubled_quote_is_a_character() {
    let table = read("text,y\n\"He said \\\"\"hi\\\"\" to me\",1\n");
    assert_eq!(
        column(&table, "text"),
        [Some("He said \\\"hi\\\" to me".to_owned())]
    );
    let table = read("json,y\n\"{\"\"say\"\": \"\"a \\\"\"b\\\"\" c\"\"}\",1\n");
    assert_eq!(
        column(&table, "json"),
        [Some("{\"say\": \"a \\\"b\\\" c\"}".to_owned())]
    );
    // A file that escapes quotes instead of doubling them is read too, whatever its separator.
    let table = read("text;y\n\"He said \\\"hi\\\"\";1\n\"\\\"x\\\" and y\";2\n");
    let texts = ["He said \"hi\"", "\"x\" and y"].map(|text| Some(text.to_owned()));
    assert_eq!(column(&table, "text"), texts);
    // Which line is at fault is still said.
    says(
        &refused("a,b\n1,\"x\\\"y\"\n2,\"z\n"),
        &["line 3", "never closes"],
    );
}

#[test]
fn a_blank_line_in_a_file_of_one_column_is_a_missing_cell() {
    let table = read("text\na\n\nb\n\n\n");
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(column(&table, "text"), [some("a"), None, some("b")]);
    assert_eq!(table.place(2).to_string(), "line 4");
    assert_eq!(read("a,b\n1,2\n\n3,4\n").rows(), 2);
}

#[test]
fn a_number_among_the_missing_words_is_missing_in_every_spelling() {
    let options = ReadOptions {
        missing: vec!["-999".into(), "none".into()],
        ..ReadOptions::default()
    };
    let text = "a,b\n-999,x\n-999.0,x\n5,none\n-9990,x\n-00999,x\n";
    let table = read_as("a.csv", text, &options).unwrap();
    let numbers = [None, None, Some(5.0), Some(-9990.0), None];
    assert_eq!(table.numbers("a").unwrap(), numbers);
    assert_eq!(table.column("b").unwrap().cells.missing(), 1);
    let options = ReadOptions {
        missing: vec!["7".into()],
        ..ReadOptions::default()
    };
    let table = read_as("a.csv", "zip,b\n007,x\n7,x\n", &options).unwrap();
    assert_eq!(column(&table, "zip"), [Some("007".to_owned()), None]);
}

#[test]
fn blanks_before_a_quote_are_not_part_of_the_cell() {
    let table = read("pay, job\n\"17,811\", \"a\"\n \"8\" , \"b, c\"\n");
    assert_eq!(table.numbers("pay").unwrap(), [Some(17811.0), Some(8.0)]);
    assert_eq!(column(&table, "job")[1].as_deref(), Some("b, c"));
}

#[test]
fn every_missing_word_is_missing_and_a_list_of_ones_own_replaces_them() {
    let table =
        read("a,b\n,1\nNA,1\nN/A,1\nNaN,1\nnan,1\nnull,1\nNULL,1\nNone,1\n\\N,1\n?,1\n-,1\n");
    assert_eq!(table.column("a").unwrap().cells.missing(), 10);
    let options = ReadOptions {
        missing: vec!["-".into()],
        ..ReadOptions::default()
    };
    let table = read_as("a.csv", "a,b\nNA,1\n-,1\n,1\n", &options).unwrap();
    assert_eq!(column(&table, "a"), [Some("NA".to_owned()), None, None]);
}

#[test]
fn a_first_row_of_data_is_refused_and_shown() {
    for text in [
        "26,clerk,5079,no\n48,baker,4339,no\n",
        "0.5,1.5\n0.1,0.2\n",
        "north,yes\nsouth,no\nnorth,yes\nwest,yes\n",
        "0,1\n0,2\n1,2\n",
        "2021-01-01,5\n2021-01-02,6\n",
        "?,a\nb,c\n",
        "39, State-gov, 77516, Bachelors\n50, Private, 83311, HS-grad\n",
    ] {
        let first = text.split([',', '\n']).next().unwrap();
        says(
            &refused(text),
            &["line 1", "looks like data", &format!("'{first}'"), "header"],
        );
    }
}

#[test]
fn odd_but_real_headers_are_believed() {
    for text in [
        "0,1,2,label\n5,6,7,a\n8,9,1,b\n",
        "0,label\n0.5,a\n0.7,b\n",
        ",0\n0,5\n1,6\n",
        "country,2019,2020,2021\nfr,1,2,3\nde,4,5,6\n",
        "1,2,3\n0.5,0.1,0.2\n",
        "text,label\nthe label says so,1\nno text here,0\n",
        "EU,NA,JP\n1,2,3\n",
        "x1,x2,y\n1,2,a\n",
    ] {
        read(text);
    }
}

#[test]
fn a_header_that_is_not_there_can_be_given() {
    let options = |header| ReadOptions {
        header,
        ..ReadOptions::default()
    };
    let text = "1,2\n3,4\n";
    let named = read_as(
        "a.csv",
        text,
        &options(Header::Names(vec!["x".into(), "y".into()])),
    )
    .unwrap();
    assert_eq!(named.numbers("y").unwrap(), [Some(2.0), Some(4.0)]);
    let absent = read_as("a.csv", text, &options(Header::Absent)).unwrap();
    assert_eq!(absent.numbers("column 2").unwrap(), [Some(2.0), Some(4.0)]);
    let first = read_as("a.csv", text, &options(Header::FirstRow)).unwrap();
    assert_eq!(first.numbers("2").unwrap(), [Some(4.0)]);
}

#[test]
fn a_second_header_and_a_name_that_stands_twice_are_refused() {
    says(
        &refused("a,b\n1,2\na,b\n3,4\n"),
        &["line 3", "repeats the header of line 1"],
    );
    says(&refused("a,a\n1,2\n"), &["'a'", "twice"]);
}

#[test]
fn a_column_without_a_name_gets_one_and_ignored_columns_are_not_looked_at() {
    let table = read(",a\n7,x\n8,y\n");
    assert_eq!(table.numbers("column 1").unwrap(), [Some(7.0), Some(8.0)]);
    let options = ReadOptions {
        ignore: vec!["b".into()],
        ..ReadOptions::default()
    };
    let table = read_as("a.csv", "a,b,b\n1,2,3\n", &options).unwrap();
    assert_eq!(table.names().collect::<Vec<_>>(), ["a"]);
    let options = ReadOptions {
        ignore: vec!["lable".into()],
        ..ReadOptions::default()
    };
    let error = read_as("a.csv", "a,label\n1,2\n", &options)
        .unwrap_err()
        .to_string();
    says(&error, &["no column 'lable'", "did you mean 'label'"]);
}

#[test]
fn twenty_thousand_columns_are_read_in_linear_time() {
    let time = |columns: usize| {
        let header: Vec<String> = (0..columns).map(|i| format!("f{i}")).collect();
        let row: Vec<String> = (0..columns).map(|i| (i % 97).to_string()).collect();
        let text = format!(
            "{}\n{}",
            header.join(","),
            format!("{}\n", row.join(",")).repeat(40)
        );
        let start = std::time::Instant::now();
        let table = read(&text);
        assert_eq!(
            table.position(&format!("f{}", columns - 1)).unwrap(),
            columns - 1
        );
        start.elapsed().as_secs_f64()
    };
    time(500);
    let (small, large) = (time(2_000).max(0.005), time(20_000));
    assert!(
        large < 40.0 * small,
        "{large} s for 10 times the columns of {small} s"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_as("a.csv", &bytes, &ReadOptions::default());
        let _ = read_as("a.arff", &bytes, &ReadOptions::default());
    }

    #[test]
    fn no_csv_like_text_makes_reading_panic(text in "[ab1,;\"'\n\r\t\\\\?%{}@ ]{0,80}") {
        let _ = read_as("a.csv", &text, &ReadOptions::default());
        let arff = format!("@relation r\n@attribute a {text}\n@attribute b numeric\n@data\n{text}");
        let _ = read_as("a.arff", &arff, &ReadOptions::default());
    }
}

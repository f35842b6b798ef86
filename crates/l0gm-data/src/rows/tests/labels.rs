//! Which labels become classes, and which are refused.
#![allow(clippy::unwrap_used)]

use super::super::label::{self, LabelOptions, Unlabelled, numbered_classes};
use super::super::{RawTable, Result};
use super::{read, says};

fn labels(cells: &[&str], options: &LabelOptions<'_>) -> Result<label::Labels> {
    label::read(&table(cells), "y", options)
}

fn table(cells: &[&str]) -> RawTable {
    let rows: String = cells.iter().map(|cell| format!("7,{cell}\n")).collect();
    read(&format!("x,y\n{rows}"))
}

fn classes(cells: &[&str]) -> Vec<String> {
    labels(cells, &LabelOptions::default()).unwrap().classes
}

#[test]
fn one_label_in_two_spellings_is_one_class() {
    assert_eq!(
        classes(&["0.0", "0", "1", "01.0", "10", "2"]),
        ["0", "1", "2", "10"]
    );
    assert_eq!(classes(&["True", "FALSE", "true", "1"]), ["false", "true"]);
    assert_eq!(classes(&["-1", "1", "0"]), ["-1", "0", "1"]);
    assert_eq!(classes(&["01", "02", "10"]), ["01", "02", "10"]);
    assert_eq!(classes(&["yes", "no"]), ["no", "yes"]);
}

#[test]
fn a_missing_label_is_refused_by_line_or_left_out_and_counted() {
    let cells = ["a", "NA", "b", "", "nan", "a"];
    let refused = labels(&cells, &LabelOptions::default())
        .unwrap_err()
        .to_string();
    says(
        &refused,
        &[
            "line 3",
            "'y'",
            "a label",
            "'NA'",
            "2 more rows",
            "at 5, 6",
            "--drop-unlabelled",
        ],
    );
    for unlabelled in [Unlabelled::LeaveOut, Unlabelled::Keep] {
        let found = labels(
            &cells,
            &LabelOptions {
                unlabelled,
                ..Default::default()
            },
        )
        .unwrap();
        assert_eq!((found.unlabelled, found.counts), (3, vec![2, 1]));
        assert_eq!(found.codes, [Some(0), None, Some(1), None, None, Some(0)]);
    }
}

#[test]
fn amounts_are_refused_with_the_word_regression() {
    let prices: Vec<String> = (0..240)
        .map(|i| format!("{}.{}", 200 + i, i % 100))
        .collect();
    let ages: Vec<String> = (0..240).map(|i| (i * 7919 % 1000).to_string()).collect();
    let few = ["0.25", "0.5", "0.25", "0.75"].map(str::to_owned).to_vec();
    for cells in [prices, ages, few] {
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        let refused = labels(&cells, &LabelOptions::default())
            .unwrap_err()
            .to_string();
        says(&refused, &["a.csv", "'y'", "regression"]);
    }
    let stars: Vec<String> = (0..100).map(|i| (1 + i % 10).to_string()).collect();
    assert_eq!(
        classes(&stars.iter().map(String::as_str).collect::<Vec<_>>()).len(),
        10
    );
}

#[test]
fn many_numbers_as_classes_are_remarked_upon() {
    let ages: Vec<String> = (0..400).map(|i| (18 + i % 40).to_string()).collect();
    let ages: Vec<&str> = ages.iter().map(String::as_str).collect();
    let options = LabelOptions::default();
    let note = labels(&ages, &options).unwrap().note(&options).unwrap();
    says(&note, &["40 different numbers", "ranges"]);
    assert_eq!(
        labels(&["1", "2", "1", "2"], &options)
            .unwrap()
            .note(&options),
        None
    );
}

#[test]
fn a_word_among_numbers_is_a_class() {
    let cells: Vec<&str> = (0..1000)
        .map(|i| match i {
            0..500 => "0",
            500..980 => "1",
            _ => "unsure",
        })
        .collect();
    let found = labels(&cells, &LabelOptions::default()).unwrap();
    assert_eq!(found.classes, ["0", "1", "unsure"]);
    assert_eq!(found.counts, [500, 480, 20]);
}

#[test]
fn a_class_that_is_given_twice_is_refused() {
    let given = ["0", "1", "1.0"].map(str::to_owned);
    let options = LabelOptions {
        classes: Some(&given),
        ..Default::default()
    };
    let refused = labels(&["0", "1"], &options).unwrap_err().to_string();
    says(&refused, &["a.csv", "--classes", "'1'", "twice"]);
}

#[test]
fn given_classes_keep_their_order_and_an_unknown_label_is_named() {
    let given = ["yes".to_owned(), "no".to_owned()];
    let options = LabelOptions {
        classes: Some(&given),
        ..Default::default()
    };
    assert_eq!(
        labels(&["no", "yes"], &options).unwrap().codes,
        [Some(1), Some(0)]
    );
    let refused = labels(&["no", "yess"], &options).unwrap_err().to_string();
    says(
        &refused,
        &["line 3", "'yes', 'no'", "did you mean 'yes'", "'yess'"],
    );
    says(
        &labels(&["a", "a"], &LabelOptions::default())
            .unwrap_err()
            .to_string(),
        &["1 distinct", "'a'"],
    );
}

#[test]
fn columns_named_by_numbers_are_the_classes_of_these_numbers() {
    assert_eq!(
        numbered_classes(&["p1", "p2", "p3"], &["1", "2"]).unwrap(),
        ["1", "2", "3"]
    );
    assert_eq!(
        numbered_classes(&["p_0", "p_1"], &["0", "1"]).unwrap(),
        ["0", "1"]
    );
    assert_eq!(
        numbered_classes(&["p_-1", "p_0", "p_1"], &["-1", "0", "1"]).unwrap(),
        ["-1", "0", "1"]
    );
    assert_eq!(
        numbered_classes(&["p-1", "p-2"], &["1", "2"]).unwrap(),
        ["1", "2"]
    );
    assert_eq!(numbered_classes(&["yes", "no"], &["yes"]), None);
}

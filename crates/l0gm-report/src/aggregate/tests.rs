//! The summary says the same in all three formats.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixtures;
use arrow::array::{Array, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::DataType;
use l0gm_train::{Knob, Role};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// The fixed columns of the summary, in their order.
const CONTRACT: &str = "run_id dataset twin modality method lambda seed gate_kind granularity \
    inference_gate accuracy auc macro_f1 nll brier ece ece_bins ece_low ece_high active_fraction \
    expected_l0 open_dims total_dims latency_us_per_example batch threads device train_seconds epochs";

fn reread_parquet(bytes: Vec<u8>) -> Frame {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes_of(bytes))
        .unwrap()
        .build()
        .unwrap();
    let mut frame = Frame::default();
    for batch in reader {
        let batch = batch.unwrap();
        assert!(
            frame.columns.is_empty(),
            "one batch is enough for a summary"
        );
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            let any = array.as_any();
            let cell = |i: usize| -> Value {
                if array.is_null(i) {
                    return Value::Null;
                }
                match field.data_type() {
                    DataType::Utf8 => {
                        Value::text(any.downcast_ref::<StringArray>().unwrap().value(i))
                    }
                    DataType::Boolean => {
                        Value::Bool(any.downcast_ref::<BooleanArray>().unwrap().value(i))
                    }
                    DataType::Int64 => {
                        Value::Int(any.downcast_ref::<Int64Array>().unwrap().value(i))
                    }
                    _ => Value::Float(any.downcast_ref::<Float64Array>().unwrap().value(i)),
                }
            };
            let kind = match field.data_type() {
                DataType::Utf8 => Kind::Text,
                DataType::Boolean => Kind::Bool,
                DataType::Int64 => Kind::Int,
                _ => Kind::Float,
            };
            frame.push(field.name(), kind, (0..array.len()).map(cell).collect());
        }
    }
    frame
}

fn bytes_of(bytes: Vec<u8>) -> std::fs::File {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file.rewind().unwrap();
    file
}

#[test]
fn the_contracts_columns_come_first_and_in_order() {
    let frame = summary(&fixtures::records());
    let names: Vec<&str> = frame.columns.iter().map(|c| c.name.as_str()).collect();
    let contract: Vec<&str> = CONTRACT.split_whitespace().collect();
    assert_eq!(names[..contract.len()], contract);
}

#[test]
fn the_run_of_an_ablation_names_its_design() {
    let mut records = fixtures::records();
    let subject = records
        .iter()
        .find(|r| r.method.is_subject() && r.spec.lambda.is_some());
    let subject = subject.unwrap().clone();
    let settings =
        serde_json::json!({"gate": {"kind": "static"}, "train": {"schedule": {"kind": "none"}}});
    let lambda = subject.spec.lambda.unwrap();
    records = fixtures::variant(&records, &subject.spec.dataset, lambda, &settings);
    records.push(subject);
    let frame = summary(&records);
    let design = frame.columns.iter().find(|column| column.name == "design");
    let design = &design.unwrap().values;
    assert_eq!(design[0], Value::text("static gate; no annealing"));
    assert_eq!(design.last(), Some(&Value::Null));
    // Other methods with a trained gate have designs too, and those without none.
    for (knob, expected) in [
        (
            Knob::LambdaOrTarget,
            Value::text("static gate; no annealing"),
        ),
        (Knob::Target, Value::Null),
        (Knob::None, Value::Null),
    ] {
        let mut other = records[0].clone();
        (other.method.role, other.method.knob) = (Role::Rival, knob);
        let frame = summary(&[other]);
        let design = frame.columns.iter().find(|column| column.name == "design");
        assert_eq!(design.unwrap().values, [expected]);
    }
}

#[test]
fn parquet_rereads_equal() {
    let frame = summary(&fixtures::records());
    assert_eq!(frame.rows(), fixtures::records().len());
    assert_eq!(reread_parquet(frame.to_parquet().unwrap()), frame);
}

#[test]
fn csv_and_json_reread_equal() {
    let frame = summary(&fixtures::records());
    let json: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_slice(&frame.to_json().unwrap()).unwrap();
    let bytes = frame.to_csv().unwrap();
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!((rows.len(), json.len()), (frame.rows(), frame.rows()));
    for (index, column) in frame.columns.iter().enumerate() {
        for (row, value) in column.values.iter().enumerate() {
            let text = &rows[row][index];
            let json = &json[row][&column.name];
            match value {
                Value::Null => assert!(text.is_empty() && json.is_null()),
                Value::Text(t) => assert!(text == t && json == t),
                Value::Bool(b) => assert!(text == b.to_string() && json == b),
                Value::Int(n) => assert!(text.parse() == Ok(*n) && json == n),
                Value::Float(x) => {
                    assert_eq!(text.parse::<f64>().unwrap().to_bits(), x.to_bits());
                    // The reader of serde_json may lose the last bit.
                    assert!((json.as_f64().unwrap() - x).abs() <= x.abs() * 1e-15);
                }
            }
        }
    }
}

#[test]
fn a_number_that_is_not_finite_is_a_gap() {
    assert_eq!(Value::float(f64::NAN), Value::Null);
    assert_eq!(Value::maybe(None), Value::Null);
    let mut frame = Frame::default();
    frame.push("x", Kind::Int, vec![Value::text("no")]);
    assert_eq!(frame.columns[0].values, [Value::Null]);
}

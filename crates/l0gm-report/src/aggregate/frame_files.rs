//! Writes a frame as JSON (an array of objects), CSV and Parquet. Numbers keep all their digits. A missing value is
//! `null` in JSON and Parquet and an empty field in CSV.

use super::frame::{Frame, FrameColumn, Kind, Value};
use crate::Result;
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::sync::Arc;

impl Frame {
    /// A JSON array with one object for each row, its keys in column order.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        // The rows are put together by hand, because the map of serde_json sorts its keys.
        let mut text = String::from("[");
        for row in 0..self.rows() {
            text.push_str(if row == 0 { "\n  {" } else { ",\n  {" });
            for (index, column) in self.columns.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                text.push_str(&serde_json::to_string(&column.name)?);
                text.push_str(": ");
                let value = match &column.values[row] {
                    Value::Null => serde_json::Value::Null,
                    Value::Text(text) => text.as_str().into(),
                    Value::Bool(b) => (*b).into(),
                    Value::Int(n) => (*n).into(),
                    Value::Float(x) => (*x).into(),
                };
                text.push_str(&serde_json::to_string(&value)?);
            }
            text.push('}');
        }
        text.push_str("\n]\n");
        Ok(text.into_bytes())
    }

    /// CSV with a header row.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.columns.iter().map(|column| &column.name))?;
        for row in 0..self.rows() {
            writer.write_record(self.columns.iter().map(|column| {
                match &column.values[row] {
                    Value::Null => String::new(),
                    Value::Text(text) => text.clone(),
                    Value::Bool(b) => b.to_string(),
                    Value::Int(n) => n.to_string(),
                    // Rust prints the shortest text that reads back as the same number.
                    Value::Float(x) => x.to_string(),
                }
            }))?;
        }
        writer
            .into_inner()
            .map_err(|error| csv::Error::from(error.into_error()).into())
    }

    /// Parquet compressed with zstd; every column may hold nulls.
    pub fn to_parquet(&self) -> Result<Vec<u8>> {
        let fields: Vec<Field> = self
            .columns
            .iter()
            .map(|column| Field::new(&column.name, data_type(column.kind), true))
            .collect();
        let arrays: Vec<ArrayRef> = self.columns.iter().map(array).collect();
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(parquet::basic::ZstdLevel::default()))
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
        writer.write(&batch)?;
        Ok(writer.into_inner()?)
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Bool => DataType::Boolean,
        Kind::Int => DataType::Int64,
        Kind::Float => DataType::Float64,
    }
}

fn array(column: &FrameColumn) -> ArrayRef {
    let values = column.values.iter();
    match column.kind {
        Kind::Text => Arc::new(StringArray::from_iter(values.map(|v| match v {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        }))),
        Kind::Bool => Arc::new(BooleanArray::from_iter(values.map(|v| match v {
            Value::Bool(b) => Some(*b),
            _ => None,
        }))),
        Kind::Int => Arc::new(Int64Array::from_iter(values.map(|v| match v {
            Value::Int(n) => Some(*n),
            _ => None,
        }))),
        Kind::Float => Arc::new(Float64Array::from_iter(values.map(|v| match v {
            Value::Float(x) => Some(*x),
            _ => None,
        }))),
    }
}

//! A table of nodes from CSV or Parquet: an id, a label and any number of numeric features a row, found
//! by their column names. The first half of "any edge list + feature table".
use crate::text_matrix::open_text;
use crate::{Error, Result};
use arrow::array::{Array, Float64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::Path;

/// The nodes of a graph, in the table's order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeTable {
    /// Which row an id stands in.
    pub(crate) rows: HashMap<String, u32>,
    /// Class number of each row.
    pub(crate) labels: Vec<u32>,
    /// The classes' names, sorted (as numbers where all are numbers).
    pub(crate) classes: Vec<String>,
    /// Number of feature columns.
    pub(crate) columns: usize,
    /// rows x columns.
    pub(crate) features: Vec<f32>,
}

/// Reads `.parquet`, else CSV (`.gz` is decompressed). Every column but the two named is a feature.
pub(crate) fn read_node_table(
    path: &Path,
    id_column: &str,
    label_column: &str,
) -> Result<NodeTable> {
    let mut builder = Builder::default();
    if path.extension().is_some_and(|e| e == "parquet") {
        read_parquet(path, id_column, label_column, &mut builder)?;
    } else {
        read_csv(path, id_column, label_column, &mut builder)?;
    }
    builder.finish(path)
}

#[derive(Default)]
struct Builder {
    rows: HashMap<String, u32>,
    labels: Vec<String>,
    columns: usize,
    features: Vec<f32>,
}

impl Builder {
    /// Takes one node's id and label; `place` says where it stands, for an error.
    fn node(&mut self, path: &Path, place: &str, id: &str, label: &str) -> Result<()> {
        let row = self.labels.len() as u32;
        if label.is_empty() {
            return Err(Error::file(
                path,
                format!("{place}: the label is empty; every node needs one"),
            ));
        }
        if let Some(before) = self.rows.insert(id.to_string(), row) {
            return Err(Error::file(
                path,
                format!("{place}: node {id:?} stood already in row {before}; ids must be unique"),
            ));
        }
        self.labels.push(label.to_string());
        Ok(())
    }

    fn finish(self, path: &Path) -> Result<NodeTable> {
        if self.labels.is_empty() {
            return Err(Error::file(
                path,
                "the table has no rows; write one row a node",
            ));
        }
        let classes = class_names(&self.labels);
        let numbers: HashMap<&str, u32> = classes
            .iter()
            .enumerate()
            .map(|(i, c)| (c.as_str(), i as u32))
            .collect();
        let labels = self.labels.iter().map(|l| numbers[l.as_str()]).collect();
        Ok(NodeTable {
            rows: self.rows,
            labels,
            classes,
            columns: self.columns,
            features: self.features,
        })
    }
}

/// Distinct names; "10" comes after "9" where all are numbers.
fn class_names(labels: &[String]) -> Vec<String> {
    let mut names: Vec<String> = labels
        .iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .cloned()
        .collect();
    let numbers: Option<Vec<f64>> = names
        .iter()
        .map(|n| n.parse().ok().filter(|v: &f64| v.is_finite()))
        .collect();
    if numbers.is_some() {
        names.sort_by(|a, b| {
            let value = |s: &str| s.parse::<f64>().unwrap_or_default();
            value(a).total_cmp(&value(b)).then_with(|| a.cmp(b))
        });
    }
    names
}

/// Positions of the id and the label column, and of the features.
fn locate(
    path: &Path,
    names: &[String],
    id_column: &str,
    label_column: &str,
) -> Result<(usize, usize, Vec<usize>)> {
    let find = |wanted: &str, setting: &str| {
        names.iter().position(|n| n == wanted).ok_or_else(|| {
            Error::file(
                path,
                format!(
                    "no column {wanted:?} among {}; name the right one in the setting {setting}",
                    names.join(", ")
                ),
            )
        })
    };
    let id = find(id_column, "table.id-column")?;
    let label = find(label_column, "table.label-column")?;
    let features: Vec<usize> = (0..names.len())
        .filter(|&c| c != id && c != label)
        .collect();
    if features.is_empty() {
        return Err(Error::file(
            path,
            "no feature columns beside id and label; a node needs at least one number",
        ));
    }
    Ok((id, label, features))
}

fn read_csv(path: &Path, id_column: &str, label_column: &str, builder: &mut Builder) -> Result<()> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(open_text(path)?);
    let names: Vec<String> = reader
        .headers()
        .map_err(|e| csv_error(path, e))?
        .iter()
        .map(String::from)
        .collect();
    if names.iter().all(String::is_empty) {
        return Err(Error::file(
            path,
            "the file is empty; write a header and one row a node",
        ));
    }
    let (id, label, features) = locate(path, &names, id_column, label_column)?;
    builder.columns = features.len();
    for record in reader.records() {
        let record = record.map_err(|e| csv_error(path, e))?;
        let line = record.position().map_or(0, csv::Position::line);
        builder.node(path, &format!("line {line}"), &record[id], &record[label])?;
        for &column in &features {
            let value: f32 = record[column].parse().unwrap_or(f32::NAN);
            if !value.is_finite() {
                return Err(Error::file(
                    path,
                    format!(
                        "line {line}, column {:?}: {:?} is not a finite number",
                        names[column], &record[column]
                    ),
                ));
            }
            builder.features.push(value);
        }
    }
    Ok(())
}

/// The csv crate's message, with io errors (a truncated gzip) in this crate's wording.
pub(crate) fn csv_error(path: &Path, error: csv::Error) -> Error {
    match error.kind() {
        csv::ErrorKind::Io(io) => Error::read(path, io),
        _ => Error::file(path, error.to_string()),
    }
}

fn read_parquet(
    path: &Path,
    id_column: &str,
    label_column: &str,
    builder: &mut Builder,
) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::read(path, &e))?;
    let bad =
        |e: &dyn std::fmt::Display| Error::file(path, format!("not a readable Parquet file: {e}"));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| bad(&e))?;
    let names: Vec<String> = reader
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    let (id, label, features) = locate(path, &names, id_column, label_column)?;
    builder.columns = features.len();
    for batch in reader.build().map_err(|e| bad(&e))? {
        let batch = batch.map_err(|e| bad(&e))?;
        let as_type = |column: usize, kind: &DataType| {
            cast(batch.column(column), kind).map_err(|e| {
                Error::file(
                    path,
                    format!("column {:?} cannot be read: {e}", names[column]),
                )
            })
        };
        let (ids, labels) = (
            as_type(id, &DataType::Utf8)?,
            as_type(label, &DataType::Utf8)?,
        );
        let numbers = features
            .iter()
            .map(|&c| as_type(c, &DataType::Float64))
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let place = format!("row {}", builder.labels.len());
            let id = text(&ids, row).ok_or_else(|| Error::file(path, format!("{place}: no id")))?;
            builder.node(path, &place, id, text(&labels, row).unwrap_or_default())?;
            for (at, column) in numbers.iter().enumerate() {
                match number(column, row) {
                    Some(value) if value.is_finite() => builder.features.push(value),
                    _ => {
                        return Err(Error::file(
                            path,
                            format!(
                                "{place}, column {:?}: missing or not a finite number",
                                names[features[at]]
                            ),
                        ));
                    }
                }
            }
        }
    }
    Ok(())
}

fn text(column: &dyn Array, row: usize) -> Option<&str> {
    let column = column.as_any().downcast_ref::<StringArray>()?;
    column.is_valid(row).then(|| column.value(row))
}

fn number(column: &dyn Array, row: usize) -> Option<f32> {
    let column = column.as_any().downcast_ref::<Float64Array>()?;
    column.is_valid(row).then(|| column.value(row) as f32)
}

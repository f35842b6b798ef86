//! A compact model with everything that raw rows need: how a file is read, and what was fitted on the training rows.

use super::CompactModel;
use super::file::Shape;
use crate::schema::{Field, Schema};
use crate::settings::DataSettings;
use crate::{Encoding, Error, Result, Table, TableInput};
use candle_core::{Device, Tensor};
use l0gm_data::rows::{Decimal, HeaderRow, Source};
use l0gm_train::{ClassProbabilities, CompactFolder, CompactHeader, CompactParts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Number of rows in a forward pass.
const BATCH: usize = 4096;
const MODALITY: &str = "tabular";

/// The compact model of a finished run, ready for new rows.
#[derive(Clone, Debug)]
pub struct CompactTable {
    header: CompactHeader,
    model: CompactModel,
    encoding: Encoding,
    reading: DataSettings,
    device: Device,
}

/// The part of `model.json` that tables define.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Body {
    /// Words that mean "missing" besides the empty cell, where they were given.
    #[serde(with = "crate::found::missing")]
    missing: Option<Vec<String>>,
    /// Separator of a CSV file, where it was given.
    #[serde(with = "crate::found::separator")]
    separator: Option<char>,
    /// The decimal mark, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decimal: Option<Decimal>,
    /// Where the column names came from, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<HeaderRow>,
    shape: Shape,
    encoding: Encoding,
}

impl CompactTable {
    /// Reads the folder `compact` of a finished run.
    ///
    /// # Errors
    /// Fails if a file is missing, truncated, of another format or modality, or does not match the others.
    pub fn load(dir: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let folder = CompactFolder::load(dir.as_ref(), MODALITY, device)?;
        let body: Body = folder.model()?;
        let model = CompactModel::from_folder(&folder, body.shape, &body.encoding, device)?;
        Ok(Self {
            header: folder.header().clone(),
            model,
            encoding: body.encoding,
            reading: DataSettings {
                missing: body.missing,
                separator: body.separator,
                decimal: body.decimal,
                header: body.header,
                ..DataSettings::default()
            },
            device: device.clone(),
        })
    }

    /// The header in `model.json`: run, classes, temperature, and sizes before and after.
    pub fn header(&self) -> &CompactHeader {
        &self.header
    }

    /// The compact model.
    pub fn model(&self) -> &CompactModel {
        &self.model
    }

    /// The columns that the model reads, with their kinds: categories, then numbers.
    pub fn columns(&self) -> Vec<Field> {
        let fields = self.encoding.fields().into_iter();
        fields.map(|(name, kind)| Field { name, kind }).collect()
    }

    /// Calibrated probabilities of every row of a file, in the file's order (`docs/rows.md` describes the files).
    /// Finds columns by name and ignores all others, including the label.
    ///
    /// # Errors
    /// Fails if the file cannot be read, a column is missing, or a cell of a number column is not a finite number.
    /// The error names file, row and column.
    pub fn predict_file(&self, path: &Path) -> Result<ClassProbabilities> {
        Ok(self.predict_rows(&Source::path(path))?.0)
    }

    /// Like [`predict_file`](Self::predict_file), for a file or standard input. Also returns remarks on the rows, one
    /// on each line, mainly about cells with values that did not occur in training.
    ///
    /// # Errors
    /// Fails like [`predict_file`](Self::predict_file).
    pub fn predict_rows(&self, source: &Source) -> Result<(ClassProbabilities, Vec<String>)> {
        let (table, said) = self.read_rows(source)?;
        Ok((self.predict(table)?, said))
    }

    /// Reads the model's columns and converts them to the spelling of the training data.
    ///
    /// # Errors
    /// Fails like [`predict_file`](Self::predict_file).
    pub fn read_rows(&self, source: &Source) -> Result<(Table, Vec<String>)> {
        super::rows::read(source, &self.encoding, &self.reading)
    }

    /// Calibrated probabilities of every row of a table.
    ///
    /// # Errors
    /// Fails like [`predict_file`](Self::predict_file).
    pub fn predict(&self, table: Table) -> Result<ClassProbabilities> {
        let logits = self.logits(table)?;
        let (temperature, classes) = (self.header.temperature, &self.header.classes);
        Ok(ClassProbabilities::from_logits(
            &logits,
            temperature,
            classes,
        )?)
    }

    /// Logits before temperature scaling: (rows, classes).
    ///
    /// # Errors
    /// Fails like [`predict_file`](Self::predict_file).
    pub fn logits(&self, mut table: Table) -> Result<Tensor> {
        let schema = Schema {
            label: String::new(),
            classes: Vec::new(),
            fields: self.columns(),
            spelling: self.encoding.spelling.clone(),
        };
        schema.retype(&mut table)?;
        let rows: Vec<u32> = (0..table.rows() as u32).collect();
        let parts = rows
            .chunks(BATCH)
            .map(|rows| {
                let encoded = self.encoding.encode(&table, rows)?;
                let input = TableInput::new(&self.encoding, &encoded, &self.device)?;
                Ok(self.model.logits(&input)?)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&parts, 0)?)
    }
}

impl CompactModel {
    /// The files that a run writes: the model with its encoding, and how its file was read.
    ///
    /// # Errors
    /// Fails if a value cannot be written as JSON.
    pub fn parts(&self, encoding: &Encoding, reading: &DataSettings) -> Result<CompactParts> {
        let body = Body {
            missing: reading.missing.clone(),
            separator: reading.separator,
            decimal: reading.decimal,
            header: reading.header,
            shape: self.shape()?,
            encoding: encoding.clone(),
        };
        Ok(CompactParts {
            model: serde_json::to_value(body)
                .map_err(|e| Error::Setting(format!("the compact model as JSON: {e}")))?,
            tensors: self.tensors(),
            files: BTreeMap::new(),
        })
    }
}

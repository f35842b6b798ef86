//! A compact model with everything that raw rows need: how a file is read, and what was fitted on the training rows.

use super::file::Shape;
use super::{CompactModel, TableStream, reduce};
use crate::encoding::EncodedRows;
use crate::schema::{Field, Schema};
use crate::settings::DataSettings;
use crate::{Encoding, Error, Result, Table, TableInput};
use candle_core::{Device, Tensor};
use l0gm_data::rows::{Decimal, HeaderRow, Source};
use l0gm_train::{ClassProbabilities, CompactFolder, CompactHeader, CompactParts, RowOptions};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Number of rows in a forward pass.
pub(super) const BATCH: usize = 4096;
const MODALITY: &str = "tabular";

/// The compact model of a finished run, ready for new rows.
#[derive(Clone, Debug)]
pub struct CompactTable {
    header: CompactHeader,
    model: CompactModel,
    /// Shared with the streams of this model.
    encoding: Arc<Encoding>,
    reading: DataSettings,
    device: Device,
    /// The header's class names, which every answer shares.
    classes: Arc<[String]>,
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
        // Folders of format 1 hold columns that no weight reads.
        let (model, encoding) = reduce::without_closed(&model, &body.encoding)?;
        Ok(Self {
            classes: folder.header().classes.as_slice().into(),
            header: folder.header().clone(),
            model,
            encoding: Arc::new(encoding),
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

    /// Predicts the rows of a file or of standard input chunk by chunk, so that they need not fit in memory. Number
    /// marks and the order of dates are decided on the first chunk.
    ///
    /// # Errors
    /// Fails if the source cannot be opened. Later errors are those of [`predict_file`](Self::predict_file).
    pub fn stream(self, source: &Source, options: &RowOptions) -> Result<TableStream> {
        TableStream::new(self, source, options)
    }

    /// The encoding of the columns that the model reads.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    pub(super) fn reading(&self) -> &DataSettings {
        &self.reading
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
        self.retype(&mut table)?;
        let rows: Vec<u32> = (0..table.rows() as u32).collect();
        let parts = rows
            .chunks(BATCH)
            .map(|rows| self.logits_of(&self.encoding.encode(&table, rows)?))
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&parts, 0)?)
    }

    /// Encodes every row of a table.
    pub(super) fn encode(&self, mut table: Table) -> Result<EncodedRows> {
        self.retype(&mut table)?;
        let rows: Vec<u32> = (0..table.rows() as u32).collect();
        self.encoding.encode(&table, &rows)
    }

    /// Calibrated probabilities of rows in the model's encoding.
    ///
    /// # Errors
    /// Fails if the rows have another encoding, or a logit is not finite.
    pub fn probabilities(&self, rows: &EncodedRows) -> Result<ClassProbabilities> {
        if let Some(outputs) = self.model.outputs_of(rows)? {
            let temperature = self.header.temperature;
            return Ok(ClassProbabilities::from_outputs(
                &outputs,
                temperature,
                &self.classes,
            )?);
        }
        let starts = (0..rows.rows).step_by(BATCH);
        let parts = starts
            .map(|from| self.logits_of(&rows.part(from..(from + BATCH).min(rows.rows))))
            .collect::<Result<Vec<_>>>()?;
        let (temperature, classes) = (self.header.temperature, &self.header.classes);
        Ok(ClassProbabilities::from_logits(
            &Tensor::cat(&parts, 0)?,
            temperature,
            classes,
        )?)
    }

    /// Converts the columns to the kinds that the encoding has.
    fn retype(&self, table: &mut Table) -> Result<()> {
        let schema = Schema {
            label: String::new(),
            classes: Vec::new(),
            fields: self.columns(),
            spelling: self.encoding.spelling.clone(),
        };
        schema.retype(table)
    }

    /// Logits of a batch.
    fn logits_of(&self, rows: &EncodedRows) -> Result<Tensor> {
        let input = TableInput::new(&self.encoding, rows, &self.device)?;
        Ok(self.model.logits_of(&input, rows.rows)?)
    }
}

impl CompactModel {
    /// The files that a run writes: the model with the encoding of the columns that it reads, and how its file was
    /// read.
    ///
    /// # Errors
    /// Fails if a value cannot be written as JSON.
    pub fn parts(&self, encoding: &Encoding, reading: &DataSettings) -> Result<CompactParts> {
        let (model, encoding) = reduce::without_closed(self, encoding)?;
        model.whole_parts(encoding, reading)
    }

    /// The files of this model, with all columns of its input.
    pub(crate) fn whole_parts(
        &self,
        encoding: Encoding,
        reading: &DataSettings,
    ) -> Result<CompactParts> {
        let body = Body {
            missing: reading.missing.clone(),
            separator: reading.separator,
            decimal: reading.decimal,
            header: reading.header,
            shape: self.shape()?,
            encoding,
        };
        Ok(CompactParts {
            model: serde_json::to_value(body)
                .map_err(|e| Error::Setting(format!("the compact model as JSON: {e}")))?,
            tensors: self.tensors(),
            files: BTreeMap::new(),
            label: reading.label.clone(),
        })
    }
}

//! Predicts a file of rows chunk by chunk.

use super::CompactTable;
use super::rows::{self, NewRows};
use super::table::BATCH;
use crate::Result;
use crate::encoding::EncodedRows;
use l0gm_data::rows::{RawTable, RowStream, Source, stream};
use l0gm_train::{CompactHeader, PredictedRows, RowKeys, RowOptions, RowPredictor, Unseen};

/// The rows of a file with their predictions, chunk by chunk.
#[derive(Debug)]
pub struct TableStream {
    model: CompactTable,
    keep: Vec<String>,
    chunks: RowStream,
    rows: NewRows,
    waiting: Waiting,
}

/// Rows that were read and not predicted yet. Predictions are made in batches of the same rows whatever the chunks
/// are, because the last digits of a matrix product depend on the number of its rows.
#[derive(Debug, Default)]
struct Waiting {
    encoded: EncodedRows,
    numbers: Vec<u64>,
    kept: Vec<Vec<Option<String>>>,
}

impl TableStream {
    pub(super) fn new(model: CompactTable, source: &Source, options: &RowOptions) -> Result<Self> {
        let mut reading = rows::options(model.encoding(), model.reading(), &options.keep);
        if let Some(separator) = options.separator {
            reading.separator = Some(separator as u8);
        }
        Ok(Self {
            chunks: stream(source, &reading, options.rows)?,
            keep: options.keep.clone(),
            rows: NewRows::default(),
            waiting: Waiting {
                kept: vec![Vec::new(); options.keep.len()],
                ..Waiting::default()
            },
            model,
        })
    }

    /// Predicts the next rows; `None` after the last.
    ///
    /// # Errors
    /// Fails like [`CompactTable::predict_file`].
    pub fn next_rows(&mut self) -> Result<Option<PredictedRows>> {
        let mut rows = 0;
        while rows == 0 {
            match self.chunks.next_chunk()? {
                Some(raw) => {
                    self.take_in(&raw)?;
                    rows = self.waiting.encoded.rows / BATCH * BATCH;
                }
                None => {
                    rows = self.waiting.encoded.rows;
                    break;
                }
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        let Waiting {
            encoded,
            numbers,
            kept,
        } = &mut self.waiting;
        let kept = kept.iter_mut().map(|cells| cells.drain(..rows).collect());
        Ok(Some(PredictedRows {
            keys: RowKeys::Numbers(numbers.drain(..rows).collect()),
            kept: kept.collect(),
            probabilities: self.model.probabilities(&encoded.take(rows))?,
        }))
    }

    /// Encodes rows that were read.
    fn take_in(&mut self, raw: &RawTable) -> Result<()> {
        let table = self.rows.convert(raw, self.model.encoding())?;
        self.waiting.encoded.append(self.model.encode(table)?);
        let numbers = (0..raw.rows()).map(|row| raw.number(row));
        self.waiting.numbers.extend(numbers);
        for (name, kept) in self.keep.iter().zip(&mut self.waiting.kept) {
            kept.append(&mut raw.as_written(name)?);
        }
        Ok(())
    }
}

impl RowPredictor for TableStream {
    fn header(&self) -> &CompactHeader {
        self.model.header()
    }

    fn next_rows(&mut self) -> l0gm_train::Result<Option<PredictedRows>> {
        self.next_rows().map_err(l0gm_train::Error::modality)
    }

    fn said(&self) -> Vec<String> {
        let said = self.chunks.said().iter().chain(&self.rows.said);
        said.cloned().collect()
    }

    fn unseen(&self) -> Option<Vec<Unseen>> {
        Some(self.rows.unseen(self.model.encoding()))
    }

    fn share(&self) -> Option<f64> {
        self.chunks.share()
    }
}

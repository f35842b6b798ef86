//! Predicts a column of texts chunk by chunk.
use super::CompactText;
use super::file::unknown_note;
use crate::Result;
use crate::read_rows::{texts, without_text_note};
use l0gm_data::rows::{ReadOptions, RowStream, Source, stream};
use l0gm_train::{CompactHeader, PredictedRows, RowKeys, RowOptions, RowPredictor, Unseen};

/// The rows of a file of texts with their predictions, chunk by chunk.
#[derive(Debug)]
pub struct TextStream {
    model: CompactText,
    column: String,
    keep: Vec<String>,
    chunks: RowStream,
    /// Numbers of rows without a text, and of rows whose text is a word for "missing" or empty.
    blank: usize,
    missing: usize,
    /// Numbers of texts with unknown words, and of such words.
    unknown: (usize, usize),
}

impl TextStream {
    pub(super) fn new(
        model: CompactText,
        source: &Source,
        column: &str,
        options: &RowOptions,
    ) -> Result<Self> {
        let wanted = std::iter::once(column.to_owned()).chain(options.keep.iter().cloned());
        let reading = ReadOptions {
            only: Some(wanted.collect()),
            separator: options.separator.map(|separator| separator as u8),
            header: model.names().into(),
            ..ReadOptions::default()
        };
        Ok(Self {
            chunks: stream(source, &reading, options.rows)?,
            column: column.to_owned(),
            keep: options.keep.clone(),
            model,
            blank: 0,
            missing: 0,
            unknown: (0, 0),
        })
    }

    /// Predicts the next rows; `None` after the last.
    ///
    /// # Errors
    /// Fails if rows cannot be read, a column is missing, or a text cannot be predicted.
    pub fn next_rows(&mut self) -> Result<Option<PredictedRows>> {
        let Some(raw) = self.chunks.next_chunk()? else {
            return Ok(None);
        };
        let texts = texts(&raw, &self.column)?;
        self.missing += raw.column(&self.column)?.cells.missing();
        self.blank += texts.iter().filter(|text| text.is_empty()).count();
        let (count, words) = self.model.unknown_words(&texts)?;
        self.unknown = (self.unknown.0 + count, self.unknown.1 + words);
        let kept = self.keep.iter().map(|name| raw.as_written(name));
        let keys = (0..raw.rows()).map(|row| raw.number(row)).collect();
        Ok(Some(PredictedRows {
            keys: RowKeys::Numbers(keys),
            kept: kept.collect::<l0gm_data::rows::Result<_>>()?,
            probabilities: self.model.predict(&texts)?,
        }))
    }
}

impl RowPredictor for TextStream {
    fn header(&self) -> &CompactHeader {
        self.model.header()
    }

    fn next_rows(&mut self) -> l0gm_train::Result<Option<PredictedRows>> {
        self.next_rows().map_err(l0gm_train::Error::modality)
    }

    fn said(&self) -> Vec<String> {
        let missing = without_text_note(self.blank, self.missing);
        self.chunks.said().iter().cloned().chain(missing).collect()
    }

    fn unseen(&self) -> Option<Vec<Unseen>> {
        let (count, words) = self.unknown;
        let rows = self.chunks.rows() as usize;
        let found = (count > 0).then(|| Unseen {
            column: self.column.clone(),
            cells: count as u64,
            remark: unknown_note(count, words, rows),
        });
        Some(found.into_iter().collect())
    }

    fn share(&self) -> Option<f64> {
        self.chunks.share()
    }
}

//! Reads Parquet batch by batch from a file.

use super::super::guard::guarded;
use super::super::missing::Missing;
use super::super::parquet::{self, Columns};
use super::super::{Decimal, RawTable, ReadOptions, Result, decimal};
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The batches of a Parquet file.
pub(super) struct ParquetChunks {
    file: String,
    reader: ParquetRecordBatchReader,
    columns: Columns,
    options: ReadOptions,
    /// The decimal mark of text columns, found in the first batch.
    decimal: Option<Decimal>,
    rows: u64,
    /// The share of the rows that were read, in bytes of the file.
    read: Arc<AtomicU64>,
    bytes_a_row: f64,
}

impl ParquetChunks {
    pub(super) fn new(
        file: &str,
        content: File,
        options: &ReadOptions,
        rows: usize,
        read: Arc<AtomicU64>,
    ) -> Result<Self> {
        let bytes = content.metadata().map_or(0, |about| about.len());
        guarded(file, || {
            let (reader, columns, all) =
                parquet::open_batches(file, content, bytes, options, rows)?;
            Ok(Self {
                file: file.to_owned(),
                reader,
                columns,
                options: options.clone(),
                decimal: None,
                rows: 0,
                read,
                bytes_a_row: bytes as f64 / all.max(1) as f64,
            })
        })
    }

    pub(super) fn next_chunk(&mut self) -> Result<Option<RawTable>> {
        let (reader, columns, file) = (&mut self.reader, &self.columns, &self.file);
        let (options, before) = (&self.options, self.rows);
        let missing = Missing::new(&options.missing);
        let table = guarded(file, || {
            loop {
                let Some(batch) = reader.next() else {
                    return Ok(None);
                };
                let batch = batch.map_err(|error| parquet::unreadable(file, &error))?;
                if batch.num_rows() > 0 {
                    let table =
                        columns.table(file, [Ok(batch)], before, &missing, options.prefix)?;
                    return Ok(Some(table));
                }
            }
        })?;
        let Some(mut table) = table else {
            return match self.rows {
                0 => Err(parquet::no_rows(file)),
                _ => Ok(None),
            };
        };
        self.rows += table.rows() as u64;
        let read = self.rows as f64 * self.bytes_a_row;
        self.read.store(read as u64, Ordering::Relaxed);
        match self.decimal {
            Some(decimal) => table.decimal = decimal,
            None => {
                decimal::find(&mut table, options, None);
                self.decimal = Some(table.decimal);
            }
        }
        Ok(Some(table))
    }
}

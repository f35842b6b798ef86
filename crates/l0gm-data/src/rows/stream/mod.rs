//! Reads a file of rows in chunks, so that a file of any length needs little memory. Every rule is that of
//! [`read`](super::read). What must be the same for the whole file (separator, header, decimal mark) is decided on the
//! first chunk.
//!
//! ```
//! use l0gm_data::rows::{self, ReadOptions, Source};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("long.csv");
//! std::fs::write(&path, "age,pay\n26,1\n31,2\n40,3\n")?;
//!
//! let mut chunks = rows::stream(&Source::path(&path), &ReadOptions::default(), 2)?;
//! let mut rows = 0;
//! while let Some(table) = chunks.next_chunk()? {
//!     assert_eq!(table.number(0), rows + 1);
//!     rows += table.rows() as u64;
//! }
//! assert_eq!(rows, 3);
//! # Ok(())
//! # }
//! ```

mod delimited;
mod input;
mod parquet;
mod text;

use super::{RawTable, ReadOptions, Result, Source, arff};
use delimited::Delimited;
use input::{Found, Read};
use parquet::ParquetChunks;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use text::Text;

/// The rows of a file, chunk by chunk.
pub struct RowStream {
    chunks: Chunks,
    said: Vec<String>,
    /// Bytes read so far, and the file's size if it has one.
    read: Arc<AtomicU64>,
    size: Option<u64>,
    rows: u64,
}

/// The format of a file.
enum Chunks {
    Delimited(Box<Delimited>),
    Parquet(Box<ParquetChunks>),
    /// ARFF is read as a whole.
    Whole(Option<Box<RawTable>>),
}

/// Sizes in which a file is read.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Number of rows of a chunk.
    rows: usize,
    /// Number of bytes that are read before anything is decided.
    first: usize,
    /// Number of bytes that are read at once later.
    block: usize,
    /// Number of bytes of rows that end a chunk, so that long rows do not fill the memory.
    most: usize,
}

/// Opens a file of rows or standard input for reading in chunks of at most `rows` rows. ARFF is a single chunk. The
/// limit on the size of an unpacked file does not apply, except to ARFF.
///
/// # Errors
/// The file cannot be read, or is none of the formats.
pub fn stream(source: &Source, options: &ReadOptions, rows: usize) -> Result<RowStream> {
    let sizes = Sizes {
        rows: rows.max(1),
        first: 1 << 20,
        block: 1 << 20,
        most: 64 << 20,
    };
    stream_with(source, options, sizes)
}

fn stream_with(source: &Source, options: &ReadOptions, sizes: Sizes) -> Result<RowStream> {
    let name = source.name();
    let Found {
        content,
        read,
        size,
    } = input::open(source)?;
    let chunks = match content {
        Read::Parquet(file) => {
            let chunks = ParquetChunks::new(&name, file, options, sizes.rows, read.clone())?;
            Chunks::Parquet(Box::new(chunks))
        }
        Read::Text(reader) => {
            let mut text = Text::new(&name, reader, sizes.block);
            text.more(0, sizes.first)?;
            if source.is_arff() || arff::looks_like(text.as_str()) {
                let whole = text.whole(&options.caps)?;
                Chunks::Whole(Some(Box::new(arff::read(&name, &whole, options)?)))
            } else {
                let prefers_tab = source.prefers_tab();
                Chunks::Delimited(Box::new(Delimited::new(
                    &name,
                    text,
                    prefers_tab,
                    options,
                    sizes,
                )))
            }
        }
    };
    Ok(RowStream {
        chunks,
        said: Vec::new(),
        read,
        size,
        rows: 0,
    })
}

impl RowStream {
    /// The next rows; `None` after the last. Rows keep their lines and numbers in the file. The remarks on the file
    /// are in [`said`](Self::said) and not in the tables.
    ///
    /// # Errors
    /// The error names the file, the line or row, the column, what was expected and what to do. Nothing can be read
    /// after it.
    pub fn next_chunk(&mut self) -> Result<Option<RawTable>> {
        let table = match &mut self.chunks {
            Chunks::Delimited(chunks) => chunks.next_chunk(&mut self.said)?,
            Chunks::Parquet(chunks) => chunks.next_chunk()?,
            Chunks::Whole(table) => table.take().map(|table| *table),
        };
        Ok(table.map(|mut table| {
            self.said.extend(table.take_said());
            self.rows += table.rows() as u64;
            table
        }))
    }

    /// Remarks on the file for the user. Those on its end come with the last chunk.
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// Number of rows that were read so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The share of the file that was read so far; `None` for standard input.
    pub fn share(&self) -> Option<f64> {
        let size = self.size.filter(|size| *size > 0)?;
        let read = self.read.load(Ordering::Relaxed);
        Some((read as f64 / size as f64).min(1.0))
    }
}

impl std::fmt::Debug for RowStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowStream")
            .field("rows", &self.rows)
            .field("said", &self.said)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

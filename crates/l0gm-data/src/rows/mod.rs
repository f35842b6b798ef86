//! Reads a file of rows into named columns of cells. It is used for tables, texts, nodes and edges, predictions to be
//! scored and new rows to be predicted. `docs/rows.md` describes what is read and how.
//!
//! ```
//! use l0gm_data::rows::{self, ReadOptions, Source};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("people.csv");
//! std::fs::write(&path, "age;pay;flag\n26;1.234,50;yes\n31;;no\n")?;
//!
//! let table = rows::read(&Source::path(&path), &ReadOptions::default())?;
//! assert_eq!(table.rows(), 2);
//! assert_eq!(table.column("pay")?.cell(0), Some("1.234,50"));
//! assert_eq!(table.numbers("pay")?, [Some(1234.5), None]);
//! assert_eq!(table.place(1).to_string(), "line 3");
//! assert!(table.said()[0].contains("semicolons"));
//! # Ok(())
//! # }
//! ```
//!
//! Reading has several steps, each in a file: [`Source`] to bytes (`bytes`, unpacked and limited), bytes to text
//! (`encoding`), text to records (`records`) in the dialect that was found (`dialect`), records to a [`RawTable`]
//! (`delimited`, `arff`, `parquet`). Other modules interpret the cells: [`number`], [`decimal`], [`dates`], [`kind`],
//! [`number_column`], [`label`], [`suspicious`] and the [`summary`].

mod append;
mod arff;
mod bytes;
pub mod dates;
pub mod decimal;
mod delimited;
mod dialect;
mod encoding;
mod error;
mod guard;
mod head;
mod header;
pub mod kind;
pub mod label;
mod missing;
mod nearest;
pub mod number;
pub mod number_column;
mod options;
mod parquet;
mod record_rows;
mod records;
mod shown;
mod source;
mod split_column;
mod stream;
pub mod summary;
pub mod suspicious;
mod table;

pub use error::{Error, Place, Result};
pub use guard::guarded;
pub use head::{Head, head};
pub use kind::Kind;
pub use missing::MISSING_WORDS;
pub use number::Decimal;
pub use options::{Caps, Header, HeaderRow, ReadOptions};
pub use parquet::open_parquet;
pub use shown::{list, shown};
pub use source::{Source, is_rows_file};
pub use split_column::{SplitBy, SplitColumn, SplitParts, SplitShares, SplitValues};
pub use stream::{RowStream, stream};
pub use summary::Summary;
pub use table::{Cells, RawColumn, RawTable, Typed};

use bytes::Content;
use nearest::nearest_name;

/// Reads a file of rows or standard input, in any of the formats.
///
/// # Errors
/// The error names the file, the line or row, the column, what was expected and what to do.
pub fn read(source: &Source, options: &ReadOptions) -> Result<RawTable> {
    let name = source.name();
    match bytes::read(source, &options.caps)? {
        Content::Parquet(bytes) => parquet::read(&name, bytes, options),
        Content::Text(bytes) => of_text(source, bytes, options),
    }
}

/// Reads rows from the text of a source.
fn of_text(source: &Source, bytes: Vec<u8>, options: &ReadOptions) -> Result<RawTable> {
    let name = source.name();
    let text = encoding::to_text(&name, bytes)?;
    match source.is_arff() || arff::looks_like(&text) {
        true => arff::read(&name, &text, options),
        false => delimited::read(&name, &text, source.prefers_tab(), options),
    }
}

#[cfg(test)]
mod tests;

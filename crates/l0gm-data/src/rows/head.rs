//! Reads only the beginning of a file, which tells about how many rows the whole has before anything long is started.

use super::bytes::{GZIP, PARQUET, ZSTD};
use super::{Error, RawTable, ReadOptions, Result, Source, of_text, read};
use std::cell::Cell;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::rc::Rc;

/// Parquet files up to this size are read as a whole; there is no beginning to read of a larger one.
const PARQUET_BYTES: u64 = 64 << 20;
/// How often a shorter beginning is tried if one cannot be read, because it ends inside a cell of several lines.
const TRIES: u32 = 3;

/// What the first rows of a file tell about all of it, for estimates that must not read the whole file.
#[derive(Clone, Debug)]
pub struct Head {
    /// The rows that were read.
    pub table: RawTable,
    /// About how much of the file they are; 1 if they are all of it.
    pub share: f64,
}

impl Head {
    /// About how many rows the file has; exact if all of it was read.
    pub fn rows(&self) -> f64 {
        self.table.rows() as f64 / self.share
    }
}

/// Reads the rows in the first `bytes` bytes (unpacked) of a file, or in all of it if it is smaller.
///
/// # Errors
/// Those of [`read`](super::read), or the file is Parquet and larger than 64 MiB.
pub fn head(path: &Path, options: &ReadOptions, bytes: usize) -> Result<Head> {
    let source = Source::path(path);
    let failed = |error: std::io::Error| {
        Error::file(
            &path.display().to_string(),
            format!("cannot be read: {error}"),
        )
    };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    let file = File::open(path).map_err(failed)?;
    let consumed = Rc::new(Cell::new(0));
    let mut reader = BufReader::new(Counted {
        inner: file,
        count: consumed.clone(),
    });
    let first = std::io::BufRead::fill_buf(&mut reader).map_err(failed)?;
    let (gzip, zstd) = (first.starts_with(GZIP), first.starts_with(ZSTD));
    if first.starts_with(PARQUET) {
        if size > PARQUET_BYTES {
            return Err(Error::file(
                &source.name(),
                "is Parquet of more than 64 MiB, of which no beginning can be read",
            ));
        }
        let table = read(&source, options)?;
        return Ok(Head { table, share: 1.0 });
    }
    let mut unpacked: Box<dyn Read> = match (gzip, zstd) {
        (true, _) => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        (_, true) => Box::new(zstd::stream::read::Decoder::with_buffer(reader).map_err(failed)?),
        _ => Box::new(reader),
    };
    let mut text = Vec::new();
    let more = bytes as u64 + 1;
    unpacked
        .by_ref()
        .take(more)
        .read_to_end(&mut text)
        .map_err(failed)?;
    let found = text.len();
    if found <= bytes {
        let table = of_text(&source, text, options)?;
        return Ok(Head { table, share: 1.0 });
    }
    // A packed file's bytes stand for what they unpack to.
    let read_bytes = match gzip || zstd {
        true => consumed.get() as f64,
        false => found as f64,
    };
    let mut cut = found;
    let mut last = None;
    for _ in 0..TRIES {
        cut = text[..cut]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        match of_text(&source, text[..cut].to_vec(), options) {
            Ok(table) => {
                let share = read_bytes * (cut as f64 / found as f64) / size.max(1) as f64;
                return Ok(Head {
                    table,
                    share: share.clamp(f64::MIN_POSITIVE, 1.0),
                });
            }
            Err(error) => last = Some(error),
        }
        cut /= 2;
    }
    Err(last.unwrap_or_else(|| Error::file(&source.name(), "has no rows at its beginning")))
}

/// A reader that counts the bytes that were read through it.
struct Counted {
    inner: File,
    count: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    fn rows(count: usize) -> String {
        let row = |at: usize| format!("{at},\"a text\nof two lines, row {at}\",yes\n");
        format!("id,text,label\n{}", (0..count).map(row).collect::<String>())
    }

    #[test]
    fn a_small_file_is_counted_exactly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, rows(123)).unwrap();
        let found = head(&path, &ReadOptions::default(), 1 << 20).unwrap();
        assert_eq!((found.rows(), found.share), (123.0, 1.0));
    }

    #[test]
    fn a_large_file_is_counted_from_its_beginning_packed_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let text = rows(60_000);
        let plain = dir.path().join("a.csv");
        std::fs::write(&plain, &text).unwrap();
        let gzip = dir.path().join("a.csv.gz");
        let mut packed =
            flate2::write::GzEncoder::new(File::create(&gzip).unwrap(), Default::default());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap();
        let zstd = dir.path().join("a.csv.zst");
        let packed = zstd::encode_all(text.as_bytes(), 3).unwrap();
        std::fs::write(&zstd, packed).unwrap();
        for path in [plain, gzip, zstd] {
            let found = head(&path, &ReadOptions::default(), 600_000).unwrap();
            assert!(found.table.rows() < 30_000, "{}", found.table.rows());
            let ratio = found.rows() / 60_000.0;
            assert!((0.6..1.6).contains(&ratio), "{} {ratio}", path.display());
        }
    }
}

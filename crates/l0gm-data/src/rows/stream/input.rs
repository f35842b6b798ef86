//! Opens a source for reading piece by piece. The first bytes, not the name, tell what kind of file it is.

use super::super::bytes::{GZIP, PARQUET, ZSTD, damaged_file, no_workbook, not_parquet};
use super::super::{Error, Result, Source};
use std::fs::File;
use std::io::{BufReader, Cursor, Read as _, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that tell the kind of a file.
const MAGIC: usize = 8;
/// Bytes that are read from the file at once.
const BUFFER: usize = 1 << 18;

/// An opened source.
pub(super) struct Found {
    pub(super) content: Read,
    /// Number of bytes read so far.
    pub(super) read: Arc<AtomicU64>,
    /// Number of bytes of the file; `None` for standard input.
    pub(super) size: Option<u64>,
}

/// The content, by kind.
pub(super) enum Read {
    /// A Parquet file, which is read from its end.
    Parquet(File),
    /// Text in an unknown encoding, unpacked.
    Text(Reader),
}

/// Unpacked bytes; an error says what is wrong with the file.
pub(super) struct Reader {
    bytes: Box<dyn std::io::Read + Send>,
    packed: bool,
}

impl Reader {
    /// Reads until `bytes` more bytes are there or the source ends. Returns whether it ended.
    pub(super) fn read(&mut self, name: &str, bytes: usize, into: &mut Vec<u8>) -> Result<bool> {
        let before = into.len();
        let read = self.bytes.by_ref().take(bytes as u64).read_to_end(into);
        match read {
            Ok(_) => Ok(into.len() - before < bytes),
            Err(error) if self.packed => Err(damaged_file(name, &error)),
            Err(error) => Err(failed(name, &error)),
        }
    }
}

pub(super) fn open(source: &Source) -> Result<Found> {
    let name = source.name();
    let failed = |error: std::io::Error| failed(&name, &error);
    let read = Arc::new(AtomicU64::new(0));
    let (raw, size): (Box<dyn std::io::Read + Send>, Option<u64>) = match source {
        Source::Stdin => (Box::new(std::io::stdin()), None),
        Source::Path(path) => {
            let file = File::open(path).map_err(failed)?;
            let about = file.metadata().map_err(failed)?;
            if about.is_dir() {
                return Err(Error::file(&name, "is a folder; expected a file of rows"));
            }
            // A pipe with a name has no size, and cannot be read from its end.
            (Box::new(file), about.is_file().then_some(about.len()))
        }
    };
    let counted = Counted {
        inner: raw,
        count: read.clone(),
    };
    let (head, rest) = peek(BufReader::with_capacity(BUFFER, counted)).map_err(failed)?;
    let packed = head.starts_with(GZIP) || head.starts_with(ZSTD);
    let (head, rest): (Vec<u8>, Box<dyn std::io::Read + Send>) = if head.starts_with(GZIP) {
        let unpacked =
            flate2::bufread::MultiGzDecoder::new(BufReader::new(Cursor::new(head).chain(rest)));
        let (head, rest) = peek(unpacked).map_err(|error| damaged_file(&name, &error))?;
        (head, Box::new(rest))
    } else if head.starts_with(ZSTD) {
        let unpacked = zstd::stream::read::Decoder::new(Cursor::new(head).chain(rest));
        let (head, rest) = unpacked
            .and_then(peek)
            .map_err(|error| damaged_file(&name, &error))?;
        (head, Box::new(rest))
    } else {
        (head, Box::new(rest))
    };
    let mut reader = Reader {
        bytes: Box::new(Cursor::new(head.clone()).chain(rest)),
        packed,
    };
    if head.starts_with(PARQUET) {
        let file = match source {
            Source::Path(path) if !packed && size.is_some() => File::open(path).map_err(failed)?,
            _ => spooled(&name, &mut reader)?,
        };
        return Ok(Found {
            content: Read::Parquet(file),
            read,
            size,
        });
    }
    if source.is_parquet() {
        return Err(not_parquet(&name));
    }
    no_workbook(&name, &head)?;
    Ok(Found {
        content: Read::Text(reader),
        read,
        size,
    })
}

/// The first bytes of a source, and the rest. A pipe may give them one by one.
fn peek<R: std::io::Read>(mut source: R) -> std::io::Result<(Vec<u8>, R)> {
    let mut head = Vec::new();
    source.by_ref().take(MAGIC as u64).read_to_end(&mut head)?;
    Ok((head, source))
}

/// Copies Parquet to a temporary file, because it is read from its end and a pipe has none yet.
fn spooled(name: &str, reader: &mut Reader) -> Result<File> {
    let kept = |error: std::io::Error| {
        Error::file(
            name,
            format!("cannot be kept in a temporary file, as Parquet from a pipe must be: {error}"),
        )
    };
    let mut file = tempfile::tempfile().map_err(kept)?;
    let mut block = Vec::new();
    loop {
        block.clear();
        let ended = reader.read(name, 1 << 20, &mut block)?;
        std::io::Write::write_all(&mut file, &block).map_err(kept)?;
        if ended {
            file.rewind().map_err(kept)?;
            return Ok(file);
        }
    }
}

fn failed(name: &str, error: &std::io::Error) -> Error {
    Error::file(name, format!("cannot be read: {error}"))
}

/// A reader that counts the bytes that were read through it.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: std::io::Read> std::io::Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

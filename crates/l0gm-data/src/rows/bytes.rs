//! Turns a source into bytes: reads all of it and unpacks it, within the size limit. The first bytes, not the name,
//! tell what kind of file it is.

use super::options::{BYTES, Caps, allowed};
use super::{Error, Result, Source};
use std::fs::File;
use std::io::{BufReader, Read};

/// The bytes, by kind.
pub(super) enum Content {
    /// A Parquet file.
    Parquet(::bytes::Bytes),
    /// Text in an unknown encoding.
    Text(Vec<u8>),
}

pub(super) const GZIP: &[u8] = &[0x1f, 0x8b];
pub(super) const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
pub(super) const PARQUET: &[u8] = b"PAR1";
/// The beginning of a zip archive; an Excel workbook is one too.
const ZIP: &[u8] = b"PK\x03\x04";
/// The beginning of a workbook of an old Excel version.
const OLE: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0];

pub(super) fn read(source: &Source, caps: &Caps) -> Result<Content> {
    let name = source.name();
    let bytes = match source {
        Source::Stdin => capped(&name, std::io::stdin().lock(), caps, "reading")?,
        Source::Path(path) => {
            let failed =
                |error: std::io::Error| Error::file(&name, format!("cannot be read: {error}"));
            let file = File::open(path).map_err(failed)?;
            let about = file.metadata().map_err(failed)?;
            if about.is_dir() {
                return Err(Error::file(&name, "is a folder; expected a file of rows"));
            }
            if about.len() > caps.bytes {
                return Err(too_large(&name, "has", caps));
            }
            capped(&name, BufReader::new(file), caps, "reading")?
        }
    };
    let bytes = unpack(&name, bytes, caps)?;
    if bytes.starts_with(PARQUET) {
        return Ok(Content::Parquet(bytes.into()));
    }
    if source.is_parquet() {
        return Err(not_parquet(&name));
    }
    no_workbook(&name, &bytes)?;
    Ok(Content::Text(bytes))
}

/// The error that a file with the ending of Parquet is none.
pub(super) fn not_parquet(name: &str) -> Error {
    Error::file(
        name,
        "is not readable Parquet: it does not begin with 'PAR1'; write it again, or rename it if it is text",
    )
}

/// Fails if a file that begins with these bytes is an archive or a workbook.
pub(super) fn no_workbook(name: &str, bytes: &[u8]) -> Result<()> {
    if bytes.starts_with(ZIP) || bytes.starts_with(OLE) {
        return Err(Error::file(
            name,
            "is a zip archive or an Excel workbook; unpack it, or save its sheet as CSV",
        ));
    }
    Ok(())
}

/// Unpacks gzip and zstd, which may both consist of several consecutive members.
fn unpack(name: &str, bytes: Vec<u8>, caps: &Caps) -> Result<Vec<u8>> {
    if bytes.starts_with(GZIP) {
        let reader = flate2::bufread::MultiGzDecoder::new(&bytes[..]);
        capped(name, reader, caps, "unpacking")
    } else if bytes.starts_with(ZSTD) {
        let reader = zstd::stream::read::Decoder::with_buffer(&bytes[..])
            .map_err(|error| damaged_file(name, &error))?;
        capped(name, reader, caps, "unpacking")
    } else {
        Ok(bytes)
    }
}

fn capped(name: &str, reader: impl Read, caps: &Caps, doing: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = reader
        .take(caps.bytes.saturating_add(1))
        .read_to_end(&mut bytes);
    match read {
        Err(error) if doing == "unpacking" => Err(damaged_file(name, &error)),
        Err(error) => Err(Error::file(name, format!("cannot be read: {error}"))),
        Ok(read) if read as u64 > caps.bytes => {
            let is = if doing == "unpacking" {
                "unpacks to"
            } else {
                "has"
            };
            Err(too_large(name, is, caps))
        }
        Ok(_) => Ok(bytes),
    }
}

/// The error that a packed file cannot be unpacked.
pub(super) fn damaged_file(name: &str, error: &std::io::Error) -> Error {
    Error::file(
        name,
        format!("is damaged: it cannot be unpacked ({error}); copy or download it again"),
    )
}

fn too_large(name: &str, is: &str, caps: &Caps) -> Error {
    let allowed = allowed(caps.bytes, "bytes", BYTES);
    Error::file(name, format!("{is} more than {allowed}"))
}

//! Decodes bytes into text: UTF-8 with or without a byte-order mark, or UTF-16 with one. Other encodings give an
//! error that explains how to convert the file, because guessing one could change categories silently.

use super::{Error, Place, Result};

/// The encoding of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// UTF-8, with this many bytes of a mark before it.
    Utf8(usize),
    /// UTF-16 with the low byte first.
    Utf16Low,
    /// UTF-16 with the high byte first.
    Utf16High,
}

impl Encoding {
    /// The encoding that the first bytes of a text show.
    pub(super) fn find(name: &str, bytes: &[u8]) -> Result<Self> {
        match bytes {
            [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Err(Error::file(
                name,
                format!("is UTF-32; {}", convert("UTF-32")),
            )),
            [0xff, 0xfe, ..] => Ok(Self::Utf16Low),
            [0xfe, 0xff, ..] => Ok(Self::Utf16High),
            [0xef, 0xbb, 0xbf, ..] => Ok(Self::Utf8(3)),
            _ => Ok(Self::Utf8(0)),
        }
    }

    /// Number of bytes of the mark.
    pub(super) fn mark(self) -> usize {
        match self {
            Self::Utf8(mark) => mark,
            Self::Utf16Low | Self::Utf16High => 2,
        }
    }
}

/// Decodes a text piece by piece.
pub(super) struct Decoder {
    encoding: Encoding,
    /// Number of bytes, and of ends of lines, decoded so far.
    bytes: usize,
    lines: u64,
}

impl Decoder {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            bytes: 0,
            lines: 0,
        }
    }

    /// Moves the bytes that are whole characters to `text`. At the end of the file, all must be.
    pub(super) fn decode(
        &mut self,
        name: &str,
        bytes: &mut Vec<u8>,
        ended: bool,
        text: &mut String,
    ) -> Result<()> {
        let done = match self.encoding {
            Encoding::Utf8(_) => self.utf8(name, bytes, ended, text)?,
            Encoding::Utf16Low => utf16_part(name, bytes, ended, u16::from_le_bytes, text)?,
            Encoding::Utf16High => utf16_part(name, bytes, ended, u16::from_be_bytes, text)?,
        };
        self.bytes += done;
        self.lines += memchr::memchr_iter(b'\n', &bytes[..done]).count() as u64;
        bytes.drain(..done);
        Ok(())
    }

    fn utf8(&self, name: &str, bytes: &[u8], ended: bool, text: &mut String) -> Result<usize> {
        if let Some(at) = memchr::memchr(0, bytes) {
            let line = self.lines + line_of(bytes, at);
            return Err(zero(name, line, self.bytes + at));
        }
        match std::str::from_utf8(bytes) {
            Ok(all) => {
                text.push_str(all);
                Ok(bytes.len())
            }
            Err(error) => {
                let (valid, _) = bytes.split_at(error.valid_up_to());
                if ended || error.error_len().is_some() {
                    let line = self.lines + line_of(bytes, valid.len());
                    return Err(not_utf8(name, line, bytes[valid.len()]));
                }
                text.push_str(&String::from_utf8_lossy(valid));
                Ok(valid.len())
            }
        }
    }
}

/// Decodes pairs of bytes, up to a pair of units that is not whole yet. Returns the number of bytes.
fn utf16_part(
    name: &str,
    bytes: &[u8],
    ended: bool,
    unit: impl Fn([u8; 2]) -> u16,
    text: &mut String,
) -> Result<usize> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let first_of_two = |pair: &[u8; 2]| (0xd800..0xdc00).contains(&unit(*pair));
    let whole = match ended {
        true => bytes.len(),
        false => 2 * (pairs.len() - usize::from(pairs.last().is_some_and(first_of_two))),
    };
    text.push_str(&utf16(name, &bytes[..whole], unit)?);
    Ok(whole)
}

pub(super) fn to_text(name: &str, mut bytes: Vec<u8>) -> Result<String> {
    Ok(match Encoding::find(name, &bytes)? {
        Encoding::Utf16Low => utf16(name, &bytes[2..], u16::from_le_bytes)?,
        Encoding::Utf16High => utf16(name, &bytes[2..], u16::from_be_bytes)?,
        Encoding::Utf8(mark) => {
            bytes.drain(..mark);
            utf8(name, bytes)?
        }
    })
}

fn utf8(name: &str, bytes: Vec<u8>) -> Result<String> {
    if let Some(at) = memchr::memchr(0, &bytes) {
        return Err(zero(name, line_of(&bytes, at), at));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        not_utf8(name, line_of(bytes, at), bytes[at])
    })
}

/// The error about a zero byte, which text does not contain; every second byte of UTF-16 without a mark may be one.
fn zero(name: &str, line: u64, at: usize) -> Error {
    let hint = match at {
        0 | 1 => convert("UTF-16"),
        _ => "is it a text file?".to_owned(),
    };
    Error::row(
        name,
        Place::Line(line),
        format!("expected text, found a zero byte; {hint}"),
    )
}

fn not_utf8(name: &str, line: u64, byte: u8) -> Error {
    Error::row(
        name,
        Place::Line(line),
        format!(
            "expected UTF-8, found the byte 0x{byte:02x}; {}",
            convert("WINDOWS-1252")
        ),
    )
}

fn utf16(name: &str, bytes: &[u8], unit: impl Fn([u8; 2]) -> u16) -> Result<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let bad = || {
        Error::file(
            name,
            "is damaged: it begins as UTF-16 and does not go on so",
        )
    };
    if !rest.is_empty() {
        return Err(bad());
    }
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .collect::<std::result::Result<String, _>>()
        .map_err(|_| bad())
}

fn convert(from: &str) -> String {
    format!("convert it, for example with: iconv -f {from} -t UTF-8 OLD > NEW")
}

/// The line of a byte, counted from 1.
fn line_of(bytes: &[u8], at: usize) -> u64 {
    memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64 + 1
}

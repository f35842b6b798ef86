//! Decodes bytes into text: UTF-8 with or without a byte-order mark, or UTF-16 with one. Other encodings give an
//! error that explains how to convert the file, because guessing one could change categories silently.

use super::{Error, Place, Result};

pub(super) fn to_text(name: &str, mut bytes: Vec<u8>) -> Result<String> {
    Ok(match bytes.as_slice() {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Err(Error::file(
                name,
                format!("is UTF-32; {}", convert("UTF-32")),
            ));
        }
        [0xff, 0xfe, rest @ ..] => utf16(name, rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(name, rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, ..] => {
            bytes.drain(..3);
            utf8(name, bytes)?
        }
        _ => utf8(name, bytes)?,
    })
}

fn utf8(name: &str, bytes: Vec<u8>) -> Result<String> {
    no_zeros(name, &bytes)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        Error::row(
            name,
            Place::Line(line_of(bytes, at)),
            format!(
                "expected UTF-8, found the byte 0x{:02x}; {}",
                bytes[at],
                convert("WINDOWS-1252")
            ),
        )
    })
}

/// Fails at a zero byte, which text does not contain; every second byte of UTF-16 without a mark may be one.
fn no_zeros(name: &str, bytes: &[u8]) -> Result<()> {
    if let Some(at) = memchr::memchr(0, bytes) {
        let hint = match at {
            0 | 1 => convert("UTF-16"),
            _ => "is it a text file?".to_owned(),
        };
        return Err(Error::row(
            name,
            Place::Line(line_of(bytes, at)),
            format!("expected text, found a zero byte; {hint}"),
        ));
    }
    Ok(())
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

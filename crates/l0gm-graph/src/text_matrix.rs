//! Reads numeric CSV without headers, gzipped or plain, in blocks that all threads parse. OGB's raw files hold only
//! numbers and commas, so quoting is not supported. The text is never in memory as a whole, because a file may be
//! larger than the free memory.
use crate::{Error, Result};
use flate2::read::MultiGzDecoder;
use l0gm_data::limits::{LINE, Limited, UNPACKED};
use rayon::prelude::*;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Number of bytes of text held at a time.
const BLOCK: usize = 16 << 20;

/// Opens a text file, and decompresses it if its name ends in `.gz`.
pub(crate) fn open_text(path: &Path) -> Result<Box<dyn Read>> {
    let file = File::open(path).map_err(|e| Error::read(path, &e))?;
    Ok(if path.extension().is_some_and(|e| e == "gz") {
        let unpacked = MultiGzDecoder::new(BufReader::with_capacity(1 << 18, file));
        Box::new(Limited::new(unpacked, UNPACKED))
    } else {
        Box::new(file)
    })
}

/// Parses every line with `parse`, which appends to its output, and returns all outputs in the file's order. `parse`
/// gets a line without its end and returns what is wrong with it; the error then names file and line (from 1). Empty
/// lines are skipped, and a file without any line is an error.
pub(crate) fn parse_lines<T, F>(path: &Path, parse: F) -> Result<Vec<T>>
where
    T: Send,
    F: Fn(&[u8], &mut Vec<T>) -> std::result::Result<(), String> + Sync,
{
    let mut reader = open_text(path)?;
    let mut values = Vec::new();
    let mut text = Vec::with_capacity(BLOCK);
    let mut lines_before = 0;
    let mut target = BLOCK;
    loop {
        let wanted = target - text.len();
        let read = (&mut reader)
            .take(wanted as u64)
            .read_to_end(&mut text)
            .map_err(|e| Error::read(path, &e))?;
        let at_end = read < wanted;
        let whole = if at_end {
            text.len()
        } else {
            text.iter()
                .rposition(|&b| b == b'\n')
                .map_or(0, |at| at + 1)
        };
        lines_before += parse_block(path, &text[..whole], lines_before, &parse, &mut values)?;
        text.drain(..whole);
        if at_end {
            break;
        }
        // If a line is longer than a block, read on, up to the limit.
        if text.len() as u64 > LINE.bytes() {
            return Err(Error::read(path, &LINE.error()));
        }
        target = BLOCK.max(2 * text.len());
    }
    if values.is_empty() {
        return Err(Error::file(
            path,
            "the file is empty; fetch it again or write it anew",
        ));
    }
    Ok(values)
}

/// Parses complete lines in parallel and returns their number.
fn parse_block<T, F>(
    path: &Path,
    text: &[u8],
    lines_before: usize,
    parse: &F,
    values: &mut Vec<T>,
) -> Result<usize>
where
    T: Send,
    F: Fn(&[u8], &mut Vec<T>) -> std::result::Result<(), String> + Sync,
{
    let pieces = cut_at_lines(text, rayon::current_num_threads() * 4);
    let parsed: Vec<_> = pieces
        .par_iter()
        .map(|piece| {
            let mut out = Vec::new();
            let mut lines = 0;
            for line in piece.split(|&b| b == b'\n') {
                lines += 1;
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                if let Err(message) = parse(line, &mut out) {
                    return (lines, Err(message));
                }
            }
            // The empty piece after a final newline is not a line.
            if piece.ends_with(b"\n") {
                lines -= 1;
            }
            (lines, Ok(out))
        })
        .collect();
    let mut lines = 0;
    for (in_piece, outcome) in parsed {
        match outcome {
            Ok(out) => values.extend(out),
            Err(message) => {
                return Err(Error::file(
                    path,
                    format!("line {}: {message}", lines_before + lines + in_piece),
                ));
            }
        }
        lines += in_piece;
    }
    Ok(lines)
}

/// Cuts the text into about `count` pieces, each of which ends at the end of a line.
fn cut_at_lines(text: &[u8], count: usize) -> Vec<&[u8]> {
    let size = (text.len() / count.max(1)).max(1 << 12);
    let mut pieces = Vec::with_capacity(count + 1);
    let mut rest = text;
    while rest.len() > size {
        match rest[size..].iter().position(|&b| b == b'\n') {
            Some(at) => {
                let (piece, after) = rest.split_at(size + at + 1);
                pieces.push(piece);
                rest = after;
            }
            None => break,
        }
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// The fields of a line.
pub(crate) fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

/// Parses a whole number from 0.
pub(crate) fn parse_id(field: &[u8]) -> std::result::Result<u32, String> {
    let text = || String::from_utf8_lossy(field).into_owned();
    let mut value: u64 = 0;
    if field.is_empty() {
        return Err("a field is empty where a node's number was expected".into());
    }
    for &b in field {
        if !b.is_ascii_digit() {
            return Err(format!("{:?} is not a whole number from 0", text()));
        }
        value = value * 10 + u64::from(b - b'0');
        if value > u64::from(u32::MAX) {
            return Err(format!(
                "{} is larger than the largest node number, {}",
                text(),
                u32::MAX
            ));
        }
    }
    Ok(value as u32)
}

/// Parses a number. Single digits, which are most of a bag of words, take a fast path.
pub(crate) fn parse_f32(field: &[u8]) -> std::result::Result<f32, String> {
    if let [digit @ b'0'..=b'9'] = field {
        return Ok(f32::from(digit - b'0'));
    }
    std::str::from_utf8(field)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("{:?} is not a number", String::from_utf8_lossy(field)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    fn file_of(text: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        file
    }

    #[test]
    fn lines_come_in_order_over_many_pieces() {
        let text: String = (0..20_000).map(|i| format!("{i}\n")).collect();
        let file = file_of(text.as_bytes());
        let values = parse_lines(file.path(), |line, out| {
            out.push(parse_id(line)?);
            Ok(())
        })
        .unwrap();
        assert_eq!(values, (0..20_000).collect::<Vec<u32>>());
    }

    #[test]
    fn an_error_names_the_line_even_in_a_late_piece() {
        let mut text: String = (0..20_000).map(|i| format!("{i}\n")).collect();
        text.push_str("oops\n1\n");
        let file = file_of(text.as_bytes());
        let error = parse_lines::<u32, _>(file.path(), |line, out| {
            out.push(parse_id(line)?);
            Ok(())
        })
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("line 20001") && error.contains("oops"),
            "{error}"
        );
    }

    #[test]
    fn an_empty_file_is_an_error_that_names_it() {
        let file = file_of(b"\n");
        let error = parse_lines::<u32, _>(file.path(), |_, _| Ok(()))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("empty") && error.contains(&file.path().display().to_string()),
            "{error}"
        );
    }
}

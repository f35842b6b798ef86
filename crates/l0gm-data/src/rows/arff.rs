//! Weka's ARFF, the format in which OpenML provides tables: attribute declarations, then rows.

use super::missing::Missing;
use super::number::{Decimal, parse};
use super::options::{LINE, Wanted, allowed};
use super::table::{Cells, RawColumn, RawTable, Typed, too_long};
use super::{Error, Place, ReadOptions, Result, decimal, list, shown};
use std::collections::HashSet;

/// The type that an `@attribute` line declares.
enum Declared {
    Number,
    Text,
    /// One of these names, in their order for messages.
    OneOf(Vec<String>, HashSet<String>),
}

/// Whether text is ARFF, whatever its file name: its first line that is not a comment tells.
pub(super) fn looks_like(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('%'));
    first.is_some_and(|line| {
        keyword(line, "@relation").is_some() || keyword(line, "@attribute").is_some()
    })
}

pub(super) fn read(file: &str, text: &str, options: &ReadOptions) -> Result<RawTable> {
    let missing = Missing::new(&options.missing);
    let mut attributes: Vec<(String, Declared)> = Vec::new();
    let mut columns: Vec<Option<RawColumn>> = Vec::new();
    let (mut lines, mut in_data) = (Vec::new(), false);
    for (line, number) in text.lines().zip(1u64..) {
        let at = Place::Line(number);
        if line.len() as u64 > options.caps.line_bytes {
            let allowed = allowed(options.caps.line_bytes, "bytes", LINE);
            return Err(Error::row(
                file,
                at,
                format!("the line has more than {allowed}"),
            ));
        }
        let expected = |what: &str, found: &str| {
            Error::row(file, at, format!("expected {what}, found {}", shown(found)))
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('%') {
            continue;
        }
        if in_data {
            push(file, number, line, &attributes, &mut columns, &missing)?;
            lines.push(number);
        } else if let Some(rest) = keyword(line, "@attribute") {
            let attribute = attribute(rest).map_err(|problem| match problem {
                Problem::Unclosed => unclosed(file, at),
                Problem::Other => expected("@attribute NAME numeric|string|date|{a,b,...}", line),
            })?;
            attributes.push(attribute);
        } else if keyword(line, "@data").is_some() {
            in_data = true;
            columns = declared_columns(file, &attributes, options)?;
        } else if keyword(line, "@relation").is_none() {
            return Err(expected("@relation, @attribute or @data", line));
        }
    }
    if attributes.is_empty() || !in_data {
        let message = "is empty or no ARFF file; expected @attribute lines, then @data";
        return Err(Error::file(file, message));
    }
    let columns = columns.into_iter().flatten().collect();
    let names = attributes.into_iter().map(|(name, _)| name).collect();
    let mut table = RawTable::new(file, columns, Some(lines), options.prefix)?.in_file(names);
    decimal::find(&mut table, options, None);
    Ok(table)
}

fn declared_columns(
    file: &str,
    attributes: &[(String, Declared)],
    options: &ReadOptions,
) -> Result<Vec<Option<RawColumn>>> {
    let wanted = Wanted::new(options);
    if attributes.is_empty() {
        return Ok(Vec::new());
    }
    wanted.check(file, attributes.iter().map(|(name, _)| name.as_str()))?;
    let columns = attributes.iter().map(|(name, declared)| {
        wanted.has(name).then(|| RawColumn {
            name: name.clone(),
            cells: Cells::default(),
            typed: match declared {
                Declared::Number => Typed::Number,
                Declared::Text => Typed::Text,
                Declared::OneOf(..) => Typed::Category,
            },
        })
    });
    Ok(columns.collect())
}

/// Appends one row.
fn push(
    file: &str,
    number: u64,
    line: &str,
    attributes: &[(String, Declared)],
    columns: &mut [Option<RawColumn>],
    missing: &Missing<'_>,
) -> Result<()> {
    let at = Place::Line(number);
    if line.starts_with('{') {
        return Err(Error::row(
            file,
            at,
            "expected a plain row, found a sparse one; save the file as plain ARFF or as CSV",
        ));
    }
    let (cells, _) = split(line, None).map_err(|problem| match problem {
        Problem::Unclosed => unclosed(file, at),
        Problem::Other => Error::row(file, at, "a quote closes in the middle of a cell"),
    })?;
    let (expected, found) = (attributes.len(), cells.len());
    if found != expected {
        return Err(Error::row(
            file,
            at,
            format!("expected {expected} cells, found {found}"),
        ));
    }
    for ((cell, quoted), ((name, declared), column)) in
        cells.iter().zip(attributes.iter().zip(columns))
    {
        let Some(column) = column else {
            continue;
        };
        // A declared name is a value, even if it is "None".
        let named =
            matches!(declared, Declared::OneOf(_, set) if cell != "?" && set.contains(cell));
        let absent = !quoted && !named && (cell == "?" || missing.is(cell));
        let wrong = match declared {
            _ if absent => None,
            Declared::Number if parse(cell, Decimal::Point).is_none() => {
                Some("a finite number ('?' where a value is missing)".to_owned())
            }
            Declared::OneOf(order, _) if !named => Some(format!(
                "one of {{{}}}",
                list(order.iter().map(String::as_str))
            )),
            _ => None,
        };
        if let Some(expected) = wrong {
            return Err(Error::cell(file, at, name, &expected, cell));
        }
        if !column.cells.push(cell, absent) {
            return Err(too_long(file, name));
        }
    }
    Ok(())
}

fn unclosed(file: &str, at: Place) -> Error {
    Error::row(
        file,
        at,
        "a quote opens here and never closes; close it, or write \\' where it belongs to the cell",
    )
}

/// The rest of a line after a keyword, ignoring case; `None` if the line does not begin with it.
fn keyword<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let head = line.get(..word.len())?;
    let rest = &line[word.len()..];
    let ends = rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == '%');
    (ends && head.eq_ignore_ascii_case(word)).then(|| rest.trim())
}

enum Problem {
    Unclosed,
    Other,
}

/// Parses "NAME TYPE" with any text after it; the name may be quoted and the type a set in braces.
fn attribute(rest: &str) -> std::result::Result<(String, Declared), Problem> {
    let (name, kind) = match rest.chars().next().ok_or(Problem::Other)? {
        quote @ ('\'' | '"') => {
            let (name, end) = quoted(&rest[1..], quote).ok_or(Problem::Unclosed)?;
            (name, rest[1 + end..].trim())
        }
        _ => {
            let end = rest
                .find(|c: char| c.is_whitespace() || c == '{')
                .ok_or(Problem::Other)?;
            (rest[..end].to_owned(), rest[end..].trim())
        }
    };
    if let Some(set) = kind.strip_prefix('{') {
        let (values, end) = split(set, Some('}'))?;
        let rest = set[end..]
            .strip_prefix('}')
            .ok_or(Problem::Other)?
            .trim_start();
        if !rest.is_empty() && !rest.starts_with('%') {
            return Err(Problem::Other);
        }
        let values: Vec<String> = values.into_iter().map(|(value, _)| value).collect();
        let set = values.iter().cloned().collect();
        return Ok((name, Declared::OneOf(values, set)));
    }
    // A range or a comment may follow without a space.
    let word = kind
        .split(|c: char| c.is_whitespace() || matches!(c, '[' | '%' | '"' | '\''))
        .next();
    match word.unwrap_or_default().to_lowercase().as_str() {
        "numeric" | "real" | "integer" => Ok((name, Declared::Number)),
        "string" | "date" => Ok((name, Declared::Text)),
        _ => Err(Problem::Other),
    }
}

/// The text in quotes, and where the text after the closing quote begins.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                other => out.push(other),
            },
            c if c == quote => return Some((out, at + c.len_utf8())),
            c => out.push(c),
        }
    }
    None
}

/// The cells, and whether each was quoted.
type Split = Vec<(String, bool)>;

/// Splits at commas outside quotes, up to `end` or a comment (a '%' at the start of a cell or after a space). Also
/// returns where it stopped.
fn split(line: &str, end: Option<char>) -> std::result::Result<(Split, usize), Problem> {
    let mut cells = Vec::new();
    let mut at = 0;
    loop {
        let blanks = line[at..].len() - line[at..].trim_start().len();
        at += blanks;
        let (cell, was_quoted) = match line[at..].chars().next() {
            Some(quote @ ('\'' | '"')) => {
                let (cell, behind) = quoted(&line[at + 1..], quote).ok_or(Problem::Unclosed)?;
                at += 1 + behind;
                at += line[at..].len() - line[at..].trim_start().len();
                (cell, true)
            }
            _ => {
                let start = at;
                let mut blank = true;
                for c in line[at..].chars() {
                    if c == ',' || Some(c) == end || c == '%' && blank {
                        break;
                    }
                    blank = c.is_whitespace();
                    at += c.len_utf8();
                }
                (unescaped(line[start..at].trim()), false)
            }
        };
        cells.push((cell, was_quoted));
        match line[at..].chars().next() {
            Some(',') => at += 1,
            None | Some('%') => return Ok((cells, at)),
            Some(c) if Some(c) == end => return Ok((cells, at)),
            Some(_) => return Err(Problem::Other),
        }
    }
}

/// Backslashes also escape quotes, commas and backslashes outside quotes.
fn unescaped(cell: &str) -> String {
    let mut out = String::new();
    let mut chars = cell.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some('\'' | '"' | '\\' | '%') if c == '\\' => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out
}

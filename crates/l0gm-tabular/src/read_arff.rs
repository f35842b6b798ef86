//! Reads Weka's ARFF, the format OpenML hands tables out in: attribute declarations, then rows.

use crate::table::{Categories, Cells, Column, Table};
use crate::{Error, Result};
use std::path::Path;

/// What an `@attribute` line declares.
enum Kind {
    Numeric,
    Text,
    Nominal(Vec<String>),
}

/// Reads an ARFF file; rows are named by their 1-based line. '?' and the given markers are missing.
///
/// # Errors
/// A file that is empty, not UTF-8 (names the line), or without attributes or `@data`; sparse rows;
/// a row with too few or too many fields; a nominal value that was not declared; a number that is not
/// one. Each names the line.
pub fn read_arff(path: &Path, missing: &[String]) -> Result<Table> {
    let bytes = std::fs::read(path)
        .map_err(|error| Error::file(path, format!("cannot be read: {error}")))?;
    let mut attributes: Vec<(String, Kind)> = Vec::new();
    let mut columns: Vec<Column> = Vec::new();
    let mut lines = Vec::new();
    let mut in_data = false;
    for (index, raw) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let number = index as u64 + 1;
        let row_error = |expected: &str, found: &str| Error::Row {
            path: path.to_path_buf(),
            row: number,
            expected: expected.to_owned(),
            found: found.to_owned(),
        };
        let line = std::str::from_utf8(raw)
            .map_err(|_| row_error("valid UTF-8 (convert the file)", "a bad byte"))?
            .trim();
        if line.is_empty() || line.starts_with('%') {
            continue;
        }
        if in_data {
            if line.starts_with('{') {
                return Err(row_error("a plain row (sparse ARFF is not read)", line));
            }
            let cells = fields(line).ok_or_else(|| row_error("closed quotes", line))?;
            if cells.len() != attributes.len() {
                return Err(row_error(
                    &format!("{} fields", attributes.len()),
                    &cells.len().to_string(),
                ));
            }
            for ((cell, quoted), ((name, kind), column)) in
                cells.iter().zip(attributes.iter().zip(&mut columns))
            {
                let absent = !quoted
                    && (cell.is_empty() || cell == "?" || missing.iter().any(|m| m == cell));
                push(column, kind, (!absent).then_some(cell.as_str())).map_err(|expected| {
                    Error::Cell {
                        path: path.to_path_buf(),
                        row: number,
                        column: name.clone(),
                        expected,
                        found: format!("'{cell}'"),
                    }
                })?;
            }
            lines.push(number);
        } else if let Some(rest) = keyword(line, "@attribute") {
            let (name, kind) = attribute(rest)
                .ok_or_else(|| row_error("@attribute NAME numeric|string|{a,b,..}", line))?;
            let cells = match kind {
                Kind::Numeric => Cells::Numeric(Vec::new()),
                Kind::Text | Kind::Nominal(_) => Cells::Categorical(Categories::default()),
            };
            columns.push(Column {
                name: name.clone(),
                cells,
            });
            attributes.push((name, kind));
        } else if keyword(line, "@data").is_some() {
            in_data = true;
        } else if keyword(line, "@relation").is_none() {
            return Err(row_error("@relation, @attribute or @data", line));
        }
    }
    if attributes.is_empty() || !in_data {
        return Err(Error::file(
            path,
            "is empty or no ARFF file; expected @attribute lines, then @data",
        ));
    }
    Table::new(path, columns, lines)
}

/// Appends a cell, or says what was expected instead.
fn push(column: &mut Column, kind: &Kind, cell: Option<&str>) -> std::result::Result<(), String> {
    match (&mut column.cells, cell) {
        (Cells::Numeric(values), None) => values.push(None),
        (Cells::Numeric(values), Some(cell)) => match cell.parse::<f64>() {
            Ok(value) if value.is_finite() => values.push(Some(value)),
            _ => return Err("a finite number ('?' where a value is missing)".into()),
        },
        (Cells::Categorical(categories), cell) => {
            if let (Kind::Nominal(values), Some(cell)) = (kind, cell)
                && !values.iter().any(|value| value == cell)
            {
                return Err(format!("one of {{{}}}", values.join(", ")));
            }
            categories.push(cell);
        }
    }
    Ok(())
}

/// The rest of a line after a keyword, whatever its case.
fn keyword<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let head = line.get(..word.len())?;
    head.eq_ignore_ascii_case(word)
        .then(|| line[word.len()..].trim())
}

/// "NAME TYPE", where either may be quoted or, for the type, a set in braces.
fn attribute(rest: &str) -> Option<(String, Kind)> {
    let (name, kind) = match rest.chars().next()? {
        quote @ ('\'' | '"') => {
            let end = rest[1..].find(quote)? + 1;
            (rest[1..end].to_owned(), rest[end + 1..].trim())
        }
        _ => {
            let end = rest.find(|c: char| c.is_whitespace() || c == '{')?;
            (rest[..end].to_owned(), rest[end..].trim())
        }
    };
    if let Some(set) = kind.strip_prefix('{') {
        let values = fields(set.trim_end().strip_suffix('}')?)?;
        return Some((
            name,
            Kind::Nominal(values.into_iter().map(|(v, _)| v).collect()),
        ));
    }
    let kind = match kind.split_whitespace().next()?.to_lowercase().as_str() {
        "numeric" | "real" | "integer" => Kind::Numeric,
        "string" | "date" => Kind::Text,
        _ => return None,
    };
    Some((name, kind))
}

/// Splits at commas outside quotes; each field trimmed, unquoted, and whether it was quoted.
/// `None` where a quote is not closed.
fn fields(line: &str) -> Option<Vec<(String, bool)>> {
    let mut out = Vec::new();
    let mut field = String::new();
    let mut quote: Option<char> = None;
    let mut quoted = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', Some(_)) => field.extend(chars.next()),
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => field.push(c),
            ('\'' | '"', None) if field.trim().is_empty() => {
                field.clear();
                quote = Some(c);
                quoted = true;
            }
            (',', None) => {
                out.push(finish(&mut field, &mut quoted));
            }
            (c, None) if quoted && c.is_whitespace() => {}
            (c, None) => field.push(c),
        }
    }
    if quote.is_some() {
        return None;
    }
    out.push(finish(&mut field, &mut quoted));
    Some(out)
}

fn finish(field: &mut String, quoted: &mut bool) -> (String, bool) {
    let was_quoted = std::mem::take(quoted);
    let field = std::mem::take(field);
    let field = if was_quoted {
        field
    } else {
        field.trim().to_owned()
    };
    (field, was_quoted)
}

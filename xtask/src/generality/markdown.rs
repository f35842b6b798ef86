//! Pieces of Markdown whose raw text reads well too: lines of at most 110 columns, and tables with straight edges.

/// Paragraphs are wrapped at this many characters, like the repository's documents.
const WIDTH: usize = 110;

/// A sentence begins with a capital letter.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

pub(super) fn bullets(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines
        .map(|line| wrapped(&format!("- {line}"), "  "))
        .collect();
    lines.join("\n")
}

/// Breaks a paragraph at blanks; later lines begin with `indent`.
pub(super) fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines
            .last_mut()
            .map(|line| line.chars().count())
            .unwrap_or(0);
        if line > indent.len() && line + 1 + word.chars().count() > WIDTH {
            lines.push(indent.to_owned());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() && !line.ends_with(' ') {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

/// A Markdown table whose columns are as wide as their cells. The first `left` columns are text.
pub(super) fn padded(rows: &[Vec<String>], left: usize) -> String {
    let Some(header) = rows.first() else {
        return String::new();
    };
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells =
            row.iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| match column < left {
                    true => format!("{cell:<width$}"),
                    false => format!("{cell:>width$}"),
                });
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths
        .iter()
        .enumerate()
        .map(|(column, &width)| match column < left {
            true => format!(":{}", "-".repeat(width - 1)),
            false => format!("{}:", "-".repeat(width - 1)),
        });
    let rule = format!("| {} |", rule.collect::<Vec<_>>().join(" | "));
    let body = rows[1..].iter().map(line);
    let lines: Vec<String> = [line(header), rule].into_iter().chain(body).collect();
    lines.join("\n")
}

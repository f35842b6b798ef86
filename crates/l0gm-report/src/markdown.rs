//! Renders the report as Markdown; its figures are the SVG files beside it.

use super::document::{Block, Document};
use super::table::Table;
use std::fmt::Write;

pub(crate) fn text(document: &Document) -> String {
    let mut parts = vec![format!("# {}", document.title)];
    parts.extend(document.lead.iter().cloned());
    for section in &document.sections {
        parts.push(format!("## {}", section.heading));
        parts.extend(section.blocks.iter().map(block));
    }
    let mut text = parts.join("\n\n");
    text.push('\n');
    text
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(text) => format!("### {text}"),
        Block::Paragraph(text) => text.clone(),
        Block::Warning(text) => format!("> **{text}**"),
        Block::List(items) => bullets(items.iter().cloned()),
        Block::Facts(facts) => bullets(
            facts
                .iter()
                .map(|fact| format!("**{}** {} ({})", fact.value, fact.label, fact.note)),
        ),
        Block::Table(content) => format!("**{}**\n\n{}", content.title, table(content)),
        Block::Folded(content) => folded(&content.title, &table(content)),
        Block::FoldedList { title, items } => folded(title, &bullets(items.iter().cloned())),
        Block::Figures(figures) => figures
            .iter()
            .map(|f| {
                format!(
                    "![{}](figures/{}.svg)\n\n*{}*",
                    plain(&f.alt),
                    f.id,
                    f.caption
                )
            })
            .collect::<Vec<_>>()
            .join("\n\n"),
        Block::Code(text) => format!("```\n{text}\n```"),
    }
}

/// Markdown cannot fold anything, so this is HTML; the blank lines make its content Markdown again.
fn folded(title: &str, content: &str) -> String {
    format!(
        "<details>\n<summary>{}</summary>\n\n{content}\n\n</details>",
        escaped(title)
    )
}

fn bullets(items: impl Iterator<Item = String>) -> String {
    items
        .map(|item| format!("- {item}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn table(table: &Table) -> String {
    let mut text = String::new();
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let headers = table.shown_columns();
    text.push_str(&row(headers.map(|c| cell(&c.header)).collect()));
    let rules = table
        .shown_columns()
        .map(|c| if c.text { ":--" } else { "--:" });
    text.push_str(&row(rules.map(str::to_owned).collect()));
    for cells in &table.rows {
        let shown = table.shown_cells(cells);
        text.push_str(&row(shown.map(|(c, _)| cell(c.shown())).collect()));
    }
    if !table.note.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{}", table.note);
    }
    text.trim_end().to_owned()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn plain(text: &str) -> String {
    text.replace(['[', ']'], "")
}

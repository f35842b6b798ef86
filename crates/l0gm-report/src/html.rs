//! Renders the report as one HTML file that holds its styles and figures and loads nothing from elsewhere.

use super::document::{Block, Document, Fact};
use super::figures::Figure;
use super::table::{Cell, Table};
use crate::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");

pub(crate) fn page(document: &Document) -> Result<String> {
    let mut body = Vec::new();
    for section in &document.sections {
        let mut blocks = Vec::new();
        for part in &section.blocks {
            blocks.push(block(part)?);
        }
        body.push(html! {
            section id=(section.id) {
                h2 { (section.heading) }
                @for block in &blocks { (block) }
            }
        });
    }
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (document.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (document.title) }
                    @for paragraph in &document.lead { p.lead { (inline(paragraph)) } }
                    nav aria-label="Sections" {
                        @for section in &document.sections {
                            a href={ "#" (section.id) } { (section.heading) }
                        }
                    }
                }
                main { @for section in &body { (section) } }
            }
        }
    };
    Ok(page.into_string())
}

fn block(block: &Block) -> Result<Markup> {
    Ok(match block {
        Block::Heading(text) => html! { h3 { (text) } },
        Block::Paragraph(text) => html! { p { (inline(text)) } },
        Block::Warning(text) => html! { p.warning role="note" { (inline(text)) } },
        Block::List(items) => html! { ul { @for item in items { li { (inline(item)) } } } },
        Block::Code(text) => html! { pre { code { (text) } } },
        Block::Facts(items) => facts(items),
        Block::Table(content) => html! {
            div.table {
                p.title { (content.title) }
                (table(content))
                @if !content.note.is_empty() { p.note { (content.note) } }
            }
        },
        Block::Folded(content) => html! {
            details {
                summary { (content.title) }
                (table(content))
                @if !content.note.is_empty() { p.note { (content.note) } }
            }
        },
        Block::FoldedList { title, items } => html! {
            details {
                summary { (title) }
                ul { @for item in items { li { (inline(item)) } } }
            }
        },
        Block::Figures(items) => figures(items)?,
    })
}

fn facts(facts: &[Fact]) -> Markup {
    html! {
        dl.facts {
            @for fact in facts {
                div {
                    dt { (fact.label) }
                    dd.value { (fact.value) }
                    dd.note { (fact.note) }
                }
            }
        }
    }
}

fn table(table: &Table) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(table.title) {
            table class=[(table.shown_columns().count() > MANY).then_some("wide")] {
                thead {
                    tr {
                        @for column in table.shown_columns() {
                            th scope="col" class=[column.text.then_some("words")] { (column.header) }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (cell, column) in table.shown_cells(row) {
                                td class=[cell_class(cell, column.text)] { (inline(&in_html(cell))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell_class(cell: &Cell, text: bool) -> Option<&'static str> {
    match cell {
        Cell::Empty => Some("empty"),
        Cell::Estimate { .. } => Some("spread"),
        _ if text && cell.shown().len() > LONG => Some("words long"),
        _ => text.then_some("words"),
    }
}

/// The text of a cell. A deviation may stand below its mean, where a table would be too wide, but not break.
fn in_html(cell: &Cell) -> String {
    match cell {
        Cell::Estimate { shown, .. } => shown.replace("± ", "±\u{a0}"),
        other => other.shown().to_owned(),
    }
}

fn figures(figures: &[Figure]) -> Result<Markup> {
    let mut drawn = Vec::new();
    for figure in figures {
        drawn.push((figure, figure.inline_svg()?));
    }
    Ok(html! {
        div.figures {
            @for (figure, svg) in &drawn {
                figure aria-label=(figure.alt) {
                    (PreEscaped(svg))
                    figcaption { (figure.caption) }
                }
            }
        }
    })
}

/// Number of columns from which a table is set smaller.
const MANY: usize = 12;

/// Number of letters from which a cell gets a wider column.
const LONG: usize = 60;

/// Marks up text, with the parts between backticks as code.
fn inline(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

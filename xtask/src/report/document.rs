//! The report before it has a form: headings, paragraphs, tables and figures, which `html.rs` and
//! `markdown.rs` each render in full. Text between backticks is code in both.

use super::figures::Figure;
use super::table::Table;

/// A whole report.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// Says whether it is about twins.
    pub(crate) title: String,
    /// A few sentences before everything else.
    pub(crate) lead: Vec<String>,
    /// In order.
    pub(crate) sections: Vec<Section>,
}

/// A heading and what stands under it.
#[derive(Debug)]
pub(crate) struct Section {
    /// For links within the report.
    pub(crate) id: String,
    /// The heading.
    pub(crate) heading: String,
    /// In order.
    pub(crate) blocks: Vec<Block>,
}

/// One piece of a section.
#[derive(Debug)]
pub(crate) enum Block {
    /// A smaller heading.
    Heading(String),
    /// A paragraph.
    Paragraph(String),
    /// A paragraph that must not be overlooked.
    Warning(String),
    /// A list.
    List(Vec<String>),
    /// Large numbers with a label each.
    Facts(Vec<Fact>),
    /// A table.
    Table(Table),
    /// A table that is folded away at first.
    Folded(Table),
    /// Figures side by side where there is room.
    Figures(Vec<Figure>),
    /// Text as it stands.
    Code(String),
}

/// A number worth a glance.
#[derive(Debug)]
pub(crate) struct Fact {
    /// "87.4%".
    pub(crate) value: String,
    /// What it is.
    pub(crate) label: String,
    /// What it should be held against.
    pub(crate) note: String,
}

impl Document {
    /// Every table of the document.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.blocks().filter_map(|block| match block {
            Block::Table(table) | Block::Folded(table) => Some(table),
            _ => None,
        })
    }

    /// Every figure of the document.
    pub(crate) fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.blocks()
            .filter_map(|block| match block {
                Block::Figures(figures) => Some(figures),
                _ => None,
            })
            .flatten()
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.sections.iter().flat_map(|section| &section.blocks)
    }
}

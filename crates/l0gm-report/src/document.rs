//! The report before it has a form: headings, paragraphs, tables and figures, which `html.rs` and
//! `markdown.rs` each render in full. Text between backticks is code in both.

use super::figures::Figure;
use super::table::Table;

/// A whole report.
#[derive(Debug, Default)]
pub struct Document {
    /// Says whether it is about twins.
    pub title: String,
    /// A few sentences before everything else.
    pub lead: Vec<String>,
    /// In order.
    pub sections: Vec<Section>,
}

/// A heading and what stands under it.
#[derive(Debug)]
pub struct Section {
    /// For links within the report.
    pub id: String,
    /// The heading.
    pub heading: String,
    /// In order.
    pub blocks: Vec<Block>,
}

/// One piece of a section.
#[derive(Debug)]
pub enum Block {
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
pub struct Fact {
    /// "87.4%".
    pub value: String,
    /// What it is.
    pub label: String,
    /// What it should be held against.
    pub note: String,
}

impl Document {
    /// Every table of the document.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.blocks().filter_map(|block| match block {
            Block::Table(table) | Block::Folded(table) => Some(table),
            _ => None,
        })
    }

    /// Every figure of the document.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
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

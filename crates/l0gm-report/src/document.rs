//! The report before it is rendered: headings, paragraphs, tables and figures. `html.rs` and `markdown.rs` each
//! render all of it. Text between backticks is code in both.

use super::figures::Figure;
use super::table::Table;

/// A whole report.
#[derive(Debug, Default)]
pub struct Document {
    /// Title of the page; says whether the report is about twins.
    pub title: String,
    /// A few sentences that stand before everything else.
    pub lead: Vec<String>,
    /// The sections in reading order.
    pub sections: Vec<Section>,
}

/// A heading and the blocks under it.
#[derive(Debug)]
pub struct Section {
    /// Anchor for links within the report.
    pub id: String,
    /// The line above the blocks, without markup.
    pub heading: String,
    /// The blocks in reading order.
    pub blocks: Vec<Block>,
}

/// One piece of a section.
#[derive(Debug)]
pub enum Block {
    /// A heading below the section's.
    Heading(String),
    /// A paragraph.
    Paragraph(String),
    /// A paragraph that is set off so that readers do not overlook it.
    Warning(String),
    /// A list of items.
    List(Vec<String>),
    /// Key figures, each set large with its label.
    Facts(Vec<Fact>),
    /// A table that is shown in full.
    Table(Table),
    /// A table that is folded away at first.
    Folded(Table),
    /// A list of items that is folded away at first, under this title.
    FoldedList {
        /// The line that stays in view.
        title: String,
        /// The items of the list.
        items: Vec<String>,
    },
    /// Figures, side by side where the page is wide enough.
    Figures(Vec<Figure>),
    /// Preformatted text, such as a command.
    Code(String),
}

/// A key figure at the top of the report.
#[derive(Debug)]
pub struct Fact {
    /// The number as shown, such as "87.4%".
    pub value: String,
    /// What the number measures.
    pub label: String,
    /// What the number should be compared with.
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

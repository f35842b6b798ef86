//! How files with the edges and the nodes of a graph of one's own are read.

use crate::{Error, Result};
use l0gm_data::rows::{Decimal, HeaderRow, ReadOptions};
use serde::{Deserialize, Serialize};

/// How an edge list and its table of nodes are read (`docs/rows.md`); OGB's layouts do not use these settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TableSettings {
    /// File of nodes, relative to the folder of the edges. If empty, the file beside the edges whose name is `nodes`
    /// with the extension of a file of rows.
    pub nodes: String,
    /// Column with the nodes' ids.
    pub id_column: String,
    /// Column with the nodes' labels.
    pub label_column: String,
    /// Column of the edges' file with one end.
    pub source_column: String,
    /// Column of the edges' file with the other end.
    pub target_column: String,
    /// Columns of the nodes to ignore completely.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Columns of the nodes to keep even if they look like an identifier or a copy of the label.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// Columns of the nodes to read as categories, whatever they look like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categorical: Vec<String>,
    /// Class names in the order of their numbers; default: the distinct labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Words that mean "missing" besides the empty cell; default: the list in `docs/rows.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
    /// Character between cells in both files; default: found for each file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<char>,
    /// Decimal mark; default: found from the cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
    /// Where the names of the nodes' columns come from; default: the first row, unless it looks like data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderRow>,
    /// Where the names of the edges' columns come from. Without a header the first two columns are the ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edges_header: Option<HeaderRow>,
    /// Columns of the edges to ignore completely.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edges_ignore: Vec<String>,
}

impl TableSettings {
    /// Options for reading the table of nodes.
    pub(crate) fn node_options(&self) -> ReadOptions {
        ReadOptions {
            header: self.header.into(),
            ignore: self.ignore.clone(),
            decimal: self.decimal,
            prefix: "table.",
            ..self.options()
        }
    }

    /// Options for reading the edges.
    pub(crate) fn edge_options(&self) -> ReadOptions {
        ReadOptions {
            header: self.edges_header.into(),
            ignore: self.edges_ignore.clone(),
            prefix: "table.edges-",
            ..self.options()
        }
    }

    fn options(&self) -> ReadOptions {
        let default = ReadOptions::default();
        ReadOptions {
            separator: self.separator.map(|separator| separator as u8),
            missing: self.missing.clone().unwrap_or(default.missing),
            ..ReadOptions::default()
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match self.separator {
            Some(separator) if !separator.is_ascii() => Err(Error::Setting(format!(
                "table.separator is {separator:?}; it must be a single ASCII character"
            ))),
            _ => Ok(()),
        }
    }
}

impl Default for TableSettings {
    fn default() -> Self {
        Self {
            nodes: String::new(),
            id_column: "id".into(),
            label_column: "label".into(),
            source_column: "source".into(),
            target_column: "target".into(),
            ignore: Vec::new(),
            keep: Vec::new(),
            categorical: Vec::new(),
            classes: None,
            missing: None,
            separator: None,
            decimal: None,
            header: None,
            edges_header: None,
            edges_ignore: Vec::new(),
        }
    }
}

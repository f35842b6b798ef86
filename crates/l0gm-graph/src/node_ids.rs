//! The names of nodes, which are distinct texts. If all of them are whole numbers, `7` and `7.0` name the same node,
//! so that edges written by another program find it.
use crate::{NodeId, Result};
use l0gm_data::rows::kind::Kind;
use l0gm_data::rows::{Decimal, RawColumn, RawTable, shown};
use std::borrow::Cow;
use std::collections::HashMap;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeIds {
    rows: HashMap<String, u32>,
    /// The names as the file writes them, in its order.
    names: Vec<String>,
    /// The decimal mark, if all names are whole numbers.
    whole: Option<Decimal>,
}

impl NodeIds {
    /// Reads the names from the column of ids. A missing or repeated name is an error that gives its line.
    pub(crate) fn read(table: &RawTable, column: &RawColumn) -> Result<Self> {
        let mut ids = Self {
            rows: HashMap::with_capacity(table.rows()),
            names: Vec::with_capacity(table.rows()),
            whole: whole(table, column),
        };
        for row in 0..table.rows() {
            let name = name(table, column, row)?;
            let key = ids.key(name).into_owned();
            if let Some(before) = ids.rows.insert(key, row as u32) {
                let message = format!(
                    "node {} stood already in {}; ids must be unique",
                    shown(name),
                    table.place(before as usize)
                );
                return Err(table.row_error(row, message).into());
            }
            ids.names.push(name.to_owned());
        }
        Ok(ids)
    }

    /// The node with this name.
    pub(crate) fn find(&self, name: &str) -> Option<NodeId> {
        self.rows.get(self.key(name).as_ref()).copied().map(NodeId)
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The names as the file writes them.
    pub(crate) fn into_names(self) -> Vec<String> {
        self.names
    }

    fn key<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match self.whole {
            Some(decimal) => Kind::Number(decimal).canonical(name),
            None => Cow::Borrowed(name),
        }
    }
}

/// The name in a cell; fails if the cell is missing.
pub(crate) fn name<'a>(table: &RawTable, column: &'a RawColumn, row: usize) -> Result<&'a str> {
    column.cell(row).ok_or_else(|| {
        let expected = match column.cells.raw(row) {
            "" => "the id of a node",
            _ => "the id of a node (this word means that it is missing; the setting table.missing changes which words do)",
        };
        table.cell_error(row, column, expected).into()
    })
}

/// The decimal mark, if all names are whole numbers; otherwise names such as `1.10` and `1.1` differ.
fn whole(table: &RawTable, column: &RawColumn) -> Option<Decimal> {
    let Ok(Kind::Number(decimal)) = table.kind(column) else {
        return None;
    };
    let is_whole = |cell: &str| {
        let text = Kind::Number(decimal).canonical(cell);
        let digits = text.strip_prefix('-').unwrap_or(&text);
        digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let plain = |cell: &str| !cell.contains(['e', 'E', '%', '$', '(']);
    let mut cells = column.cells.iter().flatten();
    cells
        .all(|cell| plain(cell) && is_whole(cell))
        .then_some(decimal)
}

//! The decimal mark of a file, from cells that can be read in one way only.

use super::number::{Decimal, parse};
use super::table::Typed;
use super::{RawTable, ReadOptions};

/// Rows and columns that are looked at.
const ROWS: usize = 1000;
const CELLS: usize = 200_000;

/// Finds the mark, unless it is given. Where all cells with a comma read both ways (`1,234`), it is the
/// usual one, and without that a comma if semicolons separate the cells: that is what they are chosen
/// for.
pub(super) fn find(table: &mut RawTable, options: &ReadOptions, separator: u8) {
    if let Some(given) = options.decimal {
        table.decimal = given;
        return;
    }
    let (mut point, mut comma, mut both) = (0usize, 0usize, 0usize);
    let rows = table.rows().min(ROWS);
    let columns = (CELLS / rows.max(1)).max(1);
    let texts = table
        .columns()
        .iter()
        .filter(|column| column.typed == Typed::Text);
    for column in texts.take(columns) {
        for row in 0..rows {
            let Some(cell) = column.cell(row).filter(|cell| cell.len() < 32) else {
                continue;
            };
            let has_comma = cell.contains(',');
            if !has_comma && !cell.contains('.') {
                continue;
            }
            match (
                parse(cell, Decimal::Point).is_some(),
                parse(cell, Decimal::Comma).is_some(),
            ) {
                (true, false) => point += 1,
                (false, true) => comma += 1,
                (true, true) if has_comma => both += 1,
                _ => {}
            }
        }
    }
    let untold = match options.usual_decimal {
        Some(usual) => usual == Decimal::Comma,
        None => separator == b';',
    };
    if comma > point || comma == 0 && point == 0 && both > 0 && untold {
        table.decimal = Decimal::Comma;
        table.say("the comma is the decimal mark");
    }
}

//! Finds the decimal mark of a file and of its columns, from cells that can be read in only one way.

use super::number::{Decimal, parse};
use super::table::Typed;
use super::{RawColumn, RawTable, ReadOptions, list};

/// Numbers of rows and columns to examine.
const ROWS: usize = 1000;
const CELLS: usize = 200_000;

/// Counts cells with a comma or a point, by the marks with which they are numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Votes {
    point: usize,
    comma: usize,
    /// Cells that are numbers with either mark and have a comma, such as `1,234`.
    both_comma: usize,
    /// Cells that are numbers with either mark and have no comma, such as `1.234`.
    both_point: usize,
}

impl Votes {
    fn of(column: &RawColumn, rows: usize) -> Self {
        let mut votes = Self::default();
        for row in 0..rows {
            let Some(cell) = column.cell(row).filter(|cell| cell.len() < 32) else {
                continue;
            };
            let has_comma = cell.contains(',');
            if !has_comma && !cell.contains('.') {
                continue;
            }
            let with = |decimal| parse(cell, decimal).is_some();
            match (with(Decimal::Point), with(Decimal::Comma)) {
                (true, false) => votes.point += 1,
                (false, true) => votes.comma += 1,
                (true, true) if has_comma => votes.both_comma += 1,
                (true, true) => votes.both_point += 1,
                (false, false) => {}
            }
        }
        votes
    }

    fn add(&mut self, other: Self) {
        self.point += other.point;
        self.comma += other.comma;
        self.both_comma += other.both_comma;
        self.both_point += other.both_point;
    }
}

/// The decimal mark that the cells of a text column show. `None` if every number in it can be read both ways, or if
/// the file's format states the numbers.
pub fn told(column: &RawColumn) -> Option<Decimal> {
    if column.typed != Typed::Text {
        return None;
    }
    let votes = Votes::of(column, column.cells.len());
    match (votes.point, votes.comma) {
        (0, 0) => None,
        (point, comma) if comma > point => Some(Decimal::Comma),
        _ => Some(Decimal::Point),
    }
}

/// Finds the mark, unless it is given. If commas or nothing separate the cells, each column has its own mark, because
/// a quoted "4,5" shows nothing about other columns. With other separators, all columns decide together. If no cell
/// decides, it is the usual mark. Without a usual mark it is a comma if semicolons separate the cells and some cell
/// has a comma, because that is the reason for using semicolons.
pub(super) fn find(table: &mut RawTable, options: &ReadOptions, separator: Option<u8>) {
    if let Some(given) = options.decimal {
        table.decimal = given;
        return;
    }
    let rows = table.rows().min(ROWS);
    let columns = (CELLS / rows.max(1)).max(1);
    let mut all = Votes::default();
    let mut with_comma = Vec::new();
    let texts = table.columns().iter().filter(|c| c.typed == Typed::Text);
    for column in texts.take(columns) {
        let votes = Votes::of(column, rows);
        if votes.comma > votes.point && all_numbers(column, rows) {
            with_comma.push(column.name.clone());
        }
        all.add(votes);
    }
    let untold = all.point == 0 && all.comma == 0;
    let comma = match (options.usual_decimal, separator) {
        (Some(usual), _) if untold => usual == Decimal::Comma,
        (_, Some(b';')) if untold => all.both_comma > 0,
        (None, None | Some(b',')) => false,
        _ => all.comma > all.point,
    };
    if comma {
        table.decimal = Decimal::Comma;
        if all.comma + all.both_comma + all.both_point > 0 {
            table.say("the comma is the decimal mark");
        }
    } else if !with_comma.is_empty() {
        let columns = list(with_comma.iter().map(String::as_str));
        table.say(format!("the comma is the decimal mark in {columns}"));
    }
}

fn all_numbers(column: &RawColumn, rows: usize) -> bool {
    (0..rows)
        .filter_map(|row| column.cell(row))
        .all(|cell| parse(cell, Decimal::Comma).is_some())
}

//! The gate map shows what stays open at each lambda. If the interface has named fields, it has a row for each field
//! and a column for each lambda, with the number of open dimensions. Otherwise it has a strip for each lambda with a
//! cell for each dimension, which shows whether the same dimensions stay open.

use super::pen::{Area, BLUE, Canvas, INK, Pen};
use crate::Result;
use crate::format;
use plotters::element::Rectangle;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const FIELD_ROW: i32 = 24;
const STRIP: i32 = 50;
const BELOW: i32 = 46;

/// The data of a gate map.
#[derive(Clone, Debug)]
pub struct GateMap {
    /// Title above the figure; names a twin.
    pub title: String,
    /// The fields or dimensions to show.
    pub map: Map,
}

/// The content of a gate map.
#[derive(Clone, Debug)]
pub enum Map {
    /// An interface with named fields.
    Fields {
        /// Heads of the columns, the least sparse first, such as "λ 1e-3" or "15.0%".
        heads: Vec<String>,
        /// Name of each field, and the number of its open dimensions in each column.
        rows: Vec<(String, Vec<f64>)>,
        /// Number of dimensions of a field.
        width: f64,
    },
    /// An interface without fields: the label of each lambda, and the gate value z of every dimension.
    Strips(Vec<(String, Vec<f32>)>),
}

impl GateMap {
    pub(super) fn height(&self) -> u32 {
        let rows = match &self.map {
            Map::Fields { rows, .. } => FIELD_ROW * rows.len() as i32 + 24,
            Map::Strips(rows) => STRIP * rows.len() as i32,
        };
        (26 + rows + BELOW) as u32
    }

    pub(super) fn draw<DB: Canvas>(&self, root: &Area<DB>, pen: &Pen) -> Result<()> {
        let area = pen.title(root, &self.title)?;
        match &self.map {
            Map::Fields { heads, rows, width } => draw_fields(&area, pen, heads, rows, *width),
            Map::Strips(rows) => draw_strips(&area, pen, rows),
        }
    }
}

fn draw_fields<DB: Canvas>(
    area: &Area<DB>,
    pen: &Pen,
    heads: &[String],
    rows: &[(String, Vec<f64>)],
    width: f64,
) -> Result<()> {
    let (whole, _) = area.dim_in_pixel();
    let (left, right, top) = (pen.px(122), whole as i32 - pen.px(14), pen.px(24));
    let columns = heads.len().max(1) as i32;
    let x = |c: usize| left + (right - left) * c as i32 / columns;
    let middle = |c: usize| (x(c) + x(c + 1)) / 2;
    let centred = pen.text(12).pos(Pos::new(HPos::Center, VPos::Center));
    for (c, head) in heads.iter().enumerate() {
        area.draw_text(head, &centred, (middle(c), pen.px(12)))?;
    }
    for (index, (name, open)) in rows.iter().enumerate() {
        let y = top + pen.px(FIELD_ROW * index as i32);
        let end = y + pen.px(FIELD_ROW);
        let aside = pen.text(12).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw_text(&short(name, 19), &aside, (left - pen.px(8), (y + end) / 2))?;
        for (c, open) in open.iter().enumerate() {
            let share = (open / width.max(1.0)).clamp(0.0, 1.0);
            area.draw(&Rectangle::new(
                [(x(c), y), (x(c + 1) - pen.px(1), end - pen.px(1))],
                pen.fill(BLUE.mix(0.04 + 0.8 * share)),
            ))?;
            area.draw_text(&count(*open), &centred, (middle(c), (y + end) / 2))?;
        }
    }
    let below = top + pen.px(FIELD_ROW * rows.len() as i32 + 10);
    let style = pen.text(13).pos(Pos::new(HPos::Center, VPos::Top));
    let legend = format!("dimensions open, of {} a field", count(width));
    area.draw_text(&legend, &style, ((left + right) / 2, below))?;
    Ok(())
}

/// A count, with one decimal if it is a fractional mean.
fn count(x: f64) -> String {
    format::decimals(x, usize::from((x - x.round()).abs() > 1e-9))
}

fn draw_strips<DB: Canvas>(area: &Area<DB>, pen: &Pen, rows: &[(String, Vec<f32>)]) -> Result<()> {
    let (whole, _) = area.dim_in_pixel();
    let (left, right) = (pen.px(16), whole as i32 - pen.px(16));
    let mut most = 1;
    for (index, (label, z)) in rows.iter().enumerate() {
        let top = pen.px(STRIP * index as i32);
        area.draw_text(label, &pen.text(12), (left, top + pen.px(2)))?;
        let n = z.len().max(1);
        most = most.max(n);
        let x = |j: usize| left + ((right - left) as usize * j / n) as i32;
        let (y, end) = (top + pen.px(20), top + pen.px(STRIP - 6));
        area.draw(&Rectangle::new(
            [(left, y), (right, end)],
            pen.fill(INK.mix(0.07)),
        ))?;
        for (j, z) in z.iter().enumerate().filter(|(_, z)| **z > 0.0) {
            area.draw(&Rectangle::new(
                [(x(j), y), ((x(j + 1) - 1).max(x(j)), end)],
                pen.fill(BLUE.mix(0.25 + 0.65 * f64::from(z.min(1.0)))),
            ))?;
        }
    }
    let below = pen.px(STRIP * rows.len() as i32 + 4);
    let ends = [(0, left, HPos::Left), (most - 1, right, HPos::Right)];
    for (tick, at, side) in ends {
        let style = pen.text(12).pos(Pos::new(side, VPos::Top));
        area.draw_text(&tick.to_string(), &style, (at, below))?;
    }
    let style = pen.text(13).pos(Pos::new(HPos::Center, VPos::Top));
    let middle = (left + right) / 2;
    area.draw_text(
        "dimension of the interface; blue: open",
        &style,
        (middle, below),
    )?;
    Ok(())
}

fn short(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    let head: String = name.chars().take(most - 1).collect();
    format!("{head}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_counts_have_no_decimal_and_means_have_one() {
        assert_eq!(count(16.0), "16");
        assert_eq!(count(15.0 + 1.0 / 3.0), "15.3");
    }

    #[test]
    fn long_names_keep_their_head() {
        assert_eq!(short("marital-status", 19), "marital-status");
        assert_eq!(short("a-very-long-name-of-a-field", 10), "a-very-lo…");
    }
}

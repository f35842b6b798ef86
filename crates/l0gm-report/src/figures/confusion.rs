//! A confusion matrix: rows are true classes, columns predictions, shading the share of the row.

use super::pen::{Area, BLUE, Canvas, INK, Pen};
use crate::Result;
use crate::format;
use plotters::element::Rectangle;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Above this number of classes, cells are shaded without numbers and names.
const NAMED: usize = 12;

/// The data of a confusion matrix.
#[derive(Clone, Debug)]
pub struct Confusion {
    /// Title above the figure; names a twin.
    pub title: String,
    /// Labels of the rows and columns, in the order of the counts.
    pub classes: Vec<String>,
    /// Counts by true class, then by predicted class.
    pub counts: Vec<Vec<u64>>,
}

impl Confusion {
    pub(super) fn draw<DB: Canvas>(&self, root: &Area<DB>, pen: &Pen) -> Result<()> {
        let area = pen.title(root, &self.title)?;
        let n = self.counts.len().max(1);
        let (width, height) = area.dim_in_pixel();
        let (left, top) = (pen.px(if n <= NAMED { 92 } else { 40 }), pen.px(6));
        let bottom = pen.px(if n <= NAMED { 44 } else { 30 });
        let side = (width as i32 - left - pen.px(14)).min(height as i32 - top - bottom);
        let at = |i: usize| side * i as i32 / n as i32;
        for (truth, row) in self.counts.iter().enumerate() {
            let total = row.iter().sum::<u64>().max(1) as f64;
            for (guess, &count) in row.iter().enumerate() {
                let share = count as f64 / total;
                let corners = [
                    (left + at(guess), top + at(truth)),
                    (left + at(guess + 1) - 1, top + at(truth + 1) - 1),
                ];
                area.draw(&Rectangle::new(
                    corners,
                    pen.fill(BLUE.mix(0.04 + 0.8 * share)),
                ))?;
                if n <= NAMED {
                    let middle = (
                        (corners[0].0 + corners[1].0) / 2,
                        (corners[0].1 + corners[1].1) / 2,
                    );
                    self.draw_cell(&area, pen, count, share, n, middle)?;
                }
            }
        }
        area.draw(&Rectangle::new(
            [(left, top), (left + side, top + side)],
            pen.stroke(INK.mix(0.4), 1),
        ))?;
        self.draw_names(&area, pen, n, (left, top, side))
    }

    fn draw_cell<DB: Canvas>(
        &self,
        area: &Area<DB>,
        pen: &Pen,
        count: u64,
        share: f64,
        n: usize,
        (x, y): (i32, i32),
    ) -> Result<()> {
        if n <= 4 {
            area.draw_text(&format::count(count), &pen.centred(17), (x, y - pen.px(10)))?;
            let row = format!("{} of row", format::percent(share));
            area.draw_text(&row, &pen.centred(12), (x, y + pen.px(12)))?;
        } else if count > 0 {
            let size = if n <= 8 { 12 } else { 10 };
            area.draw_text(&count.to_string(), &pen.centred(size), (x, y))?;
        }
        Ok(())
    }

    fn draw_names<DB: Canvas>(
        &self,
        area: &Area<DB>,
        pen: &Pen,
        n: usize,
        (left, top, side): (i32, i32, i32),
    ) -> Result<()> {
        let middle = |i: usize| side * (2 * i as i32 + 1) / (2 * n as i32);
        if n <= NAMED {
            let per_column = if n <= 4 { 14 } else { 4 };
            for i in 0..n {
                let name = self
                    .classes
                    .get(i)
                    .cloned()
                    .unwrap_or_else(|| i.to_string());
                let right = pen.text(12).pos(Pos::new(HPos::Right, VPos::Center));
                area.draw_text(
                    &short(&name, 12),
                    &right,
                    (left - pen.px(8), top + middle(i)),
                )?;
                let under = pen.text(12).pos(Pos::new(HPos::Center, VPos::Top));
                let column = if name.chars().count() > per_column {
                    i.to_string()
                } else {
                    name
                };
                area.draw_text(&column, &under, (left + middle(i), top + side + pen.px(6)))?;
            }
        }
        let under = pen.text(13).pos(Pos::new(HPos::Center, VPos::Top));
        let line = if n <= NAMED { 24 } else { 6 };
        area.draw_text(
            "predicted across, true down",
            &under,
            (left + side / 2, top + side + pen.px(line)),
        )?;
        Ok(())
    }
}

fn short(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        name.to_owned()
    } else {
        let head: String = name.chars().take(most - 1).collect();
        format!("{head}…")
    }
}

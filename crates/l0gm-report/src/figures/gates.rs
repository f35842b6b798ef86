//! The gate histogram: for each lambda, the distribution of the gates' probabilities of being open. Trained gates
//! should gather at both ends, with few in between.

use super::pen::{Area, BLUE, Canvas, INK, Pen};
use crate::Result;
use plotters::element::{PathElement, Rectangle};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const BINS: usize = 25;
const ROW: i32 = 66;

/// The data of a gate histogram.
#[derive(Clone, Debug)]
pub struct Gates {
    /// Title above the figure; names a twin.
    pub title: String,
    /// One row for each lambda.
    pub rows: Vec<GateRow>,
}

/// The gates at one lambda.
#[derive(Clone, Debug)]
pub struct GateRow {
    /// Label of the row, such as "λ 1e-3: 33 of 224 open".
    pub label: String,
    /// Probability P(z != 0) of every gate.
    pub open_probability: Vec<f64>,
}

impl Gates {
    pub(super) fn height(&self) -> u32 {
        (26 + ROW * self.rows.len() as i32 + 46) as u32
    }

    pub(super) fn draw<DB: Canvas>(&self, root: &Area<DB>, pen: &Pen) -> Result<()> {
        let area = pen.title(root, &self.title)?;
        let (width, _) = area.dim_in_pixel();
        let (left, right) = (pen.px(16), width as i32 - pen.px(16));
        let x = |p: f64| left + ((right - left) as f64 * p) as i32;
        for (index, row) in self.rows.iter().enumerate() {
            let top = pen.px(ROW * index as i32);
            let base = top + pen.px(ROW - 6);
            area.draw_text(&row.label, &pen.text(12), (left, top + pen.px(2)))?;
            let counts = histogram(&row.open_probability);
            let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
            let room = f64::from(pen.px(ROW - 26));
            for (bin, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let tall = ((count as f64 / most * room) as i32).max(pen.px(1));
                let edges = (bin as f64 / BINS as f64, (bin + 1) as f64 / BINS as f64);
                area.draw(&Rectangle::new(
                    [(x(edges.0), base - tall), (x(edges.1) - pen.px(1), base)],
                    pen.fill(BLUE.mix(0.75)),
                ))?;
            }
            area.draw(&PathElement::new(
                [(left, base), (right, base)],
                pen.stroke(INK.mix(0.4), 1),
            ))?;
        }
        let below = pen.px(ROW * self.rows.len() as i32);
        for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let style = pen.text(12).pos(Pos::new(HPos::Center, VPos::Top));
            area.draw_text(&format!("{tick}"), &style, (x(tick), below))?;
        }
        let style = pen.text(13).pos(Pos::new(HPos::Center, VPos::Top));
        area.draw_text(
            "P(z ≠ 0) of a gate; bars: number of gates, each row on its own scale",
            &style,
            (x(0.5), below + pen.px(20)),
        )?;
        Ok(())
    }
}

/// Counts values in bins of equal width; 1 belongs to the last bin.
fn histogram(values: &[f64]) -> [usize; BINS] {
    let mut counts = [0; BINS];
    for value in values.iter().filter(|v| v.is_finite()) {
        let bin = (value.clamp(0.0, 1.0) * BINS as f64) as usize;
        counts[bin.min(BINS - 1)] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_gate_falls_into_one_bin() {
        let counts = super::histogram(&[0.0, 0.039, 0.041, 1.0, 0.5]);
        assert_eq!(counts.iter().sum::<usize>(), 5);
        assert_eq!((counts[0], counts[1], counts[24]), (2, 1, 1));
    }
}

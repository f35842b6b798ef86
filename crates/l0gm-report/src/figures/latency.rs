//! Latency bars: for each batch size, each model's median as a bar and its 95th percentile as a line beyond it. Each
//! batch size has its own scale.

use super::pen::{Area, Canvas, INK, PALETTE, Pen};
use crate::Result;
use plotters::element::{PathElement, Rectangle};
use plotters::style::Color;

/// Heights of the figure's parts in CSS pixels.
const HEAD: i32 = 24;
const ROW: i32 = 34;
const GAP: i32 = 10;

/// The data of the latency bars.
#[derive(Clone, Debug)]
pub struct LatencyBars {
    /// Title above the figure; names a twin.
    pub title: String,
    /// One panel for each batch size.
    pub panels: Vec<Panel>,
}

/// The bars at one batch size.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Title of the panel, such as "batch 64".
    pub title: String,
    /// One bar for each model.
    pub bars: Vec<Bar>,
}

/// The times of one model.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Name of the model, such as "compact".
    pub label: String,
    /// Median, in microseconds.
    pub median: f64,
    /// 95th percentile, in microseconds.
    pub p95: f64,
    /// Both times as shown to people.
    pub text: String,
}

impl LatencyBars {
    pub(super) fn height(&self) -> u32 {
        let panels = self.panels.iter();
        let panels: i32 = panels.map(|p| HEAD + ROW * p.bars.len() as i32 + GAP).sum();
        (26 + panels + 6) as u32
    }

    pub(super) fn draw<DB: Canvas>(&self, root: &Area<DB>, pen: &Pen) -> Result<()> {
        let area = pen.title(root, &self.title)?;
        let (width, _) = area.dim_in_pixel();
        let (left, right) = (pen.px(16), width as i32 - pen.px(16));
        let mut top = 0;
        for panel in &self.panels {
            area.draw_text(&panel.title, &pen.text(13), (left, pen.px(top + 4)))?;
            let highest = panel.bars.iter().map(|bar| bar.p95.max(bar.median));
            let highest = highest.fold(f64::MIN_POSITIVE, f64::max);
            let x = |value: f64| left + ((right - left) as f64 * value / highest) as i32;
            for (row, bar) in panel.bars.iter().enumerate() {
                let y = top + HEAD + ROW * row as i32;
                let colour = PALETTE[row % PALETTE.len()];
                let label = format!("{}: {}", bar.label, bar.text);
                area.draw_text(&label, &pen.text(11), (left, pen.px(y)))?;
                let (from, to) = (pen.px(y + 16), pen.px(y + 26));
                area.draw(&Rectangle::new(
                    [(left, from), (x(bar.median).max(left + pen.px(1)), to)],
                    pen.fill(colour.mix(0.75)),
                ))?;
                let (middle, end) = ((from + to) / 2, x(bar.p95));
                area.draw(&PathElement::new(
                    [(x(bar.median), middle), (end, middle)],
                    pen.stroke(INK.mix(0.8), 1),
                ))?;
                area.draw(&PathElement::new(
                    [(end, from), (end, to)],
                    pen.stroke(INK.mix(0.8), 2),
                ))?;
            }
            top += HEAD + ROW * panel.bars.len() as i32 + GAP;
        }
        Ok(())
    }
}

//! Bars of what each input is worth to a model, each with its 95% interval.

use super::pen::{Area, BLUE, Canvas, INK, Pen};
use crate::Result;
use plotters::element::{PathElement, Rectangle};
use plotters::style::Color;

/// Height of an input's text and bar in CSS pixels.
const ROW: i32 = 34;

/// What inputs are worth, the most important first.
#[derive(Clone, Debug)]
pub struct Effects {
    /// Title above the figure.
    pub title: String,
    /// One bar for each input.
    pub bars: Vec<EffectBar>,
}

/// A bar: the rise in loss without one input, with an interval.
#[derive(Clone, Debug)]
pub struct EffectBar {
    /// Name of the input, and its value as shown to people.
    pub label: String,
    /// The effect.
    pub value: f64,
    /// Ends of its 95% interval.
    pub interval: (f64, f64),
}

impl Effects {
    pub(super) fn height(&self) -> u32 {
        (26 + ROW * self.bars.len() as i32 + 12) as u32
    }

    pub(super) fn draw<DB: Canvas>(&self, root: &Area<DB>, pen: &Pen) -> Result<()> {
        let area = pen.title(root, &self.title)?;
        let (width, _) = area.dim_in_pixel();
        let (left, right) = (pen.px(16), width as i32 - pen.px(16));
        let bars = || self.bars.iter();
        let highest = bars()
            .map(|bar| bar.interval.1.max(bar.value))
            .fold(f64::MIN_POSITIVE, f64::max);
        let lowest = bars()
            .map(|bar| bar.interval.0.min(bar.value))
            .fold(0.0, f64::min);
        let x = |value: f64| {
            left + ((right - left) as f64 * (value - lowest) / (highest - lowest)) as i32
        };
        for (row, bar) in self.bars.iter().enumerate() {
            let y = ROW * row as i32;
            area.draw_text(&bar.label, &pen.text(11), (left, pen.px(y)))?;
            let (from, to) = (pen.px(y + 16), pen.px(y + 26));
            let (start, end) = (x(bar.value.min(0.0)), x(bar.value.max(0.0)));
            area.draw(&Rectangle::new(
                [(start, from), (end.max(start + pen.px(1)), to)],
                pen.fill(BLUE.mix(0.75)),
            ))?;
            if lowest < 0.0 {
                area.draw(&PathElement::new(
                    [(x(0.0), from - pen.px(3)), (x(0.0), to + pen.px(3))],
                    pen.stroke(INK.mix(0.4), 1),
                ))?;
            }
            let middle = (from + to) / 2;
            let (low, high) = (x(bar.interval.0), x(bar.interval.1));
            let line = pen.stroke(INK.mix(0.8), 1);
            area.draw(&PathElement::new([(low, middle), (high, middle)], line))?;
            for end in [low, high] {
                area.draw(&PathElement::new([(end, from), (end, to)], line))?;
            }
        }
        Ok(())
    }
}

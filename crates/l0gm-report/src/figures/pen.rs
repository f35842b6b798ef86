//! What all figures share: colours that are legible on light and dark pages, sizes that scale for PNG, axes and
//! legends. Needs no system font, because one is compiled in.

use crate::{Error, Result};
use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::DrawingArea;
use plotters::element::{Circle, PathElement, Rectangle};
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontStyle, IntoFont, RGBAColor, RGBColor, ShapeStyle, TRANSPARENT, TextStyle,
    register_font as plotters_register_font,
};
use std::ops::Range;
use std::sync::Once;

/// Formats the numbers of an axis.
type Format<'a> = &'a dyn Fn(&f64) -> String;

/// A drawing backend whose errors can become an [`Error::Drawing`].
pub(super) trait Canvas: DrawingBackend<ErrorType: 'static> {}
impl<DB: DrawingBackend<ErrorType: 'static>> Canvas for DB {}

/// A plain area to draw on, in pixels.
pub(super) type Area<DB> = DrawingArea<DB, Shift>;
/// An area with two numeric axes.
pub(super) type Axes<'a, DB> = ChartContext<'a, DB, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Colour of text, axes and grids. No series may use it, because inline figures replace it by the page's text colour.
pub(super) const INK: RGBColor = RGBColor(31, 41, 55);
/// Colours of series, distinguishable on white and on near-black.
pub(super) const PALETTE: [RGBColor; 6] = [
    RGBColor(47, 128, 206),
    RGBColor(226, 135, 32),
    RGBColor(46, 160, 98),
    RGBColor(211, 73, 99),
    RGBColor(140, 104, 205),
    RGBColor(23, 162, 168),
];
/// Colour of the first series.
pub(super) const BLUE: RGBColor = PALETTE[0];
/// Colour of the second series.
pub(super) const ORANGE: RGBColor = PALETTE[1];

/// `INK` as plotters writes it into SVG.
pub(super) fn ink_hex() -> String {
    format!("#{:02X}{:02X}{:02X}", INK.0, INK.1, INK.2)
}

/// Registers the font with plotters, once per process.
pub(super) fn register_font() -> Result<()> {
    static ONCE: Once = Once::new();
    let mut registered = true;
    ONCE.call_once(|| {
        registered = plotters_register_font(
            "sans-serif",
            FontStyle::Normal,
            epaint_default_fonts::UBUNTU_LIGHT,
        )
        .is_ok();
    });
    match registered {
        true => Ok(()),
        false => Err(Error::Drawing("the built-in font cannot be used".into())),
    }
}

/// Draws with sizes multiplied by the figure's scale.
pub(super) struct Pen {
    scale: u32,
}

impl Pen {
    pub(super) fn new(scale: u32) -> Self {
        Self { scale }
    }

    /// Converts CSS pixels into pixels of the canvas.
    pub(super) fn px(&self, n: i32) -> i32 {
        n * self.scale as i32
    }

    /// Text in the colour [`INK`].
    pub(super) fn text(&self, size: i32) -> TextStyle<'static> {
        self.coloured(size, &INK.to_rgba())
    }

    /// Text in a given colour.
    pub(super) fn coloured(&self, size: i32, colour: &RGBAColor) -> TextStyle<'static> {
        ("sans-serif", self.px(size)).into_font().color(colour)
    }

    /// Text centred on its point.
    pub(super) fn centred(&self, size: i32) -> TextStyle<'static> {
        self.text(size).pos(Pos::new(HPos::Center, VPos::Center))
    }

    /// Style of a line.
    pub(super) fn stroke(&self, colour: impl Color, width: u32) -> ShapeStyle {
        ShapeStyle {
            color: colour.to_rgba(),
            filled: false,
            stroke_width: width * self.scale,
        }
    }

    /// Style of a filled area.
    pub(super) fn fill(&self, colour: impl Color) -> ShapeStyle {
        ShapeStyle {
            color: colour.to_rgba(),
            filled: true,
            stroke_width: 0,
        }
    }

    /// Axes with a faint grid.
    pub(super) fn axes<DB: Canvas>(
        &self,
        chart: &mut Axes<'_, DB>,
        names: (&str, &str),
        labels: (usize, usize),
        format: (Format<'_>, Format<'_>),
    ) -> Result<()> {
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(self.stroke(INK.mix(0.13), 1))
            .axis_style(self.stroke(INK.mix(0.55), 1))
            .label_style(self.text(12))
            .axis_desc_style(self.text(13))
            .set_all_tick_mark_size(self.px(4))
            .x_desc(names.0)
            .y_desc(names.1)
            .x_labels(labels.0)
            .y_labels(labels.1)
            .x_label_formatter(format.0)
            .y_label_formatter(format.1)
            .draw()?;
        Ok(())
    }

    /// Draws the title and returns the area below it.
    pub(super) fn title<DB: Canvas>(&self, area: &Area<DB>, title: &str) -> Result<Area<DB>> {
        let (top, rest) = area.split_vertically(self.px(26));
        top.draw_text(title, &self.text(15), (self.px(10), self.px(8)))?;
        Ok(rest)
    }

    /// Draws the legend in rows and returns the area below it.
    pub(super) fn legend<DB: Canvas>(
        &self,
        area: &Area<DB>,
        entries: &[(String, Mark)],
    ) -> Result<Area<DB>> {
        let (width, _) = area.dim_in_pixel();
        let style = self.text(12);
        let left = self.px(12);
        let (mut x, mut y) = (left, self.px(2));
        let mut placed = Vec::new();
        for (name, mark) in entries {
            let (text, _) = area.estimate_text_size(name, &style)?;
            let needed = self.px(38) + text as i32;
            if x > left && x + needed > width as i32 {
                (x, y) = (left, y + self.px(18));
            }
            placed.push((x, y, name, mark));
            x += needed;
        }
        let (top, rest) = area.split_vertically(y + self.px(20));
        for (x, y, name, mark) in placed {
            let middle = y + self.px(8);
            let (from, to) = (x, x + self.px(18));
            match mark {
                Mark::Line(colour) => top.draw(&PathElement::new(
                    [(from, middle), (to, middle)],
                    self.stroke(*colour, 3),
                ))?,
                Mark::Dashed(colour) => {
                    let half = self.px(7);
                    for start in [from, to - half] {
                        top.draw(&PathElement::new(
                            [(start, middle), (start + half, middle)],
                            self.stroke(*colour, 2),
                        ))?;
                    }
                }
                Mark::Box(colour) => top.draw(&Rectangle::new(
                    [(from, middle - self.px(5)), (to, middle + self.px(5))],
                    self.fill(*colour),
                ))?,
                Mark::Dot(colour) => top.draw(&Circle::new(
                    ((from + to) / 2, middle),
                    self.px(5),
                    self.fill(*colour),
                ))?,
                Mark::Ring(colour) => top.draw(&Circle::new(
                    ((from + to) / 2, middle),
                    self.px(4),
                    self.stroke(*colour, 2),
                ))?,
            }
            top.draw_text(name, &style, (to + self.px(6), y + self.px(2)))?;
        }
        Ok(rest)
    }

    /// A dashed horizontal line across the axes.
    pub(super) fn dashed<DB: Canvas>(
        &self,
        chart: &mut Axes<'_, DB>,
        x: Range<f64>,
        y: f64,
        colour: RGBAColor,
    ) -> Result<()> {
        const DASHES: usize = 36;
        let step = (x.end - x.start) / DASHES as f64;
        chart.draw_series((0..DASHES).map(|i| {
            let from = x.start + i as f64 * step;
            PathElement::new([(from, y), (from + step * 0.55, y)], self.stroke(colour, 2))
        }))?;
        Ok(())
    }
}

/// The sign that a legend shows for a series.
pub(super) enum Mark {
    Line(RGBAColor),
    Dashed(RGBAColor),
    Box(RGBAColor),
    Dot(RGBAColor),
    Ring(RGBAColor),
}

/// The range of the values with a margin around them; never empty.
pub(super) fn padded(values: impl IntoIterator<Item = f64>, room: f64) -> Range<f64> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.into_iter().filter(|v| v.is_finite()) {
        low = low.min(value);
        high = high.max(value);
    }
    if low > high {
        return 0.0..1.0;
    }
    let margin = ((high - low) * room).max(high.abs().max(1e-3) * 1e-3);
    low - margin..high + margin
}

/// Number of decimals that tell the labels of an axis apart.
pub(super) fn digits_of(range: &Range<f64>) -> usize {
    let step = (range.end - range.start) / 5.0;
    (-step.log10()).ceil().clamp(0.0, 6.0) as usize
}

//! The robustness figure: accuracy above and ECE below, over the severities of each kind of perturbation. Every kind
//! starts with the unperturbed rows.

use super::pen::{Area, Axes, BLUE, Canvas, INK, Mark, Pen, digits_of, padded};
use crate::Result;
use crate::format;
use plotters::chart::ChartBuilder;
use plotters::element::{Circle, PathElement};
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBAColor};
use std::ops::Range;

/// Space to the left and right of the axes in CSS pixels: the margins and the labels of y.
const LEFT: i32 = 10 + 64;
const RIGHT: i32 = 14;
/// Space below the axes, for ticks and the names of the kinds.
const BELOW: i32 = 44;

/// The data of the robustness figure.
#[derive(Clone, Debug)]
pub struct Robustness {
    /// Title above the figure; names a twin.
    pub title: String,
    /// Name of each kind of perturbation and its ticks; the unperturbed rows come first.
    pub kinds: Vec<(String, Vec<String>)>,
    /// One series for each model; dense comes first.
    pub series: Vec<Shifted>,
    /// Mean ECE that perfectly calibrated predictions with the same confidences would have.
    pub noise: f64,
}

/// One model under all conditions.
#[derive(Clone, Debug)]
pub struct Shifted {
    /// Name in the legend, such as "dense" or "L0GM, λ 1e-3".
    pub label: String,
    /// Whether the model trained a gate.
    pub gated: bool,
    /// The results, by kind and then by tick.
    pub spots: Vec<Vec<Spot>>,
}

/// One model at one tick, as means over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    /// Accuracy.
    pub accuracy: f64,
    /// Standard deviation of the accuracy; absent for one seed.
    pub accuracy_std: Option<f64>,
    /// ECE before temperature scaling.
    pub ece: f64,
    /// ECE after temperature scaling.
    pub ece_scaled: f64,
}

impl Robustness {
    pub(super) fn draw<DB: Canvas>(&self, root: &Area<DB>, pen: &Pen) -> Result<()> {
        let rest = pen.title(root, &self.title)?;
        let models = self.series.iter();
        let mut marks: Vec<(String, Mark)> = models
            .map(|s| (s.label.clone(), Mark::Line(colour(s))))
            .collect();
        marks.push(("ECE as trained".into(), Mark::Dot(INK.mix(0.7))));
        marks.push(("temperature-scaled".into(), Mark::Ring(INK.mix(0.7))));
        marks.push(("noise floor".into(), Mark::Dashed(INK.mix(0.5))));
        let rest = pen.legend(&rest, &marks)?;
        let (_, height) = rest.dim_in_pixel();
        let (top, rest) = rest.split_vertically((height as i32 - pen.px(BELOW)) / 2);
        let (bottom, below) = rest.split_vertically((height as i32 - pen.px(BELOW)) / 2);
        self.draw_accuracy(&top, pen)?;
        self.draw_ece(&bottom, pen)?;
        self.draw_ticks(&below, pen)
    }

    /// The x of a kind's tick: ticks are one step apart, kinds two.
    fn x(&self, kind: usize, tick: usize) -> f64 {
        let before: usize = self.kinds[..kind].iter().map(|k| k.1.len() + 1).sum();
        (before + tick) as f64
    }

    fn range(&self) -> Range<f64> {
        let all: usize = self.kinds.iter().map(|k| k.1.len() + 1).sum();
        -0.7..all as f64 - 1.3
    }

    fn all(&self) -> impl Iterator<Item = &Spot> {
        self.series.iter().flat_map(|s| s.spots.iter().flatten())
    }

    fn draw_accuracy<DB: Canvas>(&self, area: &Area<DB>, pen: &Pen) -> Result<()> {
        let ends = self.all().flat_map(|spot| {
            let std = spot.accuracy_std.unwrap_or(0.0);
            [spot.accuracy - std, spot.accuracy + std]
        });
        let mut chart = self.axes(area, pen, "accuracy", padded(ends, 0.08))?;
        for series in &self.series {
            let colour = colour(series);
            self.draw_line(&mut chart, pen, series, colour, 2, |spot| spot.accuracy)?;
            for (kind, spots) in series.spots.iter().enumerate() {
                let bars = spots.iter().enumerate().filter_map(|(tick, spot)| {
                    let x = self.x(kind, tick);
                    let std = spot.accuracy_std?;
                    let ends = [(x, spot.accuracy - std), (x, spot.accuracy + std)];
                    Some(PathElement::new(ends, pen.stroke(colour, 1)))
                });
                chart.draw_series(bars)?;
                chart.draw_series(spots.iter().enumerate().map(|(tick, spot)| {
                    let at = (self.x(kind, tick), spot.accuracy);
                    Circle::new(at, pen.px(3), pen.fill(colour))
                }))?;
            }
        }
        Ok(())
    }

    fn draw_ece<DB: Canvas>(&self, area: &Area<DB>, pen: &Pen) -> Result<()> {
        let most = self
            .all()
            .flat_map(|spot| [spot.ece, spot.ece_scaled])
            .fold(self.noise, f64::max);
        let mut chart = self.axes(area, pen, "ECE", 0.0..(most * 1.08).max(1e-3))?;
        pen.dashed(&mut chart, self.range(), self.noise, INK.mix(0.5))?;
        for series in &self.series {
            let colour = colour(series);
            self.draw_line(&mut chart, pen, series, colour, 2, |spot| spot.ece)?;
            self.draw_line(&mut chart, pen, series, colour.mix(0.6), 1, |spot| {
                spot.ece_scaled
            })?;
            for (kind, spots) in series.spots.iter().enumerate() {
                for (tick, spot) in spots.iter().enumerate() {
                    let x = self.x(kind, tick);
                    chart.draw_series([
                        Circle::new((x, spot.ece), pen.px(3), pen.fill(colour)),
                        Circle::new((x, spot.ece_scaled), pen.px(3), pen.stroke(colour, 1)),
                    ])?;
                }
            }
        }
        Ok(())
    }

    /// Axes without ticks on x, with a line between two kinds.
    fn axes<'a, DB: Canvas>(
        &self,
        area: &'a Area<DB>,
        pen: &Pen,
        name: &str,
        range: Range<f64>,
    ) -> Result<Axes<'a, DB>> {
        let digits = digits_of(&range);
        let mut chart = ChartBuilder::on(area)
            .margin_left(pen.px(10))
            .margin_right(pen.px(RIGHT))
            .margin_top(pen.px(8))
            .margin_bottom(pen.px(6))
            .y_label_area_size(pen.px(64))
            .build_cartesian_2d(self.range(), range.clone())?;
        pen.axes(
            &mut chart,
            ("", name),
            (0, 5),
            (&|_| String::new(), &|y| format::decimals(*y, digits)),
        )?;
        let between = (1..self.kinds.len()).map(|kind| self.x(kind, 0) - 1.0);
        chart.draw_series(between.map(|x| {
            let ends = [(x, range.start), (x, range.end)];
            PathElement::new(ends, pen.stroke(INK.mix(0.25), 1))
        }))?;
        Ok(chart)
    }

    fn draw_line<DB: Canvas>(
        &self,
        chart: &mut Axes<'_, DB>,
        pen: &Pen,
        series: &Shifted,
        colour: RGBAColor,
        width: u32,
        of: impl Fn(&Spot) -> f64,
    ) -> Result<()> {
        for (kind, spots) in series.spots.iter().enumerate() {
            let line = spots.iter().enumerate();
            let line = line.map(|(tick, spot)| (self.x(kind, tick), of(spot)));
            chart.draw_series(LineSeries::new(line, pen.stroke(colour, width)))?;
        }
        Ok(())
    }

    fn draw_ticks<DB: Canvas>(&self, area: &Area<DB>, pen: &Pen) -> Result<()> {
        let (width, _) = area.dim_in_pixel();
        let (left, right) = (pen.px(LEFT), width as i32 - pen.px(RIGHT));
        let range = self.range();
        let pixel = |x: f64| {
            let share = (x - range.start) / (range.end - range.start);
            left + (share * f64::from(right - left)).round() as i32
        };
        let top = |size| pen.text(size).pos(Pos::new(HPos::Center, VPos::Top));
        for (kind, (name, ticks)) in self.kinds.iter().enumerate() {
            for (tick, label) in ticks.iter().enumerate() {
                let at = (pixel(self.x(kind, tick)), pen.px(2));
                area.draw_text(label, &top(11), at)?;
            }
            let last = ticks.len().saturating_sub(1);
            let middle = (self.x(kind, 0) + self.x(kind, last)) / 2.0;
            area.draw_text(name, &top(12), (pixel(middle), pen.px(20)))?;
        }
        Ok(())
    }
}

fn colour(series: &Shifted) -> RGBAColor {
    if series.gated {
        BLUE.to_rgba()
    } else {
        INK.mix(0.85)
    }
}

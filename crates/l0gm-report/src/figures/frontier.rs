//! The frontier of accuracy, sparsity and ECE over lambda: accuracy above, ECE before and after temperature scaling
//! below, over a shared axis of active fraction.

use super::labels::{self, Frame, Pixel, Surroundings};
use super::pen::{Area, Axes, BLUE, Canvas, INK, Mark, ORANGE, PALETTE, Pen, digits_of, padded};
use crate::Result;
use crate::format;
use plotters::chart::ChartBuilder;
use plotters::element::{Circle, EmptyElement, PathElement, Text};
use plotters::series::LineSeries;
use plotters::style::Color;

/// Font size of the labels.
const LABEL: i32 = 11;
/// Distance of an ECE's error bar from its point, in percent of the interface, so that the bars before and after
/// scaling do not hide each other.
const BESIDE: f64 = 0.3;

/// The data of the frontier.
#[derive(Clone, Debug)]
pub struct Frontier {
    /// Title above the figure; names a twin.
    pub title: String,
    /// Gated points, ordered by lambda.
    pub points: Vec<FrontierPoint>,
    /// The dense model for reference.
    pub dense: Option<Dense>,
    /// The mean ECE that perfectly calibrated predictions with the same confidences would have; the highest of any
    /// point.
    pub noise: f64,
}

/// One point of the sweep.
#[derive(Clone, Debug)]
pub struct FrontierPoint {
    /// Lambda as shown beside the point, such as "1e-3".
    pub label: String,
    /// Active fraction, from 0 to 1.
    pub active: f64,
    /// Mean accuracy over seeds.
    pub accuracy: f64,
    /// Standard deviation of the accuracy over seeds; absent for one seed.
    pub accuracy_std: Option<f64>,
    /// Mean ECE before temperature scaling.
    pub ece: f64,
    /// Standard deviation of that ECE over seeds; absent for one seed.
    pub ece_std: Option<f64>,
    /// Mean ECE after temperature scaling.
    pub ece_scaled: f64,
    /// Standard deviation of the scaled ECE over seeds; absent for one seed.
    pub ece_scaled_std: Option<f64>,
}

/// The reference values of the dense model.
#[derive(Clone, Debug)]
pub struct Dense {
    /// Mean accuracy over seeds.
    pub accuracy: f64,
    /// Mean ECE before temperature scaling.
    pub ece: f64,
    /// Mean ECE after temperature scaling.
    pub ece_scaled: f64,
}

impl Frontier {
    /// Whether no other point is at least as sparse, as accurate and as well calibrated.
    pub fn is_on_frontier(&self, index: usize) -> bool {
        let a = &self.points[index];
        !self.points.iter().enumerate().any(|(i, b)| {
            let as_good = b.active <= a.active && b.accuracy >= a.accuracy && b.ece <= a.ece;
            let better = b.active < a.active || b.accuracy > a.accuracy || b.ece < a.ece;
            i != index && as_good && better
        })
    }

    pub(super) fn draw<DB: Canvas>(&self, root: &Area<DB>, pen: &Pen) -> Result<()> {
        let rest = pen.title(root, &self.title)?;
        let (top, bottom) = rest.split_vertically(pen.px(262));
        let top = pen.legend(
            &top,
            &[
                ("on the frontier".into(), Mark::Dot(BLUE.to_rgba())),
                ("not".into(), Mark::Ring(BLUE.to_rgba())),
                ("dense".into(), Mark::Dashed(INK.mix(0.8))),
            ],
        )?;
        self.draw_accuracy(&top, pen)?;
        let bottom = pen.legend(
            &bottom,
            &[
                ("ECE".into(), Mark::Line(ORANGE.to_rgba())),
                ("after scaling".into(), Mark::Line(PALETTE[5].to_rgba())),
                ("dense".into(), Mark::Dashed(ORANGE.mix(0.9))),
                ("dense scaled".into(), Mark::Dashed(PALETTE[5].mix(0.9))),
                ("noise floor".into(), Mark::Dashed(INK.mix(0.35))),
            ],
        )?;
        self.draw_ece(&bottom, pen)
    }

    fn draw_accuracy<DB: Canvas>(&self, area: &Area<DB>, pen: &Pen) -> Result<()> {
        let values = self.points.iter().flat_map(|p| {
            let std = p.accuracy_std.unwrap_or(0.0);
            [p.accuracy - std, p.accuracy + std]
        });
        let range = padded(values.chain(self.dense.iter().map(|d| d.accuracy)), 0.18);
        let digits = digits_of(&range) + 2;
        let mut chart = ChartBuilder::on(area)
            .margin_left(pen.px(10))
            .margin_right(pen.px(14))
            .x_label_area_size(pen.px(24))
            .y_label_area_size(pen.px(64))
            .build_cartesian_2d(0.0..105.0, range.clone())?;
        pen.axes(
            &mut chart,
            ("", "accuracy"),
            (6, 5),
            (&|x| format!("{x:.0}%"), &|y| {
                format::decimals(*y, digits.saturating_sub(2).max(2))
            }),
        )?;
        if let Some(dense) = &self.dense {
            pen.dashed(&mut chart, 0.0..105.0, dense.accuracy, INK.mix(0.8))?;
        }
        chart.draw_series(LineSeries::new(
            self.points.iter().map(|p| (p.active * 100.0, p.accuracy)),
            pen.stroke(BLUE.mix(0.6), 2),
        ))?;
        for (i, point) in self.points.iter().enumerate() {
            let x = point.active * 100.0;
            if let Some(std) = point.accuracy_std {
                chart.draw_series(std::iter::once(PathElement::new(
                    [(x, point.accuracy - std), (x, point.accuracy + std)],
                    pen.stroke(BLUE, 1),
                )))?;
            }
            let style = if self.is_on_frontier(i) {
                pen.fill(BLUE)
            } else {
                pen.stroke(BLUE, 2)
            };
            chart.draw_series(std::iter::once(Circle::new(
                (x, point.accuracy),
                pen.px(5),
                style,
            )))?;
        }
        self.draw_labels(&mut chart, pen)
    }

    /// Writes each point's lambda beside it.
    fn draw_labels<DB: Canvas>(&self, chart: &mut Axes<'_, DB>, pen: &Pen) -> Result<()> {
        let at = |p: &FrontierPoint| (p.active * 100.0, p.accuracy);
        let texts: Vec<String> = self
            .points
            .iter()
            .map(|p| match p.label.starts_with("target") {
                true => p.label.clone(),
                false => format!("λ {}", p.label),
            })
            .collect();
        let area = chart.plotting_area();
        let points: Vec<Pixel> = self
            .points
            .iter()
            .map(|p| chart.backend_coord(&at(p)))
            .collect();
        let mut sizes = Vec::with_capacity(texts.len());
        for text in &texts {
            let (width, height) = area.estimate_text_size(text, &pen.text(LABEL))?;
            sizes.push((width as i32, height as i32));
        }
        let mut lines: Vec<(Pixel, Pixel)> = points.windows(2).map(|p| (p[0], p[1])).collect();
        if let Some(dense) = &self.dense {
            let end = |x| chart.backend_coord(&(x, dense.accuracy));
            lines.push((end(0.0), end(105.0)));
        }
        for point in &self.points {
            // Draw the error bar.
            let std = point.accuracy_std.unwrap_or(0.0);
            let end = |by| chart.backend_coord(&(point.active * 100.0, point.accuracy + by));
            lines.push((end(-std), end(std)));
        }
        let (x, y) = area.get_pixel_range();
        let around = Surroundings {
            points: &points,
            radius: pen.px(5),
            gap: pen.px(3),
            lines: &lines,
            inside: Frame {
                left: x.start,
                top: y.start,
                right: x.end,
                bottom: y.end,
            },
        };
        for (((point, text), corner), pixel) in self
            .points
            .iter()
            .zip(texts)
            .zip(labels::place(&sizes, &around))
            .zip(&points)
        {
            let Some(corner) = corner else { continue };
            let offset = (corner.0 - pixel.0, corner.1 - pixel.1);
            let label = EmptyElement::at(at(point)) + Text::new(text, offset, pen.text(LABEL));
            chart.draw_series(std::iter::once(label))?;
        }
        Ok(())
    }

    fn draw_ece<DB: Canvas>(&self, area: &Area<DB>, pen: &Pen) -> Result<()> {
        let values = self.points.iter().flat_map(|p| {
            let top = |ece: f64, std: Option<f64>| ece + std.unwrap_or(0.0);
            [top(p.ece, p.ece_std), top(p.ece_scaled, p.ece_scaled_std)]
        });
        let highest = values
            .chain(self.dense.iter().flat_map(|d| [d.ece, d.ece_scaled]))
            .chain([self.noise])
            .filter(|v| v.is_finite())
            .fold(1e-4, f64::max);
        let range = 0.0..highest * 1.15;
        let digits = (digits_of(&range) + 1).min(4);
        let mut chart = ChartBuilder::on(area)
            .margin_left(pen.px(10))
            .margin_right(pen.px(14))
            .x_label_area_size(pen.px(42))
            .y_label_area_size(pen.px(64))
            .build_cartesian_2d(0.0..105.0, range)?;
        pen.axes(
            &mut chart,
            ("active fraction of the interface", "ECE"),
            (6, 5),
            (&|x| format!("{x:.0}%"), &|y| format::decimals(*y, digits)),
        )?;
        pen.dashed(&mut chart, 0.0..105.0, self.noise, INK.mix(0.35))?;
        if let Some(dense) = &self.dense {
            pen.dashed(&mut chart, 0.0..105.0, dense.ece, ORANGE.mix(0.9))?;
            let scaled = dense.ece_scaled;
            pen.dashed(&mut chart, 0.0..105.0, scaled, PALETTE[5].mix(0.9))?;
        }
        type Value = fn(&FrontierPoint) -> (f64, Option<f64>);
        let series: [(Value, _, f64); 2] = [
            (|p| (p.ece_scaled, p.ece_scaled_std), PALETTE[5], BESIDE),
            (|p| (p.ece, p.ece_std), ORANGE, -BESIDE),
        ];
        for (value, colour, beside) in series {
            let points: Vec<(f64, f64)> = self
                .points
                .iter()
                .map(|p| (p.active * 100.0, value(p).0))
                .collect();
            for point in &self.points {
                let (ece, std) = value(point);
                let Some(std) = std else { continue };
                // An ECE cannot be below zero, so neither does its bar reach there.
                let x = point.active * 100.0 + beside;
                let ends = [(x, (ece - std).max(0.0)), (x, ece + std)];
                let bar = PathElement::new(ends, pen.stroke(colour, 1));
                chart.draw_series(std::iter::once(bar))?;
            }
            chart.draw_series(LineSeries::new(
                points.iter().copied(),
                pen.stroke(colour.mix(0.6), 2),
            ))?;
            chart.draw_series(
                points
                    .iter()
                    .map(|&at| Circle::new(at, pen.px(4), pen.fill(colour))),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_another_beats_in_everything_is_not_on_the_frontier() {
        let point = |active, accuracy, ece| FrontierPoint {
            label: String::new(),
            active,
            accuracy,
            accuracy_std: None,
            ece,
            ece_std: None,
            ece_scaled: ece,
            ece_scaled_std: None,
        };
        let frontier = Frontier {
            title: String::new(),
            points: vec![
                point(0.8, 0.87, 0.01),
                point(0.3, 0.88, 0.01),
                point(0.1, 0.86, 0.02),
            ],
            dense: None,
            noise: 0.0,
        };
        let on: Vec<bool> = (0..3).map(|i| frontier.is_on_frontier(i)).collect();
        assert_eq!(on, [false, true, true]);
    }
}

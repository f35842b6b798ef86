//! Learning curves: training loss, validation loss and active fraction by epoch, with one line for each point.

use super::pen::{Area, Canvas, INK, Mark, PALETTE, Pen, digits_of, padded};
use crate::Result;
use crate::format;
use plotters::chart::ChartBuilder;
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::{Color, RGBAColor};

/// The data of the learning curves.
#[derive(Clone, Debug)]
pub struct Learning {
    /// Title above the figure; names a twin.
    pub title: String,
    /// The curves; dense comes first.
    pub curves: Vec<Curve>,
}

/// The curve of one run.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Name in the legend, such as "dense" or "1e-3".
    pub label: String,
    /// Whether the run trained a gate.
    pub gated: bool,
    /// One entry for each validation, ordered by epoch.
    pub epochs: Vec<Moment>,
    /// The selected epoch.
    pub best: f64,
}

/// One validation during training.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Number of completed epochs.
    pub epoch: f64,
    /// Mean task loss over the training batches since the previous validation.
    pub train_loss: f64,
    /// Validation loss under the deterministic gate.
    pub valid_loss: f64,
    /// Active fraction of the deterministic gate.
    pub active: f64,
}

impl Learning {
    pub(super) fn draw<DB: Canvas>(&self, root: &Area<DB>, pen: &Pen) -> Result<()> {
        let rest = pen.title(root, &self.title)?;
        let colours = self.colours();
        let mut marks: Vec<(String, Mark)> = self
            .curves
            .iter()
            .zip(&colours)
            .map(|(curve, &colour)| (curve.label.clone(), Mark::Line(colour)))
            .collect();
        marks.push(("selected".to_owned(), Mark::Dot(INK.mix(0.7))));
        let rest = pen.legend(&rest, &marks)?;
        let (_, height) = rest.dim_in_pixel();
        let panel = (height as i32 - pen.px(18)) / 3;
        let (top, rest) = rest.split_vertically(panel);
        let (middle, bottom) = rest.split_vertically(panel);
        let last = self
            .curves
            .iter()
            .flat_map(|c| &c.epochs)
            .map(|e| e.epoch)
            .fold(1.0, f64::max);
        let train = Loss {
            name: "training loss",
            of: |e| e.train_loss,
            marks_best: false,
        };
        let valid = Loss {
            name: "validation NLL",
            of: |e| e.valid_loss,
            marks_best: true,
        };
        self.draw_loss(&top, pen, &colours, last, &train)?;
        self.draw_loss(&middle, pen, &colours, last, &valid)?;
        self.draw_active(&bottom, pen, &colours, last)
    }

    /// The text colour for dense, and the palette for the others.
    fn colours(&self) -> Vec<RGBAColor> {
        let mut next = PALETTE.iter().cycle();
        self.curves
            .iter()
            .map(|curve| match (curve.gated, next.clone().next()) {
                (true, Some(colour)) => {
                    next.next();
                    colour.to_rgba()
                }
                _ => INK.mix(0.85),
            })
            .collect()
    }

    fn draw_loss<DB: Canvas>(
        &self,
        area: &Area<DB>,
        pen: &Pen,
        colours: &[RGBAColor],
        last: f64,
        loss: &Loss,
    ) -> Result<()> {
        // The first epochs of a run may lie far above the rest and would flatten the other curves.
        let mut losses: Vec<f64> = self
            .curves
            .iter()
            .flat_map(|c| c.epochs.iter().map(loss.of))
            .filter(|value: &f64| value.is_finite())
            .collect();
        losses.sort_by(f64::total_cmp);
        let most = losses.get(losses.len() * 95 / 100).copied().unwrap_or(1.0);
        let range = padded(losses.iter().copied().filter(|&l| l <= most), 0.06);
        let digits = (digits_of(&range) + 1).min(4);
        let mut chart = ChartBuilder::on(area)
            .margin_left(pen.px(10))
            .margin_right(pen.px(14))
            .margin_top(pen.px(6))
            .x_label_area_size(pen.px(24))
            .y_label_area_size(pen.px(64))
            .build_cartesian_2d(0.0..last, range.clone())?;
        pen.axes(
            &mut chart,
            ("", loss.name),
            (6, 5),
            (&|x| format!("{x:.0}"), &|y| format::decimals(*y, digits)),
        )?;
        for (curve, &colour) in self.curves.iter().zip(colours) {
            let visible = curve
                .epochs
                .iter()
                .filter(|e| range.contains(&(loss.of)(e)));
            chart.draw_series(LineSeries::new(
                visible.clone().map(|e| (e.epoch, (loss.of)(e))),
                pen.stroke(colour, 2),
            ))?;
            let best = visible.filter(|e| loss.marks_best && e.epoch == curve.best);
            chart.draw_series(
                best.map(|e| Circle::new((e.epoch, (loss.of)(e)), pen.px(4), pen.fill(colour))),
            )?;
        }
        Ok(())
    }

    fn draw_active<DB: Canvas>(
        &self,
        area: &Area<DB>,
        pen: &Pen,
        colours: &[RGBAColor],
        last: f64,
    ) -> Result<()> {
        let mut chart = ChartBuilder::on(area)
            .margin_left(pen.px(10))
            .margin_right(pen.px(14))
            .margin_top(pen.px(6))
            .x_label_area_size(pen.px(42))
            .y_label_area_size(pen.px(64))
            .build_cartesian_2d(0.0..last, 0.0..1.04)?;
        pen.axes(
            &mut chart,
            ("epoch", "active fraction"),
            (6, 5),
            (&|x| format!("{x:.0}"), &|y| format!("{:.0}%", y * 100.0)),
        )?;
        for (curve, &colour) in self.curves.iter().zip(colours) {
            chart.draw_series(LineSeries::new(
                curve.epochs.iter().map(|e| (e.epoch, e.active)),
                pen.stroke(colour, 2),
            ))?;
        }
        Ok(())
    }
}

/// One of the two panels that show a loss.
struct Loss {
    name: &'static str,
    of: fn(&Moment) -> f64,
    /// Whether the panel marks the selected epochs.
    marks_best: bool,
}

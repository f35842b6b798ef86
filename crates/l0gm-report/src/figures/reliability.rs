//! A reliability diagram: the accuracy of predictions by their confidence, and how many there are.

use super::pen::{Area, BLUE, Canvas, INK, Mark, ORANGE, Pen};
use crate::Result;
use crate::format;
use l0gm_gate::calibration::Bin;
use plotters::chart::ChartBuilder;
use plotters::element::{PathElement, Rectangle};
use plotters::style::Color;

/// The data of a reliability diagram.
#[derive(Clone, Debug)]
pub struct Reliability {
    /// Title above the figure; names a twin.
    pub title: String,
    /// Equal-width bins over the confidence.
    pub bins: Vec<Bin>,
}

impl Reliability {
    pub(super) fn draw<DB: Canvas>(&self, root: &Area<DB>, pen: &Pen) -> Result<()> {
        let rest = pen.title(root, &self.title)?;
        let rest = pen.legend(
            &rest,
            &[
                ("accuracy".into(), Mark::Box(BLUE.mix(0.65))),
                ("mean confidence".into(), Mark::Line(ORANGE.to_rgba())),
                ("perfect".into(), Mark::Dashed(INK.mix(0.5))),
            ],
        )?;
        let (top, bottom) = rest.split_vertically(pen.px(262));
        // Confidences below 1 / classes do not occur, so the axis starts at the first bin that holds something.
        let low = self
            .bins
            .iter()
            .find(|bin| bin.count > 0)
            .map_or(0.0, |bin| bin.low);
        self.draw_accuracy(&top, pen, low)?;
        self.draw_counts(&bottom, pen, low)
    }

    fn draw_accuracy<DB: Canvas>(&self, area: &Area<DB>, pen: &Pen, low: f64) -> Result<()> {
        let lowest = self
            .filled()
            .map(|bin| bin.accuracy.min(bin.confidence))
            .fold(low, f64::min);
        // Start the axis at 0 if that wastes little room, else just below the lowest bar.
        let floor = if lowest < 0.35 {
            0.0
        } else {
            ((lowest - 0.05) * 10.0).floor() / 10.0
        };
        let mut chart = ChartBuilder::on(area)
            .margin_left(pen.px(10))
            .margin_right(pen.px(14))
            .margin_top(pen.px(6))
            .x_label_area_size(pen.px(24))
            .y_label_area_size(pen.px(64))
            .build_cartesian_2d(low..1.0, floor..1.0)?;
        pen.axes(
            &mut chart,
            ("", "accuracy"),
            (6, 6),
            (&|x| format!("{x:.1}"), &|y| format!("{y:.1}")),
        )?;
        let gap = (1.0 - low) * 0.004;
        chart.draw_series(self.filled().map(|bin| {
            Rectangle::new(
                [(bin.low + gap, floor), (bin.high - gap, bin.accuracy)],
                pen.fill(BLUE.mix(0.65)),
            )
        }))?;
        let steps = 30;
        chart.draw_series((0..steps).map(|i| {
            let at = |t: f64| {
                let start = low.max(floor);
                let v = start + (1.0 - start) * t / f64::from(steps);
                (v, v)
            };
            let i = f64::from(i);
            PathElement::new([at(i), at(i + 0.55)], pen.stroke(INK.mix(0.5), 2))
        }))?;
        chart.draw_series(self.filled().map(|bin| {
            PathElement::new(
                [
                    (bin.low + gap, bin.confidence),
                    (bin.high - gap, bin.confidence),
                ],
                pen.stroke(ORANGE, 3),
            )
        }))?;
        Ok(())
    }

    fn draw_counts<DB: Canvas>(&self, area: &Area<DB>, pen: &Pen, low: f64) -> Result<()> {
        let most = self
            .bins
            .iter()
            .map(|bin| bin.count)
            .max()
            .unwrap_or(1)
            .max(1) as f64;
        let mut chart = ChartBuilder::on(area)
            .margin_left(pen.px(10))
            .margin_right(pen.px(14))
            .x_label_area_size(pen.px(42))
            .y_label_area_size(pen.px(64))
            .build_cartesian_2d(low..1.0, 0.0..most * 1.05)?;
        pen.axes(
            &mut chart,
            ("confidence of the predicted class", "count"),
            (6, 3),
            (&|x| format!("{x:.1}"), &|y| format::count(*y as u64)),
        )?;
        let gap = (1.0 - low) * 0.004;
        chart.draw_series(self.filled().map(|bin| {
            Rectangle::new(
                [(bin.low + gap, 0.0), (bin.high - gap, bin.count as f64)],
                pen.fill(INK.mix(0.45)),
            )
        }))?;
        Ok(())
    }

    fn filled(&self) -> impl Iterator<Item = &Bin> {
        self.bins.iter().filter(|bin| bin.count > 0)
    }
}

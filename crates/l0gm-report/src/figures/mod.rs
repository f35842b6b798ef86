//! The figures, drawn by plotters as SVG and PNG. Each is narrow enough to be read on a phone without zooming; wide
//! pages set them side by side.

mod confusion;
mod effects;
mod frontier;
mod gate_map;
mod gates;
mod labels;
mod latency;
mod learning;
mod pen;
mod reliability;
mod robustness;

pub use confusion::Confusion;
pub use effects::{EffectBar, Effects};
pub use frontier::{Dense, Frontier, FrontierPoint};
pub use gate_map::{GateMap, Map};
pub use gates::{GateRow, Gates};
pub use latency::{Bar, LatencyBars, Panel};
pub use learning::{Curve, Learning, Moment};
pub use reliability::Reliability;
pub use robustness::{Robustness, Shifted, Spot};

use crate::error::At;
use crate::{Error, Result};
use l0gm_train::write_atomically;
use pen::{Canvas, Pen};
use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::drawing::IntoDrawingArea;
use plotters::style::WHITE;
use std::path::Path;

/// Scale of a PNG relative to the figure's own pixels.
const PNG_SCALE: u32 = 2;

/// A figure with its caption.
#[derive(Clone, Debug)]
pub struct Figure {
    /// File name under `figures/`, without the extension.
    pub id: String,
    /// Caption, which names twins.
    pub caption: String,
    /// Description for readers who cannot see the figure.
    pub alt: String,
    /// The data to draw.
    pub plot: Plot,
}

/// The kind of a figure, with its data.
#[derive(Clone, Debug)]
pub enum Plot {
    /// Accuracy and ECE against the active fraction.
    Frontier(Frontier),
    /// Accuracy and count by confidence.
    Reliability(Reliability),
    /// True against predicted classes.
    Confusion(Confusion),
    /// Training and validation loss and active fraction by epoch.
    Learning(Learning),
    /// Distribution of the gates' probabilities of being open.
    Gates(Gates),
    /// Which fields or dimensions stay open, by lambda.
    GateMap(GateMap),
    /// Accuracy and ECE under each perturbation, by severity.
    Robustness(Robustness),
    /// Median and 95th percentile of a forward pass, by model and batch size.
    Latency(LatencyBars),
    /// What each input is worth to a model.
    Effects(Effects),
}

impl Figure {
    /// Width and height in CSS pixels.
    fn size(&self) -> (u32, u32) {
        match &self.plot {
            Plot::Frontier(_) | Plot::Robustness(_) => (460, 560),
            Plot::Learning(_) => (460, 760),
            Plot::Reliability(_) => (460, 430),
            Plot::Confusion(_) => (460, 460),
            Plot::Gates(gates) => (460, gates.height()),
            Plot::GateMap(map) => (460, map.height()),
            Plot::Latency(bars) => (460, bars.height()),
            Plot::Effects(bars) => (460, bars.height()),
        }
    }

    /// The figure as an SVG file: white background, fixed colours.
    pub fn svg(&self) -> Result<String> {
        self.draw_svg(true)
    }

    /// The figure as SVG for an HTML page: transparent background, and text in the page's colour.
    pub fn inline_svg(&self) -> Result<String> {
        let svg = self
            .draw_svg(false)?
            .replace(&pen::ink_hex(), "currentColor");
        // The page scales the figure. Fixed sizes would not shrink on a phone, so only the view box stays.
        let (width, height) = self.size();
        let svg = svg.replacen(&format!("width=\"{width}\" height=\"{height}\" "), "", 1);
        let role = "<svg role=\"img\" aria-hidden=\"true\" ";
        let start = svg
            .find("<svg ")
            .ok_or_else(|| Error::Drawing("plotters wrote no <svg>".into()))?;
        Ok(format!("{role}{}", &svg[start + "<svg ".len()..]))
    }

    fn draw_svg(&self, background: bool) -> Result<String> {
        let mut text = String::new();
        {
            let root = SVGBackend::with_string(&mut text, self.size()).into_drawing_area();
            self.draw(&root, background, 1)?;
            root.present()?;
        }
        Ok(text)
    }

    /// Writes the PNG atomically and leaves no other file behind.
    pub fn write_png(&self, path: &Path) -> Result<()> {
        // plotters can encode PNG into a file only, so draw into a temporary file and read that back.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let drawn = path.with_file_name(format!(".{name}.{}.drawn.png", std::process::id()));
        let bytes = self
            .draw_png(&drawn)
            .and_then(|()| std::fs::read(&drawn).at(&drawn, "cannot be read"));
        // If drawing failed, there may be no file to remove.
        let _ = std::fs::remove_file(&drawn);
        Ok(write_atomically(path, &bytes?)?)
    }

    fn draw_png(&self, path: &Path) -> Result<()> {
        let (width, height) = self.size();
        let size = (width * PNG_SCALE, height * PNG_SCALE);
        let root = BitMapBackend::new(path, size).into_drawing_area();
        self.draw(&root, true, PNG_SCALE)?;
        root.present().at(path, "cannot be written")
    }

    fn draw<DB: Canvas>(&self, root: &pen::Area<DB>, background: bool, scale: u32) -> Result<()> {
        pen::register_font()?;
        if background {
            root.fill(&WHITE)?;
        }
        let pen = Pen::new(scale);
        match &self.plot {
            Plot::Frontier(plot) => plot.draw(root, &pen),
            Plot::Reliability(plot) => plot.draw(root, &pen),
            Plot::Confusion(plot) => plot.draw(root, &pen),
            Plot::Learning(plot) => plot.draw(root, &pen),
            Plot::Gates(plot) => plot.draw(root, &pen),
            Plot::GateMap(plot) => plot.draw(root, &pen),
            Plot::Robustness(plot) => plot.draw(root, &pen),
            Plot::Latency(plot) => plot.draw(root, &pen),
            Plot::Effects(plot) => plot.draw(root, &pen),
        }
    }
}

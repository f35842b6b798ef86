//! A progress bar: stage, steps, loss, metric, active fraction, time left.

use super::{Progress, ProgressEvent};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// A progress bar on a terminal.
#[derive(Debug)]
pub struct BarProgress {
    bar: ProgressBar,
    label: String,
    stage: &'static str,
}

impl BarProgress {
    /// Draws on the standard error; `label` stands before the bar.
    pub fn new(label: &str) -> Self {
        Self::on(ProgressBar::no_length(), label)
    }

    /// Draws below the other bars of `group` (a plan's own bar, say).
    pub fn in_group(group: &MultiProgress, label: &str) -> Self {
        Self::on(group.add(ProgressBar::no_length()), label)
    }

    fn on(bar: ProgressBar, label: &str) -> Self {
        // A template that does not parse would only cost the looks.
        let template = "{prefix} {wide_bar} {pos}/{len} {msg} [{elapsed_precise} < {eta_precise}]";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(label.to_owned());
        Self {
            bar,
            label: label.to_owned(),
            stage: "",
        }
    }
}

impl Progress for BarProgress {
    fn event(&mut self, event: &ProgressEvent) {
        if event.stage != self.stage {
            self.stage = event.stage;
            self.bar
                .set_prefix(format!("{} {}", self.label, event.stage));
            // The time left is that of the stage.
            self.bar.reset_eta();
        }
        if event.steps > 0 {
            self.bar.set_length(event.steps as u64);
        }
        self.bar.set_position(event.step as u64);
        self.bar.set_message(event.figures());
    }
}

impl Drop for BarProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

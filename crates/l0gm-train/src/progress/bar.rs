//! A progress bar with stage, steps, loss, metric, active fraction and time left.

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
    /// A bar on the standard error output; `label` stands in front of it.
    pub fn new(label: &str) -> Self {
        Self::on(ProgressBar::no_length(), label)
    }

    /// A bar below the other bars of `group`, such as the bar of a whole plan.
    pub fn in_group(group: &MultiProgress, label: &str) -> Self {
        Self::on(group.add(ProgressBar::no_length()), label)
    }

    fn on(bar: ProgressBar, label: &str) -> Self {
        // If the template did not parse, only the bar's look would suffer, so this is no error.
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
            // Restart the estimate, because the time left is that of the stage.
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

//! Progress as plain lines, for logs and pipes.

use super::{Progress, ProgressEvent};
use std::io::Write;
use std::time::{Duration, Instant};

/// Writes a line for every new stage, and otherwise at most one every few seconds.
pub struct LineProgress {
    label: String,
    out: Box<dyn Write + Send>,
    every: Duration,
    last: Option<Instant>,
    stage: &'static str,
    /// When the stage began and at which step, to estimate the time left.
    began: (Instant, usize),
}

impl LineProgress {
    /// Writes to the standard error output; `label` stands in front of each line.
    pub fn new(label: &str) -> Self {
        Self::to(label, Box::new(std::io::stderr()), Duration::from_secs(5))
    }

    /// Writes to `out`, within a stage at most one line per interval `every`.
    pub fn to(label: &str, out: Box<dyn Write + Send>, every: Duration) -> Self {
        let began = (Instant::now(), 0);
        Self {
            label: label.to_owned(),
            out,
            every,
            last: None,
            stage: "",
            began,
        }
    }

    fn time_left(&self, event: &ProgressEvent) -> Option<Duration> {
        let (since, from) = self.began;
        let done = event.step.checked_sub(from).filter(|done| *done > 0)?;
        let left = event.steps.checked_sub(event.step)?;
        Some(since.elapsed().mul_f64(left as f64 / done as f64))
    }
}

impl std::fmt::Debug for LineProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineProgress")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

impl Progress for LineProgress {
    fn event(&mut self, event: &ProgressEvent) {
        let new_stage = event.stage != self.stage;
        if new_stage {
            self.stage = event.stage;
            self.began = (Instant::now(), event.step);
        }
        if !new_stage && self.last.is_some_and(|last| last.elapsed() < self.every) {
            return;
        }
        self.last = Some(Instant::now());
        let mut line = format!("{} {} {}", self.label, event.stage, event.step);
        if event.steps > 0 {
            line.push_str(&format!("/{}", event.steps));
        }
        let figures = event.figures();
        if !figures.is_empty() {
            line.push_str(&format!(": {figures}"));
        }
        if let Some(left) = self.time_left(event) {
            line.push_str(&format!(", {:.0} s left", left.as_secs_f64()));
        }
        // A failure to write the log must not end the run.
        let _ = writeln!(self.out, "{line}");
    }
}

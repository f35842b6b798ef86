//! Reports a run's progress and lets a user stop it.

mod bar;
mod line;

pub use bar::BarProgress;
pub use line::LineProgress;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
/// The state of a run at one moment.
#[derive(Clone, Debug)]
pub struct ProgressEvent {
    /// The current stage: "training", "validating", "testing", "loading".
    pub stage: &'static str,
    /// Steps done in this stage.
    pub step: usize,
    /// Total number of steps of the stage; 0 if it is unknown.
    pub steps: usize,
    /// Running average of the task loss.
    pub loss: Option<f64>,
    /// Accuracy of the last validation.
    pub metric: Option<f64>,
    /// Current active fraction; `None` without a gate.
    pub active_fraction: Option<f64>,
}
/// Receives the events of a run.
pub trait Progress {
    /// Called with the state of the run at this moment.
    fn event(&mut self, event: &ProgressEvent);
    /// Called once before training with a summary of the data: rows, columns and their kinds, classes with counts,
    /// missing cells, the split.
    fn found(&mut self, _summary: &str) {}
}
impl ProgressEvent {
    /// The known numbers in words: "loss 0.3312, accuracy 0.8702, active 31.3%".
    fn figures(&self) -> String {
        let known = [
            self.loss.map(|loss| format!("loss {loss:.4}")),
            self.metric.map(|metric| format!("accuracy {metric:.4}")),
            self.active_fraction
                .map(|share| format!("active {:.1}%", share * 100.0)),
        ];
        known.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}
/// Ignores all events.
impl Progress for () {
    fn event(&mut self, _event: &ProgressEvent) {}
}
/// A stop request. Ctrl-C sets it, and the run checks it before every step.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);
impl StopFlag {
    /// Asks the run to stop before its next step.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
    /// Whether a stop was requested.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;
    use std::sync::Mutex;
    use std::time::Duration;

    /// A writer that keeps the lines for inspection.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn event(stage: &'static str, step: usize) -> ProgressEvent {
        ProgressEvent {
            stage,
            step,
            steps: 10,
            loss: Some(0.33119),
            metric: Some(0.8702),
            active_fraction: Some(0.313),
        }
    }

    fn lines(every: Duration, events: &[ProgressEvent]) -> Vec<String> {
        let page = Page::default();
        let mut progress = LineProgress::to("adult", Box::new(page.clone()), every);
        for event in events {
            progress.event(event);
        }
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_tells_loss_metric_active_fraction_and_time_left() {
        let told = lines(
            Duration::ZERO,
            &[event("training", 0), event("training", 10)],
        );
        assert_eq!(
            told,
            [
                "adult training 0/10: loss 0.3312, accuracy 0.8702, active 31.3%",
                "adult training 10/10: loss 0.3312, accuracy 0.8702, active 31.3%, 0 s left",
            ]
        );
    }

    #[test]
    fn a_stage_of_many_steps_is_one_line_until_the_interval_is_over() {
        let mut events: Vec<_> = (0..9).map(|step| event("training", step)).collect();
        events.push(event("testing", 0));
        let told = lines(Duration::from_secs(3600), &events);
        assert_eq!(told.len(), 2);
        assert!(told[1].starts_with("adult testing 0/10"), "{told:?}");
    }

    #[test]
    fn a_stop_flag_is_shared_by_its_clones() {
        let flag = StopFlag::default();
        let clone = flag.clone();
        assert!(!clone.is_set());
        flag.stop();
        assert!(clone.is_set());
    }
}

//! Who is told how a run is going, and who may stop it.

mod bar;
mod line;

pub use bar::BarProgress;
pub use line::LineProgress;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
/// One moment of a run.
#[derive(Clone, Debug)]
pub struct ProgressEvent {
    /// What is happening: "training", "validating", "testing", "loading".
    pub stage: &'static str,
    /// Steps done.
    pub step: usize,
    /// Steps in all (0: unknown).
    pub steps: usize,
    /// Running task loss.
    pub loss: Option<f64>,
    /// Last validation accuracy.
    pub metric: Option<f64>,
    /// Active fraction now.
    pub active_fraction: Option<f64>,
}
/// Told about a run.
pub trait Progress {
    /// One moment.
    fn event(&mut self, event: &ProgressEvent);
}
impl ProgressEvent {
    /// "loss 0.3312, accuracy 0.8702, active 31.3%": what is known.
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
/// Nobody listens.
impl Progress for () {
    fn event(&mut self, _event: &ProgressEvent) {}
}
/// Set by Ctrl-C, asked before every step.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);
impl StopFlag {
    /// Asks the run to stop at the next step.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
    /// Whether a stop was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

//! What is said at the end: remarks on the rows, rows a second, and cells that training never met.

use l0gm_report::format::count;
use l0gm_train::RowPredictor;
use std::fmt::Write;

/// Number of columns with unseen cells that are described.
const COLUMNS: usize = 5;

/// Rows, time and unseen cells of a finished prediction, for the last line.
pub(super) struct Summary {
    pub(super) rows: u64,
    pub(super) seconds: f64,
}

impl Summary {
    /// Lines for standard error.
    pub(super) fn text(&self, predictor: &dyn RowPredictor) -> String {
        let mut text = String::new();
        for said in predictor.said() {
            let _ = writeln!(text, "note: {said}");
        }
        if let Some(decision) = &predictor.header().decision {
            let _ = writeln!(
                text,
                "note: the class is '{}' where its probability is at least {} ({})",
                decision.positive, decision.threshold, decision.rule
            );
        }
        let counted = predictor.unseen();
        let mut unseen = counted.clone().unwrap_or_default();
        unseen.sort_by_key(|unseen| std::cmp::Reverse(unseen.cells));
        for column in unseen.iter().take(COLUMNS) {
            let _ = writeln!(text, "note: {}", column.remark);
        }
        if let Some(more @ 1..) = unseen.len().checked_sub(COLUMNS) {
            let cells: u64 = unseen[COLUMNS..].iter().map(|unseen| unseen.cells).sum();
            let _ = writeln!(
                text,
                "note: {more} more columns hold {} cells that training did not meet",
                count(cells)
            );
        }
        let seconds = self.seconds.max(1e-9);
        let _ = write!(
            text,
            "{} rows in {:.1} s: {} rows a second",
            count(self.rows),
            self.seconds,
            count((self.rows as f64 / seconds) as u64),
        );
        if counted.is_some() {
            let cells: u64 = unseen.iter().map(|unseen| unseen.cells).sum();
            let _ = write!(text, ", {} unseen cells", count(cells));
        }
        text.push('\n');
        text
    }
}

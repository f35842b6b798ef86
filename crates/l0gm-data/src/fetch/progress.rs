//! Shows the progress of a download: a bar on a terminal, otherwise a plain line every ten percent.

use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;

/// One file's progress.
pub(super) struct Progress {
    name: String,
    bar: Option<ProgressBar>,
    total: Option<u64>,
    /// Number of tenths reported so far.
    told: u64,
}

impl Progress {
    /// `start` bytes are present already; `total` is the size, if the host states it.
    pub(super) fn new(target: &Path, start: u64, total: Option<u64>, bars: bool) -> Self {
        let name = target
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let bar = bars.then(|| {
            let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
            let style = "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar.set_prefix(name.clone());
            bar.set_position(start);
            bar
        });
        if bar.is_none() {
            let size = total.map_or("size unknown".to_owned(), |t| format!("{t} bytes"));
            let from = if start > 0 {
                format!(", going on at {start}")
            } else {
                String::new()
            };
            tracing::info!("downloading {name}: {size}{from}");
        }
        let told = total.map_or(0, |t| start * 10 / t.max(1));
        Progress {
            name,
            bar,
            total,
            told,
        }
    }

    /// Reports that `done` bytes are present now.
    pub(super) fn at(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if let Some(total) = self.total {
            let tenths = done * 10 / total.max(1);
            if tenths > self.told {
                self.told = tenths;
                tracing::info!("downloading {}: {}%", self.name, tenths * 10);
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

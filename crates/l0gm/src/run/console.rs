//! Shows progress while runs are made: on a terminal one bar for the plan and one for the run, otherwise plain lines,
//! at most one every few seconds.

use crate::modalities::Purpose;
use crate::own_data::in_flags;
use crate::plan::PlannedRun;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use l0gm_report::format;
use l0gm_train::{Progress, ProgressEvent, RunRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Where lines about the whole command go, such as what it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Headlines {
    /// To stdout, as a part of what the command prints.
    Stdout,
    /// To stderr with the progress, because stdout is for the result alone.
    Stderr,
    /// Nowhere, and neither does the progress.
    Nowhere,
}

/// The console of one command.
pub struct Console {
    bars: Option<(MultiProgress, ProgressBar)>,
    /// Number of the plan's runs that are done, including earlier ones.
    done: usize,
    total: usize,
    /// Estimated time of the runs still to do and of those done now. The remaining time is scaled by how wrong the
    /// estimates have been so far.
    left: Duration,
    spent: Duration,
    started: Instant,
    /// Number of runs that this process last waited for.
    waiting: usize,
    /// Makes the line about a finished run.
    result: fn(&RunRecord) -> String,
    /// Descriptions of data that were printed already, because the runs of a plan share their data.
    said: Said,
    headlines: Headlines,
}

/// Descriptions of data: which were printed, and how they are worded.
#[derive(Clone, Debug)]
struct Said {
    printed: Arc<Mutex<BTreeSet<String>>>,
    worded: fn(&str) -> String,
}

impl Default for Said {
    fn default() -> Self {
        Self {
            printed: Arc::default(),
            worded: str::to_owned,
        }
    }
}

impl Said {
    /// A description as it is to be printed; `None` if it was printed before.
    fn news(&self, summary: &str) -> Option<String> {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = printed.insert(summary.to_owned());
        is_new.then(|| (self.worded)(summary.trim_end()))
    }
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Console {
    /// A console with bars if stderr is a terminal, else with lines.
    pub fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(|| {
            let multi = MultiProgress::new();
            let overall = multi.add(ProgressBar::new(0));
            (multi, overall)
        });
        Self {
            bars,
            done: 0,
            total: 0,
            left: Duration::ZERO,
            spent: Duration::ZERO,
            started: Instant::now(),
            waiting: 0,
            result: super::result_line,
            said: Said::default(),
            headlines: Headlines::Stdout,
        }
    }

    /// A console that leaves stdout to the command's result, and speaks of data in the flags of `train`. If `quiet`, it
    /// shows nothing at all.
    pub fn beside_a_result(quiet: bool) -> Self {
        let mut console = Self::new();
        console.said.worded = in_flags;
        console.headlines = Headlines::Stderr;
        if quiet {
            console.bars = None;
            console.headlines = Headlines::Nowhere;
        }
        console
    }

    /// Shows a line about the whole command.
    pub fn headline(&self, line: &str) {
        match self.headlines {
            Headlines::Stdout => println!("{line}"),
            Headlines::Stderr | Headlines::Nowhere => self.line(line),
        }
    }

    /// Like [`Console::new`], with another line about each finished run.
    pub fn saying(mut self, result: fn(&RunRecord) -> String) -> Self {
        self.result = result;
        self
    }

    /// Shows that a run finished.
    pub fn succeeded(&mut self, run: &PlannedRun, record: &RunRecord) {
        self.finished(run, &(self.result)(record));
        for warning in &record.warnings {
            self.line(&format!("  warning: {}", warning.text));
        }
    }

    /// The purpose of a job whose progress this console shows.
    pub fn purpose(&self) -> Purpose {
        Purpose::Run {
            bars: self.bars.is_some(),
        }
    }

    /// Starts the display; called once, before the first run.
    pub fn start(&mut self, total: usize, skipped: usize, todo: &[&PlannedRun]) {
        self.total = total;
        self.done = skipped;
        self.left = todo.iter().map(|run| run.estimate).sum();
        self.started = Instant::now();
        if skipped > 0 {
            self.line(&format!(
                "{skipped} of {total} runs are finished already and are not run again"
            ));
        }
        if let Some((_, overall)) = &self.bars {
            overall.set_style(style("plan {bar:24} {pos}/{len} runs  {msg}"));
            overall.set_length(total as u64);
            overall.set_position(skipped as u64);
            overall.set_message(self.time_left());
        }
    }

    /// A listener for the progress of one run.
    pub fn progress(&self, run: &PlannedRun) -> Box<dyn Progress> {
        let name = name(run);
        if self.headlines == Headlines::Nowhere {
            return Box::new(());
        }
        match &self.bars {
            Some((multi, overall)) => {
                let bar = multi.add(ProgressBar::new(0));
                bar.set_style(style("{prefix}  {bar:24} {pos}/{len}  {msg}"));
                bar.set_prefix(name);
                bar.enable_steady_tick(Duration::from_millis(500));
                overall.set_message(self.time_left());
                Box::new(RunBar {
                    bar,
                    overall: overall.clone(),
                    others: self.left.saturating_sub(run.estimate).mul_f64(self.pace()),
                    whole: run.estimate.mul_f64(self.pace()),
                    clock: Clock::default(),
                    said: self.said.clone(),
                })
            }
            None => {
                say(&format!("[{}/{}] {name}", self.done + 1, self.total));
                Box::new(RunLines {
                    last: None,
                    clock: Clock::default(),
                    said: self.said.clone(),
                })
            }
        }
    }

    /// Shows that a run is done, with a line about it.
    pub fn finished(&mut self, run: &PlannedRun, result: &str) {
        self.advance(run);
        self.line(&format!("{}: {result}", name(run)));
    }

    /// Shows that a run failed.
    pub fn failed(&mut self, run: &PlannedRun, message: &str) {
        self.advance(run);
        self.line(message);
    }

    /// Shows that only runs of other processes are left; called repeatedly.
    pub fn waiting(&mut self, elsewhere: &BTreeMap<String, String>) {
        if self.waiting == elsewhere.len() {
            return;
        }
        self.waiting = elsewhere.len();
        let holders: BTreeSet<&str> = elsewhere.values().map(String::as_str).collect();
        let holders: Vec<&str> = holders.into_iter().collect();
        self.line(&format!(
            "waiting for {} runs in the hands of {}",
            elsewhere.len(),
            holders.join(", ")
        ));
    }

    /// Ends the display; called once, after the last run.
    pub fn end(&mut self) {
        if let Some((_, overall)) = &self.bars {
            overall.abandon_with_message(String::new());
        }
    }

    fn advance(&mut self, run: &PlannedRun) {
        self.done += 1;
        self.left = self.left.saturating_sub(run.estimate);
        self.spent += run.estimate;
        if let Some((_, overall)) = &self.bars {
            overall.set_position(self.done as u64);
            overall.set_message(self.time_left());
        }
    }

    /// How much longer runs have taken than was estimated.
    fn pace(&self) -> f64 {
        if self.spent.is_zero() {
            1.0
        } else {
            self.started.elapsed().as_secs_f64() / self.spent.as_secs_f64()
        }
    }

    fn time_left(&self) -> String {
        about(self.left.mul_f64(self.pace()))
    }

    fn line(&self, text: &str) {
        match &self.bars {
            _ if self.headlines == Headlines::Nowhere => {}
            // This fails only if the terminal is gone, and then nobody reads it.
            Some((multi, _)) => drop(multi.println(text)),
            None => say(text),
        }
    }
}

fn about(left: Duration) -> String {
    format!("about {} left", format::duration(left))
}

/// Writes a line to stderr in one piece. `eprintln` writes the line's end separately, so lines of several processes
/// would mix in a common log.
fn say(line: &str) {
    let line = format!("{line}\n");
    eprint!("{line}");
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

fn name(run: &PlannedRun) -> String {
    let spec = &run.spec;
    let lambda = match (spec.lambda, run.target()) {
        (Some(lambda), _) => format!(" lambda {}", format::lambda(lambda)),
        (None, Some(target)) => format!(" target {}", format::percent(target)),
        (None, None) => String::new(),
    };
    let twin = if spec.twin { " (TWIN)" } else { "" };
    let ablation = match &run.ablation {
        Some(ablation) => format!(" {ablation}"),
        None => String::new(),
    };
    format!(
        "{}{twin} {}{ablation}{lambda} seed {}",
        spec.dataset, spec.method, spec.seed
    )
}

/// Estimates the remaining time of one stage from its steps so far.
#[derive(Default)]
struct Clock {
    stage: &'static str,
    start: Option<(Instant, usize)>,
}

impl Clock {
    fn left(&mut self, event: &ProgressEvent) -> Option<Duration> {
        if self.stage != event.stage || self.start.is_none() {
            self.stage = event.stage;
            self.start = Some((Instant::now(), event.step));
        }
        let (since, first) = self.start?;
        let done = event.step.checked_sub(first).filter(|&n| n > 0)?;
        let left = event.steps.checked_sub(event.step)?;
        Some(since.elapsed().mul_f64(left as f64 / done as f64))
    }
}

fn message(event: &ProgressEvent, left: Option<Duration>) -> String {
    let mut parts = vec![event.stage.to_owned()];
    if let Some(loss) = event.loss {
        parts.push(format!("loss {}", format::fraction(loss)));
    }
    if let Some(metric) = event.metric {
        parts.push(format!("accuracy {}", format::fraction(metric)));
    }
    if let Some(active) = event.active_fraction {
        parts.push(format!("{} active", format::percent(active)));
    }
    if let Some(left) = left {
        parts.push(format!("{} left", format::duration(left)));
    }
    parts.join("  ")
}

struct RunBar {
    bar: ProgressBar,
    /// The bar of the whole plan.
    overall: ProgressBar,
    /// Time for the runs after this one, and for this one.
    others: Duration,
    whole: Duration,
    clock: Clock,
    said: Said,
}

impl Progress for RunBar {
    fn event(&mut self, event: &ProgressEvent) {
        self.bar.set_length(event.steps as u64);
        self.bar.set_position(event.step as u64);
        let left = self.clock.left(event);
        self.bar.set_message(message(event, left));
        // Nearly all of a run is training; the other stages are short.
        if event.stage == "training" && event.steps > 0 {
            let done = event.step as f64 / event.steps as f64;
            let of_this = self.whole.mul_f64((1.0 - done).clamp(0.0, 1.0));
            self.overall.set_message(about(self.others + of_this));
        }
    }

    fn found(&mut self, summary: &str) {
        if let Some(text) = self.said.news(summary) {
            self.bar.println(text);
        }
    }
}

impl Drop for RunBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

struct RunLines {
    last: Option<Instant>,
    clock: Clock,
    said: Said,
}

impl Progress for RunLines {
    fn event(&mut self, event: &ProgressEvent) {
        let left = self.clock.left(event);
        let due = self.last.is_none_or(|last| last.elapsed() >= LINE_EVERY);
        if due {
            let steps = if event.steps > 0 {
                format!("step {}/{}  ", event.step, event.steps)
            } else {
                String::new()
            };
            say(&format!("  {steps}{}", message(event, left)));
            self.last = Some(Instant::now());
        }
    }

    fn found(&mut self, summary: &str) {
        if let Some(text) = self.said.news(summary) {
            say(&text);
        }
    }
}

//! The memory that one run needs besides its inputs, measured as the growth of the process's peak resident memory.
//!
//! The measurement has a process of its own, in which the allocator returns freed pages at once. In the benchmark's
//! process, which keeps pages for the next step, a result would reuse pages of an earlier case, and nothing would
//! seem to grow.

use crate::bench::case::Run;
use crate::flags::BenchFlags;
use anyhow::{Context, bail};
use std::process::Command;

/// Bytes of a run's result and the measured growth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Memory {
    /// Bytes by which the peak grew during the run.
    pub(crate) extra: f64,
    /// Bytes of the values that the run returns.
    pub(crate) result: f64,
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        write!(f, "{:.0} of {:.0}", mib(self.extra), mib(self.result))
    }
}

/// Measures the growth during one run of the case in a separate process. `None` if the system does not report memory,
/// which is the case everywhere but on Linux.
pub(crate) fn ask(
    case: &str,
    result: f64,
    threads: usize,
    flags: &BenchFlags,
) -> anyhow::Result<Option<Memory>> {
    if peak_since_now().is_none() {
        return Ok(None);
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench", "--memory", "--only", case, "--threads"]);
    command.arg(threads.to_string());
    for (name, dir) in [
        ("--data-dir", &flags.data_dir),
        ("--model-dir", &flags.model_dir),
    ] {
        command.args(dir.iter().flat_map(|dir| [name.as_ref(), dir.as_os_str()]));
    }
    let output = command.env("MIMALLOC_PURGE_DELAY", "0").output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let extra = said.trim().parse::<f64>();
    match (output.status.success(), extra) {
        (true, Ok(extra)) => Ok(Some(Memory { extra, result })),
        _ => bail!(
            "{case}: its memory was not measured: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// Number of bytes by which the peak grows while `run` runs once.
pub(crate) fn growth(run: &mut Run) -> anyhow::Result<u64> {
    let gone = "the system does not tell how much memory this process has";
    let before = peak_since_now().context(gone)?;
    run()?;
    let after = status("VmHWM:").context(gone)?;
    Ok(after.saturating_sub(before))
}

/// Resets the peak to the memory that is resident now, and returns that in bytes.
fn peak_since_now() -> Option<u64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    status("VmHWM:")
}

/// Reads a line of `/proc/self/status` in kB and returns bytes.
fn status(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn growth_counts_what_a_run_writes_even_where_it_is_freed_again() {
        if peak_since_now().is_none() {
            eprintln!("skipped: the system does not tell how much memory a process has");
            return;
        }
        // Larger than any memory that other tests may have left with the allocator.
        let mut run: Run = Box::new(|| {
            std::hint::black_box(vec![1u8; 64 << 20]);
            Ok(())
        });
        let grown = growth(&mut run).unwrap();
        assert!(grown >= 60 << 20, "{grown}");
    }

    #[test]
    fn shown_in_mebibytes() {
        let memory = Memory {
            extra: 401.6e6,
            result: 4e8,
        };
        assert_eq!(memory.to_string(), "383 of 381");
    }
}

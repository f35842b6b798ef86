//! The memory that one run takes beside what its inputs take: the growth of the process's peak resident
//! memory while it runs.
//!
//! Measured in a process of its own, in which the allocator gives freed pages back at once: in this one,
//! and with pages kept for the next step, a result would land on pages that an earlier case left behind,
//! and nothing would seem to grow.

use crate::bench::case::Run;
use crate::flags::BenchFlags;
use anyhow::{Context, bail};
use std::process::Command;

/// Bytes of a run's result, and of the growth that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Memory {
    /// Growth of the peak while the run lasted.
    pub(crate) extra: f64,
    /// The values that the run returns.
    pub(crate) result: f64,
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        write!(f, "{:.0} of {:.0}", mib(self.extra), mib(self.result))
    }
}

/// Asks a process of its own for the growth during one run of the case; `None` where the system does not
/// tell, which is everywhere but on Linux.
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

/// Bytes by which the peak grows while `run` runs once.
pub(crate) fn growth(run: &mut Run) -> anyhow::Result<u64> {
    let gone = "the system does not tell how much memory this process has";
    let before = peak_since_now().context(gone)?;
    run()?;
    let after = status("VmHWM:").context(gone)?;
    Ok(after.saturating_sub(before))
}

/// Forgets the peak, which is then what is resident now, in bytes.
fn peak_since_now() -> Option<u64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    status("VmHWM:")
}

/// A line of `/proc/self/status` given in kB, in bytes.
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
        // Larger than anything the other tests may have left to the allocator.
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

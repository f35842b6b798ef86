//! Handles Ctrl-C, and SIGTERM, which batch systems send before an allocation ends. The first asks the current run to
//! save and stop; the second ends the process at once.

use anyhow::Context;
use l0gm_train::StopFlag;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of a process ended by SIGINT, as shells report it.
pub const INTERRUPTED: u8 = 130;

/// Sets `stop` on the first Ctrl-C, exits on the second. A command that carries out several plans has one flag for all of
/// them, so later calls change nothing.
pub fn on_ctrl_c(stop: StopFlag) -> anyhow::Result<()> {
    static LISTENING: AtomicBool = AtomicBool::new(false);
    if LISTENING.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    ctrlc::set_handler(move || {
        if stop.is_set() {
            std::process::exit(i32::from(INTERRUPTED));
        }
        stop.stop();
        eprintln!(
            "\nstopping after this step; Ctrl-C again ends at once (nothing finished is lost)"
        );
    })
    .context("cannot listen for Ctrl-C")
}

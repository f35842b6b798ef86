//! Turns a panic of the Parquet library into an error, because one changed byte of a file can make it index out of
//! bounds. Nothing is printed. The library only reads, so a panic leaves nothing inconsistent.

use crate::{Error, Result};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `read`. If it panics, the file counts as damaged.
pub(crate) fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    silence();
    let before = QUIET.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    QUIET.set(before);
    outcome.unwrap_or_else(|_| {
        Err(Error::file(
            path,
            "is damaged: its parts contradict each other; delete it and run again",
        ))
    })
}

/// Installs a panic hook, once, that ignores panics inside [`guarded`] and passes all others to the previous hook.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_names_the_file() {
        let read = || -> Result<()> { panic!("index out of bounds") };
        let text = guarded(Path::new("a.parquet"), read)
            .unwrap_err()
            .to_string();
        assert!(text.starts_with("a.parquet: is damaged"), "{text}");
    }
}

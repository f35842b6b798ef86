//! Turns panics of the Parquet library into errors, because a single changed byte can make it index out of bounds.
//! Nothing is printed. The library only reads, so a panic leaves nothing inconsistent.

use super::Error;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `read`. If it panics, the file counts as damaged.
///
/// # Errors
/// Fails with the error of `read`, or because the file is damaged.
pub fn guarded<T, E: From<Error>>(
    file: &str,
    read: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    silence();
    let before = QUIET.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    QUIET.set(before);
    outcome.unwrap_or_else(|_| Err(damaged(file, "its parts contradict each other").into()))
}

/// The error about a damaged file, with advice.
pub(super) fn damaged(file: &str, why: &str) -> Error {
    Error::file(
        file,
        format!("is damaged: {why}; copy, download or write it again"),
    )
}

/// Installs a panic hook, once, that ignores panics in this module and passes all others to the previous hook.
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
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_names_the_file() {
        let found: super::super::Result<()> =
            guarded("a.parquet", || panic!("index out of bounds"));
        let text = found.map_or_else(|error| error.to_string(), |()| String::new());
        assert!(text.starts_with("a.parquet: is damaged"), "{text}");
    }
}

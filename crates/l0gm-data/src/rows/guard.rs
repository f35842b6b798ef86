//! Turns a panic inside the Parquet library into an error: one changed byte of a file is enough for it
//! to index past an end. Nothing is printed and nothing else is lost, because the library only reads.

use super::Error;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `read`; where it panics, the file is damaged.
///
/// # Errors
/// `read`'s own, or that the file is damaged.
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

/// "is damaged", and what to do.
pub(super) fn damaged(file: &str, why: &str) -> Error {
    Error::file(
        file,
        format!("is damaged: {why}; copy, download or write it again"),
    )
}

/// Installs, once, a panic hook that passes over this module's panics and leaves all others to the
/// hook that was there.
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

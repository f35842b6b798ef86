//! `cargo xtask reproduce --dry-run | head`: a reader that has seen enough is no error.

/// What a shell reports of a tool that a broken pipe ended: 128 and SIGPIPE's 13.
const ENDED_BY_PIPE: u8 = 141;

/// From here on a `println!` whose reader is gone ends the process without a word; Rust would panic. Files are
/// renamed when they are whole and finished runs are kept, so that the same command goes on later.
///
/// SIGPIPE itself stays ignored: the benchmark's peers are written to through pipes too, and one that dies is
/// reported.
pub fn end_quietly() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload_as_str().is_some_and(is_reader_gone) {
            std::process::exit(ENDED_BY_PIPE.into());
        }
        usual(info);
    }));
}

/// The code to end with where a command failed because the reader of its output is gone; else nothing.
pub fn quiet_code(error: &anyhow::Error) -> Option<u8> {
    let gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    let mut causes = error.chain().filter_map(|e| e.downcast_ref());
    causes.any(gone).then_some(ENDED_BY_PIPE)
}

/// The standard library has no other sign of it than the message: a `println!` returns nothing.
fn is_reader_gone(message: &str) -> bool {
    message.starts_with("failed printing to std") && message.contains("Broken pipe")
}

//! In `cargo xtask reproduce --dry-run | head`, a reader that closes the pipe early is not an error.

/// The exit code that a shell reports for a tool ended by a broken pipe: 128 plus SIGPIPE's 13.
const ENDED_BY_PIPE: u8 = 141;

/// Makes `println!` to a closed pipe end the process silently from now on, where Rust would panic. Files are written
/// under a temporary name and renamed, and finished runs are kept, so the same command can continue later.
///
/// SIGPIPE itself stays ignored. The peer processes of the benchmark are also written to through pipes, and the
/// benchmark reports one that dies.
pub fn end_quietly() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload_as_str().is_some_and(is_reader_gone) {
            std::process::exit(ENDED_BY_PIPE.into());
        }
        usual(info);
    }));
}

/// The exit code for a command that failed because the reader of its output closed the pipe; `None` for other errors.
pub fn quiet_code(error: &anyhow::Error) -> Option<u8> {
    let gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    let mut causes = error.chain().filter_map(|e| e.downcast_ref());
    causes.any(gone).then_some(ENDED_BY_PIPE)
}

/// Recognises the panic by its message, because `println!` returns no error.
fn is_reader_gone(message: &str) -> bool {
    message.starts_with("failed printing to std") && message.contains("Broken pipe")
}

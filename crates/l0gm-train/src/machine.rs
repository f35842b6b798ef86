//! A short description of the machine, for records and reports.

/// For example "Intel(R) Xeon(R) Processor, 2 logical cores (x86_64 linux)". The processor's name is left out where
/// the system does not give it.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let words = if cores == 1 { "core" } else { "cores" };
    let place = format!("{} {}", std::env::consts::ARCH, std::env::consts::OS);
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    match processor(&text) {
        Some(name) => format!("{name}, {cores} logical {words} ({place})"),
        None => format!("{cores} logical {words} ({place})"),
    }
}

/// The name of the first processor listed in Linux's `/proc/cpuinfo`.
fn processor(cpuinfo: &str) -> Option<String> {
    let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let (_, name) = lines.find(|(key, _)| key.trim() == "model name")?;
    Some(name.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_name_is_taken_from_its_line_alone() {
        let text = "processor\t: 0\nmodel\t\t: 143\nmodel name\t: Some  CPU @ 2.0GHz\nmodel name\t: Other\n";
        assert_eq!(processor(text).as_deref(), Some("Some CPU @ 2.0GHz"));
        assert_eq!(processor("Hardware : board"), None);
        assert!(machine().contains("logical"));
    }
}

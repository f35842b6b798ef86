//! The times of a run beside other programs, for the console.

use l0gm_report::format;
use l0gm_report::peers::shown;
use l0gm_report::peers_record::{PeerInput, PeersRecord};
use std::fmt::Write;

/// Two tables of microseconds a row, and what was not timed.
pub(super) fn text(record: &PeersRecord) -> String {
    let mut text = String::new();
    let sizes = record.sizes();
    let names = record.models.iter().map(|model| model.name.len());
    let width = names.max().unwrap_or(0).max(30);
    for (input, what) in [
        (PeerInput::Encoded, "from encoded rows"),
        (PeerInput::File, "from raw cells of a CSV file"),
    ] {
        let _ = write!(text, "  {:width$}", format!("µs a row, {what}"));
        for size in &sizes {
            let _ = write!(text, " {:>10}", format::count(*size as u64));
        }
        text.push('\n');
        for model in record.with_input(input) {
            let _ = write!(text, "  {:width$}", model.name);
            for size in &sizes {
                let time = model.at(*size).map(|at| shown(at.us_a_row()));
                let _ = write!(text, " {:>10}", time.as_deref().unwrap_or("-"));
            }
            text.push('\n');
        }
        let _ = write!(text, "  {:width$}", "ours against the fastest peer");
        for size in &sizes {
            let ratio = record.against_fastest(input, *size);
            let ratio = ratio.map(|(ratio, _)| format!("{}x", format::decimals(ratio, 2)));
            let _ = write!(text, " {:>10}", ratio.as_deref().unwrap_or("-"));
        }
        text.push('\n');
    }
    for note in &record.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    for missing in &record.missing {
        let _ = writeln!(text, "  not timed: {}: {}", missing.name, missing.reason);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_input_has_its_table_and_what_is_missing_is_said() {
        let text = text(&l0gm_report::fixtures::peers("a"));
        let line = |name: &str| {
            text.lines()
                .find(|line| line.trim_start().starts_with(name))
        };
        // 20 microseconds for 64 rows.
        assert!(
            line("L0GM, compact ").is_some_and(|line| line.ends_with("0.312")),
            "{text}"
        );
        assert!(text.contains("0.50x") && text.contains("2.00x"), "{text}");
        assert!(text.contains("not timed: catboost"), "{text}");
    }
}

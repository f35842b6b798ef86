//! Messages about data name settings, such as `data.missing`, because every way to run a model has them. Who types
//! `l0gm train` has flags: here a setting becomes the flag that stands for it, or `--set` with its name.

use crate::usage::{exit_code, one_line, usage};

/// Settings that have a flag of their own, without the modality's prefix.
const FLAGS: [(&str, &str); 11] = [
    ("label", "--label"),
    ("label-column", "--label"),
    ("text-column", "--text"),
    ("ignore", "--ignore"),
    ("numeric", "--numeric"),
    ("categorical", "--categorical"),
    ("drop-unlabelled", "--drop-unlabelled"),
    ("group", "--group"),
    ("time", "--time"),
    ("test-file", "--test"),
    ("valid-file", "--valid"),
];

/// More settings that messages about data name.
const SETTINGS: [&str; 11] = [
    "missing",
    "header",
    "separator",
    "decimal",
    "keep",
    "classes",
    "split",
    "test-fraction",
    "valid-fraction",
    "valid-rows",
    "train-rows",
];

/// Replaces the names of settings by flags.
pub(crate) fn in_flags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !is_of_a_name(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        // A full stop ends a sentence, not a name.
        let name = word.trim_end_matches('.');
        match flag_of(name) {
            Some(flag) if !out.ends_with("--set ") && !out.ends_with(['/', '\\', '\'', '"']) => {
                out.push_str(&flag);
                out.push_str(&word[name.len()..]);
            }
            _ => out.push_str(word),
        }
        let skip = after.chars().next().map_or(0, char::len_utf8);
        out.push_str(&after[..skip]);
        rest = &after[skip..];
    }
    out
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// The flag for a setting as messages write it. Texts' settings have no prefix, so of these only names that are no plain
/// words count.
fn flag_of(name: &str) -> Option<String> {
    let (key, prefixed) = match name.strip_prefix("data.").or(name.strip_prefix("table.")) {
        Some(key) => (key, true),
        None => (name, false),
    };
    if !prefixed && !key.contains('-') {
        return None;
    }
    if let Some((_, flag)) = FLAGS.iter().find(|(setting, _)| *setting == key) {
        return Some((*flag).to_owned());
    }
    SETTINGS.contains(&key).then(|| format!("--set {name}=..."))
}

/// The result of a command with its error in flags.
pub(crate) fn in_errors<T>(result: anyhow::Result<T>) -> anyhow::Result<T> {
    result.map_err(|error| {
        let text = one_line(&error);
        match in_flags(&text) {
            same if same == text => error,
            other if exit_code(&error) == 2 => usage(other),
            other => anyhow::anyhow!(other),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn settings_become_flags_and_other_words_stay() {
        for (said, wanted) in [
            (
                "add this word to data.missing if it means that there is none, or list the column under data.categorical)",
                "add this word to --set data.missing=... if it means that there is none, or list the column under --categorical)",
            ),
            (
                "left out (list it under data.keep to use it)",
                "left out (list it under --set data.keep=... to use it)",
            ),
            (
                "leave one out: test-file and valid-file.",
                "leave one out: --test and --valid.",
            ),
            (
                "name their column with the setting text-column",
                "name their column with the setting --text",
            ),
            (
                "data.csv, line 3: expected a group or time",
                "data.csv, line 3: expected a group or time",
            ),
            ("in /tmp/data/valid-file: no", "in /tmp/data/valid-file: no"),
            ("--set data.keep=id", "--set data.keep=id"),
            ("Größe: data.label.", "Größe: --label."),
            // A column of this name.
            ("column 'data.time' has", "column 'data.time' has"),
        ] {
            assert_eq!(in_flags(said), wanted);
        }
    }

    #[test]
    fn an_error_keeps_its_exit_code() {
        let error = in_errors::<()>(Err(usage("data.group: two groups"))).unwrap_err();
        assert_eq!(
            (exit_code(&error), error.to_string().as_str()),
            (2, "--group: two groups")
        );
        let error = in_errors::<()>(Err(anyhow::anyhow!("data.time: no"))).unwrap_err();
        assert_eq!(exit_code(&error), 1);
    }
}

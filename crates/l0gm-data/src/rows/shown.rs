//! Formats text from a file for messages: in quotes, shortened, with control characters escaped. A cell may be
//! megabytes long or hold terminal commands, but a message must stay readable and harmless.

/// Number of characters of a cell or a name that a message shows.
const LONGEST: usize = 60;
/// Number of characters of a file's name that a message shows.
const LONGEST_NAME: usize = 300;
/// Number of names that a list shows.
const MOST_NAMES: usize = 12;

/// A cell or a name in single quotes, shortened to 60 characters.
pub fn shown(text: &str) -> String {
    format!("'{}'", cut(text, LONGEST))
}

/// Names in quotes, shortened to the first twelve.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(MOST_NAMES).map(shown).collect();
    match names.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// The name of a file, without quotes.
pub(super) fn shown_name(name: &str) -> String {
    cut(name, LONGEST_NAME)
}

fn cut(text: &str, longest: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == longest {
            out.push('…');
            break;
        }
        crate::readable::push(&mut out, c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_and_control_characters_are_escaped() {
        assert_eq!(shown("a\u{1b}[31m\n"), "'a\\u{1b}[31m\\n'");
        let long = shown(&"x".repeat(1_000_000));
        assert_eq!(long.chars().count(), LONGEST + 3);
    }

    #[test]
    fn long_lists_say_how_many_names_they_leave_out() {
        let names: Vec<String> = (0..20_000).map(|i| i.to_string()).collect();
        let text = list(names.iter().map(String::as_str));
        assert!(text.ends_with("'11' and 19988 more"), "{text}");
    }
}

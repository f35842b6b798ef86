//! Makes error messages safe to print. They quote files and user input, which may hold anything, such as a cell of a
//! megabyte or a terminal's control sequence.

use std::fmt::Display;

/// Number of characters to keep at the beginning of a longer message, which names the place; its end, which says what
/// to do, is kept too.
const HEAD: usize = 700;
const TAIL: usize = 250;

/// Returns `text` as one line that is safe to print. Control characters and invisible ones that change the direction
/// of text are escaped. The middle of a very long message is replaced by the number of characters left out.
pub(crate) fn readable(text: impl Display) -> String {
    let text = text.to_string();
    let count = text.chars().count();
    let mut out = String::with_capacity(text.len().min(4 * (HEAD + TAIL)));
    if count <= HEAD + TAIL {
        text.chars().for_each(|c| push(&mut out, c));
        return out;
    }
    let left_out = count - HEAD - TAIL;
    text.chars().take(HEAD).for_each(|c| push(&mut out, c));
    out.push_str(&format!(" [... {left_out} characters left out ...] "));
    text.chars()
        .skip(HEAD + left_out)
        .for_each(|c| push(&mut out, c));
    out
}

/// Appends a character, or an escape where a terminal would act on it.
pub(crate) fn push(out: &mut String, c: char) {
    let invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    match c {
        '\0' => out.push_str("\\0"),
        _ if c.is_control() || invisible => out.extend(c.escape_debug()),
        _ => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["", "data.csv: row 3", "größer als 5 \"quoted\" \\ 数据"] {
            assert_eq!(readable(text), text);
        }
    }

    #[test]
    fn control_characters_are_written_as_escapes() {
        assert_eq!(
            readable("a\u{1b}[2Jb\r\n\tc\0\u{202e}d"),
            "a\\u{1b}[2Jb\\r\\n\\tc\\0\\u{202e}d"
        );
    }

    #[test]
    fn a_long_message_keeps_its_beginning_and_its_end() {
        let text = format!("file.csv: {} is too long; split it", "é".repeat(1 << 20));
        let shown = readable(&text);
        assert!(shown.chars().count() < 1100, "{}", shown.chars().count());
        assert!(shown.starts_with("file.csv: é") && shown.ends_with("; split it"));
        assert!(shown.contains("characters left out"));
    }
}

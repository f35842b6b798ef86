//! Numbers as people write them: `1234.5`, `1,234.50`, `1.234,50`, `1 234,5`, `1'234.5`, `$12`, `12 €`, `12.5%`,
//! `1e-3`, `(12)`, `−3`. A percentage is a share (`12.5%` is 0.125), and a number in parentheses is negative. A cell
//! such as `1,234` does not show whether comma or point is the decimal mark; its column or file does (see
//! [`super::kind`]).

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::Write;

/// The mark before the fraction of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decimal {
    /// `1,234.50`
    #[default]
    Point,
    /// `1.234,50`
    Comma,
}

impl Decimal {
    /// The mark as a character.
    pub fn mark(self) -> char {
        match self {
            Decimal::Point => '.',
            Decimal::Comma => ',',
        }
    }

    /// The other mark.
    pub fn other(self) -> Self {
        match self {
            Decimal::Point => Decimal::Comma,
            Decimal::Comma => Decimal::Point,
        }
    }
}

/// Larger numbers are refused as features, because sums of their squares overflow.
pub const LARGEST: f64 = 1e100;

const CURRENCIES: [char; 8] = ['$', '€', '£', '¥', '₹', '₩', '₽', '¢'];

/// The number in a cell; infinite if the cell says so or overflows, `None` if it is not a number.
pub fn parse(text: &str, decimal: Decimal) -> Option<f64> {
    let plain =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    let bytes = text.as_bytes();
    if bytes.iter().all(|byte| plain(*byte))
        && (decimal == Decimal::Point || !bytes.contains(&b'.'))
    {
        return text.parse().ok();
    }
    spelled(text.trim(), decimal)
}

/// Whether it is a code: digits only, beginning with a zero.
pub fn is_code(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Parses every spelling except the plainest.
fn spelled(text: &str, decimal: Decimal) -> Option<f64> {
    let (mut rest, parentheses) = match text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        Some(inner) => (inner.trim(), true),
        None => (text, false),
    };
    let (mut sign, mut currency, mut percent) = (None, false, false);
    loop {
        let mut chars = rest.chars();
        match chars.next()? {
            c @ ('-' | '+' | '−') if sign.is_none() && !parentheses => sign = Some(c != '+'),
            c if CURRENCIES.contains(&c) && !currency => currency = true,
            _ => break,
        }
        rest = chars.as_str().trim_start();
    }
    loop {
        let mut chars = rest.chars();
        match chars.next_back()? {
            '%' if !percent && !currency => percent = true,
            c if CURRENCIES.contains(&c) && !currency && !percent => currency = true,
            _ => break,
        }
        rest = chars.as_str().trim_end();
    }
    let negative = parentheses || sign == Some(true);
    let signed = |value: f64| if negative { -value } else { value };
    if ["inf", "infinity", "∞"]
        .iter()
        .any(|word| rest.eq_ignore_ascii_case(word))
    {
        return (!parentheses && !currency && !percent).then(|| signed(f64::INFINITY));
    }
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], exponent(&rest[at + 1..])?),
        None => (rest, 0),
    };
    let (whole, fraction) = match mantissa.split_once(decimal.mark()) {
        Some((whole, fraction)) => (whole, fraction),
        None => (mantissa, ""),
    };
    let whole = ungrouped(whole, decimal)?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(fraction) || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = exponent - if percent { 2 } else { 0 };
    let value: f64 = format!("{whole}.{fraction}e{exponent}").parse().ok()?;
    Some(signed(value))
}

fn exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // A number with more digits than this overflows or underflows anyway.
    plain.then(|| {
        text.parse()
            .unwrap_or(if text.starts_with('-') { -9999 } else { 9999 })
    })
}

/// The digits before the decimal mark, without the separators between groups of three.
fn ungrouped(whole: &str, decimal: Decimal) -> Option<Cow<'_, str>> {
    let Some(at) = whole.find(|c: char| !c.is_ascii_digit()) else {
        return Some(Cow::Borrowed(whole));
    };
    let mark = whole[at..].chars().next()?;
    let groups = mark == decimal.other().mark()
        || matches!(mark, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\'' | '’');
    if !groups || at > 3 || at == 0 || whole.starts_with('0') {
        return None;
    }
    let threes = whole[at + mark.len_utf8()..].split(mark);
    let mut digits = whole[..at].to_owned();
    for group in threes {
        if group.len() != 3 || !group.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.push_str(group);
    }
    Some(Cow::Owned(digits))
}

/// The single spelling of a number: `1`, `1.0`, `01.0` and `+1` become `1`, and `1,234.50` becomes `1234.5`. Whole
/// numbers keep all their digits. `None` if the text is not a number.
pub fn canonical(text: &str, decimal: Decimal) -> Option<Cow<'_, str>> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let already = |text: &str| digits(text) && (text == "0" || !text.starts_with('0'));
    if already(text) {
        return Some(Cow::Borrowed(text));
    }
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = rest.split_once(decimal.mark()).unwrap_or((rest, "0"));
    if digits(whole) && fraction.bytes().all(|byte| byte == b'0') {
        let whole = whole.trim_start_matches('0');
        return Some(match whole {
            "" => Cow::Borrowed("0"),
            whole if negative => Cow::Owned(format!("-{whole}")),
            whole => Cow::Borrowed(whole),
        });
    }
    parse(text, decimal).map(|value| Cow::Owned(written(value)))
}

/// A number as text, without the hundreds of zeros that very large and very small numbers would have.
pub fn written(value: f64) -> String {
    let mut out = String::new();
    write_f64(&mut out, value);
    out
}

pub(super) fn write_f64(out: &mut String, value: f64) {
    let size = value.abs();
    let _ = match size == 0.0 || (1e-5..1e17).contains(&size) {
        // Adding 0 avoids "-0".
        true => write!(out, "{}", value + 0.0),
        false => write!(out, "{value:e}"),
    };
}

/// Like [`write_f64`], with only as many digits as single precision needs.
pub(super) fn write_f32(out: &mut String, value: f32) {
    let size = value.abs();
    let _ = match size == 0.0 || (1e-5..1e17).contains(&size) {
        true => write!(out, "{}", value + 0.0),
        false => write!(out, "{value:e}"),
    };
}

/// The value of `true` or `false`, ignoring case.
pub fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    text.eq_ignore_ascii_case("false").then_some(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_the_docs_is_a_number() {
        for (text, value) in [
            ("1,234.50", 1234.5),
            ("41,200", 41200.0),
            ("$12", 12.0),
            ("-$1,000.5", -1000.5),
            ("12.5%", 0.125),
            ("1e-3", 1e-3),
            ("(12)", -12.0),
            ("($1,200)", -1200.0),
            ("12 €", 12.0),
            ("−3", -3.0),
            ("1 234 567.5", 1234567.5),
            ("1'234.5", 1234.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("+7", 7.0),
            ("-Infinity", f64::NEG_INFINITY),
            ("1e999", f64::INFINITY),
            ("1,234e2", 123400.0),
            ("7 %", 0.07),
            ("€ 5", 5.0),
            ("01.0", 1.0),
        ] {
            assert_eq!(parse(text, Decimal::Point), Some(value), "{text}");
        }
        for (text, value) in [
            ("1.234,50", 1234.5),
            ("3,25", 3.25),
            ("1.234", 1234.0),
            ("12,5 %", 0.125),
            ("-0,5", -0.5),
            ("1.234.567,8", 1234567.8),
            ("12", 12.0),
            ("1,5e3", 1500.0),
        ] {
            assert_eq!(parse(text, Decimal::Comma), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            "-",
            "$",
            "%",
            "()",
            "abc",
            "12 kg",
            "1.2.3",
            "12.08.2021",
            "2021-08-12",
            "1,23",
            "1,2345",
            "0,123",
            "1,234,56",
            "10:30",
            "1e",
            "e5",
            "--5",
            "1 2",
            "(-5)",
            "$%",
            "0x10",
            "nan",
            "١٢",
            "1_000",
        ] {
            assert_eq!(parse(text, Decimal::Point), None, "{text}");
        }
    }

    #[test]
    fn one_number_has_one_spelling() {
        for text in ["1", "1.0", "01.0", "+1", "1.", "1e0", "100%", "01"] {
            assert_eq!(canonical(text, Decimal::Point).unwrap(), "1", "{text}");
        }
        assert_eq!(canonical("-0", Decimal::Point).unwrap(), "0");
        assert_eq!(canonical("1.50", Decimal::Point).unwrap(), "1.5");
        assert_eq!(
            canonical("1609459200000000001.0", Decimal::Point).unwrap(),
            "1609459200000000001"
        );
        assert_eq!(canonical("x", Decimal::Point), None);
    }

    proptest! {
        #[test]
        fn a_number_is_read_back_from_every_way_to_write_it(value in -1e9..1e9f64, cents in 0u32..100) {
            let rounded = (value.trunc() * 100.0 + f64::from(cents)).abs() / 100.0;
            let (whole, cents) = (rounded.trunc() as u64, (rounded * 100.0).round() as u64 % 100);
            let mut grouped = whole.to_string();
            let mut at = grouped.len();
            while at > 3 {
                at -= 3;
                grouped.insert(at, ',');
            }
            let point = format!("{grouped}.{cents:02}");
            let comma: String = point.chars().map(|c| match c { ',' => '.', '.' => ',', c => c }).collect();
            let expected: f64 = format!("{whole}.{cents:02}").parse().unwrap();
            prop_assert_eq!(parse(&point, Decimal::Point), Some(expected));
            prop_assert_eq!(parse(&comma, Decimal::Comma), Some(expected));
            prop_assert_eq!(parse(&format!("({point})"), Decimal::Point), Some(-expected));
            prop_assert_eq!(parse(&value.to_string(), Decimal::Point), Some(value));
            prop_assert_eq!(parse(&written(value), Decimal::Point), Some(value));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,12}") {
            let _ = (parse(&text, Decimal::Point), canonical(&text, Decimal::Comma));
        }
    }
}

//! Formats numbers for readers: as many digits as carry meaning, with their unit.

use std::time::Duration;

/// Four decimals, for accuracies, losses and calibration errors.
pub fn fraction(x: f64) -> String {
    decimals(x, 4)
}

/// A signed difference with four decimals.
pub fn difference(x: f64) -> String {
    // A difference that prints as zero carries no sign.
    if x.abs() < 0.000_05 {
        return "0.0000".to_owned();
    }
    format!("{}{:.4}", if x < 0.0 { "−" } else { "+" }, x.abs())
}

/// A share between 0 and 1 as a percentage with one decimal.
pub fn percent(x: f64) -> String {
    if x.is_finite() {
        format!("{:.1}%", x * 100.0)
    } else {
        "–".to_owned()
    }
}

/// A number with this many decimals, or a dash if it is not finite.
pub fn decimals(x: f64, digits: usize) -> String {
    if x.is_finite() {
        let text = format!("{x:.digits$}");
        // A number that prints as zero carries no sign.
        match text.strip_prefix('-') {
            Some(zero) if !zero.contains(|c: char| ('1'..='9').contains(&c)) => zero.to_owned(),
            _ => text,
        }
    } else {
        "–".to_owned()
    }
}

/// The weight of a penalty, such as 1e-4, 3e-3 or 0.
pub fn lambda(x: f64) -> String {
    if x == 0.0 {
        "0".to_owned()
    } else {
        format!("{x:e}")
    }
}

/// A count with separated thousands, such as 12,345.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes in the unit that fits: 980 B, 12.3 kB, 90.9 MB.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "B" {
        format!("{n} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// A number of microseconds in the unit that fits: 2.3 µs, 1.2 ms, 1.2 s.
pub fn microseconds(us: f64) -> String {
    if !us.is_finite() {
        "–".to_owned()
    } else if us < 10.0 {
        format!("{us:.2} µs")
    } else if us < 1000.0 {
        format!("{us:.1} µs")
    } else if us < 1e6 {
        format!("{:.1} ms", us / 1e3)
    } else {
        format!("{:.1} s", us / 1e6)
    }
}

/// A measured time in the unit that fits, such as 312 µs or 1.2 ms. It has three digits, or two if `noisy`.
pub fn timing(us: f64, noisy: bool) -> String {
    if !(us.is_finite() && us > 0.0) {
        return "–".to_owned();
    }
    let digits = if noisy { 2 } else { 3 };
    // Round before choosing the unit, so that 999.9 µs becomes 1.00 ms.
    let place = 10f64.powi(us.log10().floor() as i32 + 1 - digits);
    let us = (us / place).round() * place;
    let (value, unit) = match us {
        us if us < 1e3 => (us, "µs"),
        us if us < 1e6 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let decimals = digits - 1 - value.log10().floor() as i32;
    format!("{value:.*} {unit}", decimals.max(0) as usize)
}

/// A number of seconds as a duration.
pub fn seconds(s: f64) -> String {
    duration(Duration::try_from_secs_f64(s).unwrap_or_default())
}

/// A duration such as 45 s, 3 min 20 s or 2 h 5 min.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// Joins items for a sentence: "a", "a and b", "a, b and c".
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        assert_eq!(fraction(0.873_512_345_678), "0.8735");
        assert_eq!(fraction(f64::NAN), "–");
        assert_eq!(
            (fraction(-0.0), fraction(-0.000_01)),
            ("0.0000".into(), "0.0000".into())
        );
        assert_eq!(
            (fraction(-0.0001), decimals(-10.0, 0)),
            ("-0.0001".into(), "-10".into())
        );
        assert_eq!(difference(-0.0123), "−0.0123");
        assert_eq!(difference(0.00001), "0.0000");
        assert_eq!(percent(0.1549), "15.5%");
        assert_eq!(lambda(3e-4), "3e-4");
        assert_eq!(lambda(0.01), "1e-2");
        assert_eq!(lambda(0.0), "0");
        assert_eq!(count(22_713_216), "22,713,216");
        assert_eq!(count(999), "999");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(999_960), "1.0 MB");
        assert_eq!(bytes(90_900_000), "90.9 MB");
    }

    #[test]
    fn times_come_in_the_unit_that_fits() {
        assert_eq!(microseconds(2.345), "2.35 µs");
        assert_eq!(microseconds(30_000.0), "30.0 ms");
        assert_eq!(timing(312.4, false), "312 µs");
        assert_eq!(timing(312.4, true), "310 µs");
        assert_eq!(timing(999.9, false), "1.00 ms");
        assert_eq!(timing(7_777.0, true), "7.8 ms");
        assert_eq!(timing(2.345, false), "2.35 µs");
        assert_eq!(timing(0.0, false), "–");
        assert_eq!(seconds(0.4), "0.4 s");
        assert_eq!(seconds(110.0), "1 min 50 s");
        assert_eq!(seconds(7200.0), "2 h");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }
}

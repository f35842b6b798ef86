//! Dates as people write them, and the numbers that they become: year, month, day, weekday and hour.

use super::{RawColumn, RawTable, Result};
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

/// The order of day, month and year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DateOrder {
    /// `2021-08-12`, or a month by name, which are unambiguous.
    YearFirst,
    /// `12.08.2021`
    DayFirst,
    /// `08/12/2021`
    MonthFirst,
}

impl DateOrder {
    /// The order in words, for messages.
    pub fn name(self) -> &'static str {
        match self {
            DateOrder::YearFirst => "year first",
            DateOrder::DayFirst => "day first",
            DateOrder::MonthFirst => "month first",
        }
    }
}

/// The content of a date cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// The calendar day.
    pub date: NaiveDate,
    /// Hours since midnight, if the cell states a time.
    pub hour: Option<f64>,
}

/// The parts of a date that become numbers, in this order.
pub const PARTS: [&str; 5] = ["year", "month", "day", "weekday", "hour"];

impl Moment {
    /// Days since the first of January of the year 1.
    pub fn days(&self) -> i32 {
        self.date.num_days_from_ce()
    }

    /// The value of one of [`PARTS`]; weekdays count from Monday = 1 to Sunday = 7.
    pub fn part(&self, part: &str) -> Option<f64> {
        Some(match part {
            "year" => f64::from(self.date.year()),
            "month" => f64::from(self.date.month()),
            "day" => f64::from(self.date.day()),
            "weekday" => f64::from(self.date.weekday().number_from_monday()),
            "hour" => self.hour?,
            _ => return None,
        })
    }
}

/// Name of the column for one part of a date.
pub fn part_name(column: &str, part: &str) -> String {
    format!("{column}.{part}")
}

/// The order in which all of these cells can be dates. `None` if the first few are not dates or the cells contradict
/// each other. If the cells fit both orders (`03/04/2021`), dates with slashes have the month first.
pub fn order<'a>(cells: impl Iterator<Item = &'a str> + Clone) -> Option<DateOrder> {
    let any = |cell: &str| {
        [DateOrder::DayFirst, DateOrder::MonthFirst]
            .iter()
            .any(|order| parse(cell, *order).is_some())
    };
    // Require half of a small sample, so that one cell without a date does not decide.
    let (mut looked, mut dates) = (0, 0);
    for cell in cells.clone().take(20) {
        looked += 1;
        dates += usize::from(any(cell));
    }
    if dates * 2 <= looked {
        return None;
    }
    let (mut ambiguous, mut day, mut month, mut slash) = (false, 0, 0, false);
    for cell in cells {
        let d = parse(cell, DateOrder::DayFirst).map(|m| m.date);
        let m = parse(cell, DateOrder::MonthFirst).map(|m| m.date);
        match (d, m) {
            (Some(d), Some(m)) if d != m => {
                ambiguous = true;
                slash |= cell.contains('/');
            }
            (Some(_), None) => day += 1,
            (None, Some(_)) => month += 1,
            _ => {}
        }
    }
    match (day, month) {
        (0, 0) if !ambiguous => Some(DateOrder::YearFirst),
        (0, 0) if slash => Some(DateOrder::MonthFirst),
        (day, month) if day >= month => Some(DateOrder::DayFirst),
        _ => Some(DateOrder::MonthFirst),
    }
}

/// Parses a date, with or without a time: `2021-08-12`, `2021-08-12T10:30:00Z`, `12.08.2021`, `8/12/2021 10:30 PM`,
/// `12 Aug 2021`, `Aug 12, 2021`, `2021-08`.
pub fn parse(cell: &str, order: DateOrder) -> Option<Moment> {
    if cell.len() > 48 || !cell.is_ascii() || !cell.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let cell = without_weekday(cell);
    let (day, time) = split_time(cell);
    let date = numeric_date(day, order).or_else(|| named_date(day))?;
    let hour = match time {
        Some(time) => Some(parse_time(time)?),
        None => None,
    };
    Some(Moment { date, hour })
}

/// Removes a weekday such as "Thu, ".
fn without_weekday(cell: &str) -> &str {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let word = cell.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(0);
    let head = cell[..word].to_ascii_lowercase();
    match word >= 3
        && DAYS.contains(&&head[..3])
        && head.ends_with(|c: char| c.is_ascii_alphabetic())
    {
        true if word == 3 || head.ends_with("day") => {
            cell[word..].trim_start_matches(['.', ',', ' '])
        }
        _ => cell,
    }
}

/// The day and the time after it, separated by a 'T' or by the last space before the first colon.
fn split_time(cell: &str) -> (&str, Option<&str>) {
    let Some(colon) = cell.find(':') else {
        return (cell, None);
    };
    let at = cell[..colon].rfind([' ', 'T', 't']);
    match at {
        Some(at) => (
            cell[..at].trim_end_matches([' ', ',']),
            Some(cell[at + 1..].trim()),
        ),
        None => (cell, None),
    }
}

fn number(text: &str, longest: usize) -> Option<u32> {
    let plain = (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn numeric_date(day: &str, order: DateOrder) -> Option<NaiveDate> {
    let mark = day.find(['-', '/', '.'])?;
    let mark = day[mark..].chars().next()?;
    let mut parts = day.split(mark);
    let (a, b, c) = (parts.next()?, parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    if a.len() == 4 {
        let c = match c {
            Some(c) => number(c, 2)?,
            None if mark == '-' && b.len() == 2 => 1,
            None => return None,
        };
        return NaiveDate::from_ymd_opt(number(a, 4)? as i32, number(b, 2)?, c);
    }
    let c = c?;
    let year = match c.len() {
        4 => number(c, 4)? as i32,
        // As in POSIX, 69 to 99 belong to the last century.
        2 => number(c, 2).map(|y| if y < 69 { 2000 + y } else { 1900 + y })? as i32,
        _ => return None,
    };
    let (a, b) = (number(a, 2)?, number(b, 2)?);
    match order {
        DateOrder::MonthFirst if mark != '.' => NaiveDate::from_ymd_opt(year, a, b),
        _ => NaiveDate::from_ymd_opt(year, b, a),
    }
}

/// Parses a day with the month's name.
fn named_date(day: &str) -> Option<NaiveDate> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let words: Vec<&str> = day
        .split([' ', '-', '/', ',', '.'])
        .filter(|word| !word.is_empty())
        .collect();
    let month = |word: &str| {
        let word = word.to_ascii_lowercase();
        let found = MONTHS
            .iter()
            .position(|m| word.len() >= 3 && m.starts_with(&word));
        found
            .or((word == "sept").then_some(8))
            .map(|at| at as u32 + 1)
    };
    let year = |word: &str| {
        if word.len() == 4 {
            number(word, 4).map(|y| y as i32)
        } else {
            None
        }
    };
    let &[a, b, c] = words.as_slice() else {
        return None;
    };
    if let (Some(day), Some(month), Some(year)) = (number(a, 2), month(b), year(c)) {
        return NaiveDate::from_ymd_opt(year, month, day);
    }
    if let (Some(month), Some(day), Some(year)) = (month(a), number(b, 2), year(c)) {
        return NaiveDate::from_ymd_opt(year, month, day);
    }
    let (year, month, day) = (year(a)?, month(b)?, number(c, 2)?);
    NaiveDate::from_ymd_opt(year, month, day)
}

/// Hours since midnight in `10:30`, `10:30:15.5` or `10:30 PM`; a time zone after it is ignored.
fn parse_time(time: &str) -> Option<f64> {
    let lower = time.to_ascii_lowercase();
    let end = lower
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.')))
        .unwrap_or(lower.len());
    let (clock, rest) = (&lower[..end], lower[end..].trim());
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let second: f64 = match parts.next() {
        Some(second) if second.split('.').next()?.len() == 2 => second.parse().ok()?,
        Some(_) => return None,
        None => 0.0,
    };
    let zone = |rest: &str| {
        let offset = rest.strip_prefix(['+', '-']);
        rest.is_empty()
            || matches!(rest, "z" | "utc" | "gmt")
            || offset
                .is_some_and(|o| o.len() >= 2 && o.bytes().all(|b| b.is_ascii_digit() || b == b':'))
    };
    let hour = match rest {
        "am" | "pm" | "a.m." | "p.m." if (1..=12).contains(&hour) => {
            hour % 12 + if rest.starts_with('p') { 12 } else { 0 }
        }
        rest if zone(rest) => hour,
        _ => return None,
    };
    let fits = hour < 24 && minute < 60 && second < 61.0 && parts.next().is_none();
    fits.then(|| f64::from(hour) + f64::from(minute) / 60.0 + second / 3600.0)
}

/// The columns that a column of dates becomes, as names and numbers. There are hours if any cell has a time.
///
/// # Errors
/// Fails at the first cell that is not a date.
pub fn expand(
    table: &RawTable,
    column: &RawColumn,
    order: DateOrder,
) -> Result<Vec<(String, Vec<Option<f64>>)>> {
    let moments = (0..column.cells.len())
        .map(|row| match column.cell(row) {
            None => Ok(None),
            Some(cell) => parse(cell, order).map(Some).ok_or_else(|| {
                let expected = format!("a date ({}), as in the other rows", order.name());
                table.cell_error(row, column, &expected)
            }),
        })
        .collect::<Result<Vec<Option<Moment>>>>()?;
    let timed = moments.iter().flatten().any(|moment| moment.hour.is_some());
    let parts = PARTS.iter().filter(|part| timed || **part != "hour");
    Ok(parts
        .map(|part| {
            // If other cells have times, a day without one begins at midnight.
            let of = |moment: &Moment| match *part {
                "hour" => Some(moment.hour.unwrap_or(0.0)),
                part => moment.part(part),
            };
            let values = moments.iter().map(|moment| moment.as_ref().and_then(of));
            (part_name(&column.name, part), values.collect())
        })
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn dates_are_read_in_every_way_of_the_docs() {
        let day = NaiveDate::from_ymd_opt(2021, 8, 12).unwrap();
        for cell in [
            "2021-08-12",
            "2021/8/12",
            "2021.08.12",
            "12.08.2021",
            "12/08/2021",
            "12-08-2021",
            "12 Aug 2021",
            "Aug 12, 2021",
            "12-Aug-2021",
            "August 12 2021",
            "Thu, 12 Aug 2021",
            "Thursday 12 August 2021",
            "12.8.21",
        ] {
            assert_eq!(
                parse(cell, DateOrder::DayFirst).unwrap().date,
                day,
                "{cell}"
            );
        }
        for (cell, hour) in [
            ("2021-08-12T10:30:00Z", 10.5),
            ("2021-08-12 10:30", 10.5),
            ("2021-08-12 22:30:00.123+02:00", 22.5),
            ("08/12/2021 10:30 PM", 22.5),
            ("08/12/2021, 12:00 am", 0.0),
            ("Thu, 12 Aug 2021 10:30:00 GMT", 10.5),
        ] {
            let found = parse(cell, DateOrder::MonthFirst).unwrap();
            assert_eq!(found.date, day, "{cell}");
            assert!((found.hour.unwrap() - hour).abs() < 1e-3, "{cell}");
        }
        let found = parse("2021-08-12", DateOrder::YearFirst).unwrap();
        assert_eq!(found.part("weekday"), Some(4.0));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for cell in [
            "2021",
            "2021-13-01",
            "2021-02-30",
            "1.5",
            "10:30",
            "a-b-c",
            "192.168.0.1",
            "2021-08-12 noon",
            "12",
            "",
            "may",
        ] {
            assert_eq!(parse(cell, DateOrder::DayFirst), None, "{cell}");
        }
    }

    #[test]
    fn the_order_of_day_and_month_is_found_from_the_column() {
        let order = |cells: &[&str]| super::order(cells.iter().copied());
        assert_eq!(
            order(&["01/02/2021", "13/02/2021"]),
            Some(DateOrder::DayFirst)
        );
        assert_eq!(
            order(&["01/02/2021", "02/13/2021"]),
            Some(DateOrder::MonthFirst)
        );
        assert_eq!(order(&["01/02/2021"]), Some(DateOrder::MonthFirst));
        assert_eq!(
            order(&["2021-08-12", "2021-08-13"]),
            Some(DateOrder::YearFirst)
        );
        assert_eq!(order(&["red", "blue"]), None);
    }
}

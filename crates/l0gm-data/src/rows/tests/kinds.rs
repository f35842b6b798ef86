//! Which kind each column gets, and what is odd about it.
#![allow(clippy::unwrap_used)]

use super::super::suspicious::{self, Oddity};
use super::super::{Decimal, Kind, dates::DateOrder};
use super::{read, says};

fn kind(cells: &[&str]) -> Kind {
    let rows: String = cells.iter().map(|cell| format!("\"{cell}\",y\n")).collect();
    let table = read(&format!("name,z\n{rows}"));
    table.kind(table.column("name").unwrap()).unwrap()
}

#[test]
fn kinds_are_found_from_all_cells() {
    let point = Kind::Number(Decimal::Point);
    assert_eq!(kind(&["1", "2.5", "NA"]), point);
    assert_eq!(kind(&["41,200", "2,264", "7"]), point);
    assert_eq!(kind(&["$12", "$1,000"]), point);
    assert_eq!(kind(&["12.5%", "3%"]), point);
    assert_eq!(kind(&["(12)", "7"]), point);
    assert_eq!(kind(&["1.234,50", "7"]), Kind::Number(Decimal::Comma));
    assert_eq!(kind(&["00501", "2116"]), Kind::Code);
    assert_eq!(kind(&["01", "1", "2"]), point);
    assert_eq!(kind(&["0.5", "0"]), point);
    assert_eq!(kind(&["True", "FALSE", "1"]), Kind::Boolean);
    assert_eq!(kind(&["1", "0"]), point);
    assert_eq!(
        kind(&["2021-08-12", "2021-08-13"]),
        Kind::Date(DateOrder::YearFirst)
    );
    assert_eq!(
        kind(&["13/08/2021", "01/02/2021"]),
        Kind::Date(DateOrder::DayFirst)
    );
    assert_eq!(kind(&["6", "7", "M"]), Kind::Category);
    assert_eq!(kind(&["", "NA"]), Kind::Empty);
    assert_eq!(kind(&["192.168.0.1", "10.0.0.1"]), Kind::Category);
}

#[test]
fn a_word_among_numbers_is_named() {
    let rows: String = (0..60).map(|i| format!("{i},y\n")).collect();
    let table = read(&format!("age,z\n{rows}old,y\n"));
    let error = table
        .kind(table.column("age").unwrap())
        .unwrap_err()
        .to_string();
    says(
        &error,
        &["line 62", "'age'", "a number", "'old'", "--missing"],
    );
}

#[test]
fn infinite_and_huge_numbers_are_refused_by_name() {
    for bad in ["inf", "-Infinity", "1e999", "1e300"] {
        let table = read(&format!("a,b\n1,x\n{bad},x\n"));
        says(
            &table.numbers("a").unwrap_err().to_string(),
            &["line 3", "'a'", "finite number", bad],
        );
    }
}

#[test]
fn one_value_has_one_spelling() {
    let number = Kind::Number(Decimal::Point);
    for text in ["1", "1.0", "01.0"] {
        assert_eq!(number.canonical(text), "1");
    }
    for text in ["True", "TRUE", "true", "1"] {
        assert_eq!(Kind::Boolean.canonical(text), "true");
    }
    assert_eq!(Kind::Code.canonical("00501"), "00501");
}

#[test]
fn whether_half_a_column_is_dates_does_not_change_from_run_to_run() {
    let mut text = "day,z\n".to_owned();
    for i in 0..22 * 50 {
        text += &format!("2021-01-{:02},y\n", i % 22 + 1);
    }
    for i in 0..22 {
        text += &format!("word{i},y\n");
    }
    let table = read(&text);
    let day = table.column("day").unwrap();
    for _ in 0..20 {
        let error = table.kind(day).unwrap_err().to_string();
        says(&error, &["a date", "'word0'"]);
    }
}

#[test]
fn indices_of_pandas_large_identifiers_and_days_as_numbers_are_said() {
    let mut text = "__index_level_0__,hash,nanos,day,y\n".to_owned();
    for i in 0..40u64 {
        text += &format!(
            "{},{},{},202108{:02},{}\n",
            100 + i,
            9_007_199_254_740_993 + i * 7919 % 1000,
            1_609_459_200_000_000_000 + i % 3,
            i * 5 % 28 + 1,
            ["no", "yes"][(i * 7 % 5 % 2) as usize]
        );
    }
    let table = read(&text);
    let columns = table.columns().iter();
    let kinds: Vec<Kind> = columns.map(|c| table.kind(c).unwrap()).collect();
    let found = suspicious::find(&table, &kinds, None, &[]);
    let odd: Vec<(&str, Oddity, bool)> = found
        .iter()
        .map(|f| (f.column.as_str(), f.oddity, f.left_out))
        .collect();
    assert_eq!(
        odd,
        [
            ("__index_level_0__", Oddity::Index, true),
            ("hash", Oddity::OneValueARow, true),
            ("nanos", Oddity::BeyondExact, false),
            ("day", Oddity::DaysAsNumbers, false),
        ]
    );
    let said = suspicious::lines(&found, "--", "").join("\n");
    says(&said, &["2^53", "20210812", "--categorical"]);
}

#[test]
fn identifiers_are_known_by_their_names_and_by_how_often_they_repeat() {
    let mut text = "user_id,visitId,order_id,rooms,size_id,note_id,y\n".to_owned();
    for i in 0..60u32 {
        let fraction = i % 6;
        text += &format!(
            "{},{},{},{},{fraction}.5,n{},{}\n",
            i % 7,
            i * 7 % 40,
            i % 30,
            i % 7,
            i % 50,
            ["no", "yes"][(i * 7 % 5 % 2) as usize]
        );
    }
    let table = read(&text);
    let columns = || table.columns().iter();
    let kinds: Vec<Kind> = columns().map(|c| table.kind(c).unwrap()).collect();
    let found = suspicious::find(&table, &kinds, None, &[]);
    let odd: Vec<(&str, Oddity)> = found
        .iter()
        .map(|f| (f.column.as_str(), f.oddity))
        .collect();
    let identifier = Oddity::Identifier;
    assert_eq!(odd, [("visitId", identifier), ("note_id", identifier)]);
    assert!(found.iter().all(|f| f.left_out));
    let said = suspicious::lines(&found, "--", "").join("\n");
    says(&said, &["identifier", "left out", "--keep"]);
    let names: Vec<&str> = columns()
        .zip(&kinds)
        .filter(|(column, kind)| suspicious::is_numbered_name(column, **kind))
        .map(|(column, _)| column.name.as_str())
        .collect();
    // Half of its values repeat: an order that comes twice. Rooms are counted, and sizes are not whole.
    assert_eq!(names, ["user_id", "order_id"]);
}

#[test]
fn odd_columns_are_found_and_said() {
    let mut text = ",id,name,flag,copy,day,same,none,age,customer_id,y\n".to_owned();
    for i in 0..40u32 {
        let y = if i * 7 % 3 == 0 { "yes" } else { "no" };
        let flag = i32::from(y == "yes");
        text += &format!(
            "{i},u{i:05}x,person {i},{flag},{y},2021-01-{:02},5,,{},{},{y}\n",
            i % 28 + 1,
            i * 13 % 50,
            (i * 7919) % 10007
        );
    }
    let table = read(&text);
    let kinds: Vec<Kind> = table
        .columns()
        .iter()
        .map(|c| table.kind(c).unwrap())
        .collect();
    let labels = super::super::label::read(&table, "y", &Default::default()).unwrap();
    let found = suspicious::find(
        &table,
        &kinds,
        Some(("y", &labels.codes)),
        &["name".to_owned()],
    );
    let found: Vec<(&str, Oddity, bool)> = found
        .iter()
        .map(|f| (f.column.as_str(), f.oddity, f.left_out))
        .collect();
    assert_eq!(
        found,
        [
            ("column 1", Oddity::Index, true),
            ("id", Oddity::OneValueARow, true),
            ("name", Oddity::OneValueARow, false),
            ("flag", Oddity::NamesTheClass, false),
            ("copy", Oddity::CopyOfLabel, true),
            ("day", Oddity::Dates, false),
            ("same", Oddity::Constant, true),
            ("none", Oddity::Empty, true),
            ("customer_id", Oddity::OneValueARow, true),
        ]
    );
}

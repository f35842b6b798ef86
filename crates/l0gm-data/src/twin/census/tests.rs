#![allow(clippy::unwrap_used)]
use super::*;

/// The lines of adult.data, without the empty last one, split into fields.
fn table(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .filter(|l| !l.is_empty())
        .map(|l| l.split(", ").collect())
        .collect()
}

#[test]
fn files_have_the_original_format_and_size() {
    let tmp = tempfile::tempdir().unwrap();
    Census {
        train_rows: 300,
        test_rows: 120,
        seed: 0,
    }
    .write(tmp.path())
    .unwrap();
    let train = std::fs::read_to_string(tmp.path().join("adult.data")).unwrap();
    let test = std::fs::read_to_string(tmp.path().join("adult.test")).unwrap();
    assert!(test.starts_with("|1x3 Cross validator\n"));
    assert!(train.ends_with("K\n\n") && test.ends_with("K.\n\n"));
    let rows = table(&train);
    assert_eq!(rows.len(), 300);
    assert_eq!(table(&test).len(), 121);
    for row in &rows {
        assert_eq!(row.len(), 15);
        assert!(["<=50K", ">50K"].contains(&row[14]), "{row:?}");
        for number in [0, 2, 4, 10, 11, 12] {
            row[number].parse::<u32>().unwrap();
        }
        let schooling = EDUCATION.iter().position(|e| e.0 == row[3]).unwrap() + 1;
        assert_eq!(row[4], schooling.to_string());
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let text = |seed| rows(&mut Rng::new(seed, 1), 50, "");
    assert_eq!(text(3), text(3));
    assert_ne!(text(3), text(4));
}

#[test]
fn rates_are_those_of_the_census() {
    let text = rows(&mut Rng::new(0, 1), 20_000, "");
    let rows = table(&text);
    let share = |test: &dyn Fn(&Vec<&str>) -> bool| {
        rows.iter().filter(|r| test(r)).count() as f64 / rows.len() as f64
    };
    // The centres are those of UCI's adult.data.
    let near = |name: &str, found: f64, centre: f64, within: f64| {
        assert!(
            (found - centre).abs() < within,
            "{name}: {found}, expected about {centre}"
        );
    };
    near("positives", share(&|r| r[14] == ">50K"), 0.241, 0.015);
    near("missing workclass", share(&|r| r[1] == "?"), 0.056, 0.02);
    near("missing country", share(&|r| r[13] == "?"), 0.018, 0.005);
    near(
        "married",
        share(&|r| r[5] == "Married-civ-spouse"),
        0.46,
        0.06,
    );
    near("capital gain", share(&|r| r[10] != "0"), 0.083, 0.02);
    near("40 hours", share(&|r| r[12] == "40"), 0.467, 0.05);
    let age: f64 = rows
        .iter()
        .map(|r| r[0].parse::<f64>().unwrap())
        .sum::<f64>()
        / 20_000.0;
    near("mean age", age, 38.6, 2.0);
}

#[test]
fn the_best_possible_accuracy_is_near_88_to_90_percent() {
    let mut rng = Rng::new(0, 9);
    let best: f64 = (0..20_000)
        .map(|_| {
            let p = Person::draw(&mut rng).probability();
            p.max(1.0 - p)
        })
        .sum::<f64>()
        / 20_000.0;
    assert!((0.88..0.905).contains(&best), "{best}");
}

//! Tables as users have them: what is read, left out, refused and reported, and that prediction spells cells as
//! training did.
#![allow(clippy::unwrap_used)]

use super::write;
use crate::tests::runs::run;
use crate::{CompactTable, DataSettings, FieldKind, LoadedTable, Result, TabularModality};
use candle_core::Device;
use l0gm_data::rows::Source;
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_train::{Expected, Modality, SpecRequest};
use serde_json::json;

fn load_with(name: &str, bytes: impl AsRef<[u8]>, settings: DataSettings) -> Result<LoadedTable> {
    let dir = tempfile::tempdir().unwrap();
    let settings = DataSettings {
        label: Some("y".into()),
        ..settings
    };
    LoadedTable::load_file(&write(dir.path(), name, bytes), &settings)
}

fn load(text: &str) -> LoadedTable {
    load_with("a.csv", text, DataSettings::default()).unwrap()
}

fn fields(loaded: &LoadedTable) -> Vec<(&str, FieldKind)> {
    loaded
        .schema
        .fields
        .iter()
        .map(|field| (field.name.as_str(), field.kind))
        .collect()
}

const NUMBER: FieldKind = FieldKind::Numeric;
const CATEGORY: FieldKind = FieldKind::Categorical;

/// A table of 60 rows with an age, one column whose cells `cell` gives, and the label.
fn with(name: &str, cell: impl Fn(usize) -> String) -> String {
    let rows = (0..60).map(|i| {
        format!(
            "{};{};{}\n",
            20 + i * 13 % 41,
            cell(i),
            ["no", "yes"][i * 7 % 5 % 2]
        )
    });
    format!("age;{name};y\n{}", rows.collect::<String>())
}

#[test]
fn spellings_of_numbers_codes_and_dates_become_what_they_mean() {
    let loaded = load(&with("pay", |i| {
        format!("{},{:03}", 1 + i % 9, i * 37 % 1000)
    }));
    assert_eq!(fields(&loaded), [("age", NUMBER), ("pay", NUMBER)]);
    let loaded = load(&with("zip", |i| format!("{:05}", i * 977 % 7 * 1111)));
    assert_eq!(fields(&loaded), [("age", NUMBER), ("zip", CATEGORY)]);
    let loaded = load(&with("day", |i| {
        format!("2021-{:02}-{:02}", i % 12 + 1, i % 28 + 1)
    }));
    let parts = [
        ("age", NUMBER),
        ("day.month", NUMBER),
        ("day.day", NUMBER),
        ("day.weekday", NUMBER),
    ];
    assert_eq!(fields(&loaded), parts);
    let said = loaded.summary.to_string();
    assert!(
        said.contains("'day'") && said.contains("dates") && said.contains("semicolons"),
        "{said}"
    );
}

#[test]
fn odd_columns_are_left_out_and_said_unless_they_are_kept() {
    for cell in [
        (|i| format!("u{i:05}x")) as fn(usize) -> String,
        |_| "1609459200000000000".to_owned(),
        |_| "NA".to_owned(),
        |i| i.to_string(),
    ] {
        let text = with("id", cell);
        let loaded = load(&text);
        assert_eq!(fields(&loaded), [("age", NUMBER)]);
        let said = loaded.summary.to_string();
        assert!(
            said.contains("'id'") && said.contains("left out") && said.contains("data.keep"),
            "{said}"
        );
        let settings = DataSettings {
            keep: vec!["id".into()],
            ..DataSettings::default()
        };
        assert_eq!(
            fields(&load_with("a.csv", &text, settings).unwrap()).len(),
            2
        );
    }
    let only = load_with("a.csv", "id,y\n1,a\n1,b\n", DataSettings::default())
        .unwrap_err()
        .to_string();
    assert!(
        only.contains("no column left") && only.contains("'id'") && only.contains("data.keep"),
        "{only}"
    );
}

#[test]
fn numbers_that_name_someone_are_categories_unless_they_are_listed_as_numbers() {
    let text = with("user_id", |i| format!("{}", i % 9 + 100));
    let loaded = load(&text);
    assert_eq!(fields(&loaded), [("age", NUMBER), ("user_id", CATEGORY)]);
    let said = loaded.summary.to_string();
    assert!(
        said.contains("data.numeric") && said.contains("user_id"),
        "{said}"
    );
    let settings = DataSettings {
        numeric: vec!["user_id".into()],
        ..DataSettings::default()
    };
    let loaded = load_with("a.csv", &text, settings).unwrap();
    assert_eq!(fields(&loaded), [("age", NUMBER), ("user_id", NUMBER)]);
    let rare = load(&with("user_id", |i| format!("{}", i % 45 * 3)));
    assert_eq!(fields(&rare), [("age", NUMBER)]);
    assert!(rare.summary.to_string().contains("data.keep"));
}

#[test]
fn rows_without_a_label_are_refused_by_line_or_left_out_and_counted() {
    let text = "age;y\n20;yes\n30;NA\n40;no\n50;\n60;yes\n";
    let refused = load_with("a.csv", text, DataSettings::default())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("line 3") && refused.contains("data.drop-unlabelled"),
        "{refused}"
    );
    let settings = DataSettings {
        drop_unlabelled: true,
        ..DataSettings::default()
    };
    let loaded = load_with("a.csv", text, settings).unwrap();
    assert_eq!(loaded.labels, [1, 0, 1]);
    assert_eq!(loaded.table.place(1).1.to_string(), "line 4");
    let said = loaded.summary.to_string();
    assert!(
        said.contains("2 rows without a label are left out"),
        "{said}"
    );
}

#[test]
fn labels_in_two_spellings_are_one_class_and_amounts_are_regression() {
    let loaded = load("age,y\n20,1\n30,0.0\n40,1.0\n50,0\n");
    assert_eq!(
        (loaded.schema.classes, loaded.labels),
        (vec!["0".into(), "1".into()], vec![1, 0, 1, 0])
    );
    let rows: String = (0..200)
        .map(|i| format!("{i},{}.{}\n", 100 + i, i % 10 + 1))
        .collect();
    let refused =
        load_with("a.csv", format!("age,y\n{rows}"), DataSettings::default()).unwrap_err();
    assert!(refused.to_string().contains("regression"), "{refused}");
}

#[test]
fn a_test_file_may_order_its_columns_otherwise_and_spell_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let first = write(
        dir.path(),
        "a.csv",
        "age,flag,y\n20,True,no\n30,False,yes\n25,True,no\n",
    );
    let second = write(dir.path(), "b.csv", "y;flag;age\nyes;TRUE;40\n");
    let settings = DataSettings {
        label: Some("y".into()),
        test_file: Some(second),
        ..DataSettings::default()
    };
    let loaded = LoadedTable::load_file(&first, &settings).unwrap();
    assert_eq!(
        (loaded.table.rows(), loaded.official_train_rows),
        (4, Some(3))
    );
    let (file, place) = loaded.table.place(3);
    assert!(file.ends_with("b.csv") && place.to_string() == "line 2");
    assert_eq!(
        loaded
            .table
            .column("flag")
            .unwrap()
            .cells
            .text(3)
            .as_deref(),
        Some("true")
    );
}

#[test]
fn a_test_file_is_tested_on_and_never_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "a.csv", super::small_csv(60));
    let test = write(dir.path(), "b.csv", super::small_csv(20));
    let modality = local_modality();
    let spec = |data: serde_json::Value| {
        let overrides = json!({ "data": data });
        modality.spec(&SpecRequest {
            overrides: &overrides,
            ..SpecRequest::new(path.to_str().unwrap(), "dense")
        })
    };
    let named = spec(json!({"label": "label", "test-file": test})).unwrap();
    assert_eq!(named.settings["data"]["split"], json!("official"));
    assert_eq!(modality.summary(&named).unwrap().split["test"], 20);
    let random = spec(json!({"label": "label", "test-file": test, "split": "random"})).unwrap();
    let refused = modality.summary(&random).unwrap_err().to_string();
    assert!(
        refused.contains("data.test-file") && refused.contains("official"),
        "{refused}"
    );
}

#[test]
fn the_identity_of_a_run_on_adult_stays_what_it_was() {
    let spec = local_modality()
        .spec(&SpecRequest {
            expected: Expected {
                missing_twin: Some(false),
                ..Expected::default()
            },
            ..SpecRequest::new("adult", "dense")
        })
        .unwrap();
    assert_eq!(spec.id(), "tabular-adult-dense-s0-5000a6ec3c");
}

#[test]
fn a_comma_and_a_question_mark_that_a_user_names_are_taken_literally() {
    let dir = tempfile::tempdir().unwrap();
    let summary = |rows: &str, data: serde_json::Value| {
        let path = write(dir.path(), "odd.csv", rows);
        let overrides = json!({"data": data});
        let spec = local_modality()
            .spec(&SpecRequest {
                overrides: &overrides,
                ..SpecRequest::new(path.to_str().unwrap(), "dense")
            })
            .unwrap();
        let summary = local_modality().summary(&spec);
        let text = summary.map_or_else(|error| error.to_string(), |found| found.to_string());
        (text, spec.settings["data"].clone())
    };
    // Semicolons divide the rows into more cells, so they are found.
    let rows = (0..60).map(|i| format!("{};{};{},{}\n", i % 2, i % 3, i % 2, i % 5 / 3));
    let rows = format!("x;y;z,label\n{}", rows.collect::<String>());
    let (found, data) = summary(&rows, json!({"label": "label"}));
    assert!(found.contains("has no column"), "{found}");
    assert_eq!(data["separator"], ",");
    let (given, data) = summary(&rows, json!({"label": "label", "separator": ","}));
    assert!(given.contains("60 rows, 2 columns"), "{given}");
    assert_eq!(data["separator"], "comma");
    // Of four words in turn, two of the list's are missing, and one where the question mark stands alone.
    let rows = (0..60).map(|i| format!("{},{}\n", ["NA", "?", "b", "c"][i % 4], i % 5 / 3));
    let rows = format!("z,label\n{}", rows.collect::<String>());
    let (all, data) = summary(&rows, json!({"label": "label"}));
    assert!(all.contains("missing cells: 30"), "{all}");
    assert_eq!(data["missing"], json!(["?"]));
    let (one, data) = summary(&rows, json!({"label": "label", "missing": ["?"]}));
    assert!(one.contains("missing cells: 15"), "{one}");
    assert_eq!(data["missing"], json!(["", "?"]));
}

#[test]
fn a_file_without_a_header_is_predicted_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (0..300)
        .map(|i| format!("{};{},5;{}\n", i % 7, i % 50, ["no", "yes"][i % 50 / 25]))
        .collect();
    let path = write(dir.path(), "train.csv", &rows);
    let overrides = json!({"data": {"label": "column 3", "header": "absent", "decimal": "comma"},
        "encoding": {"bins": 8}, "model": {"dim": 4, "deep": [8], "cin": {"maps": []}, "bypass": true},
        "train": {"epochs": 1, "batch-size": 64}});
    let spec = local_modality()
        .spec(&SpecRequest {
            lambda: Some(1e-3),
            overrides: &overrides,
            ..SpecRequest::new(path.to_str().unwrap(), "l0gm")
        })
        .unwrap();
    let out = dir.path().join("run");
    run(&spec, &out);
    let model = CompactTable::load(out.join("compact"), &Device::Cpu).unwrap();
    let new = write(dir.path(), "new.csv", "1;1.234\n5;2.500\n");
    let (table, _) = model.read_rows(&Source::path(&new)).unwrap();
    match &table.column("column 2").unwrap().cells {
        crate::Cells::Numeric(values) => assert_eq!(values, &[Some(1234.0), Some(2500.0)]),
        crate::Cells::Categorical(_) => panic!("column 2 is no column of numbers"),
    }
}

fn local_modality() -> TabularModality {
    let options = DataOptions {
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    };
    TabularModality::new(Catalogue::new(options).unwrap())
}

#[test]
fn settings_that_are_not_written_are_known_and_change_no_other_runs_identity() {
    let options = DataOptions {
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    };
    let modality = TabularModality::new(Catalogue::new(options).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "a.csv", super::small_csv(60));
    let spec = |data: serde_json::Value| {
        let overrides = json!({ "data": data });
        modality.spec(&SpecRequest {
            overrides: &overrides,
            ..SpecRequest::new(path.to_str().unwrap(), "dense")
        })
    };
    let plain = spec(json!({"label": "label"})).unwrap();
    assert!(plain.settings["data"].get("keep").is_none());
    let kept = spec(json!({"label": "label", "keep": ["job"], "drop-unlabelled": true})).unwrap();
    assert_eq!(kept.settings["data"]["keep"], json!(["job"]));
    assert_ne!(plain.id(), kept.id());
    assert!(spec(json!({"label": "label", "kep": []})).is_err());
    assert!(spec(json!({"label": "label", "decimal": "coma"})).is_err());
}

#[test]
fn prediction_spells_cells_as_training_did_and_counts_what_it_never_met() {
    let mut text = "age,flag,code,day,zip,y\n".to_owned();
    for i in 0..400usize {
        let flag = i * 7 % 5 < 2;
        let (code, zip) = (1 + i * 11 % 3, ["00501", "02116", "7030"][i * 5 % 3]);
        let y = if flag == (code > 1) { "yes" } else { "no" };
        text += &format!(
            "{},{},{code},2021-{:02}-15,{zip},{y}\n",
            20 + i % 40,
            if flag { "True" } else { "False" },
            i % 12 + 1
        );
    }
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "train.csv", text);
    let options = DataOptions {
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    };
    let modality = TabularModality::new(Catalogue::new(options).unwrap());
    let overrides = json!({"data": {"label": "y", "categorical": ["code"]}, "encoding": {"bins": 8},
        "model": {"dim": 4, "deep": [16], "cin": {"maps": [4]}}, "train": {"epochs": 3, "batch-size": 64}});
    let spec = modality
        .spec(&SpecRequest {
            lambda: Some(1e-3),
            overrides: &overrides,
            ..SpecRequest::new(path.to_str().unwrap(), "l0gm")
        })
        .unwrap();
    let summary = modality.summary(&spec).unwrap();
    assert_eq!(
        summary.split["train"] + summary.split["valid"] + summary.split["test"],
        400
    );
    let out = dir.path().join("run");
    run(&spec, &out);
    let model = CompactTable::load(out.join("compact"), &Device::Cpu).unwrap();
    let predict = |name: &str, text: &str| {
        let path = write(dir.path(), name, text);
        model.predict_rows(&Source::path(&path)).unwrap()
    };
    let (plain, said) = predict(
        "a.csv",
        "age,flag,code,day,zip\n30,True,1,2021-03-15,00501\n31,False,2,2021-04-15,7030\n",
    );
    assert!(said.is_empty(), "{said:?}");
    for (name, text) in [
        (
            "b.csv",
            "zip;day;code;flag;age\n00501;15 Mar 2021;1.0;TRUE;30,0\n07030;2021-04-15T00:00:00;02;0;31\n",
        ),
        (
            "c.tsv",
            "age\tflag\tcode\tday\tzip\textra\n3e1\ttrue\t01.0\t2021/3/15\t00501\tx\n31.00\tfalse\t2\t2021-04-15\t7030\ty\n",
        ),
    ] {
        let (other, _) = predict(name, text);
        for row in 0..if name == "c.tsv" { 2 } else { 1 } {
            assert_eq!(plain.row(row), other.row(row), "{name}");
        }
    }
    let (_, said) = predict(
        "d.csv",
        "age,flag,code,day,zip\n300,perhaps,9,,99999\n,True,1,2021-03-15,00501\n",
    );
    let said = said.join("\n");
    for part in [
        "'flag': 1 of 2",
        "'perhaps'",
        "'code': 1 of 2",
        "'99999'",
        "'age': of 2 cells 1 lie outside",
        "1 are missing",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_constant_beyond_2_to_the_53_and_values_far_apart_give_no_nan() {
    let settings = || DataSettings {
        keep: vec!["x".into()],
        ..DataSettings::default()
    };
    for cell in [
        (|_| "1609459200000000000".to_owned()) as fn(usize) -> String,
        |i| format!("{}", 1609459200000000000u64 + i as u64 % 3),
        |i| ["1e99", "-1e99", "1e-300", "0"][i % 4].to_owned(),
    ] {
        let loaded = load_with("a.csv", with("x", cell), settings()).unwrap();
        for numbers in [
            crate::NumberEncoding::PiecewiseLinear,
            crate::NumberEncoding::Scaled,
        ] {
            let settings = crate::EncodingSettings {
                numbers,
                ..Default::default()
            };
            let train: Vec<u32> = (0..30).collect();
            let encoding =
                crate::Encoding::fit(&loaded.table, &loaded.schema, &train, &settings).unwrap();
            let rows: Vec<u32> = (0..60).collect();
            let encoded = encoding.encode(&loaded.table, &rows).unwrap();
            assert!(
                encoded
                    .positions
                    .iter()
                    .all(|position| position.is_finite())
            );
            let json = serde_json::to_string(&encoding).unwrap();
            assert_eq!(
                serde_json::from_str::<crate::Encoding>(&json).unwrap(),
                encoding
            );
        }
    }
}

#[test]
fn a_wide_table_is_encoded_in_linear_time_and_its_interactions_are_refused_by_name() {
    let wide = |columns: usize| {
        let header: String = (0..columns).map(|i| format!("f{i},")).collect();
        let rows: String = (0..40)
            .map(|row| {
                (0..columns)
                    .map(|i| format!("{},", (row * 31 + i * 7) % 53))
                    .collect::<String>()
                    + ["no\n", "yes\n"][row * 7 % 5 % 2]
            })
            .collect();
        let start = std::time::Instant::now();
        let loaded = load(&format!("{header}y\n{rows}"));
        let rows: Vec<u32> = (0..40).collect();
        let encoding =
            crate::Encoding::fit(&loaded.table, &loaded.schema, &rows, &Default::default())
                .unwrap();
        encoding.encode(&loaded.table, &rows).unwrap();
        (start.elapsed().as_secs_f64(), encoding)
    };
    let (small, _) = wide(1_000);
    let (large, encoding) = wide(20_000);
    assert!(
        large < 60.0 * small.max(0.01),
        "{large} s for 20 times the columns of {small} s"
    );
    let settings = TabularModality::defaults();
    let refused = crate::build_model(&encoding, 2, true, &settings, 0, &Device::Cpu);
    let message = refused.map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("model.cin"), "{message}");
}

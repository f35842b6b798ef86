//! `cargo xtask calibration` as people use it: known answers, layouts and mistakes.

#![allow(clippy::unwrap_used)]

use arrow::array::{ArrayRef, Float32Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use parquet::arrow::ArrowWriter;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn parquet(&self, name: &str, columns: Vec<(&str, ArrayRef)>) -> PathBuf {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = std::fs::File::create(self.path(name)).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        self.path(name)
    }

    fn score(&self, file: &Path, flags: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_l0gm"))
            .arg("calibration")
            .arg(file)
            .arg("--out")
            .arg(self.path("figures"))
            .args(flags)
            .output()
            .unwrap()
    }

    /// The results with few draws, because most tests check values that do not depend on them.
    fn json(&self, file: &Path, flags: &[&str]) -> Value {
        let draws: &[&str] = match flags.contains(&"--resamples") {
            true => &[],
            false => &["--resamples", "20"],
        };
        let output = self.score(file, &[flags, draws, &["--format", "json"]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn text(&self, file: &Path) -> String {
        let output = self.score(file, &[]);
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The single line that a mistake prints.
    fn mistake(&self, file: &Path, flags: &[&str]) -> String {
        let output = self.score(file, flags);
        let text = stderr(&output);
        assert!(!output.status.success(), "{flags:?}");
        assert!(text.starts_with("error: "), "{text}");
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        assert!(output.stdout.is_empty(), "{text}");
        assert!(!self.path("figures").exists(), "nothing was written");
        text
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn value(findings: &Value, key: &str) -> f64 {
    findings["measures"][key]["value"].as_f64().unwrap()
}

#[track_caller]
fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

/// Five predictions of two classes with known measures: the ECE is .29 with two bins.
const FIVE: &str = "label,p\n0,.25\n0,.25\n1,.55\n1,.75\n1,.75\n";

#[test]
fn two_classes_in_one_column_give_the_known_answers() {
    let folder = Folder::new();
    let found = folder.json(&folder.file("five.csv", FIVE), &["--bins", "2"]);
    for key in [
        "ece_positive",
        "ece",
        "mce",
        "ece_class_wise",
        "ece_l2_debiased",
    ] {
        near(value(&found, key), 0.29);
    }
    near(value(&found, "brier"), (4.0 * 0.0625 + 0.2025) / 5.0);
    near(
        value(&found, "nll"),
        -(4.0 * 0.75f64.ln() + 0.55f64.ln()) / 5.0,
    );
    near(value(&found, "accuracy"), 1.0);
    assert_eq!(found["rows"], 5);
    assert_eq!(found["classes"], serde_json::json!(["0", "1"]));
    // Confidences .55 and .75 lie in the upper of two bins, and all five predictions are right.
    let bin = &found["reliability"][1];
    assert_eq!(bin["count"], 5);
    near(bin["accuracy"].as_f64().unwrap(), 1.0);
    near(bin["confidence"].as_f64().unwrap(), 0.71);
}

#[test]
fn a_certain_mistake_in_the_last_bin_reads_as_the_definition_says() {
    let folder = Folder::new();
    let file = folder.file("two.csv", "y_true,prob_0,prob_1\n1,.05,.95\n0,0,1\n");
    near(value(&folder.json(&file, &[]), "ece"), 0.475);
}

#[test]
fn many_classes_by_name_give_what_a_pencil_gives() {
    let folder = Folder::new();
    let text = "id;truth;prob_cat;prob_dog;prob_fish\n7;cat;.7;.2;.1\n8;fish;.5;.1;.4\n";
    let found = folder.json(&folder.file("pets.csv", text), &["--bins", "1"]);
    // With one bin, the gap of a class is its mean probability minus its share.
    near(value(&found, "ece_class_wise"), (0.1 + 0.15 + 0.25) / 3.0);
    near(value(&found, "nll"), -(0.7f64.ln() + 0.4f64.ln()) / 2.0);
    near(
        value(&found, "brier"),
        (0.09 + 0.04 + 0.01 + 0.25 + 0.01 + 0.36) / 2.0,
    );
    near(value(&found, "accuracy"), 0.5);
    near(value(&found, "ece"), 0.1);
    assert_eq!(found["classes"], serde_json::json!(["cat", "dog", "fish"]));
    assert!(found["measures"].get("ece_positive").is_none());
}

#[test]
fn smooth_ece_of_the_top_label_is_the_published_packages() {
    let folder = Folder::new();
    let cases: [(&[f64], &[u8], f64); 2] = [
        (&[0.25, 0.25, 0.55, 0.75, 0.75], &[0, 0, 1, 1, 1], 0.1990),
        (&[0.1, 0.3, 0.6, 0.7, 0.8, 0.9], &[0, 1, 0, 1, 1, 1], 0.1342),
    ];
    for (scores, right, expected) in cases {
        // There are eleven classes, so that even .1 is the largest probability of its row.
        let mut text = String::from("label");
        (0..11).for_each(|class| text.push_str(&format!(",p_{class}")));
        for (score, right) in scores.iter().zip(right) {
            text.push_str(&format!("\n{},{score}", 1 - right));
            (0..10).for_each(|_| text.push_str(&format!(",{}", (1.0 - score) / 10.0)));
        }
        let found = folder.json(&folder.file("eleven.csv", &text), &[]);
        let smooth = value(&found, "ece_smooth");
        assert!((smooth - expected).abs() < 5e-5, "{smooth}, not {expected}");
    }
}

#[test]
fn every_layout_of_the_same_predictions_reads_the_same() {
    let folder = Folder::new();
    // No two confidences are equal, so rounding in a layout cannot change the equal-mass bins.
    let rows = [(0, 0.21), (0, 0.34), (1, 0.55), (1, 0.76), (1, 0.83)];
    let csv = |header: &str, row: &dyn Fn(i32, f64) -> String| {
        let lines: Vec<String> = rows.iter().map(|&(y, p)| row(y, p)).collect();
        format!("{header}\n{}\n", lines.join("\n"))
    };
    let plain = csv("label,p", &|y, p| format!("{y},{p}"));
    let expected = folder.json(&folder.file("plain.csv", &plain), &[])["measures"].clone();
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let name = |y: i32| if y == 1 { "spam" } else { "ham" };
    let layouts: Vec<(String, &[&str])> = vec![
        (
            csv("row,target,p_0,p_1", &|y, p| {
                format!("9,{y}.0,{},{p}", 1.0 - p)
            }),
            &[],
        ),
        (csv("p_1\ty", &|y, p| format!("{p}\t{y}")), &[]),
        (
            csv("1,label,0", &|y, p| format!("{p},{y},{}", 1.0 - p)),
            &[],
        ),
        (csv("y,score", &|y, p| format!("{},{p}", y == 1)), &[]),
        (csv("label,p_0", &|y, p| format!("{y},{}", 1.0 - p)), &[]),
        (csv("y,p_spam", &|y, p| format!("{},{p}", name(y))), &[]),
        (
            csv("verdict,p", &|y, p| format!("{},{p}", name(y))),
            &["--label", "verdict", "--positive", "spam"],
        ),
        (
            csv("verdict,spam,length,ham", &|y, p| {
                format!("{},{p},3,{}", name(y), 1.0 - p)
            }),
            &["--label", "verdict", "--columns", "ham,spam"],
        ),
        (csv("label,logit", &|y, p| format!("{y},{}", logit(p))), &[]),
        (
            csv("label,a", &|y, p| format!("{y},{}", logit(p))),
            &["--logits"],
        ),
        (
            csv("label,logit_0,logit_1", &|y, p| {
                format!("{y},{},{}", -logit(p) + 7.0, 7.0)
            }),
            &[],
        ),
    ];
    for (text, flags) in layouts {
        let found = folder.json(&folder.file("layout.csv", &text), flags)["measures"].clone();
        for (key, measure) in expected.as_object().unwrap() {
            for part in ["value", "low", "high", "noise", "noise_p95"] {
                let (a, b) = (&found[key][part], &measure[part]);
                let gap = (a.as_f64().unwrap() - b.as_f64().unwrap()).abs();
                assert!(gap < 1e-9, "{text}: {key} {part}: {a}, not {b}");
            }
        }
    }
}

#[test]
fn parquet_of_any_number_type_and_of_lists_is_read() {
    let folder = Folder::new();
    let expected = value(&folder.json(&folder.file("five.csv", FIVE), &[]), "nll");
    let scores = [0.25, 0.25, 0.55, 0.75, 0.75];
    let floats: ArrayRef = Arc::new(Float32Array::from(scores.map(|p| p as f32).to_vec()));
    let labels: ArrayRef = Arc::new(Int64Array::from(vec![0, 0, 1, 1, 1]));
    let names: ArrayRef = Arc::new(StringArray::from(vec!["no", "no", "yes", "yes", "yes"]));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(
        scores.map(|p| Some(vec![Some(1.0 - p), Some(p)])),
    ));
    let nll = |columns: Vec<(&str, ArrayRef)>| {
        value(
            &folder.json(&folder.parquet("x.parquet", columns), &[]),
            "nll",
        )
    };
    let single = nll(vec![("label", labels.clone()), ("prob", floats.clone())]);
    assert!((single - expected).abs() < 1e-6, "{single}");
    let single = nll(vec![("p_yes", floats), ("label", names)]);
    assert!((single - expected).abs() < 1e-6, "{single}");
    near(
        nll(vec![("label", labels), ("probabilities", lists)]),
        expected,
    );
}

#[test]
fn draws_are_seeded_and_do_not_depend_on_the_number_of_threads() {
    let folder = Folder::new();
    let mut text = String::from("label,p\n");
    (0..300).for_each(|i| text.push_str(&format!("{},{}\n", i % 3 / 2, f64::from(i) / 300.0)));
    let file = folder.file("many.csv", &text);
    let measures =
        |seed: &str| folder.json(&file, &["--seed", seed, "--resamples", "40"])["measures"].clone();
    let one = Command::new(env!("CARGO_BIN_EXE_l0gm"))
        .args(["calibration", file.to_str().unwrap(), "--seed", "1"])
        .args(["--resamples", "40", "--format", "json", "--out"])
        .arg(folder.path("figures"))
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap();
    let one: Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(measures("1"), one["measures"]);
    assert_ne!(measures("1"), measures("2"));
}

#[test]
fn a_split_is_scored_alone_and_scaled_by_the_validation_rows() {
    let folder = Folder::new();
    // Half of the rows are validation rows; logits of magnitude 4 are right three times in four.
    let mut text = String::from("split,label,logit_0,logit_1\n");
    for i in 0..400 {
        let split = if i % 2 == 0 { "valid" } else { "test" };
        let label = i32::from(i % 8 < 6);
        text.push_str(&format!("{split},{label},0,4\n"));
    }
    let file = folder.file("splits.csv", &text);
    let found = folder.json(&file, &[]);
    assert_eq!(
        (&found["split"], &found["rows"]),
        (&"test".into(), &200.into())
    );
    // The NLL is lowest if sigmoid(4 / T) = 3/4, so T = 4 / ln 3, and the ECE is 0 there.
    near(
        found["scaled"]["temperature"].as_f64().unwrap(),
        4.0 / 3f64.ln(),
    );
    assert!(found["scaled"]["calibration"]["ece"].as_f64().unwrap() < 1e-9);
    let sure = 1.0 / (1.0 + (-4f64).exp());
    near(value(&found, "ece"), sure - 0.75);
    assert_eq!(found["figures"].as_array().unwrap().len(), 4);
    let valid = folder.json(&file, &["--split", "valid"]);
    assert_eq!(valid["split"], "valid");
    assert!(valid["scaled"].is_null());
    let text = folder.text(&file);
    assert!(text.contains("T = 3.641, fitted on 200 rows"), "{text}");
}

#[test]
fn logits_beside_other_probabilities_are_left_alone_with_a_note() {
    let folder = Folder::new();
    let text = "label,p_0,p_1,logit_0,logit_1\n1,.4,.6,0,4\n0,.6,.4,0,-4\n";
    let file = folder.file("both.csv", text);
    let found = folder.json(&file, &[]);
    near(value(&found, "nll"), -0.6f64.ln());
    assert_eq!(found["read"], "probabilities");
    assert!(found["notes"][0].as_str().unwrap().contains("--logits"));
    let logits = folder.json(&file, &["--logits"]);
    near(value(&logits, "nll"), (1.0 + (-4f64).exp()).ln());
    assert_eq!(logits["read"], "logits");
}

#[test]
fn the_text_names_every_measure_and_the_diagram_is_drawn_twice() {
    let folder = Folder::new();
    let text = folder.text(&folder.file("five.csv", FIVE));
    for word in [
        "5 rows",
        "NLL",
        "Brier",
        "equal-mass",
        "debiased L2",
        "smooth",
        "class-wise",
        "P(y = 1)",
        "MCE",
        "95% interval",
        "noise floor",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let svg = std::fs::read_to_string(folder.path("figures/five-reliability.svg")).unwrap();
    assert!(
        svg.starts_with("<svg") && svg.contains("five: 5 rows"),
        "{svg}"
    );
    let png = std::fs::read(folder.path("figures/five-reliability.png")).unwrap();
    assert_eq!(png[1..4], *b"PNG");
}

#[test]
fn the_docs_quote_what_is_printed() {
    let folder = Folder::new();
    let mut rows = String::from("label,p\n");
    for i in 0..4000 {
        let p = (f64::from(i % 100) + 0.5) / 100.0;
        let label = u8::from(f64::from(i * 7919 % 1000) / 1000.0 < p * p);
        rows.push_str(&format!("{label},{p}\n"));
    }
    let text = folder.text(&folder.file("bold.csv", &rows));
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/calibration.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    // The first line and the last one name folders, which differ.
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert!(lines.len() > 12, "{text}");
    for line in &lines[..lines.len() - 1] {
        assert!(docs.contains(line), "docs/calibration.md lacks: {line}");
    }
}

#[test]
fn what_cannot_be_scored_is_named_with_file_row_and_column() {
    let folder = Folder::new();
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("", &[], &["is empty", "header line"]),
        ("label,p\n", &[], &["no rows"]),
        (
            "a,p\n1,.5\n",
            &[],
            &["no label column", "`a`, `p`", "--label"],
        ),
        (
            "0,.5\n1,.7\n",
            &[],
            &["no label column", "header row if it has none"],
        ),
        (
            "label,name\n1,x\n",
            &[],
            &["no column of probabilities", "`name`", "--columns"],
        ),
        (
            "label,p\n1,.5\n0,1.2\n",
            &[],
            &["row 2 (line 3)", "`p`", "1.2", "--logits"],
        ),
        (
            "label,p\n1,-.5\n",
            &[],
            &["row 1 (line 2)", "`p`", "-0.5", "from 0 to 1"],
        ),
        (
            "label,p_0,p_1\n1,.5,.5\n1,.4,.5\n",
            &[],
            &["row 2", "sum to 0.9", "1 within 0.001"],
        ),
        (
            "label,p_0,p_1\n1,.5,nan\n",
            &[],
            &["row 1", "`p_1`", "`nan`", "missing"],
        ),
        (
            "label,logit_0,logit_1\n1,.5,inf\n",
            &[],
            &["row 1", "`logit_1`", "inf", "finite"],
        ),
        (
            "label,p_0,p_1\n2,.5,.5\n",
            &[],
            &["row 1", "`label`", "`2`", "`0`, `1`"],
        ),
        (
            "label,p_a,p_b\n-1,.5,.5\n",
            &[],
            &["`-1`", "its number (0 to 1)"],
        ),
        (
            "label,p_a,p_b\na,.5,.5\nc,.5,.5\n",
            &[],
            &["row 2", "`c`", "`a`, `b`"],
        ),
        (
            "label,p\n1,.5\n2,.5\n0,.5\n",
            &[],
            &["row 2", "`label`", "`2`", "0 or 1"],
        ),
        (
            "label,p\nyes,.5\nno,.5\n",
            &[],
            &["`no`, `yes`", "--positive"],
        ),
        (
            "label,p\nyes,.5\nno,.5\n",
            &["--positive", "maybe"],
            &["maybe", "`no`, `yes`"],
        ),
        (
            "label,p\n1,x\n",
            &[],
            &["row 1", "`p`", "`x` is not a number"],
        ),
        (
            "label,p\n1,.5\n0,\n",
            &[],
            &["row 2 (line 3)", "`p`", "empty"],
        ),
        (
            "label,p\n1,.5\n,.5\n",
            &[],
            &["row 2 (line 3)", "`label`", "empty"],
        ),
        (
            "label,p\n1,.5,.5\n",
            &[],
            &["line 2", "expected 2 cells", "found 3"],
        ),
        (
            "label,p_0,p_1\n1,.5,.5\n",
            &["--label", "lable"],
            &["did you mean `label`"],
        ),
        (
            "label,p_0,p_1\n1,.5,.5\n",
            &["--columns", "p_0,p_2"],
            &["`p_2` is not known"],
        ),
        (
            "label,p_0,prob_0\n1,.5,.5\n",
            &[],
            &["more than one set", "--columns"],
        ),
        (
            "label,p\n1,.5\n",
            &["--split", "test"],
            &["no column `split`"],
        ),
        ("split,label,p\na,1,.5\nb,1,.5\n", &[], &["a, b", "--split"]),
        (
            "split,label,p\ntest,1,.5\nvalid,1,.5\n",
            &["--split", "tset"],
            &["`test`"],
        ),
        ("label,p\n1,.5\n", &["--bins", "0"], &["--bins 0", "1 to"]),
        (
            "label,p\n1,.5\n",
            &["--resamples", "0"],
            &["--resamples 0", "1 to"],
        ),
    ];
    for (text, flags, expected) in cases {
        let file = folder.file("bad.csv", text);
        let message = folder.mistake(&file, flags);
        for part in *expected {
            assert!(
                message.contains(part),
                "{text:?} {flags:?}: {part} in {message}"
            );
        }
    }
    let message = folder.mistake(&folder.path("nowhere.csv"), &[]);
    assert!(
        message.contains("nowhere.csv") && message.contains("no such file"),
        "{message}"
    );
    let message = folder.mistake(&folder.file("x.parquet", FIVE), &[]);
    assert!(message.contains("not readable Parquet"), "{message}");
}

#[test]
fn parquet_that_cannot_be_scored_is_named_with_row_and_column() {
    let folder = Folder::new();
    let mistake = |columns: Vec<(&str, ArrayRef)>| {
        folder.mistake(&folder.parquet("bad.parquet", columns), &[])
    };
    let labels: ArrayRef = Arc::new(Int64Array::from(vec![0, 1]));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["0.5", "x"]));
    let message = mistake(vec![("label", labels.clone()), ("p", text)]);
    assert!(
        message.contains("row 2, column `p`: `x` is not a number"),
        "{message}"
    );
    let holes: ArrayRef = Arc::new(Float32Array::from(vec![Some(0.5), None]));
    let message = mistake(vec![("label", labels.clone()), ("p", holes)]);
    assert!(
        message.contains("row 2") && message.contains("missing"),
        "{message}"
    );
    let uneven: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([
        Some(vec![Some(0.5), Some(0.5)]),
        Some(vec![Some(1.0)]),
    ]));
    let message = mistake(vec![("label", labels), ("probs", uneven)]);
    assert!(
        message.contains("row 2: 1 numbers, expected 2"),
        "{message}"
    );
    let whole = folder.path("bad.parquet");
    let bytes = std::fs::read(&whole).unwrap();
    std::fs::write(&whole, &bytes[..bytes.len() - 7]).unwrap();
    let message = folder.mistake(&whole, &[]);
    assert!(
        message.contains("not readable Parquet, or is damaged"),
        "{message}"
    );
}

#[test]
fn columns_named_by_numbers_are_the_classes_of_these_numbers() {
    let folder = Folder::new();
    let rows = [("1", ".8,.1,.1"), ("2", ".2,.7,.1"), ("3", ".1,.2,.7")];
    let table = |header: &str, labels: [&str; 3]| {
        let lines = labels.iter().zip(rows);
        let lines = lines.map(|(label, (_, scores))| format!("{label},{scores}\n"));
        format!("label,{header}\n{}", lines.collect::<String>())
    };
    let from_one = ["1", "2.0", "03"];
    for (header, labels, classes) in [
        ("p1,p2,p3", from_one, ["1", "2", "3"]),
        ("X1,X2,X3", from_one, ["1", "2", "3"]),
        ("prob_1,prob_2,prob_3", from_one, ["1", "2", "3"]),
        ("class7,class8,class9", ["7", "8", "9"], ["7", "8", "9"]),
        ("p_-1,p_0,p_1", ["-1", "0", "1"], ["-1", "0", "1"]),
        // Columns are ordered by their digits; the labels show that the dash is a minus.
        ("p-1,p0,p1", ["-1", "0", "1"], ["0", "-1", "1"]),
        ("-1,0,1", ["-1", "0", "1"], ["-1", "0", "1"]),
        ("V2,V3,V4", ["2", "3", "4"], ["2", "3", "4"]),
    ] {
        let found = folder.json(&folder.file("n.csv", &table(header, labels)), &[]);
        near(value(&found, "accuracy"), 1.0);
        assert_eq!(found["classes"], serde_json::json!(classes), "{header}");
        assert_eq!(found["notes"], serde_json::json!([]), "{header}");
    }
    // A label without a column is refused, even if it could be taken for a position.
    let file = folder.file("bad.csv", &table("p1,p2,p3", ["0", "1", "2"]));
    std::fs::remove_dir_all(folder.path("figures")).unwrap();
    let message = folder.mistake(&file, &[]);
    assert!(
        message.contains("row 1 (line 2)") && message.contains("`1`, `2`, `3`"),
        "{message}"
    );
    // If names do not match, positions count from 0, or from 1 if the last label needs it; the output says so.
    for labels in [["0", "1", "2"], ["1", "2", "3"]] {
        let file = folder.file("named.csv", &table("p_cat,p_dog,p_fish", labels));
        let found = folder.json(&file, &[]);
        near(value(&found, "accuracy"), 1.0);
        let note = found["notes"][0].as_str().unwrap();
        let said = format!("counted from {}: {} is `cat`", labels[0], labels[0]);
        assert!(note.contains(&said), "{note}");
    }
    let scores: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([
        Some(vec![Some(0.8), Some(0.2)]),
        Some(vec![Some(0.1), Some(0.9)]),
    ]));
    let labels: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let file = folder.parquet("lists.parquet", vec![("label", labels), ("probs", scores)]);
    let found = folder.json(&file, &[]);
    near(value(&found, "accuracy"), 1.0);
    assert_eq!(found["classes"], serde_json::json!(["1", "2"]));
}

#[test]
fn labels_of_one_meaning_are_one_class() {
    let folder = Folder::new();
    let expected = value(&folder.json(&folder.file("five.csv", FIVE), &[]), "nll");
    for text in [
        "label,p\n0,.25\n0.0,.25\n1,.55\n1.0,75%\n01,.75\n",
        "label,p\nfalse,.25\n0,.25\nTRUE,.55\n1,.75\nTrue,.75\n",
        "label,p_0,p_1\nFalse,.75,.25\nfalse,.75,.25\ntrue,.45,.55\nTrue,.25,.75\ntrue,.25,.75\n",
        "label;p\n0;0,25\n0;0,25\n1;0,55\n1;0,75\n1;0,75\n",
        "label\tp\n0\t.25\n0\t.25\n1\t.55\n1\t.75\n1\t.75\n",
    ] {
        let found = folder.json(&folder.file("spelled.csv", text), &[]);
        near(value(&found, "nll"), expected);
    }
}

#[test]
fn a_missing_label_is_refused_by_line_or_left_out_and_counted() {
    let folder = Folder::new();
    for (word, flags) in [
        ("nan", ["--positive", "yes"].as_slice()),
        ("NA", &["--positive", "yes"]),
        ("", &["--positive", "yes"]),
        ("None", &["--positive", "yes"]),
    ] {
        let text = format!("label,p\nyes,.9\nno,.2\n{word},.8\nyes,.7\n");
        let file = folder.file("gap.csv", &text);
        let message = folder.mistake(&file, flags);
        for part in ["row 3 (line 4)", "`label`", "--drop-unlabelled"] {
            assert!(message.contains(part), "{word}: {part} in {message}");
        }
        let found = folder.json(&file, &[flags, &["--drop-unlabelled"]].concat());
        assert_eq!(found["rows"], 3);
        assert!(
            found["notes"]
                .to_string()
                .contains("1 rows without a label")
        );
        std::fs::remove_dir_all(folder.path("figures")).unwrap();
    }
    let file = folder.file("country.csv", "label,p_NA,p_EU\nNA,.9,.1\nEU,.2,.8\n");
    assert!(folder.mistake(&file, &[]).contains("--missing"));
    near(
        value(&folder.json(&file, &["--missing", "?"]), "accuracy"),
        1.0,
    );
}

#[test]
fn a_quote_that_stays_open_is_named_with_its_line() {
    let folder = Folder::new();
    let text = "label,p,note\n1,.9,fine\n0,.2,\"odd\n1,.8,lost\n0,.1,lost\n";
    let message = folder.mistake(&folder.file("open.csv", text), &[]);
    assert!(
        message.contains("line 3") && message.contains("quote"),
        "{message}"
    );
}

#[test]
fn a_probability_of_0_is_clipped_and_said_and_a_temperature_is_fitted_all_the_same() {
    let folder = Folder::new();
    let text = "label,split,p_0,p_1\n0,valid,1.0,0.0\n1,valid,.3,.7\n0,valid,.6,.4\n1,test,.2,.8\n0,test,0,1\n";
    let file = folder.file("zero.csv", text);
    let found = folder.json(&file, &[]);
    assert_eq!(found["scaled"]["on"], "valid");
    assert_eq!(found["scaled"]["fitted_on"], 3);
    assert!(found["scaled"]["temperature"].as_f64().unwrap() > 0.0);
    let notes = found["notes"].to_string();
    assert!(
        notes.contains("2 probabilities are 0") && notes.contains("708.4"),
        "{notes}"
    );
    assert_eq!(folder.json(&file, &["--scale"])["scaled"], found["scaled"]);
    // Without validation rows, a temperature is fitted only if `--scale` asks for it.
    let file = folder.file("five.csv", FIVE);
    assert!(folder.json(&file, &[])["scaled"].is_null());
    let found = folder.json(&file, &["--scale"]);
    assert_eq!(
        (&found["scaled"]["on"], &found["scaled"]["fitted_on"]),
        (&"scored".into(), &5.into())
    );
}

#[test]
fn rows_that_were_rounded_are_divided_by_their_sum_when_asked() {
    let folder = Folder::new();
    for text in [
        "label,p_0,p_1,p_2\n0,.33,.33,.33\n1,.17,.67,.17\n2,.2,.2,.6\n",
        "label,p_0,p_1,p_2\n0,33.3,33.3,33.3\n1,17,67,17\n2,20,20,60\n",
    ] {
        let file = folder.file("two.csv", text);
        let message = folder.mistake(&file, &[]);
        assert!(message.contains("--renormalise"), "{message}");
        let found = folder.json(&file, &["--renormalise"]);
        let expected = -((1f64 / 3.0).ln() + (0.67f64 / 1.01).ln() + 0.6f64.ln()) / 3.0;
        near(value(&found, "nll"), expected);
        let notes = found["notes"].to_string();
        assert!(notes.contains("rows did not sum to 1"), "{notes}");
        std::fs::remove_dir_all(folder.path("figures")).unwrap();
    }
    let message = folder.mistake(&folder.file("five.csv", FIVE), &["--renormalise"]);
    assert!(message.contains("every class has a column"), "{message}");
    let zero = folder.file("none.csv", "label,p_0,p_1\n0,0,0\n1,.5,.5\n");
    let message = folder.mistake(&zero, &["--renormalise"]);
    assert!(
        message.contains("row 1 (line 2)") && message.contains("sum to 0"),
        "{message}"
    );
}

#[test]
fn standard_input_is_read_as_a_file_is() {
    let folder = Folder::new();
    let expected = folder.json(&folder.file("five.csv", FIVE), &[]);
    let output = Command::new(env!("CARGO_BIN_EXE_l0gm"))
        .args([
            "calibration",
            "-",
            "--format",
            "json",
            "--resamples",
            "20",
            "--out",
        ])
        .arg(folder.path("figures"))
        .stdin(std::fs::File::open(folder.path("five.csv")).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["measures"], expected["measures"]);
}

#[test]
fn every_changed_byte_of_a_parquet_file_gives_scores_or_a_message() {
    let folder = Folder::new();
    let labels: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 1, 0]));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(
        [0.2, 0.7, 0.6, 0.4].map(|p| Some(vec![Some(1.0 - p), Some(p)])),
    ));
    let file = folder.parquet("whole.parquet", vec![("label", labels), ("probs", lists)]);
    let whole = std::fs::read(&file).unwrap();
    for step in 0..24 {
        let mut bytes = whole.clone();
        let at = (step * whole.len() / 24).max(4);
        bytes[at] ^= 0x55;
        std::fs::write(&file, &bytes).unwrap();
        let output = folder.score(&file, &["--resamples", "2"]);
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "byte {at}: {}",
            stderr(&output)
        );
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
}

#[test]
fn a_runs_folder_reads_as_its_record_does() {
    let folder = Folder::new();
    let out = folder.path("out");
    let output = Command::new(env!("CARGO_BIN_EXE_l0gm"))
        .args([
            "reproduce",
            "--twin",
            "--modality",
            "tabular",
            "--method",
            "dense",
        ])
        .args([
            "--seeds",
            "3",
            "--set",
            "tabular.train.epochs=1",
            "--threads",
            "1",
        ])
        .arg("--out")
        .arg(&out)
        .env_remove("L0GM_DATA_DIR")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let run = std::fs::read_dir(out.join("runs")).unwrap().next().unwrap();
    let run = run.unwrap().path();
    let record: Value =
        serde_json::from_slice(&std::fs::read(run.join("record.json")).unwrap()).unwrap();
    let found = folder.json(&run, &["--seed", "3", "--resamples", "500"]);
    let asked = record["calibration"].as_object().unwrap();
    for key in asked
        .keys()
        .filter(|key| found["measures"].get(*key).is_some())
    {
        near(value(&found, key), asked[key].as_f64().unwrap());
    }
    let ece = &found["measures"]["ece"];
    for (here, there) in [
        ("low", "ece_low"),
        ("high", "ece_high"),
        ("noise", "ece_noise"),
        ("noise_p95", "ece_noise_p95"),
    ] {
        near(ece[here].as_f64().unwrap(), asked[there].as_f64().unwrap());
    }
    near(
        found["scaled"]["temperature"].as_f64().unwrap(),
        record["scaling_temperature"].as_f64().unwrap(),
    );
    let scaled = found["scaled"]["calibration"].as_object().unwrap();
    for (key, there) in record["calibration_scaled"].as_object().unwrap() {
        near(scaled[key].as_f64().unwrap(), there.as_f64().unwrap());
    }
    assert_eq!(found["reliability"].as_array().unwrap().len(), 15);
    near(
        value(&found, "accuracy"),
        record["test"]["accuracy"].as_f64().unwrap(),
    );
}

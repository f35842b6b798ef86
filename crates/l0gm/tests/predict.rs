//! `l0gm predict` as people use it: files, pipes, formats and mistakes.

#![allow(clippy::unwrap_used)]

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use l0gm_train::{CompactFolder, Decision};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Rows of a table whose label depends on its first two columns.
fn rows(count: usize) -> String {
    let mut text = String::from("id,age,job,bought\n");
    for i in 0..count {
        let (age, job) = (18 + i * 13 % 60, ["cook", "clerk", "smith"][i * 7 % 3]);
        let bought = if age > 40 && job != "cook" || i % 11 == 0 {
            "yes"
        } else {
            "no"
        };
        text += &format!("\"row {i}, of \"\"many\"\"\",{age},{job},{bought}\n");
    }
    text
}

/// A folder of runs with a gated model of [`rows`], and the model's folder.
fn trained() -> &'static (tempfile::TempDir, PathBuf) {
    static TRAINED: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("table.csv");
        std::fs::write(&table, rows(600)).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_l0gm"))
            .args([
                "run",
                "--modality",
                "tabular",
                "--method",
                "l0gm",
                "--target",
                "60%",
            ])
            .args(["--seeds", "0", "--threads", "1"])
            .args([
                "--set",
                "tabular.train.epochs=4",
                "--set",
                "tabular.data.label=bought",
            ])
            .arg("--dataset")
            .arg(&table)
            .arg("--out")
            .arg(dir.path().join("out"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let runs = std::fs::read_dir(dir.path().join("out/runs")).unwrap();
        let run = runs
            .map(|run| run.unwrap().path())
            .find(|run| run.join("compact").is_dir());
        (dir, run.unwrap())
    })
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = names
            .map(|name| name.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn command(model: &Path, new: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_l0gm"));
    command.arg("predict").arg(model).arg(new).args(flags);
    command
}

fn predict(model: &Path, new: &Path, flags: &[&str]) -> Output {
    command(model, new.to_str().unwrap(), flags)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The single line that a mistake prints.
#[track_caller]
fn mistake(output: &Output, code: i32) -> String {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.starts_with("error: "), "{text}");
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    assert!(output.stdout.is_empty(), "{text}");
    text
}

#[test]
fn csv_json_lines_and_parquet_say_the_same_and_kept_cells_are_as_written() {
    let (_, run) = trained();
    let folder = Folder::new();
    let new = folder.file("new.csv", rows(300));
    let csv = stdout(&predict(run, &new, &["--keep", "id,job"]));
    let first = csv.lines().next().unwrap();
    assert_eq!(first, "source_row,id,job,predicted_class,p_no,p_yes");
    let second = csv.lines().nth(1).unwrap();
    assert!(
        second.starts_with("1,\"row 0, of \"\"many\"\"\",cook,"),
        "{second}"
    );
    let json = stdout(&predict(
        run,
        &new,
        &["--keep", "id,job", "--format", "jsonl"],
    ));
    let json: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (out, flags) = (folder.path("a.parquet"), ["--keep", "id,job", "--out"]);
    let done = predict(run, &new, &[&flags[..], &[out.to_str().unwrap()]].concat());
    assert_eq!(stdout(&done), "");
    assert!(stderr(&done).contains("300 rows in "), "{}", stderr(&done));
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&out).unwrap()).unwrap();
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    let batch = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    assert_eq!(
        (batch.num_rows(), json.len(), csv.lines().count()),
        (300, 300, 301)
    );
    let column = |name: &str| batch.column_by_name(name).unwrap().clone();
    for (row, value) in json.iter().enumerate() {
        assert_eq!(value["source_row"], row as i64 + 1);
        assert_eq!(
            column("source_row").as_primitive::<Int64Type>().value(row),
            row as i64 + 1
        );
        assert_eq!(value["id"], format!("row {row}, of \"many\""));
        for name in ["id", "job", "predicted_class"] {
            assert_eq!(value[name], column(name).as_string::<i32>().value(row));
        }
        for name in ["p_no", "p_yes"] {
            let p = column(name).as_primitive::<Float64Type>().value(row);
            let text = value[name].as_f64().unwrap();
            assert_eq!(text.to_bits(), p.to_bits());
        }
        let line = csv.lines().nth(row + 1).unwrap();
        let last: Vec<&str> = line.rsplitn(3, ',').collect();
        assert_eq!(
            last[0].parse::<f64>().unwrap(),
            value["p_yes"].as_f64().unwrap()
        );
        let yes = value["p_yes"].as_f64() > value["p_no"].as_f64();
        assert_eq!(value["predicted_class"], if yes { "yes" } else { "no" });
    }
    assert!(column("id").null_count() == 0);
}

#[test]
fn standard_input_packed_files_and_parquet_are_predicted_like_the_csv_file() {
    let (_, run) = trained();
    let folder = Folder::new();
    let text = rows(250);
    let new = folder.file("new.csv", &text);
    let expected = stdout(&predict(run, &new, &["--keep", "age", "-q"]));
    let mut child = command(run, "-", &["--keep", "age", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(stderr(&output), "", "-q says nothing");
    assert_eq!(stdout(&output), expected);
    // The same rows as Parquet, from a file and from a pipe.
    let ids: Vec<String> = (0..250).map(|i| format!("row {i}, of \"many\"")).collect();
    let ages: Vec<i64> = (0..250).map(|i| 18 + i * 13 % 60).collect();
    let jobs: Vec<&str> = (0..250)
        .map(|i| ["cook", "clerk", "smith"][i * 7 % 3])
        .collect();
    let columns: [(&str, arrow::array::ArrayRef); 3] = [
        (
            "id",
            std::sync::Arc::new(arrow::array::StringArray::from(ids)),
        ),
        (
            "age",
            std::sync::Arc::new(arrow::array::Int64Array::from(ages)),
        ),
        (
            "job",
            std::sync::Arc::new(arrow::array::StringArray::from(jobs)),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let path = folder.path("new.parquet");
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    assert_eq!(
        stdout(&predict(run, &path, &["--keep", "age", "-q"])),
        expected
    );
    let output = command(run, "-", &["--keep", "age", "-q"])
        .stdin(std::fs::File::open(&path).unwrap())
        .output()
        .unwrap();
    assert_eq!(stdout(&output), expected);
}

#[test]
fn a_models_decision_is_what_is_predicted() {
    let (_, run) = trained();
    let folder = Folder::new();
    let new = folder.file("new.csv", rows(50));
    for (threshold, class) in [(0.0, "yes"), (1.0, "no")] {
        let decision = Decision {
            positive: "yes".to_owned(),
            threshold,
            rule: "a test".to_owned(),
        };
        // A study's folder, of which `model` is predicted with.
        let model = folder.path("study/model");
        CompactFolder::export(&run.join("compact"), &model, Some(decision)).unwrap();
        let output = predict(&folder.path("study"), &new, &[]);
        let text = stdout(&output);
        assert!(
            text.lines()
                .skip(1)
                .all(|line| line.contains(&format!(",{class},"))),
            "{text}"
        );
        assert!(stderr(&output).contains("'yes' where its probability is at least"));
    }
}

#[test]
fn unseen_cells_are_counted_and_the_columns_are_named() {
    let (_, run) = trained();
    let folder = Folder::new();
    let new = folder.file(
        "new.csv",
        "id,age,job\n1,30,pilot\n2,900,cook\n3,31,pilot\n4,32,diver\n",
    );
    let output = predict(
        run,
        &new,
        &["--out", folder.path("a.jsonl").to_str().unwrap()],
    );
    let text = stderr(&output);
    let model = std::fs::read_to_string(run.join("compact/model.json")).unwrap();
    let (job, age) = (model.contains("\"job\""), model.contains("\"age\""));
    let cells = if job { 3 } else { 0 } + usize::from(age);
    assert!(
        text.trim_end().ends_with(&format!("{cells} unseen cells")),
        "{text}"
    );
    assert_eq!(text.contains("'pilot', 'diver'"), job, "{text}");
}

#[test]
fn mistakes_are_one_line_and_leave_nothing_behind() {
    let (dir, run) = trained();
    let folder = Folder::new();
    let new = folder.file("new.csv", rows(20));
    let model = std::fs::read_to_string(run.join("compact/model.json")).unwrap();
    let (open, column) = match model.contains("\"age\"") {
        true => ("age", 1),
        false => ("job", 2),
    };
    let without: String = rows(20)
        .lines()
        .map(|line| {
            // The id holds a comma, so cells are counted from the end.
            let mut cells: Vec<&str> = line.rsplitn(4, ',').collect();
            cells.remove(3 - column);
            cells.reverse();
            cells.join(",") + "\n"
        })
        .collect();
    let without = folder.file("without.csv", without);
    let out = folder.path("answers.csv");
    let out = ["--out", out.to_str().unwrap()];
    let text = mistake(&predict(run, &without, &out), 1);
    assert!(text.contains(&format!("has no column '{open}'")), "{text}");
    let text = mistake(&predict(run, &new, &["--keep", "key", out[0], out[1]]), 1);
    assert!(text.contains("has no column 'key'"), "{text}");
    let broken = folder.file("broken.csv", rows(20) + "\"open,1,cook,no\n");
    let text = mistake(&predict(run, &broken, &out), 1);
    assert!(
        text.contains("line 22") && text.contains("never closes"),
        "{text}"
    );
    let text = mistake(&predict(&dir.path().join("out"), &new, &out), 1);
    assert!(text.contains("one of its runs"), "{text}");
    let text = mistake(&predict(&folder.path("none"), &new, &out), 1);
    assert!(text.contains("not there"), "{text}");
    let other = folder.path("other");
    CompactFolder::export(&run.join("compact"), &other, None).unwrap();
    let json = other.join("model.json");
    std::fs::write(&json, model.replace("\"format\": 2", "\"format\": 9")).unwrap();
    let text = mistake(&predict(&other, &new, &out), 1);
    assert!(
        text.contains("format 9, this version reads 1 to 2"),
        "{text}"
    );
    std::fs::remove_dir_all(&other).unwrap();
    for (flags, said) in [
        (&["--out", "answers.txt"][..], "say which with --format"),
        (&["--out", "no/such/a.csv"], "folder does not exist"),
        (&["--keep", "predicted_class"], "column of this name"),
        (&["--keep", "id,id"], "named twice"),
        (&["--separator", "é"], "one ASCII character"),
        (&["--text-column", "id"], "for texts"),
    ] {
        let text = mistake(&predict(run, &new, flags), 2);
        assert!(text.contains(said), "{text}");
    }
    let own = ["--out", new.to_str().unwrap()];
    let text = mistake(&predict(run, &new, &own), 2);
    assert!(text.contains("is the file of new rows"), "{text}");
    assert_eq!(folder.names(), ["broken.csv", "new.csv", "without.csv"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_and_leaves_no_file() {
    let (_, run) = trained();
    let folder = Folder::new();
    let out = folder.file("answers.csv", "older answers");
    let mut child = command(run, "-", &["--out", out.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than is read before the first rows are predicted, and no end.
    stdin.write_all(rows(60_000).as_bytes()).unwrap();
    let waiting = std::time::Instant::now();
    while folder.names().len() < 2 {
        assert!(waiting.elapsed().as_secs() < 60, "a temporary file appears");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    // Rows that come after the signal are not read to their end.
    std::thread::sleep(std::time::Duration::from_millis(200));
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("was not written"),
        "{}",
        stderr(&output)
    );
    assert_eq!(folder.names(), ["answers.csv"]);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "older answers");
}

#[test]
fn help_fits_80_columns_and_gives_three_examples() {
    let output = Command::new(env!("CARGO_BIN_EXE_l0gm"))
        .args(["predict", "--help"])
        .output()
        .unwrap();
    let text = stdout(&output);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(text.matches("l0gm predict out/bank").count() >= 3, "{text}");
}

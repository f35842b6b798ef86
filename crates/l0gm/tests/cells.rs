//! `plan`, `run` and `report DIR...` as a cluster uses them: processes compete and are killed, and their folders are
//! joined. Everything runs on twins, with one thread per process.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// Runs one test at a time: each trains with two processes, and kills are timed by what is on disk.
static ONE: Mutex<()> = Mutex::new(());

/// Four small cells: dense and three lambdas.
const CELLS: [&str; 10] = [
    "--twin",
    "--method",
    "dense,l0gm",
    "--modality",
    "tabular",
    "--lambda",
    "1e-3,3e-3,1e-2",
    "--set",
    "tabular.train.epochs=3",
    "--threads=1",
];

/// The marker that makes a folder an output folder.
const MARKER: &str = r#"{"format": 1, "made_by": "l0gm 0.1.0"}"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, name: &str, out: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_l0gm"));
        command
            .arg(name)
            .args(CELLS)
            .arg("--out")
            .arg(self.path(out))
            .args(flags)
            .env_remove("L0GM_DATA_DIR")
            .env_remove("L0GM_MODEL_DIR");
        command
    }

    fn run(&self, out: &str, flags: &[&str]) -> Output {
        self.command("run", out, flags).output().unwrap()
    }

    fn start(&self, out: &str, flags: &[&str]) -> Child {
        let mut command = self.command("run", out, flags);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn plan(&self, out: &str) -> Vec<Value> {
        let output = self.command("plan", out, &[]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let lines = stdout(&output);
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn report(&self, folders: &[&str], out: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_l0gm"));
        command.arg("report");
        folders.iter().for_each(|name| {
            command.arg(self.path(name));
        });
        command.arg("--out").arg(self.path(out)).output().unwrap()
    }

    /// The record of each finished run, and when it was written.
    fn records(&self, out: &str) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
        let Ok(runs) = std::fs::read_dir(self.path(out).join("runs")) else {
            return BTreeMap::new();
        };
        runs.filter_map(|run| {
            let run = run.unwrap();
            let path = run.path().join("record.json");
            let bytes = std::fs::read(&path).ok()?;
            let written = path.metadata().unwrap().modified().unwrap();
            let name = run.file_name().to_string_lossy().into_owned();
            Some((name, (bytes, written)))
        })
        .collect()
    }

    fn predictions(&self, out: &str, run: &str) -> Vec<u8> {
        let folder = self.path(out).join("runs").join(run);
        std::fs::read(folder.join("predictions.parquet")).unwrap()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// (now, before, failed) from "4 of 4 runs done (3 now, 1 before), 0 failed".
fn done(output: &Output) -> (usize, usize, usize) {
    assert!(
        output.status.success(),
        "{}{}",
        stdout(output),
        stderr(output)
    );
    let text = stdout(output);
    let line = text
        .lines()
        .find(|line| line.contains("runs done"))
        .unwrap();
    let numbers: Vec<usize> = line
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    (numbers[2], numbers[3], numbers[4])
}

/// Waits until `what` holds, and fails if the child process ends first.
fn until(child: &mut Child, what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended too early: {ended:?}");
        assert!(start.elapsed() < Duration::from_secs(300), "it never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_plan_lists_every_cell_once_and_says_which_are_finished() {
    let folder = Folder::new();
    let cells = folder.plan("out");
    assert_eq!(cells.len(), 4);
    assert!(!folder.path("out").exists(), "nothing was made");
    for cell in &cells {
        let (hash, run) = (
            cell["cell"].as_str().unwrap(),
            cell["run"].as_str().unwrap(),
        );
        assert!(run.ends_with(hash) && hash.len() == 10, "{cell}");
        assert_eq!(cell["settings"]["train"]["epochs"], 3);
        assert_eq!(
            (&cell["twin"], &cell["finished"]),
            (&true.into(), &false.into())
        );
    }
    let lambdas: Vec<&Value> = cells.iter().map(|cell| &cell["lambda"]).collect();
    assert_eq!(
        lambdas,
        [&Value::Null, &1e-3.into(), &3e-3.into(), &1e-2.into()]
    );

    let _one = ONE.lock();
    let hash = cells[2]["cell"].as_str().unwrap();
    assert_eq!(done(&folder.run("out", &["--cell", &hash[..7]])), (1, 0, 0));
    let finished: Vec<bool> = folder
        .plan("out")
        .iter()
        .map(|cell| cell["finished"].as_bool().unwrap())
        .collect();
    assert_eq!(finished, [false, false, true, false]);
}

#[test]
fn cells_that_are_not_in_the_plan_and_shards_that_cannot_be_are_mistakes() {
    let folder = Folder::new();
    let cases: &[(&[&str], &str)] = &[
        (
            &["--cell", "zzz"],
            "no cell of this plan (4 cells) begins so",
        ),
        (&["--cell", "tabular"], "4 cells begin so"),
        (&["--shard", "2/2"], "expected I/N"),
        (&["--shard", "0/2", "--cell", "0"], "cannot be used with"),
    ];
    for (flags, expected) in cases {
        let output = folder.run("out", flags);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{flags:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(expected),
            "{flags:?}: {}",
            stderr(&output)
        );
        assert!(!folder.path("out").exists(), "nothing was made");
    }
    let one = Command::new(env!("CARGO_BIN_EXE_l0gm"))
        .args(["report", "a", "b"])
        .output()
        .unwrap();
    assert_eq!(one.status.code(), Some(2));
    assert!(stderr(&one).contains("--out"), "{}", stderr(&one));
}

#[test]
fn of_two_processes_that_race_for_a_cell_one_does_it() {
    let _one = ONE.lock();
    let folder = Folder::new();
    let cells = folder.plan("out");
    let hash = cells[1]["cell"].as_str().unwrap();
    // The cell takes long enough for both processes to compete for it.
    let flags = ["--cell", hash];
    let mut first = folder.start("out", &flags);
    until(&mut first, || folder.path("out/claims").exists());
    let passing = folder.start("out", &flags);
    let waiting = folder.start("out", &[&flags[..], &["--wait"]].concat());
    let outputs = [first, passing, waiting].map(|child| child.wait_with_output().unwrap());
    let counts = outputs.each_ref().map(done);
    assert_eq!(
        counts.iter().map(|(now, ..)| now).sum::<usize>(),
        1,
        "{counts:?}"
    );
    assert!(
        counts.iter().all(|(_, _, failed)| *failed == 0),
        "{counts:?}"
    );
    // The waiting process ends with the cell done, whichever process did it.
    let (now, before, _) = counts[2];
    assert_eq!(now + before, 1, "{counts:?}");
    for (output, (now, before, _)) in outputs.iter().zip(counts) {
        let passed = stdout(output).contains("passed over: tabular-adult-l0gm-0.001");
        assert_eq!(passed, now + before == 0, "{}", stdout(output));
    }
    assert_eq!(folder.records("out").len(), 1);
}

#[test]
fn who_waits_takes_a_cell_over_when_its_holder_is_gone() {
    let _one = ONE.lock();
    let folder = Folder::new();
    let cell = folder.plan("out")[0]["run"].as_str().unwrap().to_owned();
    // This test holds the claim: it takes the lock like a process and releases it like one that dies.
    std::fs::create_dir_all(folder.path("out/claims")).unwrap();
    std::fs::write(folder.path("out/l0gm-out.json"), MARKER).unwrap();
    std::fs::create_dir_all(folder.path("out/runs")).unwrap();
    let path = folder.path("out/claims").join(&cell);
    std::fs::write(&path, "process 4711 on node7\n").unwrap();
    let held = std::fs::File::open(&path).unwrap();
    held.lock().unwrap();

    let passing = folder.run("out", &["--cell", &cell]);
    assert_eq!(done(&passing), (0, 0, 0));
    let text = stdout(&passing);
    assert!(
        text.contains("process 4711 on node7 is working on it"),
        "{text}"
    );

    let told = folder.path("told");
    let mut waiting = folder.command("run", "out", &["--cell", &cell, "--wait"]);
    let mut waiting = waiting
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&told).unwrap())
        .spawn()
        .unwrap();
    let line = "waiting for 1 runs in the hands of process 4711 on node7";
    until(&mut waiting, || {
        std::fs::read_to_string(&told).unwrap().contains(line)
    });
    assert!(folder.records("out").is_empty());
    drop(held);
    assert_eq!(done(&waiting.wait_with_output().unwrap()), (1, 0, 0));
}

#[test]
fn processes_on_the_whole_plan_share_it_without_repeating_a_cell() {
    let _one = ONE.lock();
    let folder = Folder::new();
    let children = [(); 2].map(|()| folder.start("out", &["--wait"]));
    let counts = children.map(|child| done(&child.wait_with_output().unwrap()));
    assert_eq!(counts[0].0 + counts[1].0, 4, "{counts:?}");
    // In the end, each process knows that all four are done.
    assert!(
        counts.iter().all(|(now, before, _)| now + before == 4),
        "{counts:?}"
    );
    assert_eq!(folder.records("out").len(), 4);
}

#[test]
fn a_killed_shard_started_again_loses_nothing_finished_and_repeats_none() {
    let _one = ONE.lock();
    let folder = Folder::new();
    let all: Vec<String> = folder
        .plan("out")
        .iter()
        .map(|cell| cell["run"].as_str().unwrap().to_owned())
        .collect();
    let share = [&all[0], &all[2]];
    let mut child = folder.start("out", &["--shard", "0/2"]);
    // The share's first cell is finished, and its second has just saved its first checkpoint.
    let second = folder.path("out/runs").join(share[1]);
    until(&mut child, || {
        second.join("checkpoint.safetensors").exists()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let before = folder.records("out");
    assert_eq!(before.keys().collect::<Vec<_>>(), [share[0]]);

    let again = folder.run("out", &["--shard", "0/2"]);
    assert_eq!(done(&again), (1, 1, 0));
    let after = folder.records("out");
    assert_eq!(after.len(), 2);
    assert_eq!(after[share[0]], before[share[0]], "not touched");

    // The other share is run elsewhere; joined, the plan is complete.
    assert_eq!(done(&folder.run("other", &["--shard", "1/2"])), (2, 0, 0));
    let joined = folder.report(&["out", "other"], "joined");
    assert!(joined.status.success(), "{}", stderr(&joined));
    let text = stdout(&joined);
    assert!(text.contains("4 runs taken over, 0 held twice"), "{text}");
    assert_eq!(folder.records("joined").len(), 4);
    let page = std::fs::read_to_string(folder.path("joined/report.md")).unwrap();
    assert!(!page.contains("What is missing"), "{page}");
    // A share's command would make half of the report, so the page shows the whole plan's command.
    assert!(
        page.contains("l0gm reproduce --twin") && !page.contains("--shard"),
        "{page}"
    );

    // `reproduce` finds the whole plan done, and the interrupted cell has the same bits as an uninterrupted one.
    let output = folder.command("reproduce", "joined", &[]).output().unwrap();
    assert_eq!(done(&output), (0, 4, 0));
    assert_eq!(done(&folder.run("whole", &["--cell", share[1]])), (1, 0, 0));
    let whole = folder.predictions("whole", share[1]);
    assert!(
        whole == folder.predictions("out", share[1]),
        "it went on to other bits"
    );
    let same = folder.report(&["joined", "whole"], "joined");
    assert!(
        stdout(&same).contains("0 runs taken over, 1 held twice with the same results, 0 with")
    );
}

#[test]
fn a_joined_report_says_what_is_missing_and_what_differs() {
    let _one = ONE.lock();
    let folder = Folder::new();
    let cell = folder.plan("a")[0]["run"].as_str().unwrap().to_owned();
    assert_eq!(done(&folder.run("a", &["--cell", &cell])), (1, 0, 0));
    assert_eq!(done(&folder.run("b", &["--cell", &cell])), (1, 0, 0));
    let path = folder.path("b/runs").join(&cell).join("record.json");
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record["test"]["accuracy"] = 0.125.into();
    std::fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
    let joined = folder.report(&["a", "b"], "joined");
    assert!(joined.status.success(), "{}", stderr(&joined));
    let text = stdout(&joined);
    assert!(text.contains(&format!("differs: {cell}")), "{text}");
    assert!(text.contains("test.accuracy 0.125, here 0."), "{text}");
    let page = std::fs::read_to_string(folder.path("joined/report.md")).unwrap();
    assert!(
        page.contains("test.accuracy 0.125") && page.contains("have not finished"),
        "{page}"
    );
}

#[test]
fn a_second_call_trains_nothing_and_reads_no_data() {
    let _one = ONE.lock();
    let folder = Folder::new();
    assert_eq!(done(&folder.run("out", &[])), (4, 0, 0));
    let before = folder.records("out");
    let again = folder.run("out", &[]);
    assert_eq!(done(&again), (0, 4, 0));
    // Loading, training and scoring write to stderr; nothing of that happens here.
    let told = stderr(&again);
    assert_eq!(
        told.trim(),
        "4 of 4 runs are finished already and are not run again"
    );
    assert_eq!(folder.records("out"), before);
}

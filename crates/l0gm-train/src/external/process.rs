//! Calls a program and waits for it, within a time limit.

use crate::{Error, Result, StopFlag};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Time between two looks at the program.
const PAUSE: Duration = Duration::from_millis(50);
/// Most characters of a program's output in an error.
const SHOWN: usize = 300;

/// A program that trains and predicts.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalTool {
    /// The name in messages: "lightgbm".
    pub name: String,
    /// The program and its first arguments; the path of `task.json` follows them.
    pub command: Vec<String>,
    /// It is ended after this time.
    pub time_limit: Duration,
    /// The setting of the time limit, for messages.
    pub limit_setting: String,
    /// What to do if the program cannot be started, for messages; may be empty.
    pub remedy: String,
}

impl ExternalTool {
    /// Calls the program with the path `task`. What it prints is kept in `log.txt` of the folder `dir`. Returns the
    /// seconds that it took.
    pub(super) fn call(
        &self,
        dir: &Path,
        task: &Path,
        threads: usize,
        stop: &StopFlag,
    ) -> Result<f64> {
        let [program, arguments @ ..] = self.command.as_slice() else {
            return Err(Error::Setting(format!(
                "{}: its command is empty; name a program and its arguments",
                self.name
            )));
        };
        let log = dir.join("log.txt");
        let output = File::create(&log).map_err(|e| Error::io(&log, "write this file", &e))?;
        let errors = output
            .try_clone()
            .map_err(|e| Error::io(&log, "write this file", &e))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg(task)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        // What most numeric libraries ask for.
        for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(name, threads.to_string());
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let began = Instant::now();
        let child = command.spawn().map_err(|error| {
            let remedy = match self.remedy.as_str() {
                "" => String::new(),
                remedy => format!("; {remedy}"),
            };
            Error::Task(format!(
                "{}: {program} cannot be started ({error}){remedy}",
                self.name
            ))
        })?;
        let status = self.wait(Running(child), began, stop)?;
        if !status.success() {
            return Err(Error::Task(format!(
                "{} failed ({status}): {} (all that it printed: {})",
                self.name,
                last_words(&log),
                log.display()
            )));
        }
        Ok(began.elapsed().as_secs_f64())
    }

    fn wait(&self, mut running: Running, began: Instant, stop: &StopFlag) -> Result<ExitStatus> {
        loop {
            if let Some(status) = running.ended(&self.name)? {
                return Ok(status);
            }
            if stop.is_set() {
                return Err(Error::Stopped);
            }
            if began.elapsed() > self.time_limit {
                return Err(Error::Task(format!(
                    "{} was ended after {} s, its time limit; {} allows more",
                    self.name,
                    self.time_limit.as_secs_f64(),
                    self.limit_setting
                )));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// A program that is ended, with those it started, when nobody waits for it any more.
struct Running(Child);

impl Running {
    fn ended(&mut self, name: &str) -> Result<Option<ExitStatus>> {
        self.0
            .try_wait()
            .map_err(|e| Error::Task(format!("{name}: cannot be waited for ({e})")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The program leads a group of its own, which has whatever it started and left behind.
        #[cfg(unix)]
        drop(
            Command::new("kill")
                .args(["-KILL", "--", &format!("-{}", self.0.id())])
                .stderr(Stdio::null())
                .status(),
        );
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The last line that a program printed, shortened.
fn last_words(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    match last {
        None => "it printed nothing".to_owned(),
        Some(line) => line.chars().take(SHOWN).collect(),
    }
}

//! A program of another project that answers how long its predictions take. It reads a JSON object a line from its
//! standard input and answers with one line on its standard output (`rivals/serve.py`).

use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// The file with a program's messages, beside its task.
pub(super) const LOG: &str = "log.txt";
/// Most characters of a program's output in an error.
const SHOWN: usize = 300;
/// What brings the programs and their packages.
const REMEDY: &str = "`methods install` brings it";

/// A running program. It is ended when it is dropped.
pub(super) struct Peer {
    child: Child,
    to: ChildStdin,
    answers: Receiver<std::io::Result<String>>,
    log: PathBuf,
    /// Time in which it must answer.
    limit: Duration,
}

/// One way of calling a program.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) name: String,
    pub(super) call: String,
    /// Whether it reads a file.
    pub(super) from_file: bool,
}

impl Peer {
    /// Starts a program on a task. Its messages go to a file beside the task.
    ///
    /// # Errors
    /// It is not installed or cannot be started.
    pub(super) fn start(
        python: &Path,
        script: &Path,
        task: &Path,
        limit: Duration,
    ) -> anyhow::Result<Self> {
        for file in [python, script] {
            if !file.exists() {
                bail!("{} is missing; {REMEDY}", file.display());
            }
        }
        let log = task.with_file_name(LOG);
        let messages =
            File::create(&log).with_context(|| format!("{}: cannot be written", log.display()))?;
        let mut command = Command::new(python);
        command
            .arg(script)
            .arg(task)
            .env("OMP_WAIT_POLICY", "passive")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(messages);
        let mut child = command
            .spawn()
            .with_context(|| format!("{} cannot be started", python.display()))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("{} has no pipes", python.display());
        };
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines() {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            to,
            answers,
            log,
            limit,
        })
    }

    /// Waits until the program has trained its model. Returns its version and the ways of calling it.
    pub(super) fn begin(&mut self) -> anyhow::Result<(String, Vec<Form>)> {
        let answer = self.ask(&json!({"do": "begin"}))?;
        let version = answer["version"].as_str().unwrap_or_default().to_owned();
        let forms = answer["forms"].as_array().map(Vec::as_slice);
        let forms: Option<Vec<Form>> = forms.unwrap_or_default().iter().map(form).collect();
        match forms {
            Some(forms) if !forms.is_empty() => Ok((version, forms)),
            _ => bail!("it does not say in which ways it can be called: {answer}"),
        }
    }

    /// Makes the passes of one form ready, and returns the probabilities of the first rows, row by row.
    pub(super) fn prepare(
        &mut self,
        form: &str,
        batch: usize,
        file: Option<&Path>,
    ) -> anyhow::Result<Vec<Vec<f64>>> {
        let question = json!({"do": "prepare", "form": form, "batch": batch, "file": file});
        let answer = self.ask(&question)?;
        serde_json::from_value(answer["probabilities"].clone())
            .context("it answered no probabilities")
    }

    /// Lets one form make a turn, and returns the microseconds of its passes.
    pub(super) fn turn(
        &mut self,
        form: &str,
        turns: &l0gm_train::Turns,
    ) -> anyhow::Result<Vec<f64>> {
        let question = json!({
            "do": "turn", "form": form, "seconds": turns.turn_seconds, "repeats": turns.repeats,
            "warmup": turns.warmup,
        });
        let answer = self.ask(&question)?;
        let times: Vec<f64> =
            serde_json::from_value(answer["us"].clone()).context("it answered no times")?;
        let sound = !times.is_empty() && times.iter().all(|us| us.is_finite() && *us >= 0.0);
        anyhow::ensure!(sound, "it answered the times {times:?}");
        Ok(times)
    }

    fn ask(&mut self, question: &Value) -> anyhow::Result<Value> {
        let sent = writeln!(self.to, "{question}").and_then(|()| self.to.flush());
        if sent.is_err() {
            bail!("{}", self.ended());
        }
        let line = match self.answers.recv_timeout(self.limit) {
            Ok(line) => line?,
            Err(RecvTimeoutError::Timeout) => {
                // Whatever it answers later would answer another question.
                drop(self.child.kill());
                bail!(
                    "it gave no answer within {} s and was ended",
                    self.limit.as_secs_f64()
                )
            }
            Err(RecvTimeoutError::Disconnected) => bail!("{}", self.ended()),
        };
        let Ok(answer) = serde_json::from_str::<Value>(&line) else {
            let line: String = line.chars().take(SHOWN).collect();
            bail!("it answered {line:?}; expected a JSON object");
        };
        match answer["error"].as_str() {
            Some(error) => bail!("{error}"),
            None => Ok(answer),
        }
    }

    /// Why there is no answer: the last words of a program that has ended.
    fn ended(&mut self) -> String {
        let status = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        let last: String = last
            .unwrap_or("it printed nothing")
            .chars()
            .take(SHOWN)
            .collect();
        let remedy = match last.contains("ModuleNotFoundError") {
            true => format!("; {REMEDY}"),
            false => String::new(),
        };
        format!(
            "it ended ({status}): {last}{remedy} (all that it printed: {})",
            self.log.display()
        )
    }
}

fn form(value: &Value) -> Option<Form> {
    Some(Form {
        name: value["name"].as_str()?.to_owned(),
        call: value["call"].as_str()?.to_owned(),
        from_file: value["input"].as_str()? == "file",
    })
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Nothing is lost if it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

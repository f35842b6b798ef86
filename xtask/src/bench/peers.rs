//! The process that does the same work in PyTorch. It runs in a Python environment made by `--install-peers`, answers
//! each line of JSON with another, and sleeps while our code runs.

use anyhow::{Context, bail};
use l0gm_train::venv_python;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Folder of the scripts, relative to the workspace's root.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benchmarks/peers")
}

/// Makes the virtual environment with the pinned packages of `requirements.txt`.
pub(crate) fn install(venv: &Path) -> anyhow::Result<()> {
    let run = |command: &mut Command| -> anyhow::Result<()> {
        let shown = format!("{command:?}");
        let status = command
            .status()
            .with_context(|| format!("{shown} cannot be started; it needs Python 3 with venv"))?;
        if !status.success() {
            bail!("{shown} ended with {status}");
        }
        Ok(())
    };
    if !venv_python(venv).is_file() {
        run(Command::new("python3").arg("-m").arg("venv").arg(venv))?;
    }
    let requirements = scripts().join("requirements.txt");
    run(Command::new(venv_python(venv))
        .args(["-m", "pip", "install", "--quiet", "--requirement"])
        .arg(requirements))?;
    println!("peers installed in {}", venv.display());
    Ok(())
}

pub(crate) struct Peers {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    versions: String,
}

impl Peers {
    /// Starts the process with this number of threads.
    pub(crate) fn start(venv: &Path, threads: usize) -> anyhow::Result<Self> {
        let python = venv_python(venv);
        if !python.is_file() {
            bail!(
                "{}: no Python here; make it with `cargo xtask bench --install-peers`",
                python.display()
            );
        }
        let mut child = Command::new(&python)
            .arg(scripts().join("serve.py"))
            .env("OMP_NUM_THREADS", threads.to_string())
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", python.display()))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the peer has no pipes");
        };
        let mut peers = Self {
            child,
            to,
            from: BufReader::new(from),
            versions: String::new(),
        };
        let answer = peers.ask(&json!({"do": "versions"}))?;
        peers.versions = answer["versions"].as_str().unwrap_or_default().to_owned();
        Ok(peers)
    }

    /// Versions of its packages, such as "torch 2.15.0, ...".
    pub(crate) fn versions(&self) -> &str {
        &self.versions
    }

    /// Builds a case. Returns `false` if the peer cannot, for example because a package is missing.
    pub(crate) fn prepare(&mut self, case: &str, input: &str) -> anyhow::Result<bool> {
        let answer = self.ask(&json!({"do": "prepare", "case": case, "input": input}))?;
        if let Some(why) = answer["missing"].as_str() {
            println!("{case}: no peer: {why}");
            return Ok(false);
        }
        Ok(true)
    }

    /// Repeats the case for this many seconds and returns the time of each repetition in milliseconds.
    pub(crate) fn sample(&mut self, seconds: f64) -> anyhow::Result<Vec<f64>> {
        let answer = self.ask(&json!({"do": "sample", "seconds": seconds}))?;
        let times = answer["ms"].as_array().context("the peer gave no times")?;
        Ok(times.iter().filter_map(Value::as_f64).collect())
    }

    /// Frees the case's memory.
    pub(crate) fn release(&mut self) -> anyhow::Result<()> {
        self.ask(&json!({"do": "release"})).map(drop)
    }

    fn ask(&mut self, question: &Value) -> anyhow::Result<Value> {
        writeln!(self.to, "{question}").context("the peer is gone")?;
        self.to.flush()?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line)
            .with_context(|| format!("the peer answered {line:?} to {question}"))?;
        if let Some(error) = answer["error"].as_str() {
            bail!("the peer failed at {question}: {error}");
        }
        Ok(answer)
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // Nothing is lost if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! `methods install`: the tools of other projects that runs are compared with, in a folder of their own.

use anyhow::Context;
use l0gm_data::rivals_folder;
use l0gm_train::venv_python;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The scripts that train each tool, and what they need.
const FILES: [(&str, &str); 10] = [
    ("protocol.py", include_str!("../../rivals/protocol.py")),
    (
        "xgboost_rival.py",
        include_str!("../../rivals/xgboost_rival.py"),
    ),
    (
        "lightgbm_rival.py",
        include_str!("../../rivals/lightgbm_rival.py"),
    ),
    (
        "catboost_rival.py",
        include_str!("../../rivals/catboost_rival.py"),
    ),
    // The same tools, to be timed by `latency --peers`.
    ("serve.py", include_str!("../../rivals/serve.py")),
    (
        "xgboost_peer.py",
        include_str!("../../rivals/xgboost_peer.py"),
    ),
    (
        "lightgbm_peer.py",
        include_str!("../../rivals/lightgbm_peer.py"),
    ),
    (
        "catboost_peer.py",
        include_str!("../../rivals/catboost_peer.py"),
    ),
    ("onnx_peer.py", include_str!("../../rivals/onnx_peer.py")),
    (
        "requirements.txt",
        include_str!("../../rivals/requirements.txt"),
    ),
];

/// The ending of scripts that answer how long a tool's predictions take.
const PEER: &str = "_peer.py";

/// The names of the tools that can be timed, in the order of tables: those of their methods, and "onnx".
pub(crate) fn peers() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|(file, _)| file.strip_suffix(PEER))
}

/// Python and the script that answers how long a tool's predictions take.
pub(crate) fn peer(name: &str) -> [PathBuf; 2] {
    let folder = rivals_folder();
    [
        venv_python(&folder.join("venv")),
        folder.join(format!("{name}{PEER}")),
    ]
}

/// The pinned packages need this version.
const OLD_ENOUGH: &str = "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'Python 3.11 or later is needed, and this is ' \
                          + sys.version.split()[0])";

/// Writes the scripts and makes a virtual environment with pinned packages. What is there is brought up to date.
///
/// # Errors
/// The folder cannot be written, Python 3 is missing, or the packages cannot be had.
pub(super) fn run() -> anyhow::Result<ExitCode> {
    let folder = rivals_folder();
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{}: cannot be created", folder.display()))?;
    for (name, text) in FILES {
        let path = folder.join(name);
        std::fs::write(&path, text)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    let venv = folder.join("venv");
    let python = venv_python(&venv);
    let base = match cfg!(windows) {
        true => "python",
        false => "python3",
    };
    call(Command::new(base).args(["-c", OLD_ENOUGH]))?;
    // Also where it is there already: an earlier call may have been cut off.
    call(Command::new(base).arg("-m").arg("venv").arg(&venv))?;
    let requirements = folder.join("requirements.txt");
    call(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
            ])
            .arg(&requirements),
    )?;
    println!(
        "installed in {}: ask for them with --method xgboost,lightgbm,catboost",
        folder.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn call(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| {
        format!("{program} cannot be started; Python 3.11 or later with venv is needed")
    })?;
    anyhow::ensure!(
        status.success(),
        "{program} ended with {status}; see its messages above"
    );
    Ok(())
}

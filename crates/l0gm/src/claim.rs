//! Claims: what one process at a time may do in an output folder, whichever machine it runs on. A claim is
//! an operating system's lock on a small file, so a process that is killed lets go of it by that.

use anyhow::Context;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

/// A claim, held for as long as this value lives.
#[derive(Debug)]
pub struct Claim {
    file: File,
}

/// What became of an attempt.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours.
    Held(Claim),
    /// It is another process's: "process 4711 on node7", as far as that one has said so.
    Elsewhere(String),
}

impl Claim {
    /// Takes the claim if nobody has it.
    pub fn attempt(path: &Path) -> anyhow::Result<Attempt> {
        let mut file = open(path)?;
        match file.try_lock() {
            Ok(()) => {
                sign(&mut file);
                Ok(Attempt::Held(Self { file }))
            }
            Err(TryLockError::WouldBlock) => Ok(Attempt::Elsewhere(signature(&mut file))),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| no_locks(path)),
        }
    }

    /// Who has the claim at this moment, `None` where nobody has; takes and signs nothing.
    pub fn holder(path: &Path) -> anyhow::Result<Option<String>> {
        let mut file = open(path)?;
        match file.try_lock() {
            Ok(()) => {
                drop(Self { file });
                Ok(None)
            }
            Err(TryLockError::WouldBlock) => Ok(Some(signature(&mut file))),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| no_locks(path)),
        }
    }

    /// Takes the claim, after waiting for whoever has it.
    pub fn wait(path: &Path) -> anyhow::Result<Self> {
        let mut file = open(path)?;
        file.lock().with_context(|| no_locks(path))?;
        sign(&mut file);
        Ok(Self { file })
    }
}

impl Drop for Claim {
    /// Closing alone would not do: a child process that is just being started shares the open file.
    fn drop(&mut self) {
        // The end of the process unlocks it in any case.
        let _ = self.file.unlock();
    }
}

/// The file stays: to remove it while another process opens it would leave two holders of two files.
fn open(path: &Path) -> anyhow::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{}: cannot be created", folder.display()))?;
    }
    File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .with_context(|| format!("{}: cannot be opened", path.display()))
}

/// Says who holds it. Nothing depends on that, so a failure is none.
fn sign(file: &mut File) {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let on = match host.trim() {
        "" => String::new(),
        name => format!(" on {name}"),
    };
    let _ = file.set_len(0);
    let _ = file.write_all(format!("process {}{on}\n", std::process::id()).as_bytes());
}

/// What `sign` wrote. Only for people; on some systems a locked file cannot be read.
fn signature(file: &mut File) -> String {
    let mut holder = String::new();
    let _ = file.read_to_string(&mut holder);
    match holder.trim() {
        "" => "another process".to_owned(),
        holder => holder.to_owned(),
    }
}

fn no_locks(path: &Path) -> String {
    format!(
        "{}: this file system gives no locks; choose an --out on one that does, or give each process its \
         own --out and join them with `report`",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_claim_has_one_holder_and_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claims").join("cell");
        let Attempt::Held(first) = Claim::attempt(&path).unwrap() else {
            panic!("nobody else has it");
        };
        let Attempt::Elsewhere(holder) = Claim::attempt(&path).unwrap() else {
            panic!("two holders");
        };
        let own = format!("process {}", std::process::id());
        assert!(holder.starts_with(&own), "{holder}");
        assert_eq!(Claim::holder(&path).unwrap(), Some(holder));
        drop(first);
        assert_eq!(
            Claim::holder(&path).unwrap(),
            None,
            "the file still names it"
        );
        assert!(matches!(Claim::attempt(&path).unwrap(), Attempt::Held(_)));
    }
}

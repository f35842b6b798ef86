//! Claims make sure that only one process at a time does something in an output folder, on whichever machine it runs.
//! A claim is an operating system's lock on a small file, so it ends when its process is killed.

use anyhow::Context;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

/// A claim, held until this value is dropped.
#[derive(Debug)]
pub struct Claim {
    file: File,
}

/// The result of trying to take a claim.
#[derive(Debug)]
pub enum Attempt {
    /// This process now holds the claim.
    Held(Claim),
    /// Another process holds it; the text describes that process, such as "process 4711 on node7", if it is known.
    Elsewhere(String),
}

impl Claim {
    /// Takes the claim if no process holds it.
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

    /// Describes the process that holds the claim now; `None` if there is none. Takes no claim.
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

    /// Waits until no other process holds the claim, then takes it.
    pub fn wait(path: &Path) -> anyhow::Result<Self> {
        let mut file = open(path)?;
        file.lock().with_context(|| no_locks(path))?;
        sign(&mut file);
        Ok(Self { file })
    }
}

impl Drop for Claim {
    /// Unlocks explicitly. Closing the file is not enough, because a child process that is just being started shares
    /// it.
    fn drop(&mut self) {
        // If this fails, the end of the process unlocks the file anyway.
        let _ = self.file.unlock();
    }
}

/// The lock file is never removed: if another process opened it at that moment, there would be two files and two
/// holders.
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

/// Writes who holds the claim. Nothing depends on this text, so failures are ignored.
fn sign(file: &mut File) {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let on = match host.trim() {
        "" => String::new(),
        name => format!(" on {name}"),
    };
    let _ = file.set_len(0);
    let _ = file.write_all(format!("process {}{on}\n", std::process::id()).as_bytes());
}

/// Reads what `sign` wrote, for messages only: some systems do not allow reading a locked file.
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

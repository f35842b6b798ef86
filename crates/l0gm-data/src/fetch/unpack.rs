//! Extracts the listed files from a zip archive, and checks whether a gzip file is complete.

use super::{Failure, Kind, remote};
use crate::error::io;
use crate::folders::unique;
use crate::limits::{Limited, UNPACKED};
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

/// Extracts the `wanted` files into `dir`, each atomically. They are paths of the layout; in the archive, `strip`
/// precedes them.
///
/// # Errors
/// Fails if this is not a zip file, a name leaves the folder, or a wanted file is missing.
pub(super) fn zip(
    url: &str,
    archive: &Path,
    strip: &str,
    wanted: &[&str],
    dir: &Path,
) -> Result<(), Failure> {
    let bad = |why: String| remote(Kind::Corrupt, url, format!("{why}; get the files by hand"));
    let file = File::open(archive).map_err(io(archive, "cannot open"))?;
    let mut zip = zip::ZipArchive::new(BufReader::new(file))
        .map_err(|e| bad(format!("not a readable zip file ({e})")))?;
    // A single name that leaves the folder makes the whole archive untrustworthy.
    for i in 0..zip.len() {
        let member = zip
            .by_index(i)
            .map_err(|e| bad(format!("damaged zip file ({e})")))?;
        if member.enclosed_name().is_none() || member.is_symlink() {
            return Err(bad(format!(
                "the archive's {:?} leads out of the folder",
                member.name()
            )));
        }
    }
    for path in wanted {
        let member = zip
            .by_name(&format!("{strip}{path}"))
            .map_err(|e| bad(format!("{strip}{path} is not in the archive ({e})")))?;
        let target = dir.join(path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(io(parent, "cannot create the folder"))?;
        }
        let temporary = target.with_extension(format!("tmp-{}", unique()));
        let mut out = File::create(&temporary).map_err(io(&temporary, "cannot create"))?;
        let mut unpacked = Limited::new(member, UNPACKED);
        let copied = std::io::copy(&mut unpacked, &mut out).and_then(|_| out.sync_all());
        let placed = copied.and_then(|()| std::fs::rename(&temporary, &target));
        if let Err(e) = placed {
            let _ = std::fs::remove_file(&temporary);
            return Err(match e.kind() {
                ErrorKind::InvalidData
                | ErrorKind::UnexpectedEof
                | ErrorKind::InvalidInput
                | ErrorKind::FileTooLarge => {
                    bad(format!("{strip}{path} is damaged in the archive ({e})"))
                }
                _ => Error::file(&target, format!("cannot unpack (is the disk full?): {e}")).into(),
            });
        }
    }
    Ok(())
}

/// Reads a gzip file to its end and describes what is wrong with it, if anything.
pub(super) fn gzip_fault(path: &Path) -> Result<Option<String>> {
    let file = File::open(path).map_err(io(path, "cannot open"))?;
    let mut decoder = flate2::read::MultiGzDecoder::new(BufReader::new(file));
    Ok(std::io::copy(&mut decoder, &mut std::io::sink())
        .err()
        .map(|e| e.to_string()))
}

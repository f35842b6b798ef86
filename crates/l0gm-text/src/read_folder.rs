//! Reads texts that are one file each, in a folder for each class: the layout of the original IMDB archive.
use crate::{Corpus, Error, Result};
use l0gm_train::{RowKeys, RowOrigins};
use std::path::{Path, PathBuf};

/// Reads `dir/CLASS/*.txt` for each class in order; the files of a class are sorted by name. A text's origin is its
/// file: `train/neg/7_3.txt`.
pub(crate) fn read(dir: &Path, classes: &[&str]) -> Result<Corpus> {
    let mut corpus = Corpus::default();
    let mut names = Vec::new();
    let part = dir.file_name().unwrap_or_default();
    for (class, class_name) in classes.iter().enumerate() {
        let folder = dir.join(class_name);
        let files = text_files(&folder)?;
        if files.is_empty() {
            return Err(Error::corpus(&folder, "holds no .txt file"));
        }
        for path in files {
            let bytes = std::fs::read(&path)
                .map_err(|e| Error::corpus(&path, format!("cannot be read: {e}")))?;
            let text = String::from_utf8(bytes).map_err(|e| {
                Error::corpus(
                    &path,
                    format!(
                        "is not valid UTF-8 from byte {}",
                        e.utf8_error().valid_up_to()
                    ),
                )
            })?;
            corpus.texts.push(text);
            corpus.labels.push(class as u32);
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            names.push(format!("{}/{class_name}/{name}", part.to_string_lossy()));
        }
    }
    corpus.origins = RowOrigins {
        files: Vec::new(),
        keys: RowKeys::Names(names),
    };
    Ok(corpus)
}

fn text_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .map_err(|e| Error::corpus(folder, format!("cannot be read: {e}; expected *.txt in it")))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
    Ok(files)
}

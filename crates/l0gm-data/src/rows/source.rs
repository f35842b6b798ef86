//! Where rows come from: a file or standard input.

use std::path::{Path, PathBuf};

/// File name extensions of text with rows; `.gz` or `.zst` may follow.
const TEXT_ENDINGS: [&str; 5] = ["csv", "tsv", "txt", "data", "arff"];
const PACKED_ENDINGS: [&str; 2] = ["gz", "zst"];

/// A file of rows, or standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    Path(PathBuf),
    /// Standard input, read to its end.
    Stdin,
}

impl Source {
    /// A source from a command-line argument: `-` is standard input, anything else a path.
    pub fn named(name: &str) -> Self {
        match name {
            "-" => Source::Stdin,
            path => Source::Path(path.into()),
        }
    }

    /// A file.
    pub fn path(path: impl AsRef<Path>) -> Self {
        Source::Path(path.as_ref().to_path_buf())
    }

    /// The source's name in messages.
    pub fn name(&self) -> String {
        match self {
            Source::Path(path) => path.display().to_string(),
            Source::Stdin => "standard input".to_owned(),
        }
    }

    pub(super) fn is_arff(&self) -> bool {
        self.endings().0.as_deref() == Some("arff")
    }

    pub(super) fn prefers_tab(&self) -> bool {
        self.endings().0.as_deref() == Some("tsv")
    }

    pub(super) fn is_parquet(&self) -> bool {
        self.endings().0.as_deref() == Some("parquet")
    }

    /// The extension for the content, and the one for the compression.
    fn endings(&self) -> (Option<String>, Option<String>) {
        match self {
            Source::Path(path) => endings(path),
            Source::Stdin => (None, None),
        }
    }
}

/// Whether a path has an extension of a file of rows (`.csv .tsv .txt .data .arff`, also followed by `.gz` or `.zst`,
/// and `.parquet`), or is `-` for standard input.
pub fn is_rows_file(path: &Path) -> bool {
    let (kind, packed) = endings(path);
    let Some(kind) = kind else {
        return path.as_os_str() == "-";
    };
    TEXT_ENDINGS.contains(&kind.as_str()) || kind == "parquet" && packed.is_none()
}

fn endings(path: &Path) -> (Option<String>, Option<String>) {
    let ending = |path: &Path| {
        path.extension()
            .and_then(|ending| ending.to_str())
            .map(str::to_lowercase)
    };
    match ending(path) {
        Some(packed) if PACKED_ENDINGS.contains(&packed.as_str()) => (
            ending(Path::new(path.file_stem().unwrap_or_default())),
            Some(packed),
        ),
        kind => (kind, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_rows_are_known_by_their_endings() {
        for name in [
            "a.csv",
            "A.CSV",
            "b.tsv.gz",
            "c.txt.zst",
            "d.data",
            "e.arff.gz",
            "f.parquet",
            "-",
        ] {
            assert!(is_rows_file(Path::new(name)), "{name}");
        }
        for name in [
            "adult",
            "imdb",
            "a.json",
            "a.gz",
            "model.safetensors",
            "f.parquet.gz",
        ] {
            assert!(!is_rows_file(Path::new(name)), "{name}");
        }
    }
}

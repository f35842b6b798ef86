//! Texts with labels in memory, wherever they came from: the hub's Parquet, the original folder of text
//! files, or any file of rows with a text and a label column.
use crate::read_rows::{TextFile, read_benchmark};
use crate::{Error, Result, read_folder};
use l0gm_data::rows::summary::ClassSummary;
use l0gm_data::rows::{Source, Summary};
use std::path::{Path, PathBuf};

/// Texts and their classes, row by row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    /// The texts.
    pub texts: Vec<String>,
    /// The class of each text, an index into [`TextData::classes`].
    pub labels: Vec<u32>,
}

impl Corpus {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.texts.len()
    }

    /// The rows with these numbers, in this order.
    pub fn select(&self, rows: &[u32]) -> Self {
        Self {
            texts: rows
                .iter()
                .map(|&r| self.texts[r as usize].clone())
                .collect(),
            labels: rows.iter().map(|&r| self.labels[r as usize]).collect(),
        }
    }
}

/// A dataset of texts with what split it came with.
#[derive(Clone, Debug)]
pub struct TextData {
    /// Rows to fit and validate on.
    pub train: Corpus,
    /// The official test rows; absent for a single file.
    pub test: Option<Corpus>,
    /// The classes in order.
    pub classes: Vec<String>,
    /// Which texts stay where fewer are asked for than there are.
    pub subsets: Subsets,
    /// What was found in the rows, to be said before training.
    pub found: Summary,
}

/// How a smaller number of texts is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subsets {
    /// With the classes' own shares: what is measured on a part then holds for the whole.
    #[default]
    Stratified,
    /// With as many texts of each class as of the others: the custom on IMDB, whose classes are equal.
    Balanced,
}

/// The columns to read from a table.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// Column of the texts.
    pub text: &'a str,
    /// Column of the labels.
    pub label: &'a str,
}

impl TextData {
    /// IMDB in a folder of either layout: `plain_text/{train,test}-*.parquet` as the hub has it, or
    /// `{train,test}/{neg,pos}/*.txt` as the original archive has it (also below `aclImdb/`).
    ///
    /// # Errors
    /// Where neither layout is there, a file is not what it should be, or a label is neither 0 nor 1.
    pub fn imdb(dir: &Path) -> Result<Self> {
        let classes = vec!["negative".to_string(), "positive".to_string()];
        if let Some(folder) = [dir.to_path_buf(), dir.join("aclImdb")]
            .into_iter()
            .find(|f| f.join("train/neg").is_dir())
        {
            let train = read_folder::read(&folder.join("train"), &["neg", "pos"])?;
            let test = read_folder::read(&folder.join("test"), &["neg", "pos"])?;
            return Ok(Self::benchmark(
                train,
                test,
                classes,
                Summary::default(),
                dir,
            ));
        }
        let columns = Columns {
            text: "text",
            label: "label",
        };
        let split = |name: &str| read_benchmark(&parquet_parts(dir, name)?, columns, &classes);
        let (train, found) = split("train")?;
        let (test, _) = split("test")?;
        Ok(Self::benchmark(train, test, classes, found, dir))
    }

    /// Both parts of a benchmark, with what both hold together.
    fn benchmark(
        train: Corpus,
        test: Corpus,
        classes: Vec<String>,
        found: Summary,
        dir: &Path,
    ) -> Self {
        let count = |class: usize| {
            let labels = train.labels.iter().chain(&test.labels);
            labels.filter(|label| **label == class as u32).count()
        };
        let found = Summary {
            source: dir.display().to_string(),
            rows: train.rows() + test.rows(),
            column_count: 2,
            label: Some("label".to_owned()),
            classes: classes
                .iter()
                .enumerate()
                .map(|(class, name)| ClassSummary {
                    name: name.clone(),
                    rows: count(class),
                })
                .collect(),
            kinds: [("text".to_owned(), 1)].into(),
            ..found
        };
        Self {
            train,
            test: Some(test),
            classes,
            subsets: Subsets::Balanced,
            found,
        }
    }

    /// A file of rows of one's own (`docs/rows.md`). `classes` in order; where it is empty, the distinct
    /// labels found, sorted (as numbers if they all are). [`TextFile`] has more to set.
    ///
    /// # Errors
    /// As [`TextFile::read`].
    pub fn file(path: &Path, columns: Columns<'_>, classes: &[String]) -> Result<Self> {
        let file = TextFile {
            classes,
            ..TextFile::new(columns)
        };
        file.read(&Source::path(path))
    }
}

/// `plain_text/train-00000-of-00001.parquet` and its further parts, in order.
fn parquet_parts(dir: &Path, split: &str) -> Result<Vec<PathBuf>> {
    let folder = dir.join("plain_text");
    let entries = std::fs::read_dir(&folder).map_err(|e| {
        Error::corpus(
            &folder,
            format!("cannot be read ({e}); expected {split}-*.parquet in it, or {split}/{{neg,pos}}/*.txt beside it"),
        )
    })?;
    let mut parts: Vec<PathBuf> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| {
            p.file_name()
                .and_then(|n| n.to_str())
                .is_some_and(|n| n.starts_with(&format!("{split}-")) && n.ends_with(".parquet"))
        })
        .collect();
    parts.sort();
    if parts.is_empty() {
        return Err(Error::corpus(
            &folder,
            format!("holds no {split}-*.parquet; fetch the hub's stanfordnlp/imdb again"),
        ));
    }
    Ok(parts)
}

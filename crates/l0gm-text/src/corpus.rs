//! Labelled texts in memory. They come from the hub's Parquet files, from the original folder of text files, or from
//! any file of rows with a text and a label column.
use crate::read_rows::{TextFile, read_benchmark};
use crate::{Error, Result, read_folder};
use l0gm_data::rows::summary::ClassSummary;
use l0gm_data::rows::{Source, SplitColumn, Summary};
use l0gm_train::RowOrigins;
use std::path::{Path, PathBuf};

/// Texts with their classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    /// The texts.
    pub texts: Vec<String>,
    /// The class of each text, as an index into [`TextData::classes`].
    pub labels: Vec<u32>,
    /// Where each text stands in its file, so that predictions can be joined back to it; may be empty.
    pub origins: RowOrigins,
}

impl Corpus {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.texts.len()
    }

    /// Selects the rows with these numbers, in this order.
    pub fn select(&self, rows: &[u32]) -> Self {
        Self {
            texts: rows
                .iter()
                .map(|&r| self.texts[r as usize].clone())
                .collect(),
            labels: rows.iter().map(|&r| self.labels[r as usize]).collect(),
            origins: self.origins.select(rows),
        }
    }
}

/// A dataset of texts with the split in which it is published.
#[derive(Clone, Debug)]
pub struct TextData {
    /// Rows for training and validation.
    pub train: Corpus,
    /// The official test rows; `None` for a single file.
    pub test: Option<Corpus>,
    /// Class names; a label is a position among them.
    pub classes: Vec<String>,
    /// How texts are selected if only some of them are used.
    pub subsets: Subsets,
    /// What decides to which part a row of `train` belongs, where it is not chance.
    pub divided: Option<Divided>,
    /// What is reported about the rows before training.
    pub found: Summary,
}

/// What decides to which part of the split a row belongs, where it is not chance.
#[derive(Clone, Debug, PartialEq)]
pub enum Divided {
    /// A column of the file.
    ByColumn(SplitColumn),
    /// Files of their own, whose rows stand behind the training rows: first those for validation, then those for test.
    /// A part without a file is drawn from the training rows.
    ByFiles {
        /// Number of rows in the file for validation; `None` without one.
        valid: Option<usize>,
        /// Number of rows in the file for test; `None` without one.
        test: Option<usize>,
    },
}

/// How a smaller number of texts is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subsets {
    /// With the classes' own shares, so that measures on a part also hold for the whole.
    #[default]
    Stratified,
    /// With the same number of texts in each class: usual for IMDB, whose classes have equal size.
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
    /// Reads IMDB from a folder with either layout: `plain_text/{train,test}-*.parquet` as on the hub, or
    /// `{train,test}/{neg,pos}/*.txt` as in the original archive (also below `aclImdb/`).
    ///
    /// # Errors
    /// Fails if neither layout is present, a file has the wrong content, or a label is neither 0 nor 1.
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

    /// Both parts of a benchmark, with a report on the two together.
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
            divided: None,
            found,
        }
    }

    /// Reads a user's file of rows (`docs/rows.md`). `classes` gives the order of the classes; if it is empty, they
    /// are the distinct labels, sorted (as numbers if they all are). [`TextFile`] has more options.
    ///
    /// # Errors
    /// Fails like [`TextFile::read`].
    pub fn file(path: &Path, columns: Columns<'_>, classes: &[String]) -> Result<Self> {
        let file = TextFile {
            classes,
            ..TextFile::new(columns)
        };
        file.read(&Source::path(path))
    }
}

/// The files `plain_text/train-00000-of-00001.parquet` and further parts, in order.
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

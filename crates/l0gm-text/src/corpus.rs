//! Texts with labels in memory, wherever they came from: the hub's Parquet, the original folder of text
//! files, or any CSV or Parquet file with a text and a label column.
use crate::{Error, Result, error::nearest, read_csv, read_folder, read_parquet};
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

/// Texts with labels as they stand in a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawRows {
    pub(crate) texts: Vec<String>,
    pub(crate) labels: Vec<String>,
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
            return Ok(Self {
                train: read_folder::read(&folder.join("train"), &["neg", "pos"])?,
                test: Some(read_folder::read(&folder.join("test"), &["neg", "pos"])?),
                classes,
                subsets: Subsets::Balanced,
            });
        }
        let columns = Columns {
            text: "text",
            label: "label",
        };
        let indices = ["0".to_string(), "1".to_string()];
        let split = |name: &str| -> Result<Corpus> {
            let mut whole = Corpus::default();
            for path in parquet_parts(dir, name)? {
                let part = index(read_parquet::read(&path, columns)?, &indices, &path)?;
                whole.texts.extend(part.texts);
                whole.labels.extend(part.labels);
            }
            Ok(whole)
        };
        Ok(Self {
            train: split("train")?,
            test: Some(split("test")?),
            classes,
            subsets: Subsets::Balanced,
        })
    }

    /// A `.csv` or `.parquet` file of one's own. `classes` in order; where it is empty, the distinct
    /// labels found, sorted (as numbers if they all are).
    ///
    /// # Errors
    /// Another file type, a missing column, a row that does not fit, a label outside `classes`, no rows,
    /// or fewer than two classes.
    pub fn file(path: &Path, columns: Columns<'_>, classes: &[String]) -> Result<Self> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        let rows = match extension.to_ascii_lowercase().as_str() {
            "csv" => read_csv::read(path, columns)?,
            "parquet" => read_parquet::read(path, columns)?,
            _ => {
                return Err(Error::corpus(
                    path,
                    "the name must end in .csv or .parquet; other files are not read",
                ));
            }
        };
        let classes = if classes.is_empty() {
            distinct(&rows.labels)
        } else {
            classes.to_vec()
        };
        if classes.len() < 2 {
            return Err(Error::corpus(
                path,
                format!(
                    "column \"{}\" holds {} class(es); a classifier needs at least two",
                    columns.label,
                    classes.len()
                ),
            ));
        }
        Ok(Self {
            train: index(rows, &classes, path)?,
            test: None,
            classes,
            subsets: Subsets::Stratified,
        })
    }
}

/// Labels as indices into `classes`.
fn index(rows: RawRows, classes: &[String], path: &Path) -> Result<Corpus> {
    if rows.texts.is_empty() {
        return Err(Error::corpus(path, "the file holds no rows"));
    }
    let mut labels = Vec::with_capacity(rows.labels.len());
    for (row, label) in rows.labels.iter().enumerate() {
        let class = classes.iter().position(|c| c == label).ok_or_else(|| {
            Error::corpus(
                path,
                format!(
                    "row {row} (counted from 0) has label {label:?}, which is none of the classes {classes:?}{}",
                    nearest(label, classes.iter().map(String::as_str))
                ),
            )
        })?;
        labels.push(class as u32);
    }
    Ok(Corpus {
        texts: rows.texts,
        labels,
    })
}

/// The distinct labels in order; numbers by value.
fn distinct(labels: &[String]) -> Vec<String> {
    let mut names: Vec<String> = labels.to_vec();
    names.sort_unstable();
    names.dedup();
    if names.iter().all(|n| n.parse::<i64>().is_ok()) {
        names.sort_by_key(|n| n.parse::<i64>().unwrap_or(0));
    }
    names
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

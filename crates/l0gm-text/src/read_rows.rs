//! Reads texts and labels from a file of rows through `l0gm_data::rows`, and describes what it found.
use crate::corpus::{Columns, Corpus, Divided, Subsets, TextData};
use crate::{Error, Result, TextSettings};
use l0gm_data::rows::label::{self, LabelOptions, Labels, Unlabelled};
use l0gm_data::rows::{
    self, Kind, RawTable, ReadOptions, Source, SplitBy, SplitColumn, SplitShares, Summary, shown,
};
use l0gm_train::{RowKeys, RowOrigins};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a user's file of texts is read.
#[derive(Clone, Debug)]
pub struct TextFile<'a> {
    /// The columns of texts and labels.
    pub columns: Columns<'a>,
    /// The classes in order. If empty, they are the distinct labels, sorted (as numbers if they all are).
    pub classes: &'a [String],
    /// Whether rows without a label are left out; otherwise the first one is an error.
    pub drop_unlabelled: bool,
    /// The column that decides on the split, where one is named.
    pub split_by: SplitBy<'a>,
    /// How large the test and validation parts shall be, if a column decides on them.
    pub shares: SplitShares,
    /// File with the validation rows, if they have one of their own.
    pub valid_file: Option<&'a Path>,
    /// File with the test rows, if they have one of their own.
    pub test_file: Option<&'a Path>,
    /// Options for reading the rows.
    pub rows: ReadOptions,
}

impl<'a> TextFile<'a> {
    /// Reads these columns, with the classes that are found in them.
    pub fn new(columns: Columns<'a>) -> Self {
        Self {
            columns,
            classes: &[],
            drop_unlabelled: false,
            split_by: SplitBy::default(),
            shares: TextSettings::default().shares(),
            valid_file: None,
            test_file: None,
            rows: ReadOptions {
                prefix: "",
                ..ReadOptions::default()
            },
        }
    }

    /// Reads the rows of a file or of standard input.
    ///
    /// # Errors
    /// Fails if the file cannot be read, a column or label is missing, a label is outside the classes, a column holds
    /// no texts, or the labels cannot be classes.
    pub fn read(&self, source: &Source) -> Result<TextData> {
        let Columns { text, label } = self.columns;
        let mut columns = vec![text, label];
        columns.extend(self.split_by.group);
        columns.extend(self.split_by.time);
        let mut table = rows::read(source, &self.options(&columns))?;
        let mut ends = vec![table.rows()];
        for file in [self.valid_file, self.test_file] {
            if let Some(file) = file {
                table.append(rows::read(&Source::path(file), &self.options(&columns))?)?;
            }
            ends.push(table.rows());
        }
        let options = LabelOptions {
            classes: (!self.classes.is_empty()).then_some(self.classes),
            unlabelled: match self.drop_unlabelled {
                true => Unlabelled::LeaveOut,
                false => Unlabelled::Refuse,
            },
        };
        // Report a missing column of texts before any mistake in the labels.
        table.column(text)?;
        let mut labels = label::read(&table, label, &options)?;
        if labels.unlabelled > 0 {
            let keep = labels.labelled();
            for end in &mut ends {
                *end = keep[..*end].iter().filter(|keep| **keep).count();
            }
            table.retain(&keep);
            labels.codes.retain(Option::is_some);
        }
        refuse_numbers(&table, text)?;
        let kind = |at: usize| table.kind(&table.columns()[at]);
        let split_column = SplitColumn::of(&table, self.split_by, label, kind)?;
        let files = Divided::ByFiles {
            valid: self.valid_file.map(|_| ends[1] - ends[0]),
            test: self.test_file.map(|_| ends[2] - ends[1]),
        };
        let has_files = self.valid_file.is_some() || self.test_file.is_some();
        if let Some(column) = split_column.as_ref().filter(|_| has_files) {
            return Err(Error::Setting(format!(
                "the column {} says how rows are split, and so do test-file and valid-file; leave one out",
                shown(&column.name)
            )));
        }
        let texts = texts(&table, text)?;
        let mut summary = summary(&table, self.columns, &labels);
        summary.notes.extend(labels.note(&options));
        summary.notes.extend(remarks(&table, text, &texts)?);
        if let Some(column) = &split_column {
            let note = column.note(&labels.known(), self.shares);
            summary.notes.push(note);
        }
        summary.notes.extend(learnt_too(&texts, ends[0]));
        Ok(TextData {
            train: Corpus {
                texts,
                labels: labels.known(),
                origins: origins(&table),
            },
            test: None,
            classes: labels.classes,
            subsets: Subsets::Stratified,
            divided: match has_files {
                true => Some(files),
                false => split_column.map(Divided::ByColumn),
            },
            found: summary,
        })
    }

    /// Reads only the texts, for rows that are to be predicted.
    ///
    /// # Errors
    /// Fails if the file cannot be read or has no such column.
    pub fn read_texts(&self, source: &Source) -> Result<(Vec<String>, Vec<String>)> {
        let text = self.columns.text;
        let table = rows::read(source, &self.options(&[text]))?;
        let texts = texts(&table, text)?;
        let mut said = table.said().to_vec();
        said.extend(without_text(&table, text)?);
        Ok((texts, said))
    }

    fn options(&self, columns: &[&str]) -> ReadOptions {
        ReadOptions {
            only: Some(columns.iter().map(|name| (*name).to_owned()).collect()),
            ..self.rows.clone()
        }
    }
}

/// Reads the Parquet files of one split in order. Labels 0 and 1 stand for these classes.
pub(crate) fn read_benchmark(
    files: &[PathBuf],
    columns: Columns<'_>,
    classes: &[String],
) -> Result<(Corpus, Summary)> {
    let file = TextFile::new(columns);
    let options = file.options(&[columns.text, columns.label]);
    let [first, more @ ..] = files else {
        return Err(Error::corpus(Path::new(""), "no file of texts"));
    };
    let mut table = rows::read(&Source::path(first), &options)?;
    for path in more {
        table.append(rows::read(&Source::path(path), &options)?)?;
    }
    let numbers: Vec<String> = (0..classes.len()).map(|class| class.to_string()).collect();
    let mut labels = label::read(
        &table,
        columns.label,
        &LabelOptions {
            classes: Some(&numbers),
            ..LabelOptions::default()
        },
    )?;
    labels.classes = classes.to_vec();
    let corpus = Corpus {
        texts: texts(&table, columns.text)?,
        labels: labels.known(),
        origins: origins(&table),
    };
    Ok((corpus, summary(&table, columns, &labels)))
}

/// Where each row stands in its file.
fn origins(table: &RawTable) -> RowOrigins {
    let mut files: Vec<Arc<str>> = Vec::with_capacity(table.rows());
    let mut before = "";
    for row in 0..table.rows() {
        let path = table.file_of(row);
        match files.last() {
            Some(last) if path == before => files.push(last.clone()),
            _ => {
                let name = Path::new(path).file_name();
                files.push(name.map_or_else(|| path.into(), |n| n.to_string_lossy().into()));
            }
        }
        before = path;
    }
    let numbers = (0..table.rows()).map(|row| table.number(row));
    RowOrigins {
        files,
        keys: RowKeys::Numbers(numbers.collect()),
    }
}

/// The texts without changes: the word "None" may be a text.
pub(crate) fn texts(table: &RawTable, column: &str) -> Result<Vec<String>> {
    let cells = &table.column(column)?.cells;
    let texts = (0..cells.len()).map(|row| cells.raw(row).to_owned());
    Ok(texts.collect())
}

fn summary(table: &RawTable, columns: Columns<'_>, labels: &Labels) -> Summary {
    let kinds: Vec<Kind> = vec![Kind::Category; table.columns().len()];
    let mut summary = Summary::of(table, &kinds, Some(columns.label)).with_labels(labels);
    summary.column_count = table.columns_in_file();
    summary.kinds = [("text".to_owned(), 1)].into();
    let used = [columns.text, columns.label];
    summary
        .columns
        .retain(|column| used.contains(&column.name.as_str()));
    for column in &mut summary.columns {
        column.kind = "text".to_owned();
    }
    summary
}

/// Fails if the column holds numbers, because it is probably not the intended one.
fn refuse_numbers(table: &RawTable, name: &str) -> Result<()> {
    let column = table.column(name)?;
    let what = match table.kind(column) {
        Ok(Kind::Number(_) | Kind::Code) => "numbers",
        Ok(Kind::Boolean) => "true and false",
        Ok(Kind::Date(_)) => "dates",
        Ok(Kind::Empty) => "no text in any row",
        Ok(Kind::Category) | Err(_) => return Ok(()),
    };
    Err(Error::corpus(
        table.name(),
        format!(
            "column {} holds {what}; expected texts: name their column with the setting text-column",
            shown(name)
        ),
    ))
}

/// Remarks on the texts for the user.
fn remarks(table: &RawTable, name: &str, texts: &[String]) -> Result<Vec<String>> {
    let mut remarks = Vec::from_iter(without_text(table, name)?);
    let distinct: HashSet<&str> = texts.iter().map(String::as_str).collect();
    if let Some(again @ 1..) = texts.len().checked_sub(distinct.len()) {
        remarks.push(format!(
            "{again} rows repeat the text of another row: copies may stand on both sides of the split"
        ));
    }
    Ok(remarks)
}

/// Says how many texts behind the first `learnt` rows, which files of their own hold, stand among these too.
fn learnt_too(texts: &[String], learnt: usize) -> Option<String> {
    let (first, others) = texts.split_at(learnt);
    let known: HashSet<&str> = first.iter().map(String::as_str).collect();
    let again = others.iter().filter(|text| known.contains(text.as_str()));
    let count = again.count();
    (count > 0).then(|| {
        format!(
            "{count} of {} texts for validation and test also stand in the training file: figures on them say too much",
            others.len()
        )
    })
}

/// Describes rows whose text is, or may be, missing.
fn without_text(table: &RawTable, name: &str) -> Result<Option<String>> {
    let cells = &table.column(name)?.cells;
    let missing = cells.missing();
    let blank = (0..cells.len())
        .filter(|&row| cells.raw(row).is_empty())
        .count();
    Ok(without_text_note(blank, missing))
}

/// Describes `missing` rows whose text is, or may be, missing; of `blank` ones it is empty.
pub(crate) fn without_text_note(blank: usize, missing: usize) -> Option<String> {
    if missing == 0 {
        return None;
    }
    Some(match missing - blank {
        0 => format!("{blank} rows have no text: they are read as empty texts"),
        words => format!(
            "{blank} rows have no text: they are read as empty texts; of {words} more the text is a word for \
             \"missing\" (NA, nan): it is read as a text"
        ),
    })
}

//! Loads a typed table, its classes and its split, from a dataset of the catalogue or a user's file.

use crate::settings::{DataSettings, SplitKind, TabularSettings};
use crate::typing::{TypedRows, typed};
use crate::{
    ADULT_CLASSES, Error, Result, Schema, SplitRows, Table, file_split, official_split,
    random_split, read_adult,
};
use l0gm_data::rows::{self, RawTable, Source, SplitColumn, Summary};
use l0gm_data::{Catalogue, checksums_of};
use l0gm_ops::Generator;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// A loaded table with its description.
#[derive(Clone, Debug)]
pub struct LoadedTable {
    /// The table with typed columns.
    pub table: Table,
    /// The kinds of its columns.
    pub schema: Schema,
    /// Class of each row.
    pub labels: Vec<u32>,
    /// Number of leading rows for training in the official split; `None` if there is no such split.
    pub official_train_rows: Option<usize>,
    /// Number of rows behind the training rows that a file of their own names for validation.
    pub valid_rows: usize,
    /// The column that decides to which part a row belongs, where one does.
    pub split_column: Option<SplitColumn>,
    /// What is reported about the rows before training.
    pub summary: Summary,
    /// Whether the built-in synthetic twin replaced the dataset.
    pub twin: bool,
    /// Where the files were found.
    pub source: String,
    /// sha256 of each file, if known.
    pub checksums: BTreeMap<String, String>,
}

impl LoadedTable {
    /// Loads a catalogue name ("adult") or the path of a file of rows (`docs/rows.md`).
    ///
    /// # Errors
    /// Fails for an unknown name, a file that cannot be read, or data that do not match the settings.
    pub fn load(catalogue: &Catalogue, dataset: &str, settings: &DataSettings) -> Result<Self> {
        let path = Path::new(dataset);
        if is_table_file(path) {
            return Self::load_file(path, settings);
        }
        let entry = catalogue.entry(dataset)?;
        let reader = entry.reader.clone();
        let resolved = catalogue.dataset(dataset)?;
        let loaded = match reader.as_str() {
            "adult" => Self::load_adult(&resolved.dir, settings)?,
            other => {
                return Err(Error::Setting(format!(
                    "the catalogue says that '{dataset}' is read by '{other}', which is no reader of tables (readers: adult)"
                )));
            }
        };
        Ok(Self {
            twin: resolved.twin,
            source: resolved.source,
            checksums: resolved.checksums,
            ..loaded
        })
    }

    /// Reads UCI's two files of Adult from a folder.
    ///
    /// # Errors
    /// Fails like [`read_adult`].
    pub fn load_adult(dir: &Path, settings: &DataSettings) -> Result<Self> {
        let (raw, train_rows) = read_adult(dir, &settings.ignore)?;
        let mut settings = settings.clone();
        settings.label.get_or_insert_with(|| "income".into());
        settings
            .classes
            .get_or_insert_with(|| ADULT_CLASSES.map(str::to_owned).to_vec());
        let all = raw.rows();
        let typed = typed(raw, &settings, vec![train_rows, train_rows, all], false)?;
        Ok(Self::of(typed, true, dir))
    }

    /// Reads a user's file (and its `valid-file` and `test-file`, if the settings name them).
    ///
    /// # Errors
    /// Fails like [`rows::read`], or if no label column is named.
    pub fn load_file(path: &Path, settings: &DataSettings) -> Result<Self> {
        let options = settings.read_options();
        let mut raw = rows::read(&Source::path(path), &options)?;
        let mut checksums = checksums_of(path)?;
        let mut ends = vec![raw.rows()];
        let more = [
            ("valid-file", &settings.valid_file),
            ("test-file", &settings.test_file),
        ];
        for (setting, more) in more {
            if let Some(more) = more {
                raw.append(rows::read(&Source::path(more), &options)?)?;
                for (name, sum) in checksums_of(more)? {
                    checksums.insert(format!("{setting}/{name}"), sum);
                }
            }
            ends.push(raw.rows());
        }
        let copies = copies(&raw, &ends);
        let mut loaded = Self::of(
            typed(raw, settings, ends, true)?,
            settings.test_file.is_some(),
            path,
        );
        loaded.checksums = checksums;
        loaded.summary.notes.extend(copies);
        Ok(loaded)
    }

    fn of(typed: TypedRows, official: bool, source: &Path) -> Self {
        let (first, valid) = (typed.ends[0], typed.ends[1]);
        Self {
            official_train_rows: official.then_some(first),
            valid_rows: valid - first,
            split_column: typed.split,
            table: typed.table,
            schema: typed.schema,
            labels: typed.labels,
            summary: typed.summary,
            twin: false,
            source: format!("files in {}", source.display()),
            checksums: BTreeMap::new(),
        }
    }

    /// Splits the rows as the settings ask.
    ///
    /// # Errors
    /// Fails if an official split is requested but does not exist, or if a part would be empty.
    pub fn split(&self, settings: &TabularSettings, seed: u64) -> Result<SplitRows> {
        let split = self.whole_split(settings, seed)?;
        match settings.data.train_rows {
            Some(count) => split.with_train_rows(&self.labels, count, seed),
            None => Ok(split),
        }
    }

    fn whole_split(&self, settings: &TabularSettings, seed: u64) -> Result<SplitRows> {
        let data = &settings.data;
        if let Some(column) = &self.split_column {
            if data.test_file.is_some() || data.valid_file.is_some() {
                return Err(Error::Setting(format!(
                    "the column {} says how rows are split, and so do data.test-file and data.valid-file; leave one out",
                    l0gm_data::rows::shown(&column.name)
                )));
            }
            let generator = Generator::new(seed);
            let parts = column.split(
                &self.labels,
                &self.schema.classes,
                data.shares(),
                |draw, count| generator.stream("split by group", draw).permutation(count),
            )?;
            return Ok(SplitRows {
                train: parts.train,
                valid: parts.valid,
                test: parts.test,
            });
        }
        match (data.split, self.official_train_rows) {
            (_, first) if data.valid_file.is_some() => {
                let end = self.labels.len();
                let first = first.unwrap_or(end - self.valid_rows);
                file_split(&self.labels, [first, first + self.valid_rows], data.test_fraction, seed)
            }
            // Rows drawn from both files would train on some of the second one's.
            (SplitKind::Random, _) if data.test_file.is_some() => Err(Error::Setting(
                "data.test-file names the test rows, and data.split is \"random\"; set data.split to \"official\", \
                 or leave one of the two out"
                    .into(),
            )),
            (SplitKind::Random, _) => {
                random_split(&self.labels, data.test_fraction, data.valid_fraction, seed)
            }
            (SplitKind::Official, Some(train_rows)) => {
                official_split(&self.labels, train_rows, data.valid_fraction, seed)
            }
            (SplitKind::Official, None) => Err(Error::Setting(
                "data.split is \"official\", but this table comes without test rows; \
                 name them with data.test-file, or set data.split to \"random\""
                    .into(),
            )),
        }
    }

    /// The report on the rows, with the number of rows in each part of a split.
    pub fn summary_with(&self, split: &SplitRows) -> Summary {
        let mut summary = self.summary.clone();
        summary.split = [
            ("train".to_owned(), split.train.len()),
            ("valid".to_owned(), split.valid.len()),
            ("test".to_owned(), split.test.len()),
        ]
        .into();
        summary
    }
}

/// Says how many rows of the files for validation and test also stand in the training file, cell by cell: a model would be
/// judged on rows that it has learnt. `None` if there are none.
fn copies(raw: &RawTable, ends: &[usize]) -> Option<String> {
    let (first, all) = (*ends.first()?, *ends.last()?);
    if first == all {
        return None;
    }
    let row = |row: usize| -> Vec<Option<&str>> {
        raw.columns()
            .iter()
            .map(|column| column.cell(row))
            .collect()
    };
    let learnt: HashSet<Vec<Option<&str>>> = (0..first).map(row).collect();
    let count = (first..all).filter(|at| learnt.contains(&row(*at))).count();
    (count > 0).then(|| {
        format!(
            "{count} of {} rows for validation and test also stand in the training file, cell by cell: figures on them say too much",
            all - first
        )
    })
}

/// Whether a dataset is the path of a user's file rather than a catalogue name. Standard input does not count,
/// because a resumed run reads its file again.
pub fn is_table_file(path: &Path) -> bool {
    rows::is_rows_file(path) && path.as_os_str() != "-"
}

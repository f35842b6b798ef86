//! From a dataset's name or path to a typed table, its classes and its split: one door for the
//! catalogue's tables and for any file of one's own.

use crate::settings::{DataSettings, SplitKind, TabularSettings};
use crate::typing::{TypedRows, typed};
use crate::{
    ADULT_CLASSES, Error, Result, Schema, SplitRows, Table, official_split, random_split,
    read_adult,
};
use l0gm_data::rows::{self, Source, Summary};
use l0gm_data::{Catalogue, checksums_of};
use std::collections::BTreeMap;
use std::path::Path;

/// A table with everything known of it.
#[derive(Clone, Debug)]
pub struct LoadedTable {
    /// The typed table.
    pub table: Table,
    /// What its columns are.
    pub schema: Schema,
    /// Class of each row.
    pub labels: Vec<u32>,
    /// Leading rows that the official split trains on, where there is such a split.
    pub official_train_rows: Option<usize>,
    /// What was found in the rows, to be said before training.
    pub summary: Summary,
    /// Whether the built-in synthetic twin stood in.
    pub twin: bool,
    /// Where the files were.
    pub source: String,
    /// sha256 by file, as far as known.
    pub checksums: BTreeMap<String, String>,
}

impl LoadedTable {
    /// Loads a catalogue name ("adult") or the path of a file of rows (`docs/rows.md`).
    ///
    /// # Errors
    /// An unknown name, an unreadable file, or data that does not fit the settings.
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

    /// UCI's two files of Adult from a folder.
    ///
    /// # Errors
    /// As [`read_adult`].
    pub fn load_adult(dir: &Path, settings: &DataSettings) -> Result<Self> {
        let (raw, train_rows) = read_adult(dir, &settings.ignore)?;
        let mut settings = settings.clone();
        settings.label.get_or_insert_with(|| "income".into());
        settings
            .classes
            .get_or_insert_with(|| ADULT_CLASSES.map(str::to_owned).to_vec());
        let typed = typed(raw, &settings, train_rows, false)?;
        Ok(Self::of(typed, true, dir))
    }

    /// A file of one's own (and its `test-file`, if the settings name one).
    ///
    /// # Errors
    /// As [`rows::read`]; a label column that is not named.
    pub fn load_file(path: &Path, settings: &DataSettings) -> Result<Self> {
        let options = settings.read_options();
        let mut raw = rows::read(&Source::path(path), &options)?;
        let mut checksums = checksums_of(path)?;
        let first_rows = raw.rows();
        if let Some(test) = &settings.test_file {
            raw.append(rows::read(&Source::path(test), &options)?)?;
            for (name, sum) in checksums_of(test)? {
                checksums.insert(format!("test-file/{name}"), sum);
            }
        }
        let typed = typed(raw, settings, first_rows, true)?;
        Ok(Self {
            checksums,
            ..Self::of(typed, settings.test_file.is_some(), path)
        })
    }

    fn of(typed: TypedRows, official: bool, source: &Path) -> Self {
        Self {
            official_train_rows: official.then_some(typed.first_rows),
            table: typed.table,
            schema: typed.schema,
            labels: typed.labels,
            summary: typed.summary,
            twin: false,
            source: format!("files in {}", source.display()),
            checksums: BTreeMap::new(),
        }
    }

    /// Splits its rows as the settings say.
    ///
    /// # Errors
    /// An official split asked for where there is none; a split that would be empty.
    pub fn split(&self, settings: &TabularSettings, seed: u64) -> Result<SplitRows> {
        let data = &settings.data;
        match (data.split, self.official_train_rows) {
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

    /// What was found, with the rows of each part of a split.
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

/// Whether a dataset is a path of a file of one's own rather than a catalogue name. Standard input is
/// none: a run reads its file again where it continues.
pub fn is_table_file(path: &Path) -> bool {
    rows::is_rows_file(path) && path.as_os_str() != "-"
}

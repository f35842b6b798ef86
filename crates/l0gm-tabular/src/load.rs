//! From a dataset's name or path to a typed table, its classes and its split: one door for the
//! catalogue's tables and for any file of one's own.

use crate::settings::{DataSettings, SplitKind, TabularSettings};
use crate::{
    ADULT_CLASSES, CsvFormat, Error, Result, Schema, SplitRows, Table, official_split,
    random_split, read_adult, read_arff, read_csv, read_parquet,
};
use l0gm_data::{Catalogue, checksums_of};
use std::collections::BTreeMap;
use std::path::Path;

/// File endings that are read.
pub const FILE_KINDS: [&str; 5] = ["csv", "tsv", "data", "parquet", "arff"];

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
    /// Whether the built-in synthetic twin stood in.
    pub twin: bool,
    /// Where the files were.
    pub source: String,
    /// sha256 by file, as far as known.
    pub checksums: BTreeMap<String, String>,
}

impl LoadedTable {
    /// Loads a catalogue name ("adult") or the path of a CSV, Parquet or ARFF file.
    ///
    /// # Errors
    /// An unknown name, an unreadable file, or data that does not fit the settings.
    pub fn load(catalogue: &Catalogue, dataset: &str, settings: &DataSettings) -> Result<Self> {
        let path = Path::new(dataset);
        if is_table_file(path) {
            return Self::load_file(path, settings);
        }
        let resolved = catalogue.dataset(dataset)?;
        Self::load_adult(&resolved.dir, settings).map(|loaded| Self {
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
        let (table, train_rows) = read_adult(dir)?;
        let mut settings = settings.clone();
        settings.label.get_or_insert_with(|| "income".into());
        settings
            .classes
            .get_or_insert_with(|| ADULT_CLASSES.map(str::to_owned).to_vec());
        Self::typed(table, &settings, Some(train_rows), dir)
    }

    /// A file of one's own (and its `test-file`, if the settings name one).
    ///
    /// # Errors
    /// As the reader of its kind; a label column that is not named.
    pub fn load_file(path: &Path, settings: &DataSettings) -> Result<Self> {
        let mut table = read_table(path, settings)?;
        let mut checksums = checksums_of(path)?;
        let train_rows = match &settings.test_file {
            Some(test) => {
                let rows = table.rows();
                table.append(read_table(test, settings)?)?;
                for (name, sum) in checksums_of(test)? {
                    checksums.insert(format!("test-file/{name}"), sum);
                }
                Some(rows)
            }
            None => None,
        };
        let loaded = Self::typed(table, settings, train_rows, path)?;
        Ok(Self {
            checksums,
            ..loaded
        })
    }

    fn typed(
        mut table: Table,
        settings: &DataSettings,
        official_train_rows: Option<usize>,
        source: &Path,
    ) -> Result<Self> {
        let schema = Schema::infer(&table, settings)?;
        let labels = schema.apply(&mut table)?;
        Ok(Self {
            table,
            schema,
            labels,
            official_train_rows,
            twin: false,
            source: format!("files in {}", source.display()),
            checksums: BTreeMap::new(),
        })
    }

    /// Splits its rows as the settings say.
    ///
    /// # Errors
    /// An official split asked for where there is none; a split that would be empty.
    pub fn split(&self, settings: &TabularSettings, seed: u64) -> Result<SplitRows> {
        let data = &settings.data;
        match (data.split, self.official_train_rows) {
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
}

/// Whether a dataset is a path of a file of one's own rather than a catalogue name.
pub fn is_table_file(path: &Path) -> bool {
    let kind = path.extension().and_then(|kind| kind.to_str());
    kind.is_some_and(|kind| FILE_KINDS.contains(&kind.to_lowercase().as_str()))
}

/// Reads one file by its ending.
///
/// # Errors
/// As the reader of its kind.
pub fn read_table(path: &Path, settings: &DataSettings) -> Result<Table> {
    let kind = path.extension().and_then(|kind| kind.to_str());
    match kind.unwrap_or_default().to_lowercase().as_str() {
        "parquet" => read_parquet(path, &settings.missing),
        "arff" => read_arff(path, &settings.missing),
        kind => {
            let separator = match (kind, settings.separator) {
                ("tsv", ',') => b'\t',
                (_, separator) => separator as u8,
            };
            let format = CsvFormat {
                separator,
                missing: settings.missing.clone(),
                ..CsvFormat::default()
            };
            read_csv(path, &format)
        }
    }
}

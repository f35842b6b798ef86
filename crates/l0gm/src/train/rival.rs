//! Another tool's probabilities as a row of every table: `--rival NAME=FILE`. They become a run of the study, judged by
//! the same measures on the same test rows, so that the report's paired tests include it.

use super::places::Places;
use crate::usage::usage;
use anyhow::Context;
use l0gm_data::checksums_of;
use l0gm_data::rows::{self, RawTable, ReadOptions, Source, list};
use l0gm_gate::GateReading;
use l0gm_gate::calibration::{
    CalibrationReport, CalibrationSettings, Predictions, fit_temperature, reliability_bins,
};
use l0gm_report::OutDir;
use l0gm_train::{
    Legend, MethodInfo, Metrics, PredictionTable, Role, RunDir, RunRecord, RunSpec, Split,
    write_predictions,
};
use serde_json::json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A rival as the flag names it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rival {
    name: String,
    file: PathBuf,
}

/// A row's probabilities may miss a sum of 1 by this much, for values that were rounded.
const ROUNDING: f64 = 1e-3;
/// Beginning of the names of rivals' methods, which no method of a modality has.
const PREFIX: &str = "rival-";

impl Rival {
    /// Reads the flag `NAME=FILE`.
    ///
    /// # Errors
    /// It has another form, or there is no such file.
    pub(super) fn new(text: &str) -> anyhow::Result<Self> {
        let form = || {
            usage(format!(
                "--rival {text}: expected NAME=FILE, for example lightgbm=lightgbm.csv; NAME has letters, digits, - and _"
            ))
        };
        let (name, file) = text.split_once('=').ok_or_else(form)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(form());
        }
        let file = PathBuf::from(file);
        if !file.is_file() {
            return Err(usage(format!(
                "--rival {text}: there is no file {}",
                file.display()
            )));
        }
        Ok(Self {
            name: name.to_owned(),
            file,
        })
    }

    /// Judges the rival on the rows of `beside`, a finished run of the study, and keeps it as a run in `out`. Returns
    /// its record.
    ///
    /// # Errors
    /// The file does not hold probabilities of all test rows; the error names the row and what was expected.
    pub(super) fn judge(&self, out: &OutDir, beside: &RunRecord) -> anyhow::Result<RunRecord> {
        let folder = out.run(&beside.run_id);
        let places = Places::of(&folder)?;
        let table = rows::read(&Source::path(&self.file), &ReadOptions::default())?;
        let read = Columns::of(&table, &beside.data.classes, &self.file)?;
        let test = self.split(&read, &table, &places, Split::Test)?;
        let valid = match read.place.is_some() && read.names_any(&table, &places, Split::Valid) {
            true => Some(self.split(&read, &table, &places, Split::Valid)?),
            false => None,
        };
        let checksums = checksums_of(&self.file)?;
        let spec = RunSpec {
            method: format!("{PREFIX}{}", self.name),
            lambda: None,
            settings: json!({ "probabilities": checksums }),
            ..beside.spec.clone()
        };
        let record = self.record(spec, beside, &test, valid.as_ref())?;
        self.remove_older(out, &record)?;
        let run = RunDir::open(&out.run(&record.run_id))?;
        let tables: Vec<PredictionTable> = valid.into_iter().chain([test]).collect();
        let legend = Legend {
            classes: &record.data.classes,
            origins: None,
        };
        write_predictions(&run.predictions_path(), &tables, legend)?;
        run.write_record(&record)?;
        Ok(record)
    }

    /// The probabilities of a split's rows, in the order of the split.
    fn split(
        &self,
        read: &Columns,
        table: &RawTable,
        places: &Places,
        split: Split,
    ) -> anyhow::Result<PredictionTable> {
        let file = self.file.display();
        let wanted = places.of_split(split);
        let rows: Vec<usize> = match read.place {
            Some(place) => {
                let mut at: HashMap<&str, usize> = HashMap::new();
                for row in 0..table.rows() {
                    let cell = table.columns()[place].cell(row).unwrap_or_default();
                    if at.insert(cell, row).is_some() {
                        return Err(usage(format!(
                            "--rival {}: {file}: {} says source_row {cell} a second time; expected each row once",
                            self.name,
                            table.place(row)
                        )));
                    }
                }
                let found = wanted.iter().map(|place| {
                    at.get(place.key.as_str()).copied().ok_or_else(|| {
                        usage(format!(
                            "--rival {}: {file} has no row with source_row {}, which is one of the {} {} rows (OUT/split.csv \
                             lists them)",
                            self.name,
                            place.key,
                            wanted.len(),
                            <&str>::from(split)
                        ))
                    })
                });
                found.collect::<anyhow::Result<_>>()?
            }
            None if table.rows() == wanted.len() => (0..wanted.len()).collect(),
            None => {
                return Err(usage(format!(
                    "--rival {}: {file} has {} rows, and there are {} test rows; give it a column source_row (OUT/split.csv \
                     lists the rows), or the test rows alone in their order",
                    self.name,
                    table.rows(),
                    wanted.len()
                )));
            }
        };
        let mut probabilities = Vec::with_capacity(rows.len() * read.classes);
        for row in rows {
            let of_row = read.row(table, row)?;
            let sum: f64 = of_row.iter().sum();
            if (sum - 1.0).abs() > ROUNDING || of_row.iter().any(|p| !(0.0..=1.0).contains(p)) {
                return Err(usage(format!(
                    "--rival {}: {file}, {}: the probabilities {of_row:?} do not lie in [0, 1] with a sum of 1",
                    self.name,
                    table.place(row)
                )));
            }
            probabilities.extend(of_row.iter().map(|p| p / sum));
        }
        let labels = wanted.iter().map(|place| place.label).collect();
        let (predictions, _) =
            PredictionTable::from_probabilities(split, labels, &probabilities, read.classes)?;
        Ok(predictions)
    }

    fn record(
        &self,
        spec: RunSpec,
        beside: &RunRecord,
        test: &PredictionTable,
        valid: Option<&PredictionTable>,
    ) -> anyhow::Result<RunRecord> {
        let mut data = beside.data.clone();
        data.notes = vec![format!("probabilities of {}", self.file.display())];
        let temperature = match valid {
            Some(valid) => fit_temperature(&valid.logits_f64(), &valid.labels, valid.classes)?,
            None => {
                data.notes.push(
                    "its file has no validation rows, so its temperature is not scaled".to_owned(),
                );
                1.0
            }
        };
        let settings = CalibrationSettings {
            seed: spec.seed,
            ..CalibrationSettings::default()
        };
        let scored = |temperature: f64| -> anyhow::Result<_> {
            let logits: Vec<f64> = test.logits_f64().iter().map(|l| l / temperature).collect();
            let predictions = Predictions::from_logits(&logits, &test.labels, test.classes)?;
            let report = CalibrationReport::new(&predictions, settings)?;
            Ok((report, reliability_bins(&predictions, settings)?))
        };
        let (calibration, reliability) = scored(1.0)?;
        let (calibration_scaled, reliability_scaled) = scored(temperature)?;
        let mut predictions: Vec<Split> = valid.map(|_| Split::Valid).into_iter().collect();
        predictions.push(Split::Test);
        Ok(RunRecord {
            run_id: spec.id(),
            method: MethodInfo {
                label: self.name.clone().into(),
                name: spec.method.clone().into(),
                summary: "probabilities of another tool".into(),
                source: self.file.display().to_string().into(),
                role: Role::Rival,
                ..MethodInfo::dense("")
            },
            spec,
            data,
            test: Metrics::from_predictions(test),
            // Without validation rows these are the metrics of no rows, and `predictions` says that none were judged.
            valid: Metrics::from_predictions(valid.unwrap_or(&PredictionTable {
                split: Split::Valid,
                rows: Vec::new(),
                labels: Vec::new(),
                logits: Vec::new(),
                classes: test.classes,
            })),
            valid_nll: valid.map(PredictionTable::nll),
            calibration,
            calibration_scaled,
            scaling_temperature: temperature,
            reliability,
            reliability_scaled,
            robustness: None,
            gate: GateReading::none(),
            compression: None,
            compact: None,
            selection: None,
            warnings: Vec::new(),
            not_offered: Vec::new(),
            history: Vec::new(),
            best_epoch: 0,
            epochs: 0,
            train_seconds: 0.0,
            latency_us_per_example: None,
            latency_p95_us_per_example: None,
            latency_batch: 0,
            sizes: Default::default(),
            predictions,
            ..beside.clone()
        })
    }

    /// Removes what an earlier file of the same name left.
    fn remove_older(&self, out: &OutDir, record: &RunRecord) -> anyhow::Result<()> {
        for id in out.run_ids()? {
            let folder = out.run(&id);
            let Ok(Some(older)) = l0gm_train::finished_record(&folder) else {
                continue;
            };
            if older.method.name == record.method.name && id != record.run_id {
                std::fs::remove_dir_all(&folder)
                    .with_context(|| format!("{}: cannot be removed", folder.display()))?;
            }
        }
        Ok(())
    }
}

/// Where probabilities stand in a file.
struct Columns {
    /// Number of classes.
    classes: usize,
    /// Positions of the classes' columns, or of the one of the second class.
    at: Vec<usize>,
    /// Position of the column `source_row`.
    place: Option<usize>,
}

impl Columns {
    /// Finds a column for each class: `p_NAME`, `prob_NAME`, `NAME`, or `p_0`, `p_1`, ... in the order of the classes. For
    /// two classes one column `p` of the second class does.
    fn of(table: &RawTable, classes: &[String], file: &Path) -> anyhow::Result<Self> {
        let find = |name: &str| table.names().position(|column| column == name);
        let place = find("source_row").or_else(|| find("node"));
        let by = |form: &dyn Fn(usize, &str) -> String| -> Option<Vec<usize>> {
            let names = classes.iter().enumerate();
            names.map(|(k, class)| find(&form(k, class))).collect()
        };
        let all = by(&|_, class| format!("p_{class}"))
            .or_else(|| by(&|_, class| format!("prob_{class}")))
            .or_else(|| by(&|_, class| class.to_owned()))
            .or_else(|| by(&|k, _| format!("p_{k}")));
        let one = || {
            let name = ["p", "prob", "probability", "score"]
                .into_iter()
                .find_map(find);
            name.filter(|_| classes.len() == 2).map(|at| vec![at])
        };
        let at = all.or_else(one).ok_or_else(|| {
            usage(format!(
                "{}: expected a column for each class ({}), or for two classes one column p of class {}; found {}",
                file.display(),
                list(classes.iter().map(|class| format!("p_{class}")).collect::<Vec<_>>().iter().map(String::as_str)),
                classes.last().map_or("", String::as_str),
                list(table.names())
            ))
        })?;
        Ok(Self {
            classes: classes.len(),
            at,
            place,
        })
    }

    /// Whether the file has any row of a split.
    fn names_any(&self, table: &RawTable, places: &Places, split: Split) -> bool {
        let Some(place) = self.place else {
            return false;
        };
        let wanted: std::collections::HashSet<&str> = places
            .of_split(split)
            .iter()
            .map(|place| place.key.as_str())
            .collect();
        let cells = &table.columns()[place].cells;
        cells.iter().flatten().any(|cell| wanted.contains(cell))
    }

    fn row(&self, table: &RawTable, row: usize) -> anyhow::Result<Vec<f64>> {
        let mut values = Vec::with_capacity(self.classes);
        for at in &self.at {
            let column = &table.columns()[*at];
            let value = column.cell(row).and_then(|cell| cell.parse::<f64>().ok());
            values.push(value.ok_or_else(|| table.cell_error(row, column, "a probability"))?);
        }
        if values.len() == 1 && self.classes == 2 {
            values.insert(0, 1.0 - values[0]);
        }
        Ok(values)
    }
}

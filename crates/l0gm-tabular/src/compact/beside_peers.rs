//! A finished run's compact model and its test rows, as they are timed beside programs of other projects.

use super::CompactTable;
use super::onnx;
use crate::encoding::EncodedRows;
use crate::external_rows::TableRows;
use crate::{EncodedTable, Result, TabularModality, TabularSettings};
use candle_core::Device;
use l0gm_data::rows::Source;
use l0gm_train::{CompactBesidePeers, Error, OnePass, PeerRun, RowOptions, RowPredictor, RunDir};
use l0gm_train::{RunSpec, Split, Task as _, write_atomically};
use serde_json::json;
use std::path::Path;

/// Number of rows that are read from a file at once, as by the command `predict`.
const CHUNK: usize = 16_384;

/// Makes a finished run ready to be timed and hands it to `time`.
///
/// # Errors
/// The run keeps no compact model, or its files or data are missing or damaged.
pub(crate) fn beside_peers(
    modality: &TabularModality,
    settings: &TabularSettings,
    spec: &RunSpec,
    dir: &Path,
    time: &mut dyn FnMut(&PeerRun<'_>),
) -> l0gm_train::Result<()> {
    let folder = RunDir::compact_in(dir);
    if !folder.exists() {
        return Err(Error::NoModel(format!(
            "{} keeps no compact model, because its model cannot be made smaller",
            spec.id()
        )));
    }
    let table = modality.prepare(&spec.dataset, settings, spec.seed, &Device::Cpu)?;
    spec.check_twin(table.loaded.twin)?;
    let compact = Compact::new(&folder, &table, settings, spec.seed)?;
    let rows = TableRows::new(&table, settings, spec.seed)?;
    time(&PeerRun {
        rows: &rows,
        classes: &table.loaded.schema.classes,
        test_rows: table.task.rows(Split::Test),
        compact: &compact,
    });
    Ok(())
}

/// The compact model, and the test rows in its encoding.
struct Compact {
    model: CompactTable,
    test: EncodedRows,
}

impl Compact {
    fn new(
        folder: &Path,
        table: &EncodedTable,
        settings: &TabularSettings,
        seed: u64,
    ) -> Result<Self> {
        let model = CompactTable::load(folder, &Device::Cpu)?;
        let test = table.loaded.split(settings, seed)?.test;
        Ok(Self {
            test: model.encoding().encode(&table.loaded.table, &test)?,
            model,
        })
    }
}

impl CompactBesidePeers for Compact {
    fn pass(&self, rows: &[u32]) -> l0gm_train::Result<OnePass<'_>> {
        if let Some(row) = rows.iter().find(|row| **row as usize >= self.test.rows) {
            return Err(Error::Task(format!(
                "there is no test row {row} of {}",
                self.test.rows
            )));
        }
        let rows = self.test.select(rows);
        Ok(Box::new(move || Ok(self.model.probabilities(&rows)?)))
    }

    fn open(&self, file: &Path) -> l0gm_train::Result<Box<dyn RowPredictor>> {
        let options = RowOptions {
            keep: Vec::new(),
            rows: CHUNK,
            // The file is ours, whatever separator the model was trained on.
            separator: Some(','),
        };
        let stream = self.model.clone().stream(&Source::path(file), &options)?;
        Ok(Box::new(stream))
    }

    fn write_onnx(&self, folder: &Path) -> l0gm_train::Result<Option<String>> {
        let temperature = self.model.header().temperature;
        let graph = match onnx::graph(self.model.model(), self.model.encoding(), temperature)? {
            Ok(graph) => graph,
            Err(reason) => return Ok(Some(reason)),
        };
        write_atomically(&folder.join("compact.onnx"), &graph)?;
        let mut inputs = Vec::new();
        let mut add = |name: &str, kind: &str, bytes: Vec<u8>| -> l0gm_train::Result<()> {
            let file = format!("encoded-{name}.bin");
            inputs.push(json!([name, file, kind]));
            write_atomically(&folder.join(&file), &bytes)
        };
        let wide = |values: &[u32]| -> Vec<u8> {
            let bytes = values.iter().map(|&id| i64::from(id).to_le_bytes());
            bytes.flatten().collect()
        };
        if !self.model.encoding().categories.is_empty() {
            add(onnx::IDS, "<i8", wide(&self.test.categories))?;
        }
        if !self.model.encoding().numbers.is_empty() {
            add(onnx::KNOTS, "<i8", wide(&self.test.knots))?;
            let positions = self.test.positions.iter().map(|p| p.to_le_bytes());
            add(onnx::POSITIONS, "<f4", positions.flatten().collect())?;
        }
        let about = json!({
            "rows": self.test.rows,
            "classes": self.model.header().classes.len(),
            "inputs": inputs,
        });
        write_atomically(&folder.join("encoded.json"), about.to_string().as_bytes())?;
        Ok(None)
    }
}

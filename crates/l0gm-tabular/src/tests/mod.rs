//! Tests of this crate, with a file for each topic: reading, splitting, encoding, the predictor, compaction.

mod additive;
mod bad_input;
mod boosted_trees;
mod compact_file;
mod compact_stream;
mod compaction;
mod compressed;
mod distillation;
mod encoding;
mod gates;
mod joined;
mod one_step;
mod own_splits;
mod predictor;
mod reading;
mod robustness;
mod rows;
mod runs;
mod selection;
mod sparse;
mod splitting;
mod values;

use crate::{Encoding, LoadedTable, TableInput, TabularSettings};
use candle_core::Device;
use std::path::{Path, PathBuf};

/// Writes a file into a folder and returns its path.
pub(crate) fn write(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

/// A small CSV like a census: two categories, two numbers, missing cells in both kinds, and a label that depends on
/// them.
pub(crate) fn small_csv(rows: usize) -> String {
    let mut out = String::from("job,age,town,gain,label\n");
    for i in 0..rows {
        let job = ["cook", "clerk", "smith", "?"][i * 7 % 4];
        let age = 18 + i * 13 % 60;
        let town = ["north", "south", "east"][i * 5 % 3];
        let gain = if i % 9 == 0 {
            String::new()
        } else {
            format!("{}", (i * 31 % 17) * (i % 3))
        };
        let label = if age > 40 && job != "cook" || i % 11 == 0 {
            "yes"
        } else {
            "no"
        };
        out += &format!("{job},{age},{town},{gain},{label}\n");
    }
    out
}

/// Settings small enough for a test, with the label of [`small_csv`].
pub(crate) fn small_settings() -> TabularSettings {
    let mut settings = TabularSettings::default();
    settings.data.label = Some("label".into());
    settings.encoding.bins = 8;
    settings.model.dim = 4;
    settings.model.deep = vec![8, 6];
    settings.model.cin.maps = vec![4, 3];
    settings
}

/// The table of [`small_csv`], its encoding fitted on every row, and all rows encoded.
pub(crate) fn small_input(settings: &TabularSettings) -> (LoadedTable, Encoding, TableInput) {
    let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let path = write(dir.path(), "small.csv", small_csv(120));
    let loaded = LoadedTable::load_file(&path, &settings.data).unwrap_or_else(|e| panic!("{e}"));
    let rows: Vec<u32> = (0..loaded.table.rows() as u32).collect();
    let encoding = Encoding::fit(&loaded.table, &loaded.schema, &rows, &settings.encoding)
        .unwrap_or_else(|e| panic!("{e}"));
    let encoded = encoding
        .encode(&loaded.table, &rows)
        .unwrap_or_else(|e| panic!("{e}"));
    let input =
        TableInput::new(&encoding, &encoded, &Device::Cpu).unwrap_or_else(|e| panic!("{e}"));
    (loaded, encoding, input)
}

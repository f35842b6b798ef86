//! Builds the encoded splits and an untrained model from a table's settings and a seed.

use crate::load::LoadedTable;
use crate::{Encoding, FieldEncoder, Result, TableTask, TabularHead, TabularSettings};
use candle_core::Device;
use l0gm_data::Catalogue;
use l0gm_gate::{Gate, Granularity};
use l0gm_ops::Generator;
use l0gm_train::{Encoder, GatedModel, Origins};

/// A gated (or dense) model for a table.
pub type TableModel = GatedModel<FieldEncoder, TabularHead>;

/// A table that has been loaded, split and encoded.
pub struct EncodedTable {
    /// The table with its schema and classes.
    pub loaded: LoadedTable,
    /// The encoding that was fitted on the training rows.
    pub encoding: Encoding,
    /// The encoded splits.
    pub task: TableTask,
    /// Where the validation and test rows stand in their files.
    pub origins: Origins,
}

impl EncodedTable {
    /// Loads, splits and encodes a dataset of the catalogue or a user's file.
    ///
    /// # Errors
    /// Fails if the data or the settings are wrong.
    pub fn prepare(
        catalogue: &Catalogue,
        dataset: &str,
        settings: &TabularSettings,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        settings.check()?;
        let loaded = LoadedTable::load(catalogue, dataset, &settings.data)?;
        let split = loaded.split(settings, seed)?;
        let encoding = Encoding::fit(
            &loaded.table,
            &loaded.schema,
            &split.train,
            &settings.encoding,
        )?;
        let task = TableTask::new(
            &loaded.table,
            &loaded.labels,
            loaded.schema.classes.len(),
            &encoding,
            &split,
            device,
        )?;
        let origins = Origins {
            valid: loaded.table.origins(&split.valid),
            test: loaded.table.origins(&split.test),
        };
        Ok(Self {
            loaded,
            encoding,
            task,
            origins,
        })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.loaded.schema.classes.len()
    }
}

/// Makes encoder, gate and head, initialised from streams of the seed.
///
/// # Errors
/// Fails if the gate refuses its settings or a tensor cannot be created.
pub fn build_model(
    encoding: &Encoding,
    classes: usize,
    gated: bool,
    settings: &TabularSettings,
    seed: u64,
    device: &Device,
) -> Result<TableModel> {
    let generator = Generator::new(seed).stream("initialisation", 0);
    let (model, numbers) = (&settings.model, &settings.encoding);
    let mut encoder = FieldEncoder::new(encoding, model, numbers, &generator, device)?;
    let interface = encoder.interface();
    let schedule = &settings.train.schedule;
    let fine = settings.gate.granularity == Granularity::Fine;
    if fine && gated {
        encoder = encoder.with_gates(encoding, &settings.gate, schedule, device)?;
    }
    let gate = if !gated || fine {
        Gate::identity(interface)
    } else {
        Gate::new(interface, &settings.gate, schedule, device)?
    };
    let head = TabularHead::new(encoding, interface, classes, model, &generator, device)?;
    Ok(GatedModel {
        encoder,
        gate,
        head,
    })
}

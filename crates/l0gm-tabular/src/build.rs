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
        let gate = Gate::new(interface, &settings.gate, schedule, device)?;
        match model.value_cost {
            0.0 => gate,
            _ => gate.with_costs(&costs(encoding, settings))?,
        }
    };
    let head = TabularHead::new(encoding, interface, classes, model, &generator, device)?;
    Ok(GatedModel {
        encoder,
        gate,
        head,
    })
}

/// What an open gate of each field costs: the number of numbers that one dimension of the field's table can learn, to
/// the power of `model.value-cost`, with mean 1. A value that is shrunk counts as n / (n + k).
fn costs(encoding: &Encoding, settings: &TabularSettings) -> Vec<f32> {
    let categories = encoding.categories.iter().map(|field| {
        let seen = (0..field.rows).map(|row| f64::from(field.count(row)));
        match encoding.shrink {
            0.0 => f64::from(field.rows),
            k => seen.map(|n| n / (n + k)).sum(),
        }
    });
    let numbers = encoding.numbers.iter();
    let numbers = numbers.map(|field| field.edges.len() as f64);
    let costs: Vec<f64> = categories
        .chain(numbers)
        .map(|capacity| capacity.max(1.0).powf(settings.model.value_cost))
        .collect();
    let mean = costs.iter().sum::<f64>() / costs.len() as f64;
    let gates = match settings.gate.granularity {
        Granularity::Group => 1,
        Granularity::Interface | Granularity::Fine => settings.model.dim,
    };
    let of_gates = costs.iter();
    of_gates
        .flat_map(|cost| std::iter::repeat_n((cost / mean) as f32, gates))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tests::{small_input, small_settings};

    #[test]
    fn a_field_pays_for_its_capacity_and_fields_pay_1_on_average() {
        for granularity in [Granularity::Interface, Granularity::Group] {
            let mut settings = small_settings();
            settings.gate.granularity = granularity;
            settings.model.value_cost = 0.5;
            settings.encoding.shrink = 10.0;
            let (_, encoding, _) = small_input(&settings);
            // Of 120 rows each job (and "missing") has 30, and each town 40.
            let of_field = |capacity: f64| capacity.sqrt();
            let expected = [
                of_field(4.0 * 30.0 / 40.0),
                of_field(3.0 * 40.0 / 50.0),
                of_field(encoding.numbers[0].edges.len() as f64),
                of_field(encoding.numbers[1].edges.len() as f64),
            ];
            let mean = expected.iter().sum::<f64>() / 4.0;
            let costs = costs(&encoding, &settings);
            let gates = costs.len() / 4;
            for (costs, expected) in costs.chunks(gates).zip(expected) {
                assert!(
                    costs
                        .iter()
                        .all(|c| (f64::from(*c) - expected / mean).abs() < 1e-6)
                );
            }
            let model = build_model(&encoding, 2, true, &settings, 0, &Device::Cpu);
            assert!(!model.unwrap().gate.is_identity());
        }
    }
}

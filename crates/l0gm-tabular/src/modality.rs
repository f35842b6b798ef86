//! The runner's door to tables: a dataset's name and a method become a spec, a spec becomes a record.

use crate::load::{LoadedTable, is_table_file};
use crate::{
    CompactModel, Encoding, Error, FieldEncoder, Result, SplitKind, TableTask, TabularHead,
    TabularSettings, compact_sizes, model_sizes,
};
use candle_core::{Device, Tensor};
use l0gm_data::Catalogue;
use l0gm_gate::{Gate, GateKind, Granularity, InferenceGate};
use l0gm_ops::Generator;
use l0gm_train::settings::merge_settings;
use l0gm_train::{
    CompactSummary, Compacted, DataSummary, Encoder, Expected, GatedModel, Hyperparameter,
    Modality, OptimiserConfig, Profile, RunContext, RunRecord, RunSpec, Split, Task, TrainConfig,
    latency_of, latency_rows, run_experiment, usual_setting_of,
};
use std::path::Path;
use std::time::Duration;

/// Fewest steps an epoch and rows a batch that a small table is given. Gates travel a set distance in a run:
/// in a few steps the first batches would decide them, and lambda would do nothing.
const STEPS: usize = 16;
const BATCH: usize = 8;
/// Epochs of the recipe, of both profiles: a run takes seconds.
const EPOCHS: usize = 18;
/// Test rows on which the compact model is compared with the gated one, at most.
const COMPARED_ROWS: usize = 16_384;

/// A gated (or dense) model of a table.
pub type TableModel = GatedModel<FieldEncoder, TabularHead>;

/// Tables, from the catalogue or from a file of one's own.
#[derive(Clone, Debug)]
pub struct TabularModality {
    catalogue: Catalogue,
}

/// Everything a run needs, built from its settings and its seed.
pub struct Prepared {
    /// The table with its schema and classes.
    pub loaded: LoadedTable,
    /// What was fitted on the training rows.
    pub encoding: Encoding,
    /// The encoded splits.
    pub task: TableTask,
    /// The untrained model.
    pub model: TableModel,
}

impl TabularModality {
    /// Datasets come from this catalogue.
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue }
    }

    /// The documented settings, the same for every profile and before anyone's overrides.
    pub fn defaults() -> TabularSettings {
        let mut settings = TabularSettings::default();
        settings.gate.inference = InferenceGate::Threshold; // the paper's Algorithm 1, line 10
        // The threshold closes a gate that is open 83% of the time in training. Gates that start at
        // 96% and may travel 40 leave four fifths open at lambda 1e-4 and a twentieth at 1e-2 (Adult).
        settings.gate.initial_open = 0.96;
        settings.train = TrainConfig {
            epochs: EPOCHS,
            batch_size: 512,
            optimiser: OptimiserConfig {
                gate_travel: 40.0,
                ..OptimiserConfig::default()
            },
            ..TrainConfig::default()
        };
        settings
    }

    /// Loads, splits, encodes and builds; `dense` puts the identity in the gate's place.
    ///
    /// # Errors
    /// Bad data or settings.
    pub fn prepare(
        &self,
        dataset: &str,
        dense: bool,
        settings: &TabularSettings,
        seed: u64,
        device: &Device,
    ) -> Result<Prepared> {
        settings.check()?;
        let loaded = LoadedTable::load(&self.catalogue, dataset, &settings.data)?;
        let split = loaded.split(settings, seed)?;
        let encoding = Encoding::fit(
            &loaded.table,
            &loaded.schema,
            &split.train,
            &settings.encoding,
        )?;
        let classes = loaded.schema.classes.len();
        let task = TableTask::new(
            &loaded.table,
            &loaded.labels,
            classes,
            &encoding,
            &split,
            device,
        )?;
        let model = build_model(&encoding, classes, dense, settings, seed, device)?;
        Ok(Prepared {
            loaded,
            encoding,
            task,
            model,
        })
    }
}

/// Encoder, gate and head, initialised from streams of the seed.
///
/// # Errors
/// Where the gate refuses its settings or the device its tensors.
pub fn build_model(
    encoding: &Encoding,
    classes: usize,
    dense: bool,
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
    if fine && !dense {
        encoder = encoder.with_gates(encoding, &settings.gate, schedule, device)?;
    }
    let gate = if dense || fine {
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

impl Modality for TabularModality {
    fn name(&self) -> &'static str {
        "tabular"
    }

    fn datasets(&self) -> Vec<String> {
        vec!["adult".into()]
    }

    fn methods(&self) -> Vec<String> {
        vec!["dense".into(), "l0gm".into()]
    }

    fn spec_expecting(
        &self,
        dataset: &str,
        method: &str,
        lambda: Option<f64>,
        seed: u64,
        profile: Profile,
        overrides: &serde_json::Value,
        expected: Expected,
    ) -> l0gm_train::Result<RunSpec> {
        let mut settings: TabularSettings = merge_settings(&Self::defaults(), overrides)?;
        let lambda = match (method, lambda) {
            ("dense", None) => None,
            ("dense", Some(_)) => {
                return Err(l0gm_train::Error::Setting(
                    "method dense has no gate and so no lambda".into(),
                ));
            }
            ("l0gm", lambda) => {
                let default = settings.train.objective.lambda;
                settings.train.gated_lambda(lambda, Some(default))?
            }
            (other, _) => {
                let known = ["dense", "l0gm"];
                let hint = crate::error::did_you_mean(other, known);
                return Err(l0gm_train::Error::Setting(format!(
                    "tables have no method '{other}'{hint} (methods: dense, l0gm)"
                )));
            }
        };
        settings.train.objective.lambda = lambda.unwrap_or(0.0);
        settings.check()?;
        settings.train.check()?;
        let path = Path::new(dataset);
        let twin = if is_table_file(path) {
            if !path.is_file() {
                return Err(Error::file(path, "there is no such file").into());
            }
            if settings.data.label.is_none() {
                return Err(l0gm_train::Error::Setting(format!(
                    "data.label is not set: name the label's column of {dataset}"
                )));
            }
            false
        } else {
            let entry = self.catalogue.entry(dataset).map_err(Error::from)?;
            if entry.modality != "tabular" {
                return Err(l0gm_train::Error::Setting(format!(
                    "'{dataset}' is no table but of modality {}; tables: {}",
                    entry.modality,
                    self.datasets().join(", ")
                )));
            }
            match expected.missing_twin {
                Some(twin) => twin,
                None => {
                    let resolved = self.catalogue.dataset(dataset).map_err(Error::from)?;
                    resolved.twin
                }
            }
        };
        if twin && profile == Profile::Paper {
            return Err(l0gm_train::Error::Setting(format!(
                "the paper profile needs the real '{dataset}', not its twin: put its files into the \
                 data folder, or allow the download"
            )));
        }
        let settings = serde_json::to_value(&settings)
            .map_err(|error| l0gm_train::Error::Setting(error.to_string()))?;
        Ok(RunSpec {
            modality: "tabular".into(),
            dataset: dataset.into(),
            method: method.into(),
            lambda,
            seed,
            twin,
            settings,
        })
    }

    fn setting_of(&self, hyperparameter: Hyperparameter) -> Option<&'static str> {
        match hyperparameter {
            Hyperparameter::Dropout => Some("model.dropout"),
            other => usual_setting_of(other),
        }
    }

    fn estimate(&self, spec: &RunSpec) -> l0gm_train::Result<Duration> {
        let settings = settings_of(spec)?;
        // Seconds an epoch on two cores over Adult's 35,165 training rows, a little above the measured .35; files of
        // one's own count by size.
        let rows = match std::fs::metadata(&spec.dataset) {
            Ok(file) if file.is_file() => file.len() as f64 / 120.0,
            _ => 35_165.0,
        };
        let epoch = 0.4 * rows / 35_165.0;
        Ok(Duration::from_secs_f64(
            3.0 + epoch * settings.train.epochs as f64,
        ))
    }

    fn run(&self, spec: &RunSpec, context: &mut RunContext<'_>) -> l0gm_train::Result<RunRecord> {
        let mut settings = settings_of(spec)?;
        let dense = spec.method == "dense";
        let prepared = self.prepare(&spec.dataset, dense, &settings, spec.seed, &context.device)?;
        changed_data(spec, prepared.loaded.twin)?;
        let planned = settings.train.batch_size;
        settings.train.batch_size = fitting_batch(planned, prepared.task.rows(Split::Train));
        let summary = summarise(&prepared, &settings, dense, planned);
        let Prepared {
            encoding,
            task,
            model,
            ..
        } = &prepared;
        let fields: Vec<String> = encoding
            .fields()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let sizes = model_sizes(model, encoding);
        let compact = |model: &TableModel| {
            if dense {
                return Ok(None);
            }
            let compact = CompactModel::new(model, encoding)?;
            let batch = settings.train.eval_batch_size;
            Ok(Some(Compacted {
                summary: summary_of(&compact, model, encoding, task, batch)?,
                parts: Some(compact.parts(encoding, &settings.data)?),
            }))
        };
        run_experiment(
            spec,
            summary,
            &fields,
            task,
            model,
            &settings.train,
            sizes,
            compact,
            context,
        )
    }

    fn timed(
        &self,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
    ) -> l0gm_train::Result<l0gm_train::TimedRun> {
        Ok(crate::timed::timed(self, spec, dir, device)?)
    }
}

/// An error where the twin stands in now and did not when the run was planned, or the other way round.
pub(crate) fn changed_data(spec: &RunSpec, twin: bool) -> Result<()> {
    if twin == spec.twin {
        return Ok(());
    }
    let (then, now) = match spec.twin {
        true => ("the twin of", "the real one"),
        false => ("the real", "its twin"),
    };
    Err(Error::Setting(format!(
        "the run was planned on {then} '{}', but now there is {now}; plan it again",
        spec.dataset
    )))
}

/// The batch size of a table with so many training rows: as planned, or smaller.
fn fitting_batch(planned: usize, rows: usize) -> usize {
    planned.min((rows / STEPS).max(BATCH))
}

pub(crate) fn settings_of(spec: &RunSpec) -> Result<TabularSettings> {
    serde_json::from_value(spec.settings.clone())
        .map_err(|error| Error::Setting(format!("the run's settings are not a table's: {error}")))
}

/// Builds the compact model, compares its test logits with the gated model's and times it as the gated
/// model is timed, on batches of `eval_batch_size` at most.
///
/// # Errors
/// Where a forward pass fails.
pub fn compact_summary(
    model: &TableModel,
    encoding: &Encoding,
    task: &TableTask,
    eval_batch_size: usize,
) -> Result<CompactSummary> {
    let compact = CompactModel::new(model, encoding)?;
    summary_of(&compact, model, encoding, task, eval_batch_size)
}

/// [`compact_summary`] of a compact model that is built already.
fn summary_of(
    compact: &CompactModel,
    model: &TableModel,
    encoding: &Encoding,
    task: &TableTask,
    eval_batch_size: usize,
) -> Result<CompactSummary> {
    let input = task.input(Split::Test);
    let rows = task.rows(Split::Test).min(COMPARED_ROWS);
    let mut largest = 0f32;
    for start in (0..rows).step_by(4096) {
        let end = (start + 4096).min(rows);
        let index: Vec<u32> = (start as u32..end as u32).collect();
        let index = Tensor::from_vec(index, end - start, model.head.bias.device())?;
        let batch = input.select(&index)?;
        let gated = model.logits(&batch)?;
        let difference = (gated - compact.logits(&batch)?)?.abs()?.max_all()?;
        largest = largest.max(difference.to_scalar::<f32>()?);
    }
    let device = model.head.bias.device();
    let timed = latency_rows(task, eval_batch_size)?;
    let first = task.batch(Split::Test, &timed, device)?.input;
    let latency = latency_of(timed.len(), || {
        compact.logits(&first)?;
        Ok(device.synchronize()?)
    })?;
    Ok(CompactSummary {
        max_logit_difference: f64::from(largest),
        rows,
        gated: model_sizes(model, encoding),
        compact: compact_sizes(compact, model, encoding),
        latency_us_per_example: Some(latency.per_example_us()),
    })
}

fn summarise(
    prepared: &Prepared,
    settings: &TabularSettings,
    dense: bool,
    planned_batch: usize,
) -> DataSummary {
    let (loaded, task) = (&prepared.loaded, &prepared.task);
    let count = |split| task.rows(split);
    let model = &settings.model;
    let mut notes = vec![
        match (model.linear, model.bypass) {
            (true, true) => "linear branch reads raw inputs (eq. 20 bypass)".to_owned(),
            _ => "every branch behind the gate".to_owned(),
        },
        format!(
            "numbers are encoded {} ({} bins at most)",
            settings.encoding.numbers.name(),
            settings.encoding.bins
        ),
        match settings.data.split {
            SplitKind::Random => format!(
                "split {:.0}/{:.0} by seed, stratified by class",
                100.0 * (1.0 - settings.data.test_fraction),
                100.0 * settings.data.test_fraction
            ),
            SplitKind::Official => "the files' own test split".to_owned(),
        },
        format!(
            "CIN maps {:?}, activation {}, {}",
            model.cin.maps,
            match model.cin.activation {
                crate::CinActivation::None => "none (eq. 10)",
                crate::CinActivation::Relu => "relu",
            },
            if model.cin.split { "split" } else { "no split" }
        ),
    ];
    if !dense {
        let gate = &settings.gate;
        notes.push(match gate.inference {
            InferenceGate::Threshold => {
                format!("inference gate: threshold pi = {} (Algorithm 1)", gate.pi)
            }
            InferenceGate::Median => "inference gate: median".to_owned(),
            InferenceGate::HardSigmoid => "inference gate: hard sigmoid".to_owned(),
        });
        if gate.granularity == Granularity::Fine {
            notes
                .push("fine gates: one an entry of the embedding tables; not compacted".to_owned());
        }
        if gate.kind == GateKind::Conditional {
            notes.push("conditional gates: log_alpha = a + W r; not compacted".to_owned());
        }
        notes.extend(settings.train.target_note());
    }
    if settings.train.batch_size < planned_batch {
        notes.push(format!(
            "batches of {} rows instead of {planned_batch}, for at least {STEPS} steps an epoch",
            settings.train.batch_size
        ));
    }
    let mut reductions = Vec::new();
    if settings.train.epochs < EPOCHS {
        reductions.push(format!("{} of {EPOCHS} epochs", settings.train.epochs));
    }
    DataSummary {
        twin: loaded.twin,
        source: loaded.source.clone(),
        checksums: loaded.checksums.clone(),
        rows: [
            ("train".to_owned(), count(Split::Train)),
            ("valid".to_owned(), count(Split::Valid)),
            ("test".to_owned(), count(Split::Test)),
        ]
        .into(),
        classes: loaded.schema.classes.clone(),
        reductions,
        notes,
    }
}

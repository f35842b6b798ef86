//! L0GM on tables: a hard-concrete gate on the field embeddings that every branch reads (eq. 8 and 20). The same code
//! fits the dense backbone, with the identity in place of the gate.

use crate::additive::start_from_logistic;
use crate::compact::beside_peers;
use crate::data_summary::{data_summary, encoding_note, found, split_note};
use crate::estimate::Extent;
use crate::methods::selection::{Rank, keep_best};
use crate::modality::EPOCHS;
use crate::settings::TeacherKind;
use crate::{
    CinActivation, CompactModel, CompactTable, EncodedTable, Encoding, TableModel, TableTask,
    TabularModality, TabularSettings, build_model, compact_sizes, model_sizes,
};
use candle_core::{Device, Tensor};
use l0gm_gate::{Gate, GateDistribution, GateKind, Granularity, InferenceGate};
use l0gm_train::{
    CompactSummary, Compacted, DataSummary, Encoder, Experiment, GatedFit, Method, MethodInfo,
    PeerRun, Recipe, Result, RunContext, RunRecord, RunSpec, Split, Task, Technique, TimedRun,
    fit_ensemble, latency_of, latency_rows, member_seed,
};
use std::path::Path;
use std::time::{Duration, Instant};

/// Smallest number of steps per epoch and of rows per batch for a small table. Gates travel a fixed distance in a
/// run; with only a few steps, the first batches would decide them and lambda would have no effect.
const STEPS: usize = 16;
const BATCH: usize = 8;
/// Largest number of test rows on which the compact model is compared with the gated one.
const COMPARED_ROWS: usize = 16_384;

/// The backbone with or without a gate, as its description says.
pub(super) struct GatedMethod {
    pub(super) info: MethodInfo,
    /// Changes the settings to this method's own branches or gates; `None` for those of the settings.
    pub(super) adapt: Option<fn(&mut TabularSettings)>,
    /// Decides before training which fields are open; `None` where the gate is trained or there is none.
    pub(super) rank: Option<Rank>,
}

impl GatedMethod {
    /// The run's settings, with this method's branches and gates.
    fn settings_of(&self, spec: &RunSpec) -> Result<TabularSettings> {
        let mut settings: TabularSettings = spec.modality_settings()?;
        if let Some(adapt) = self.adapt {
            adapt(&mut settings);
        }
        Ok(settings)
    }

    /// The untrained model. A gate that the method decides is open everywhere until it has decided.
    fn model(
        &self,
        encoding: &Encoding,
        classes: usize,
        technique: Option<&Technique>,
        settings: &TabularSettings,
        seed: u64,
        device: &Device,
    ) -> Result<TableModel> {
        let trained = self.info.gated && self.rank.is_none() && technique.is_none();
        let mut model = build_model(encoding, classes, trained, settings, seed, device)?;
        if self.rank.is_some() {
            let interface = model.encoder.interface();
            let open = vec![true; interface.width()];
            model.gate = Gate::fixed(interface, &open, device)?;
        }
        if let Some(technique) = technique {
            let interface = model.encoder.interface();
            let interior = technique.interior();
            model.gate = interior.gate(interface, &settings.train, device)?;
        }
        Ok(model)
    }
}

/// The backbone trained as it is.
pub(super) static DENSE: GatedMethod = GatedMethod {
    info: MethodInfo::dense("field embeddings with CIN, deep and linear branches, no gate"),
    adapt: None,
    rank: None,
};

/// The backbone with the gate.
pub(super) static L0GM: GatedMethod = GatedMethod {
    info: MethodInfo::l0gm(
        "L0 gates on the field embeddings that CIN, deep and linear branches read",
    ),
    adapt: None,
    rank: None,
};

/// The backbone with a gate that settles before training ends, in any profile.
pub(super) static SETTLED: GatedMethod = GatedMethod {
    info: MethodInfo::settled(
        "L0GM whose gates settle before training ends, so that the weights adapt to them",
    ),
    adapt: None,
    rank: None,
};

impl Method<TabularModality> for GatedMethod {
    fn info(&self) -> MethodInfo {
        self.info.clone()
    }

    fn estimate(&self, _: &TabularModality, spec: &RunSpec) -> Result<Duration> {
        let settings = self.settings_of(spec)?;
        let extent = Extent::of(&spec.dataset, &settings);
        Ok(match self.rank {
            None => extent.gated(&settings),
            Some(_) => extent.gated(&settings) + extent.ranking(),
        })
    }

    fn run(
        &self,
        modality: &TabularModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let settings = self.settings_of(spec)?;
        run(modality, self, None, settings, spec, context)
    }

    fn timed(
        &self,
        modality: &TabularModality,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
    ) -> Result<TimedRun> {
        let settings = self.settings_of(spec)?;
        timed(modality, self, None, &settings, spec, dir, device)
    }

    fn beside_peers(
        &self,
        modality: &TabularModality,
        spec: &RunSpec,
        dir: &Path,
        time: &mut dyn FnMut(&PeerRun<'_>),
    ) -> Result<()> {
        beside_peers(modality, &self.settings_of(spec)?, spec, dir, time)
    }
}

/// Fits the method's model (gated or dense) and judges it. A technique of [`l0gm_train::compression`] says instead what
/// stands on the interface, and how many models there are.
pub(super) fn run(
    modality: &TabularModality,
    method: &GatedMethod,
    technique: Option<&Technique>,
    mut settings: TabularSettings,
    spec: &RunSpec,
    context: &mut RunContext<'_>,
) -> Result<RunRecord> {
    let mut table = modality.prepare(&spec.dataset, &settings, spec.seed, &context.device)?;
    spec.check_twin(table.loaded.twin)?;
    context.progress.found(&found(&table).to_string());
    let planned = settings.train.batch_size;
    settings.train.batch_size = fitting_batch(planned, table.task.rows(Split::Train));
    if settings.train.recipe == Recipe::Settled {
        settings.train.optimiser.learning_rate *= small_batch_factor(settings.train.batch_size);
    }
    // The trainer has no gate to lead to a target that the method keeps to by itself.
    let target = match method.rank {
        Some(_) => settings.train.target.take(),
        None => None,
    };
    let trained = method.info.gated && method.rank.is_none() && technique.is_none();
    let data = summarise(&table, &settings, trained, planned);
    let teachers = modality.teachers();
    let teacher = teachers.teacher(&table, &settings, spec.seed, context)?;
    table.task.set_teacher(teacher);
    let EncodedTable { encoding, task, .. } = &table;
    let classes = table.classes();
    let members = technique.map_or(Ok(1), |technique| technique.members(spec))?;
    let mut models = Vec::with_capacity(members);
    for member in 0..members {
        let seed = member_seed(spec.seed, member);
        let device = &context.device;
        models.push(method.model(encoding, classes, technique, &settings, seed, device)?);
    }
    let names = encoding.fields().into_iter().map(|(name, _)| name);
    let fields: Vec<String> = names.collect();
    let compact = |model: &TableModel| {
        let compact = CompactModel::new(model, encoding)?;
        let batch = settings.train.eval_batch_size;
        Ok(Some(Compacted {
            summary: summary_of(&compact, model, encoding, task, batch)?,
            parts: Some(compact.parts(encoding, &settings.data)?),
        }))
    };
    let fits = models.iter().map(|model| GatedFit {
        task,
        model,
        config: &settings.train,
        fields: &fields,
        sizes: model_sizes(model, encoding),
        compact: Box::new(compact),
    });
    let mut fits: Vec<_> = fits.collect();
    let experiment = Experiment {
        spec,
        method: method.info.clone(),
        data,
        origins: Some(table.origins.clone()),
        robustness: settings.train.robustness,
    };
    // What happens to the untrained models. An additive start fits its regression for each with its own seed.
    let start = |context: &mut RunContext<'_>| -> Result<Vec<String>> {
        let mut notes = Vec::new();
        for (member, model) in models.iter().enumerate() {
            let seed = member_seed(spec.seed, member);
            let kept = match (method.rank, target) {
                (Some(rank), Some(target)) => Some(keep_best(
                    rank, target, model, &table, &settings, seed, context,
                )?),
                _ => None,
            };
            let note = match settings.model.start.is_additive(&table.encoding) {
                true => start_from_logistic(model, &table, &settings, seed, context)?,
                false => None,
            };
            // Like the learning curve, the record's notes are the first member's.
            if member == 0 {
                notes = note.into_iter().chain(kept).collect();
            }
        }
        Ok(notes)
    };
    if members > 1 {
        return experiment.run(
            |sitting, context| {
                let notes = start(context)?;
                let mut fitted = fit_ensemble(fits, sitting, context)?;
                fitted.outcome.notes.extend(notes);
                Ok(fitted)
            },
            context,
        );
    }
    let fit = fits.swap_remove(0);
    experiment.run(
        |sitting, context| {
            let notes = start(context)?;
            let mut fitted = fit.fit(sitting, context)?;
            fitted.outcome.notes.extend(notes);
            Ok(fitted)
        },
        context,
    )
}

/// Builds the models of a finished run again to time them, from the checkpoint and from the compact folder, on the
/// same encoded rows.
pub(super) fn timed(
    modality: &TabularModality,
    method: &GatedMethod,
    technique: Option<&Technique>,
    settings: &TabularSettings,
    spec: &RunSpec,
    dir: &Path,
    device: &Device,
) -> Result<TimedRun> {
    let start = Instant::now();
    let table = modality.prepare(&spec.dataset, settings, spec.seed, device)?;
    let seconds = start.elapsed().as_secs_f64();
    spec.check_twin(table.loaded.twin)?;
    let classes = table.classes();
    let encoding = &table.encoding;
    let model = method.model(encoding, classes, technique, settings, spec.seed, device)?;
    let mut swept = false;
    let mut timed = TimedRun::of_run(dir, table.task, model, device, |folder| {
        let small = CompactTable::load(folder, device)?.model().clone();
        swept = small.is_swept();
        Ok(Box::new(move |input| Ok(small.logits(input)?)))
    })?;
    let rows = table.loaded.table.rows();
    let what = format!("reading, splitting and encoding {rows} rows");
    timed.preparation.push((what, seconds));
    if swept {
        timed.notes.push(
            "the compact model predicts in one sweep over rows, dense and gated by ops on whole stacks of fields: its \
             time falls by both, fewer dimensions and the sweep"
                .to_owned(),
        );
    }
    Ok(timed)
}

/// The batch size for a table with this many training rows: as planned, or smaller.
fn fitting_batch(planned: usize, rows: usize) -> usize {
    planned.min((rows / STEPS).max(BATCH))
}

/// Factor on the learning rate for small batches, whose gradients are noisy: the root of their size relative to 128
/// rows.
fn small_batch_factor(batch: usize) -> f64 {
    (batch as f64 / 128.0).sqrt().min(1.0)
}

/// Compares the compact model's test logits with the gated model's, and times it like the gated model, on batches of
/// at most `eval_batch_size` rows.
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
    table: &EncodedTable,
    settings: &TabularSettings,
    gated: bool,
    planned_batch: usize,
) -> DataSummary {
    let model = &settings.model;
    let mut notes = vec![
        match (model.linear, model.bypass) {
            (true, true) => "linear branch reads raw inputs (eq. 20 bypass)".to_owned(),
            _ => "every branch behind the gate".to_owned(),
        },
        encoding_note(settings),
        split_note(settings),
        format!(
            "CIN maps {:?}, activation {}, {}",
            model.cin.maps,
            match model.cin.activation {
                CinActivation::None => "none (eq. 10)",
                CinActivation::Relu => "relu",
            },
            if model.cin.split { "split" } else { "no split" }
        ),
    ];
    if model.fm {
        notes.push("factorisation machine on the embeddings".to_owned());
    }
    if model.cross.layers > 0 {
        let maps = match model.cross.rank {
            Some(rank) => format!("of rank {rank}"),
            None => "with whole matrices".to_owned(),
        };
        notes.push(format!("{} cross layers {maps}", model.cross.layers));
    }
    if gated {
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
        if gate.distribution == GateDistribution::Gaussian {
            notes.push(format!(
                "stochastic gates with Gaussian noise, sigma {}",
                gate.sigma
            ));
        }
        if gate.kind == GateKind::Conditional {
            notes.push("conditional gates: log_alpha = a + W r; not compacted".to_owned());
        }
        notes.extend(settings.train.target_note());
    }
    if model.members > 1 {
        notes.push(format!(
            "deep branch of {} members that share their hidden layers",
            model.members
        ));
    }
    if settings.distillation.teacher == TeacherKind::Trees {
        notes.push(format!(
            "taught by boosted trees that have not seen the row (weight {})",
            settings.distillation.weight
        ));
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
    data_summary(table, reductions, notes)
}

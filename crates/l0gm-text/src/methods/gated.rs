//! L0GM on texts: a hard-concrete gate on the pooled embedding of a BERT-family encoder, before the linear
//! classifier. The same code fits the dense backbone, with the identity in place of the gate.

use crate::build::{Built, build};
use crate::compact::{CompactModel, compare_with, task_sizes};
use crate::features::{FeatureCache, Report};
use crate::kept;
use crate::modality::{TextModality, settings_of, tell};
use crate::prepare::{PreparedTask, prepare};
use crate::remarks::{notes, reductions};
use crate::{
    CompactText, FineTune, Prepared, TaskScores, TextEncoder, TextHead, TextInput, TextRobustness,
    TextRows, TextTask, TokenRows, split,
};
use candle_core::Device;
use l0gm_ops::Mode;
use l0gm_train::{
    Compacted, Encoder, Experiment, GatedFit, GatedModel, Method, MethodInfo, Pass, ProgressEvent,
    Result, RunContext, RunDir, RunRecord, RunSpec, Sitting, Split, StopFlag, Task, Technique,
    TimedRun, finished_record, fit_ensemble, member_seed,
};
use std::path::Path;
use std::time::{Duration, Instant};

type TextModel = GatedModel<TextEncoder, TextHead>;

/// The backbone with or without a gate, as its description says.
pub(super) struct GatedMethod {
    info: MethodInfo,
}

/// The backbone trained as it is.
pub(super) static DENSE: GatedMethod = GatedMethod {
    info: MethodInfo::dense("a BERT-family encoder with a linear classifier, no gate"),
};

/// The backbone with the gate.
pub(super) static L0GM: GatedMethod = GatedMethod {
    info: MethodInfo::l0gm("L0 gates on the pooled embedding that the linear classifier reads"),
};

/// The backbone with a gate that settles before training ends, in any profile.
pub(super) static SETTLED: GatedMethod = GatedMethod {
    info: MethodInfo::settled(
        "L0GM whose gates settle before training ends, so that the weights adapt to them",
    ),
};

impl Method<TextModality> for GatedMethod {
    fn info(&self) -> MethodInfo {
        self.info.clone()
    }

    fn estimate(&self, modality: &TextModality, spec: &RunSpec) -> Result<Duration> {
        estimate(modality, self.info.gated, spec)
    }

    fn shared_work(
        &self,
        modality: &TextModality,
        spec: &RunSpec,
    ) -> Result<Vec<(String, Duration)>> {
        shared_work(modality, self.info.gated, spec)
    }

    fn run(
        &self,
        modality: &TextModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        run(modality, self.info.clone(), None, spec, context)
    }

    fn timed(
        &self,
        modality: &TextModality,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
    ) -> Result<TimedRun> {
        timed(modality, self.info.gated, None, spec, dir, device)
    }
}

pub(super) fn estimate(modality: &TextModality, gated: bool, spec: &RunSpec) -> Result<Duration> {
    let settings = settings_of(spec)?;
    let extent = modality.extent(spec, &settings);
    Ok(crate::estimate::estimate(&settings, !gated, &extent))
}

pub(super) fn shared_work(
    modality: &TextModality,
    gated: bool,
    spec: &RunSpec,
) -> Result<Vec<(String, Duration)>> {
    let settings = settings_of(spec)?;
    let extent = modality.extent(spec, &settings);
    let shared = crate::estimate::shared(&settings, !gated, spec.seed, &extent);
    let of_data = |(key, time)| (format!("text {} {} {key}", spec.dataset, spec.twin), time);
    Ok(shared.into_iter().map(of_data).collect())
}

/// Fits the model that `info` describes (gated or dense) and judges it. A technique of
/// [`l0gm_train::compression`] says instead what stands on the interface, how it is trained, and how many models there
/// are.
pub(super) fn run(
    modality: &TextModality,
    info: MethodInfo,
    technique: Option<&Technique>,
    spec: &RunSpec,
    context: &mut RunContext<'_>,
) -> Result<RunRecord> {
    Ok(make_run(modality, info, technique, spec, context)?)
}

fn make_run(
    modality: &TextModality,
    info: MethodInfo,
    technique: Option<&Technique>,
    spec: &RunSpec,
    context: &mut RunContext<'_>,
) -> crate::Result<RunRecord> {
    let settings = settings_of(spec)?;
    settings.check()?;
    loading(context);
    let (data, mut summary) = modality.read(spec, &settings)?;
    let weights = modality.weights_of(&settings, &mut summary)?;
    if let Some(record) = finished_record(&context.dir)?.filter(|r| r.run_id == spec.id()) {
        record.check_data(&context.dir, &summary.checksums)?;
        return Ok(record);
    }
    // Hold the run's lock from here to the end, so that no other process trains a tokenizer or computes features for
    // the same run.
    let run = RunDir::open(&context.dir)?;
    let split = split(data, &settings)?;
    tell(&split, &mut summary, context);
    let gated = info.gated && technique.is_none();
    let mut train = settings.train.clone();
    let mut members = 1;
    if let Some(technique) = technique {
        technique.apply(spec, &mut train)?;
        members = technique.members(spec)?;
    }
    let mut built = Vec::with_capacity(members);
    for member in 0..members {
        let mut made = build(
            member_seed(spec.seed, member),
            gated,
            &settings,
            &split,
            weights.as_deref(),
            &run.path().join("tokenizer.json"),
            &context.device,
        )?;
        if let Some(technique) = technique {
            let interior = technique.interior();
            made.gate = interior.gate(made.gate.interface(), &train, &context.device)?;
        }
        built.push(made);
    }
    let loaded = &built[0].loaded;
    let features = modality.features(&context.dir);
    let cache = FeatureCache::new(&features);
    let device = context.device.clone();
    let gated_tokens = !loaded.encoder.gates().is_empty();
    let key = kept::key(&settings, &summary, gated_tokens, &features, &device);
    let kept = key.as_deref().and_then(|key| modality.kept().get(key));
    let whole = |made: &PreparedTask| made.task.scores.is_some() || !settings.has_scores();
    let prepared = match kept.filter(whole) {
        Some(prepared) => prepared,
        None => {
            modality.kept().clear();
            let report: Report<'_> = &mut |done, all| encoding(context, done, all);
            let mut made = prepare(&split, loaded, &settings, &cache, &device, report)?;
            if settings.has_scores() {
                made.add_scores(&split, context)?;
            }
            if let Some(key) = key {
                modality.kept().keep(key, &made);
            }
            made
        }
    };
    let mut task = prepared.task;
    task.scores = task.scores.filter(|_| settings.has_scores());
    if let Some(scores) = &task.scores {
        for made in &built {
            made.head.set_intercepts(&scores.intercepts)?;
        }
    }
    task.robustness = TextRobustness::new(
        &task,
        loaded,
        &settings,
        spec.seed,
        &cache,
        &device,
        &mut |done, all| encoding(context, done, all),
    )?;
    let origins = split.origins();
    summary.classes = split.classes;
    summary.reductions = split.reductions;
    summary
        .reductions
        .extend(reductions(&settings, task.rows(Split::Test)));
    summary.notes = notes(&settings, loaded.encoder.pooling(), !gated);
    summary.notes.extend(prepared.notes);
    summary
        .notes
        .extend(task.scores.iter().map(TaskScores::note));
    for (name, part) in [
        ("train", Split::Train),
        ("valid", Split::Valid),
        ("test", Split::Test),
    ] {
        summary.rows.insert(name.into(), task.rows(part));
    }
    let tokenizer = loaded.tokenizer.clone();
    let sha256 = loaded.weights_sha256.clone();
    let models: Vec<TextModel> = built
        .into_iter()
        .map(|Built { loaded, gate, head }| GatedModel {
            encoder: loaded.encoder,
            gate,
            head,
        })
        .collect();
    let batch = settings.train.eval_batch_size;
    let compact = |model: &TextModel| {
        let mut small = CompactModel::new(model)?;
        if let Some(scores) = &task.scores {
            small = small.with_scores(scores.fitted())?;
        }
        let summary = compare_with(&small, model, &task, batch, &device)?;
        let parts = small.parts(&settings, &tokenizer, sha256.as_deref())?;
        Ok(Some(Compacted {
            summary,
            parts: Some(parts),
        }))
    };
    let fits = models.iter().map(|model| GatedFit {
        task: &task,
        model,
        config: &train,
        fields: &[],
        sizes: task_sizes(&model.encoder, &task),
        compact: Box::new(compact),
    });
    let mut fits: Vec<_> = fits.collect();
    let experiment = Experiment {
        spec,
        method: info,
        data: summary,
        origins,
        robustness: settings.train.robustness,
    };
    if members > 1 {
        let fit = |sitting: Sitting<'_>, context: &mut RunContext<'_>| {
            fit_ensemble(fits, sitting, context)
        };
        return Ok(experiment.run_in(&run, fit, context)?);
    }
    let fit = fits.swap_remove(0);
    let record = experiment.run_in(&run, |sitting, context| fit.fit(sitting, context), context)?;
    Ok(record)
}
/// Builds the models of a finished run again to time them, from the checkpoint and from the compact folder. If the
/// encoder is frozen, they start from pooled features, and the encoder is timed separately.
pub(super) fn timed(
    modality: &TextModality,
    gated: bool,
    technique: Option<&Technique>,
    spec: &RunSpec,
    dir: &Path,
    device: &Device,
) -> Result<TimedRun> {
    Ok(build_timed(modality, gated, technique, spec, dir, device)?)
}

fn build_timed(
    modality: &TextModality,
    gated: bool,
    technique: Option<&Technique>,
    spec: &RunSpec,
    dir: &Path,
    device: &Device,
) -> crate::Result<TimedRun> {
    let settings = settings_of(spec)?;
    let start = Instant::now();
    let (data, mut summary) = modality.read(spec, &settings)?;
    let weights = modality.weights_of(&settings, &mut summary)?;
    let split = split(data, &settings)?;
    let reading = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let scores = match settings.has_scores() {
        true => Some(TaskScores::fit(
            [&split.train, &split.valid, &split.test],
            split.classes.len(),
            &mut (),
            &StopFlag::default(),
        )?),
        false => None,
    };
    let scoring = start.elapsed().as_secs_f64();
    let Built {
        loaded,
        mut gate,
        head,
    } = build(
        spec.seed,
        gated,
        &settings,
        &split,
        weights.as_deref(),
        &dir.join("tokenizer.json"),
        device,
    )?;
    if let Some(technique) = technique {
        let interior = technique.interior();
        gate = interior.gate(gate.interface(), &settings.train, device)?;
    }
    let start = Instant::now();
    let tokens = loaded
        .tokenizer
        .encode(&split.test.texts, settings.max_tokens)?;
    let tokenising = start.elapsed().as_secs_f64();
    let pooled = settings.fine_tune == FineTune::Frozen && loaded.encoder.gates().is_empty();
    let prepared = if pooled {
        let cache = FeatureCache::new(modality.features(dir));
        let sum = loaded.weights_sha256.as_deref().unwrap_or("");
        let features = cache.pooled(
            &loaded.encoder,
            sum,
            &tokens,
            settings.max_tokens,
            device,
            &mut |_, _| Ok(()),
        )?;
        Prepared::Pooled(features.values)
    } else {
        Prepared::Tokens
    };
    let (pad, width) = (
        loaded.encoder.transformer().shape().pad,
        loaded.encoder.transformer().shape().width,
    );
    let nothing = || TextRows {
        tokens: TokenRows::new([]),
        labels: Vec::new(),
        prepared: Prepared::Tokens,
    };
    let task = TextTask {
        train: nothing(),
        valid: nothing(),
        test: TextRows {
            tokens: tokens.clone(),
            labels: split.test.labels.clone(),
            prepared,
        },
        classes: split.classes.len(),
        width,
        pad,
        scores,
        robustness: TextRobustness::default(),
    };
    let frozen = loaded.encoder.clone();
    let model = GatedModel {
        encoder: loaded.encoder,
        gate,
        head,
    };
    let mut timed = TimedRun::of_run(dir, task, model, device, |folder| {
        let small = CompactText::load(folder, weights.as_deref(), device)?
            .model()
            .clone();
        Ok(Box::new(move |input| Ok(small.logits(input)?)))
    })?;
    let count = split.test.rows();
    timed.preparation = vec![
        ("reading and splitting the texts".to_owned(), reading),
        (format!("tokenising {count} test texts"), tokenising),
    ];
    if settings.has_scores() {
        let what = "fitting the class scores' regression again, and scoring all texts".to_owned();
        timed.preparation.push((what, scoring));
    }
    if !pooled {
        let whole = "the time is the whole model's: encoder, gate and classifier on token ids";
        timed.notes.push(whole.to_owned());
        return Ok(timed);
    }
    timed.notes.push(
        "encoder frozen: the time is of gate and classifier on pooled features that are kept; the encoder, the same \
         for all models, comes before them and is timed apart"
            .to_owned(),
    );
    let place = device.clone();
    Ok(timed.with_before("the frozen encoder", move |rows| {
        let ids: Vec<&[u32]> = rows.iter().map(|&row| tokens.get(row as usize)).collect();
        let input = TextInput::tokens(&ids, pad, &place)?;
        let (encoder, place) = (frozen.clone(), place.clone());
        let pass: Pass = Box::new(move || {
            let pooled = encoder.pooled(&input, &mut Mode::Eval)?;
            place.synchronize()?;
            Ok(pooled)
        });
        Ok(pass)
    }))
}

fn loading(context: &mut RunContext<'_>) {
    context.progress.event(&event("loading", 0, 0));
}

fn encoding(context: &mut RunContext<'_>, done: usize, all: usize) -> crate::Result<()> {
    if context.stop.is_set() {
        return Err(l0gm_train::Error::Stopped.into());
    }
    context.progress.event(&event("encoding", done, all));
    Ok(())
}

fn event(stage: &'static str, step: usize, steps: usize) -> ProgressEvent {
    ProgressEvent {
        stage,
        step,
        steps,
        loss: None,
        metric: None,
        active_fraction: None,
    }
}

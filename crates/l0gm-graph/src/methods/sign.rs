//! SIGN (Frasca et al. 2020): a network on features that were propagated 0, 1, ..., K times before training, and the same
//! with L0 gates on its last hidden layer. It trains in mini-batches of nodes and never touches the graph again.

use super::gated::settings_of;
use crate::estimate_hops;
use crate::extent::Extent;
use crate::hops::{
    CompactHops, HopModel, HopTask, SignSettings, build_hop_model, check_memory, compacted,
    hop_sizes,
};
use crate::modality::LoadedGraph;
use crate::search::suitable_scalings;
use crate::settings::FeatureScaling;
use crate::{GraphModality, GraphSettings};
use candle_core::Device;
use l0gm_gate::GateKind;
use l0gm_train::{
    CompactPass, Experiment, GatedFit, Knob, Method, MethodInfo, Result, Role, RunContext,
    RunRecord, RunSpec, Sitting, TimedRun, load_trained,
};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::path::Path;
use std::time::{Duration, Instant};

/// SIGN with or without a gate, as its description says.
pub(super) struct Sign {
    info: MethodInfo,
}

/// SIGN as its authors train it.
pub(super) static SIGN: Sign = Sign {
    info: info(
        "sign",
        "SIGN",
        "a network on features propagated 0 to K times beforehand, in mini-batches of nodes",
        Knob::None,
    ),
};

/// SIGN with L0GM's gate.
pub(super) static GATED: Sign = Sign {
    info: info(
        "sign-l0gm",
        "SIGN + L0 gates",
        "SIGN with L0 gates on its last hidden layer, before the linear classifier",
        Knob::LambdaOrTarget,
    ),
};

const fn info(
    name: &'static str,
    label: &'static str,
    summary: &'static str,
    knob: Knob,
) -> MethodInfo {
    MethodInfo {
        name: Cow::Borrowed(name),
        label: Cow::Borrowed(label),
        summary: Cow::Borrowed(summary),
        source: Cow::Borrowed("arXiv:2004.11198"),
        role: Role::Rival,
        gated: matches!(knob, Knob::LambdaOrTarget),
        knob,
        rival_of: None,
        needs: None,
    }
}

impl Method<GraphModality> for Sign {
    fn info(&self) -> MethodInfo {
        self.info.clone()
    }

    fn settings(&self) -> Value {
        serde_json::to_value(SignSettings::default()).unwrap_or_default()
    }

    fn check(&self, settings: &Value) -> Result<()> {
        SignSettings::from_value(&self.info.name, settings)?;
        Ok(())
    }

    fn estimate(&self, modality: &GraphModality, spec: &RunSpec) -> Result<Duration> {
        let (settings, own) = self.both(spec)?;
        let extent = Extent::of(modality, &spec.dataset, &settings);
        Ok(estimate_hops::sign(&extent, &own, &settings))
    }

    fn run(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let (settings, own) = self.both(spec)?;
        let loaded = modality.load(spec, &settings, &context.device)?;
        context.progress.found(&loaded.summary.to_string());
        let scaling = scaling(&loaded, &settings);
        let experiment = Experiment {
            spec,
            method: self.info(),
            data: loaded.data_summary(
                reductions(&settings),
                notes(&own, &settings, scaling, self.info.gated),
            ),
            origins: Some(loaded.origins.clone()),
            robustness: settings.train.robustness,
        };
        let ready = OnceCell::new();
        let fit = |sitting: Sitting<'_>, context: &mut RunContext<'_>| {
            let made = self.ready(&loaded, (&own, &settings), spec.seed, &context.device)?;
            let (task, model) = ready.get_or_init(|| made);
            let eval_batch_size = settings.train.eval_batch_size;
            let fit = GatedFit {
                task,
                model,
                config: &settings.train,
                fields: &[],
                sizes: hop_sizes(model),
                compact: Box::new(move |model| Ok(Some(compacted(model, task, eval_batch_size)?))),
            };
            fit.fit(sitting, context)
        };
        experiment.run(fit, context)
    }

    fn timed(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
    ) -> Result<TimedRun> {
        let (settings, own) = self.both(spec)?;
        let start = Instant::now();
        let loaded = modality.load(spec, &settings, device)?;
        let (task, model) = self.ready(&loaded, (&own, &settings), spec.seed, device)?;
        let seconds = start.elapsed().as_secs_f64();
        load_trained(dir, &model.parameters())?;
        // No folder holds the compact model, and the trained one says all of it.
        let compact = match self.info.gated && model.check_compactable().is_ok() {
            true => {
                let small = CompactHops::new(&model)?;
                let pass: CompactPass<_> = Box::new(move |input| Ok(small.logits(input)?));
                Some(pass)
            }
            false => None,
        };
        let mut timed = TimedRun::new(task, model, compact, device);
        let nodes = loaded.graph.nodes();
        let what = format!("reading {nodes} nodes and propagating features once");
        timed.preparation.push((what, seconds));
        let note = "a pass reads propagated features of its nodes and no edges";
        timed.notes.push(note.to_owned());
        Ok(timed)
    }
}

impl Sign {
    /// The modality's settings and the method's own, checked against each other. Plans and runs ask for them before
    /// anything is loaded.
    fn both(&self, spec: &RunSpec) -> Result<(GraphSettings, SignSettings)> {
        let own = SignSettings::from_value(&self.info.name, &spec.method_settings()?)?;
        let settings = settings_of(spec)?;
        if self.info.gated {
            own.check_gate(&self.info.name, &settings.gate)?;
        }
        Ok((settings, own))
    }

    /// Propagates the features and builds the untrained model.
    fn ready(
        &self,
        loaded: &LoadedGraph,
        (own, settings): (&SignSettings, &GraphSettings),
        seed: u64,
        device: &Device,
    ) -> crate::Result<(HopTask, HopModel)> {
        let graph = loaded.task.graph();
        check_memory(&self.info.name, graph, own.hops + 1, own.memory_gib)?;
        let shape = (graph.columns(), loaded.graph.classes().len());
        let gated = (self.info.gated, seed);
        let model = build_hop_model(shape, own, settings, gated, device)?;
        let task = match settings.features {
            FeatureScaling::Auto => loaded.task.scaled(scaling(loaded, settings))?,
            // The features are scaled already.
            _ => loaded.task.clone(),
        };
        Ok((HopTask::new(task, own.hops)?, model))
    }
}

/// How features are scaled: as the settings say, or the usual way for such features where a search would decide.
fn scaling(loaded: &LoadedGraph, settings: &GraphSettings) -> FeatureScaling {
    match settings.features {
        FeatureScaling::Auto => suitable_scalings(loaded.graph.features())[0],
        named => named,
    }
}

/// Describes where the settings do less than the full recipe.
fn reductions(settings: &GraphSettings) -> Vec<String> {
    let (epochs, full) = (settings.train.epochs, GraphSettings::default().train.epochs);
    match epochs < full {
        true => vec![format!("{epochs} of {full} epochs")],
        false => Vec::new(),
    }
}

/// Remarks that every table must show.
fn notes(
    own: &SignSettings,
    settings: &GraphSettings,
    scaling: FeatureScaling,
    gated: bool,
) -> Vec<String> {
    let mut notes = vec![
        format!("split {}", settings.split.kind),
        format!(
            "SIGN of {} hops propagated before training, width {}, {} layers, dropout {}, batches of {} nodes, {}",
            own.hops,
            own.width,
            own.layers,
            own.dropout,
            settings.train.batch_size,
            scaling.words()
        ),
    ];
    if gated && settings.gate.kind == GateKind::Conditional {
        notes.push("conditional gates: log_alpha = a + W r; not compacted".into());
    } else if gated {
        notes.push("the compact model is compared and timed, and not written to a folder".into());
    }
    if gated {
        notes.extend(settings.train.target_note());
    }
    notes
}

//! L0GM on graphs: a hard-concrete gate on the last node representation of a graph network, by default a GCN (eq. 2),
//! before the linear classifier. The same code fits the dense backbone, with the identity in place of the gate, and the
//! networks of the paper's tables ([`networks`](super::networks)).

use crate::build::build_model;
use crate::compact::compacted;
use crate::estimate::gated;
use crate::extent::Extent;
use crate::modality::LoadedGraph;
use crate::ready::{Ready, chosen_settings};
use crate::settings::{EncoderKind, Jumping, UNWRITTEN};
use crate::{
    CompactGraph, GraphEncoder, GraphModality, GraphSettings, GraphTask, LinearHead, sizes,
};
use candle_core::Device;
use l0gm_gate::{GateKind, Granularity};
use l0gm_train::settings::merge_settings_with;
use l0gm_train::{
    Experiment, GatedFit, Method, MethodInfo, Result, RunContext, RunRecord, RunSpec, SelectBy,
    Sitting, Technique, TimedRun, fit_ensemble, member_seed,
};
use std::cell::OnceCell;
use std::path::Path;
use std::time::{Duration, Instant};

/// A network with or without a gate, as its description says.
pub(super) struct GatedMethod {
    pub(super) info: MethodInfo,
    /// The network's kind; `None` for the one that the settings name.
    pub(super) encoder: Option<EncoderKind>,
}

/// The backbone trained as it is.
pub(super) static DENSE: GatedMethod = GatedMethod {
    info: MethodInfo::dense("a graph network (default: a GCN) with a linear classifier, no gate"),
    encoder: None,
};

/// The backbone with the gate.
pub(super) static L0GM: GatedMethod = GatedMethod {
    info: MethodInfo::l0gm(
        "L0 gates on a graph network's node representation before the linear classifier",
    ),
    encoder: None,
};

/// The backbone with a gate that settles before training ends, in any profile.
pub(super) static SETTLED: GatedMethod = GatedMethod {
    info: MethodInfo::settled(
        "L0GM whose gates settle before training ends, so that the weights adapt to them",
    ),
    encoder: None,
};

impl GatedMethod {
    /// The run's settings, with the method's own network.
    fn settings_of(&self, spec: &RunSpec) -> Result<GraphSettings> {
        let mut settings = settings_of(spec)?;
        if let Some(encoder) = self.encoder {
            if ![encoder, EncoderKind::default()].contains(&settings.encoder) {
                return Err(l0gm_train::Error::Setting(format!(
                    "encoder is \"{}\", but method {} has \"{}\"; leave the setting out, or use method dense",
                    settings.encoder.name(),
                    self.info.name,
                    encoder.name()
                )));
            }
            settings.encoder = encoder;
            settings.check()?;
        }
        Ok(settings)
    }
}

impl Method<GraphModality> for GatedMethod {
    fn info(&self) -> MethodInfo {
        self.info.clone()
    }

    fn estimate(&self, modality: &GraphModality, spec: &RunSpec) -> Result<Duration> {
        let settings = self.settings_of(spec)?;
        Ok(gated(
            &Extent::of(modality, &spec.dataset, &settings),
            &settings,
        ))
    }

    fn run(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let settings = self.settings_of(spec)?;
        run(modality, self.info.clone(), (settings, None), spec, context)
    }

    fn timed(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
    ) -> Result<TimedRun> {
        let settings = (self.settings_of(spec)?, None);
        timed(modality, self.info.gated, settings, spec, dir, device)
    }
}

/// Fits the model that `info` describes (gated or dense) and judges it. A technique of
/// [`l0gm_train::compression`] says instead what stands on the interface, how it is trained, and how many models there
/// are.
pub(super) fn run(
    modality: &GraphModality,
    info: MethodInfo,
    (settings, technique): (GraphSettings, Option<&Technique>),
    spec: &RunSpec,
    context: &mut RunContext<'_>,
) -> Result<RunRecord> {
    let loaded = modality.load(spec, &settings, &context.device)?;
    context.progress.found(&loaded.summary.to_string());
    let gated = info.gated && technique.is_none();
    let members = technique.map_or(Ok(1), |technique| technique.members(spec))?;
    let data = loaded.data_summary(reductions(&settings), notes(&settings, gated));
    let LoadedGraph { graph, task, .. } = &loaded;
    let ready = OnceCell::new();
    let experiment = Experiment {
        spec,
        method: info,
        data,
        origins: Some(loaded.origins.clone()),
        robustness: settings.train.robustness,
    };
    let make = |sitting: Sitting<'_>, context: &mut RunContext<'_>| -> Result<Vec<Ready>> {
        let mut all = Vec::with_capacity(members);
        for member in 0..members {
            let seed = member_seed(spec.seed, member);
            let mut made = Ready::new(graph, task, &settings, (gated, seed), sitting, context)?;
            if let Some(technique) = technique {
                let train = &mut made.settings.train;
                technique.apply(spec, train)?;
                let interface = made.model.gate.interface();
                let interior = technique.interior();
                made.model.gate = interior.gate(interface, train, &context.device)?;
            }
            all.push(made);
        }
        Ok(all)
    };
    let loaded = &loaded;
    if members > 1 {
        let fit = |sitting: Sitting<'_>, context: &mut RunContext<'_>| {
            let made = make(sitting, context)?;
            let ready = ready.get_or_init(|| made);
            let fits = ready.iter().map(|ready| fit_of(ready, loaded)).collect();
            let mut fitted = fit_ensemble(fits, sitting, context)?;
            fitted.outcome.notes.extend(ready[0].notes.iter().cloned());
            Ok(fitted)
        };
        return experiment.run(fit, context);
    }
    let fit = |sitting: Sitting<'_>, context: &mut RunContext<'_>| {
        let made = make(sitting, context)?;
        let ready = ready.get_or_init(|| made);
        let mut fitted = fit_of(&ready[0], loaded).fit(sitting, context)?;
        fitted.outcome.notes.extend(ready[0].notes.iter().cloned());
        Ok(fitted)
    };
    experiment.run(fit, context)
}

/// The fit of one model that was made ready.
fn fit_of<'a>(
    ready: &'a Ready,
    loaded: &'a LoadedGraph,
) -> GatedFit<'a, GraphTask, GraphEncoder, LinearHead> {
    let Ready {
        settings,
        task,
        model,
        ..
    } = ready;
    let entries = task.graph().propagation().matrix().values().len();
    GatedFit {
        task,
        model,
        config: &settings.train,
        fields: &[],
        sizes: sizes(model, loaded.graph.nodes(), entries),
        compact: Box::new(|model| {
            let schema = loaded.schema.as_ref();
            Ok(Some(compacted(model, task, schema, settings)?))
        }),
    }
}

/// Builds the models of a finished run again to time them, from the checkpoint and from the compact folder, on the
/// same graph.
pub(super) fn timed(
    modality: &GraphModality,
    gated: bool,
    (settings, technique): (GraphSettings, Option<&Technique>),
    spec: &RunSpec,
    dir: &Path,
    device: &Device,
) -> Result<TimedRun> {
    let settings = chosen_settings(&settings, dir)?;
    let start = Instant::now();
    let loaded = modality.load(spec, &settings, device)?;
    // What the first layer gathers is computed once for a graph and serves every pass, so it is not timed with them.
    let graph = loaded.task.graph();
    let wanted = settings.gcn.sparse_features || graph.is_sparse();
    let sparse = wanted && graph.sparse()?.is_some();
    if let (false, Some(by)) = (sparse, settings.encoder.gathering()) {
        graph.gathered(by)?;
    }
    if settings.scores {
        graph.mean();
    }
    let seconds = start.elapsed().as_secs_f64();
    let mut model = build_model(&loaded.graph, &settings, gated, spec.seed, device)?;
    if let Some(technique) = technique {
        let interface = model.gate.interface();
        model.gate = technique
            .interior()
            .gate(interface, &settings.train, device)?;
    }
    let nodes = loaded.graph.nodes();
    let mut timed = TimedRun::of_run(dir, loaded.task, model, device, |folder| {
        let small = CompactGraph::load(folder, device)?;
        Ok(Box::new(move |input| Ok(small.model().logits(input)?)))
    })?;
    let what = format!("reading {nodes} nodes, normalising edges and propagating features once");
    timed.preparation.push((what, seconds));
    timed.notes.push(
        "full batch: a pass goes over the whole graph and gives the logits of all test nodes"
            .to_owned(),
    );
    Ok(timed)
}

/// Describes where the settings do less than the full recipe.
fn reductions(settings: &GraphSettings) -> Vec<String> {
    let full = GraphSettings::default();
    let mut said = Vec::new();
    if settings.gcn.width < full.gcn.width {
        said.push(format!(
            "width {} of {}",
            settings.gcn.width, full.gcn.width
        ));
    }
    let (rate, full_rate) = (
        settings.train.optimiser.learning_rate,
        full.train.optimiser.learning_rate,
    );
    if settings.train.epochs < full.train.epochs && rate > full_rate {
        said.push(format!(
            "learning rate {rate} instead of {full_rate}, dropout {} instead of {}",
            settings.gcn.dropout, full.gcn.dropout
        ));
    }
    if settings.train.epochs < full.train.epochs {
        said.push(format!(
            "{} of {} epochs",
            settings.train.epochs, full.train.epochs
        ));
    }
    said
}

/// Remarks on these settings that every table must show.
fn notes(settings: &GraphSettings, gated: bool) -> Vec<String> {
    let scaling = settings.features.words();
    let gcn = &settings.gcn;
    let last = match (gcn.joins(), gcn.norm_last, gcn.batch_norm) {
        (Jumping::Concat, ..) => {
            "all layers stand in the interface: compaction drops layers at the end, no single channel"
        }
        (Jumping::Max, ..) => {
            "all layers stand in the interface: compaction drops no channel of them"
        }
        (Jumping::None, true, false) => {
            "last layer ends in layer normalisation: compaction keeps what its variance needs"
        }
        (Jumping::None, true, true) => {
            "last layer ends in batch normalisation: compaction drops its closed channels"
        }
        (Jumping::None, false, _) => {
            "last layer has no normalisation: compaction drops its closed channels"
        }
    };
    let mut notes = vec![
        format!("split {}", settings.split.kind),
        format!(
            "{} of {} layers, width {}, interface {}, full batch, one epoch is one step, {scaling}",
            settings.encoder.label(),
            settings.gcn.layers,
            settings.gcn.width,
            settings.gcn.interface()
        ),
        last.into(),
    ];
    notes.extend(shape_note(settings));
    if gated && settings.gate.granularity == Granularity::Fine {
        notes
            .push("fine gates: one a channel of the raw node attributes and of every layer".into());
    }
    if gated && settings.gate.kind == GateKind::Conditional {
        notes.push("conditional gates: log_alpha = a + W r; not compacted".into());
    }
    if gated {
        notes.extend(settings.train.target_note());
    }
    notes
}

/// What is unusual about the network's shape and its training.
fn shape_note(settings: &GraphSettings) -> Option<String> {
    let gcn = &settings.gcn;
    let mut said = Vec::new();
    if gcn.heads > 1 && settings.encoder == EncoderKind::Gat {
        said.push(format!("{} attention heads", gcn.heads));
    }
    if gcn.drop_edge > 0.0 && settings.encoder != EncoderKind::Mlp {
        said.push(format!(
            "each step leaves out {}% of the edges",
            100.0 * gcn.drop_edge
        ));
    }
    if gcn.input_dropout > 0.0 {
        said.push(format!(
            "each step leaves out {}% of the attributes' values",
            100.0 * gcn.input_dropout
        ));
    }
    if settings.train.select_by == SelectBy::Accuracy {
        said.push("the epoch is selected by validation accuracy".to_owned());
    }
    match gcn.joins() {
        Jumping::None => {}
        Jumping::Concat => said.push("the interface holds every layer's output".to_owned()),
        Jumping::Max => {
            said.push("the interface holds the largest of the layers' outputs".to_owned())
        }
    }
    (!said.is_empty()).then(|| said.join(", "))
}

pub(super) fn settings_of(spec: &RunSpec) -> Result<GraphSettings> {
    let given: serde_json::Value = spec.modality_settings()?;
    let settings: GraphSettings =
        merge_settings_with(&GraphSettings::default(), &given, &UNWRITTEN)?;
    settings.check()?;
    Ok(settings)
}

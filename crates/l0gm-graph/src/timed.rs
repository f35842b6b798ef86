//! A finished run's graph models built again, to be timed: the checkpoint's and the compact folder's, on the
//! same graph.
use crate::modality::{GraphModality, build_model, settings_of};
use crate::{CompactGraph, Result};
use candle_core::Device;
use l0gm_train::{CompactPass, RunSpec, TimedRun, load_trained};
use std::path::Path;
use std::time::Instant;

pub(crate) fn timed(
    modality: &GraphModality,
    spec: &RunSpec,
    dir: &Path,
    device: &Device,
) -> Result<TimedRun> {
    let settings = settings_of(spec)?;
    let start = Instant::now();
    let loaded = modality.load(spec, &settings, device)?;
    // Not of the model: it is computed once for a graph and serves every pass.
    loaded.task.graph().propagated()?;
    let seconds = start.elapsed().as_secs_f64();
    let gated = spec.method == "l0gm";
    let model = build_model(&loaded.graph, &settings, gated, spec.seed, device)?;
    load_trained(dir, &model.parameters())?;
    let folder = dir.join("compact");
    let compact = if folder.exists() {
        let small = CompactGraph::load(&folder, device)?;
        let pass: CompactPass<_> = Box::new(move |input| Ok(small.model().logits(input)?));
        Some(pass)
    } else {
        None
    };
    let nodes = loaded.graph.nodes();
    let mut timed = TimedRun::new(loaded.task, model, compact, device);
    let what = format!("reading {nodes} nodes, normalising edges and propagating features once");
    timed.preparation.push((what, seconds));
    timed.notes.push(
        "full batch: a pass goes over the whole graph and gives the logits of all test nodes"
            .to_owned(),
    );
    Ok(timed)
}

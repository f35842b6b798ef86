//! A finished run's table models built again, to be timed: the checkpoint's and the compact folder's, on the
//! same encoded rows.

use crate::modality::{TabularModality, changed_data, settings_of};
use crate::{CompactTable, Result};
use candle_core::Device;
use l0gm_train::{CompactPass, RunSpec, TimedRun, load_trained};
use std::path::Path;
use std::time::Instant;

pub(crate) fn timed(
    modality: &TabularModality,
    spec: &RunSpec,
    dir: &Path,
    device: &Device,
) -> Result<TimedRun> {
    let settings = settings_of(spec)?;
    let start = Instant::now();
    let dense = spec.method == "dense";
    let prepared = modality.prepare(&spec.dataset, dense, &settings, spec.seed, device)?;
    let seconds = start.elapsed().as_secs_f64();
    changed_data(spec, prepared.loaded.twin)?;
    load_trained(dir, &prepared.model.parameters())?;
    let folder = dir.join("compact");
    let mut swept = false;
    let compact = if folder.exists() {
        let small = CompactTable::load(&folder, device)?.model().clone();
        swept = small.is_swept();
        let pass: CompactPass<_> = Box::new(move |input| Ok(small.logits(input)?));
        Some(pass)
    } else {
        None
    };
    let mut timed = TimedRun::new(prepared.task, prepared.model, compact, device);
    let rows = prepared.loaded.table.rows();
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

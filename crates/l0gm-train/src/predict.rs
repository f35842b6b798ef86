//! Predicts a whole split with deterministic gates.

use crate::{
    Encoder, Error, GatedModel, Head, ModelReader, PredictionTable, Progress, ProgressEvent,
    Result, Split, StopFlag, Task,
};
use candle_core::{DType, Device};
use l0gm_gate::GateReading;

/// The logits of every row of `split`, in row order, computed in batches of `batch_size`. It is an error if the task
/// plans a row twice or not at all, if a label is not a class, or if a stop was requested.
pub fn predict<T, E, H>(
    task: &T,
    model: &GatedModel<E, H>,
    split: Split,
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
    stop: &StopFlag,
) -> Result<PredictionTable>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    let (table, _) = predict_and_read(task, model, split, batch_size, device, progress, stop)?;
    Ok(table)
}

/// Like [`predict`], and also returns what the gates left open on the split.
pub(crate) fn predict_and_read<T, E, H>(
    task: &T,
    model: &GatedModel<E, H>,
    split: Split,
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
    stop: &StopFlag,
) -> Result<(PredictionTable, GateReading)>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    let mut reader = ModelReader::default();
    let (n, classes) = (task.rows(split), task.classes());
    let mut labels = vec![0; n];
    let mut logits = vec![0f32; n * classes];
    let mut seen = vec![false; n];
    let stage = match split {
        Split::Test => "testing",
        Split::Train | Split::Valid => "validating",
    };
    let plan = task.plan(split, batch_size, None);
    for (i, rows) in plan.iter().enumerate() {
        if stop.is_set() {
            return Err(Error::Stopped);
        }
        let event = ProgressEvent {
            stage,
            step: i,
            steps: plan.len(),
            loss: None,
            metric: None,
            active_fraction: None,
        };
        progress.event(&event);
        let batch = task.batch(split, rows, device)?;
        let out = model.evaluate(&batch.input)?;
        reader.add(model, &out.gated)?;
        let out = out.logits;
        if out.dims() != [batch.rows.len(), classes] {
            return Err(Error::Task(format!(
                "the model's logits are {:?} for {} rows of {classes} classes",
                out.dims(),
                batch.rows.len()
            )));
        }
        let out = out.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let batch_labels = batch.labels.to_vec1::<u32>()?;
        for ((row, label), values) in batch
            .rows
            .iter()
            .zip(batch_labels)
            .zip(out.chunks_exact(classes))
        {
            let row = *row as usize;
            match seen.get(row) {
                Some(false) => seen[row] = true,
                Some(true) => {
                    return Err(Error::Task(format!("{stage}: row {row} is planned twice")));
                }
                None => {
                    return Err(Error::Task(format!(
                        "{stage}: row {row} of {n} does not exist"
                    )));
                }
            }
            if label as usize >= classes {
                return Err(Error::Task(format!(
                    "{stage}: row {row} has the label {label}, but there are {classes} classes"
                )));
            }
            labels[row] = label;
            logits[row * classes..(row + 1) * classes].copy_from_slice(values);
        }
    }
    if let Some(row) = seen.iter().position(|seen| !seen) {
        return Err(Error::Task(format!(
            "{stage}: row {row} is in no batch of the plan"
        )));
    }
    let table = PredictionTable {
        split,
        rows: (0..n as u32).collect(),
        labels,
        logits,
        classes,
    };
    Ok((table, reader.finish(model)?))
}

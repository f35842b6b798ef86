//! Predicts a whole split with deterministic gates.

use crate::{
    Batch, Encoder, Error, Forward, GatedModel, Head, ModelReader, PredictionTable, Progress,
    ProgressEvent, Result, Split, StopFlag, Task,
};
use candle_core::{DType, Device, Tensor};
use l0gm_gate::GateReading;
use l0gm_ops::Mode;

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
    let rows = Rows {
        task,
        split,
        batch_size,
        device,
    };
    let evaluate = |batch: &Batch<T::Input>| model.evaluate(&batch.input);
    rows.predict(model, evaluate, progress, stop)
}

/// Fits what the head fits on the validation rows, and predicts them with it. The encoder runs once.
pub(crate) fn fit_head_and_predict<T, E, H>(
    task: &T,
    model: &GatedModel<E, H>,
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<(PredictionTable, GateReading)>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    let rows = Rows {
        task,
        split: Split::Valid,
        batch_size,
        device,
    };
    let (mut kept, mut values, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for part in task.plan(Split::Valid, batch_size, None) {
        let batch = task.batch(Split::Valid, &part, device)?;
        let gated = model.evaluate(&batch.input)?.gated;
        values.push(gated.value.clone());
        labels.extend(batch.labels.to_vec1::<u32>()?);
        kept.push(gated);
    }
    model
        .head
        .fit_on_validation(&Tensor::cat(&values, 0)?, &labels)?;
    let mut kept = kept.into_iter();
    let from_kept = |batch: &Batch<T::Input>| {
        let gated = kept
            .next()
            .ok_or_else(|| Error::Task("the validation rows are planned anew".to_owned()))?;
        let logits = model
            .head
            .logits(&gated.value, &batch.input, &mut Mode::Eval)?;
        Ok(Forward {
            logits,
            members: None,
            gated,
        })
    };
    rows.predict(model, from_kept, progress, &StopFlag::default())
}

/// The rows of a split, in batches.
struct Rows<'a, T> {
    task: &'a T,
    split: Split,
    batch_size: usize,
    device: &'a Device,
}

impl<T: Task> Rows<'_, T> {
    /// Predicts all rows; `forward` runs one batch.
    fn predict<E, H>(
        &self,
        model: &GatedModel<E, H>,
        mut forward: impl FnMut(&Batch<T::Input>) -> Result<Forward>,
        progress: &mut dyn Progress,
        stop: &StopFlag,
    ) -> Result<(PredictionTable, GateReading)>
    where
        E: Encoder<Input = T::Input>,
        H: Head<T::Input>,
    {
        let (task, split) = (self.task, self.split);
        let mut reader = ModelReader::default();
        let (n, classes) = (task.rows(split), task.classes());
        let mut labels = vec![0; n];
        let mut logits = vec![0f32; n * classes];
        let mut seen = vec![false; n];
        let stage = match split {
            Split::Test => "testing",
            Split::Train | Split::Valid => "validating",
        };
        let plan = task.plan(split, self.batch_size, None);
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
            let batch = task.batch(split, rows, self.device)?;
            let out = forward(&batch)?;
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
}

//! Rebuilds the models of a finished run so that they can be timed: the trained model from its checkpoint and the
//! compact one from the folder `compact/`, both on the same batches of test rows. A method without a gated model gives
//! its own passes.

use crate::{
    Encoder, Error, GatedModel, Head, PredictionTable, Result, RunDir, Task, load_trained,
};
use candle_core::{DType, Device, Tensor};
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

/// Largest accepted difference between the logits of a rebuilt model and those that its run predicted. Batches of
/// other rows round differently, but another model would differ by more.
const REBUILT: f64 = 1e-3;
/// Number of rows on which a rebuilt model is compared.
const LOOKED_AT: usize = 64;
/// Number of times that building a batch is timed.
const GATHERINGS: usize = 5;

/// One forward pass over a fixed batch in evaluation mode. It waits for its device and returns the logits,
/// (rows, classes).
pub type Pass = Box<dyn Fn() -> Result<Tensor>>;
/// A function of test rows, used to build passes for a batch.
type OfRows<T> = Box<dyn Fn(&[u32]) -> Result<T>>;
/// A compact model's forward pass, from an input to logits.
pub type CompactPass<I> = Box<dyn Fn(&I) -> Result<Tensor>>;

/// Everything of a finished run that can be timed.
pub struct TimedRun {
    plan: Box<dyn Fn(usize) -> Vec<Vec<u32>>>,
    make: OfRows<TimedBatch>,
    before: Option<Before>,
    /// Steps before any forward pass (reading, encoding, tokenising), with their seconds.
    pub preparation: Vec<(String, f64)>,
    /// Remarks that a table must show with these times.
    pub notes: Vec<String>,
}

/// Work done before every model's pass, timed separately.
struct Before {
    name: String,
    make: OfRows<Pass>,
}

/// The models of a run, ready to be timed on one batch.
pub struct TimedBatch {
    /// The test rows of the batch.
    pub rows: Vec<u32>,
    /// Median time to build the batch from data in memory, in microseconds.
    pub gathering_us: f64,
    /// The forward pass of the trained model: dense, gated, or a baseline's.
    pub trained: Pass,
    /// The forward pass of the compact model, if there is one.
    pub compact: Option<Pass>,
    /// Work before both passes that their times do not include, such as a frozen encoder whose features are cached.
    pub before: Option<Pass>,
}

impl TimedRun {
    /// Rebuilds the models of the finished run in `dir`. `model` receives the parameters of the run's checkpoint.
    /// `compact` loads the compact model from its folder; it is only called if the run left one.
    ///
    /// # Errors
    /// The checkpoint or the compact model is missing, damaged or of another model.
    pub fn of_run<T, E, H>(
        dir: &Path,
        task: T,
        model: GatedModel<E, H>,
        device: &Device,
        compact: impl FnOnce(&Path) -> Result<CompactPass<T::Input>>,
    ) -> Result<Self>
    where
        T: Task + 'static,
        E: Encoder<Input = T::Input> + 'static,
        H: Head<T::Input> + 'static,
    {
        load_trained(dir, &model.parameters())?;
        let folder = RunDir::compact_in(dir);
        let compact = match folder.exists() {
            true => Some(compact(&folder)?),
            false => None,
        };
        Ok(Self::new(task, model, compact, device))
    }

    /// Prepares a task and its trained model for timing. The batches are those of [`Task::timed_plan`].
    pub fn new<T, E, H>(
        task: T,
        model: GatedModel<E, H>,
        compact: Option<CompactPass<T::Input>>,
        device: &Device,
    ) -> Self
    where
        T: Task + 'static,
        E: Encoder<Input = T::Input> + 'static,
        H: Head<T::Input> + 'static,
    {
        let (task, model) = (Rc::new(task), Rc::new(model));
        let (compact, device) = (compact.map(Rc::new), device.clone());
        let planned = task.clone();
        let make = move |rows: &[u32]| {
            let (batch, gathering_us) = gathered(|| {
                let batch = task.batch(crate::Split::Test, rows, &device)?;
                device.synchronize()?;
                Ok(batch)
            })?;
            let input = Rc::new(batch.input);
            let (trained, read, place) = (model.clone(), input.clone(), device.clone());
            Ok(TimedBatch {
                rows: batch.rows,
                gathering_us,
                trained: Box::new(move || {
                    let logits = trained.logits(&read)?;
                    place.synchronize()?;
                    Ok(logits)
                }),
                compact: compact.clone().map(|compact| {
                    let place = device.clone();
                    let pass: Pass = Box::new(move || {
                        let logits = compact(&input)?;
                        place.synchronize()?;
                        Ok(logits)
                    });
                    pass
                }),
                before: None,
            })
        };
        Self::with(move |size| planned.timed_plan(size), make)
    }

    /// Prepares any other predictor for timing. `plan` cuts the test rows into batches of a size, `gather` makes the
    /// input of some rows, and `pass` predicts their logits from it, (rows, classes).
    pub fn of_passes<I: 'static>(
        plan: impl Fn(usize) -> Vec<Vec<u32>> + 'static,
        gather: impl Fn(&[u32]) -> Result<I> + 'static,
        pass: impl Fn(&I) -> Result<Tensor> + 'static,
    ) -> Self {
        let pass = Rc::new(pass);
        let make = move |rows: &[u32]| {
            let (input, gathering_us) = gathered(|| gather(rows))?;
            let pass = pass.clone();
            Ok(TimedBatch {
                rows: rows.to_vec(),
                gathering_us,
                trained: Box::new(move || pass(&input)),
                compact: None,
                before: None,
            })
        };
        Self::with(plan, make)
    }

    fn with(
        plan: impl Fn(usize) -> Vec<Vec<u32>> + 'static,
        make: impl Fn(&[u32]) -> Result<TimedBatch> + 'static,
    ) -> Self {
        Self {
            plan: Box::new(plan),
            make: Box::new(make),
            before: None,
            preparation: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds the pass that computes the models' input from the same rows, under a name.
    pub fn with_before(
        mut self,
        name: impl Into<String>,
        make: impl Fn(&[u32]) -> Result<Pass> + 'static,
    ) -> Self {
        self.before = Some(Before {
            name: name.into(),
            make: Box::new(make),
        });
        self
    }

    /// The name of the pass in [`TimedBatch::before`].
    pub fn before(&self) -> Option<&str> {
        self.before.as_ref().map(|before| before.name.as_str())
    }

    /// The models on a batch of `size` test rows, or on all rows where the task only works on all (a full-batch
    /// graph). `None` if the test split has no such batch.
    pub fn batch(&self, size: usize) -> Result<Option<TimedBatch>> {
        let mut plan = (self.plan)(size);
        let whole = plan.len() == 1 && plan[0].len() > size;
        plan.retain(|rows| size > 0 && (whole || rows.len() == size));
        if plan.is_empty() {
            return Ok(None);
        }
        // Take a batch from the middle, because a text task plans the shortest texts first.
        let rows = plan.swap_remove(plan.len() / 2);
        let mut batch = (self.make)(&rows)?;
        if let Some(before) = &self.before {
            batch.before = Some((before.make)(&rows)?);
        }
        Ok(Some(batch))
    }

    /// Compares the rebuilt model with what its run predicted for the test split and returns the largest difference
    /// of a logit. It is an error if the difference shows another model.
    pub fn check(&self, predicted: &PredictionTable) -> Result<f64> {
        let size = LOOKED_AT.min(predicted.rows.len());
        let Some(batch) = self.batch(size)? else {
            return Err(Error::Task("the test split is empty".to_owned()));
        };
        let logits = (batch.trained)()?.to_dtype(DType::F32)?;
        let logits = logits.to_vec2::<f32>()?;
        let mut largest = 0f64;
        for (row, found) in batch.rows.iter().zip(&logits) {
            let at = *row as usize * predicted.classes;
            let Some(expected) = predicted.logits.get(at..at + predicted.classes) else {
                return Err(Error::Task(format!("row {row} was not predicted")));
            };
            for (a, b) in found.iter().zip(expected) {
                // This comparison also catches NaN.
                let difference = f64::from((a - b).abs());
                largest = if difference <= largest {
                    largest
                } else {
                    difference
                };
            }
        }
        if largest <= REBUILT {
            return Ok(largest);
        }
        Err(Error::Task(format!(
            "the model built again is not the run's: its logits differ by {largest:.1e} from those in predictions.parquet \
             (at most {REBUILT:e} is rounding); was the run made by another version? Run it again in another --out"
        )))
    }
}

/// What `make` returns, and the median of its times over a few calls, in microseconds.
fn gathered<B>(make: impl Fn() -> Result<B>) -> Result<(B, f64)> {
    let mut times = Vec::with_capacity(GATHERINGS);
    loop {
        let start = Instant::now();
        let made = make()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
        if times.len() == GATHERINGS {
            times.sort_by(f64::total_cmp);
            return Ok((made, times[GATHERINGS / 2]));
        }
    }
}

/// The largest absolute difference between two models' logits.
pub fn largest_difference(a: &Tensor, b: &Tensor) -> Result<f64> {
    let difference = (a.to_dtype(DType::F32)? - b.to_dtype(DType::F32)?)?;
    let largest = difference.abs()?.flatten_all()?.max(0)?;
    Ok(f64::from(largest.to_scalar::<f32>()?))
}

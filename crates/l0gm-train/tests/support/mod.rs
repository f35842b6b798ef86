//! A small synthetic classification task, with an encoder and a head for it, on which the tests train.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use candle_core::{Device, Tensor, Var};
use l0gm_gate::{Gate, GateConfig, Interface, Objective, Schedule};
use l0gm_ops::{Generator, Mode};
use l0gm_train::layers::Linear;
use l0gm_train::{
    Batch, DataSummary, Encoder, Experiment, GatedFit, GatedModel, Head, MethodInfo,
    OptimiserConfig, Parameter, Part, Result, RunContext, RunRecord, RunSpec, Split, StopFlag,
    Task, TrainConfig,
};
use std::path::Path;

/// Rows whose first `informative` features carry the label; the other features are noise.
pub struct Synthetic {
    features: Vec<f32>,
    labels: Vec<u32>,
    width: usize,
    /// Number of rows of train, valid and test, which are stored one after the other.
    sizes: [usize; 3],
    /// The training row whose first feature is NaN, if there is one.
    pub poisoned: Option<u32>,
}

impl Synthetic {
    pub fn new(sizes: [usize; 3], width: usize, informative: usize, seed: u64) -> Self {
        let mut generator = Generator::new(seed).stream("synthetic", 0);
        let (mut features, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..sizes.iter().sum() {
            let row: Vec<f32> = (0..width).map(|_| generator.normal() as f32).collect();
            let score: f32 = row[..informative].iter().sum();
            let noisy = f64::from(score) + 0.5 * generator.normal();
            labels.push(u32::from(noisy > 0.0));
            features.extend(row);
        }
        Self {
            features,
            labels,
            width,
            sizes,
            poisoned: None,
        }
    }

    fn offset(&self, split: Split) -> usize {
        match split {
            Split::Train => 0,
            Split::Valid => self.sizes[0],
            Split::Test => self.sizes[0] + self.sizes[1],
        }
    }
}

impl Task for Synthetic {
    type Input = Tensor;

    fn classes(&self) -> usize {
        2
    }

    fn rows(&self, split: Split) -> usize {
        self.sizes[split as usize]
    }

    fn batch(&self, split: Split, rows: &[u32], device: &Device) -> Result<Batch<Tensor>> {
        let offset = self.offset(split);
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for row in rows {
            let at = offset + *row as usize;
            x.extend_from_slice(&self.features[at * self.width..(at + 1) * self.width]);
            y.push(self.labels[at]);
            if split == Split::Train && self.poisoned == Some(*row) {
                let first = x.len() - self.width;
                x[first] = f32::NAN;
            }
        }
        Ok(Batch {
            input: Tensor::from_vec(x, (rows.len(), self.width), device)?,
            labels: Tensor::from_vec(y, rows.len(), device)?,
            rows: rows.to_vec(),
        })
    }
}

/// An encoder of one linear layer and a tanh.
pub struct LinearEncoder(pub Linear, pub usize);

impl Encoder for LinearEncoder {
    type Input = Tensor;

    fn interface(&self) -> Interface {
        Interface::Flat { dim: self.1 }
    }

    fn encode(&self, input: &Tensor, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        let r = self.0.forward(input)?.tanh()?;
        l0gm_ops::dropout(&r, 0.1, mode)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.0.parameters()
    }
}

pub struct LinearHead(pub Linear);

impl Head<Tensor> for LinearHead {
    fn classes(&self) -> usize {
        2
    }

    fn logits(&self, gated: &Tensor, _: &Tensor, _: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        self.0.forward(gated)
    }

    fn readers(&self) -> Vec<Var> {
        vec![self.0.weight().clone()]
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.0.parameters()
    }
}

pub type Model = GatedModel<LinearEncoder, LinearHead>;

/// A model for `width` features with an interface of `dim` dimensions. Without gate settings it is dense.
pub fn model(width: usize, dim: usize, gate: Option<&GateConfig>, seed: u64) -> Model {
    let device = Device::Cpu;
    let mut generator = Generator::new(seed).stream("init", 0);
    let interface = Interface::Flat { dim };
    let gate = match gate {
        Some(config) => Gate::new(interface, config, &Schedule::default(), &device).unwrap(),
        None => Gate::identity(interface),
    };
    let encoder = LinearEncoder(
        Linear::new(
            "encoder",
            Part::Encoder,
            width,
            dim,
            true,
            &mut generator,
            &device,
        )
        .unwrap(),
        dim,
    );
    let head =
        LinearHead(Linear::new("head", Part::Head, dim, 2, true, &mut generator, &device).unwrap());
    GatedModel {
        encoder,
        gate,
        head,
    }
}

/// Settings for a short training.
pub fn config(epochs: usize, lambda: f64) -> TrainConfig {
    TrainConfig {
        epochs,
        batch_size: 64,
        eval_batch_size: 256,
        optimiser: OptimiserConfig {
            learning_rate: 1e-2,
            ..OptimiserConfig::default()
        },
        objective: Objective {
            lambda,
            ..Objective::default()
        },
        ..TrainConfig::default()
    }
}

pub fn spec(lambda: Option<f64>, seed: u64, config: &TrainConfig) -> RunSpec {
    RunSpec {
        modality: "synthetic".to_owned(),
        dataset: "synthetic".to_owned(),
        method: if lambda.is_some() { "l0gm" } else { "dense" }.to_owned(),
        lambda,
        seed,
        twin: true,
        settings: serde_json::to_value(config).unwrap(),
    }
}

pub fn context<'a>(dir: &Path, progress: &'a mut dyn l0gm_train::Progress) -> RunContext<'a> {
    RunContext {
        dir: dir.to_owned(),
        device: Device::Cpu,
        device_name: "cpu".to_owned(),
        threads: 2,
        progress,
        stop: StopFlag::default(),
        baselines: Vec::new(),
    }
}

/// The values of every parameter, as bits.
pub fn bits(model: &Model) -> Vec<(String, Vec<u32>)> {
    let values = |p: &Parameter| {
        let flat = p.var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        flat.iter().map(|x| x.to_bits()).collect()
    };
    model
        .parameters()
        .iter()
        .map(|p| (p.name.clone(), values(p)))
        .collect()
}

/// An encoder whose interface is seen as (fields, dim).
pub struct Fielded(pub LinearEncoder, pub usize, pub usize);

impl Encoder for Fielded {
    type Input = Tensor;

    fn interface(&self) -> Interface {
        Interface::Fields {
            fields: self.1,
            dim: self.2,
        }
    }

    fn encode(&self, input: &Tensor, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        let r = self.0.encode(input, mode)?;
        r.reshape((r.dim(0)?, self.1, self.2))
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.0.parameters()
    }
}

/// A head that flattens the fields first.
pub struct FlatHead(pub LinearHead);

impl Head<Tensor> for FlatHead {
    fn classes(&self) -> usize {
        2
    }

    fn logits(&self, gated: &Tensor, x: &Tensor, m: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        self.0.logits(&gated.flatten_from(1)?, x, m)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.0.parameters()
    }
}

pub fn with_fields(model: Model, fields: usize, dim: usize) -> GatedModel<Fielded, FlatHead> {
    let GatedModel {
        encoder,
        gate,
        head,
    } = model;
    GatedModel {
        encoder: Fielded(encoder, fields, dim),
        gate,
        head: FlatHead(head),
    }
}

/// Fits a gated or dense model and judges it.
pub fn run_gated<T, E, H>(
    spec: &RunSpec,
    data: DataSummary,
    fit: GatedFit<'_, T, E, H>,
    context: &mut RunContext<'_>,
) -> l0gm_train::Result<RunRecord>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    let method = match spec.lambda {
        Some(_) => MethodInfo::l0gm("a gated test model"),
        None => MethodInfo::dense("a test model"),
    };
    let experiment = Experiment {
        spec,
        method,
        data,
        origins: None,
        robustness: fit.config.robustness,
    };
    experiment.run(|sitting, context| fit.fit(sitting, context), context)
}

//! Trains a gated model of your own: you write an encoder, a head and a task, and the training loop does the rest.
//!
//! ```text
//! cargo run --example train_synthetic
//! ```

use candle_core::{Device, Tensor};
use l0gm_gate::{Gate, GateConfig, Interface, Objective, Schedule};
use l0gm_ops::{Generator, Mode};
use l0gm_train::layers::Linear;
use l0gm_train::{
    Batch, DataSummary, Encoder, Experiment, GatedFit, GatedModel, Head, LineProgress, MethodInfo,
    Parameter, Part, RunContext, RunSpec, Split, StopFlag, Task, TrainConfig,
};

/// Points in 16 dimensions; the label is the sign of the sum of the first three.
struct Points(Vec<[f32; 16]>);

impl Task for Points {
    type Input = Tensor;
    fn classes(&self) -> usize {
        2
    }
    fn rows(&self, _: Split) -> usize {
        self.0.len() / 3
    }
    fn batch(
        &self,
        split: Split,
        rows: &[u32],
        device: &Device,
    ) -> l0gm_train::Result<Batch<Tensor>> {
        let offset = split as usize * self.rows(split);
        let points: Vec<_> = rows
            .iter()
            .map(|row| self.0[offset + *row as usize])
            .collect();
        let labels: Vec<u32> = points
            .iter()
            .map(|p| u32::from(p[..3].iter().sum::<f32>() > 0.0))
            .collect();
        let flat = points.concat();
        Ok(Batch {
            input: Tensor::from_vec(flat, (rows.len(), 16), device)?,
            labels: Tensor::new(labels, device)?,
            rows: rows.to_vec(),
        })
    }
}

/// The encoder. Any candle network will do; this one is a linear layer and a tanh.
struct Network(Linear);

impl Encoder for Network {
    type Input = Tensor;
    fn interface(&self) -> Interface {
        Interface::Flat { dim: 64 }
    }
    fn encode(&self, input: &Tensor, _: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        self.0.forward(input)?.tanh()
    }
    fn parameters(&self) -> Vec<Parameter> {
        self.0.parameters()
    }
}

struct Classifier(Linear);

impl Head<Tensor> for Classifier {
    fn classes(&self) -> usize {
        2
    }
    fn logits(&self, gated: &Tensor, _: &Tensor, _: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        self.0.forward(gated)
    }
    fn parameters(&self) -> Vec<Parameter> {
        self.0.parameters()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::Cpu;
    let mut generator = Generator::new(0);
    let points = (0..6_000)
        .map(|_| std::array::from_fn(|_| generator.normal() as f32))
        .collect();
    let encoder = Network(Linear::new(
        "encoder",
        Part::Encoder,
        16,
        64,
        true,
        &mut generator,
        &device,
    )?);
    let gate = Gate::new(
        encoder.interface(),
        &GateConfig::default(),
        &Schedule::default(),
        &device,
    )?;
    let head = Classifier(Linear::new(
        "head",
        Part::Head,
        64,
        2,
        true,
        &mut generator,
        &device,
    )?);
    let model = GatedModel {
        encoder,
        gate,
        head,
    };

    let lambda = 3e-3;
    let config = TrainConfig {
        batch_size: 64,
        objective: Objective {
            lambda,
            ..Objective::default()
        },
        ..TrainConfig::default()
    };
    let spec = RunSpec {
        modality: "points".into(),
        dataset: "sum-of-three".into(),
        method: "l0gm".into(),
        lambda: Some(lambda),
        seed: 0,
        twin: true,
        settings: serde_json::to_value(&config)?,
    };
    // The folder keeps the run's state: stop this with Ctrl-C, start it again, and it continues.
    let mut context = RunContext {
        dir: std::env::temp_dir().join("l0gm-runs").join(spec.id()),
        device,
        device_name: "cpu".into(),
        threads: std::thread::available_parallelism()?.get(),
        progress: &mut LineProgress::new("points"),
        stop: StopFlag::default(),
        baselines: Vec::new(),
    };
    let task = Points(points);
    let fit = GatedFit::new(&task, &model, &config);
    let experiment = Experiment {
        spec: &spec,
        method: MethodInfo::l0gm("a layer and a tanh"),
        data: DataSummary::default(),
        origins: None,
        robustness: true,
    };
    let record = experiment.run(|sitting, context| fit.fit(sitting, context), &mut context)?;
    println!(
        "accuracy {:.4}, NLL {:.4}, ECE {:.4} on {} test rows; {} of {} dimensions open",
        record.test.accuracy,
        record.calibration.nll,
        record.calibration.ece,
        record
            .reliability
            .iter()
            .map(|bin| bin.count)
            .sum::<usize>(),
        record.gate.open_dims,
        record.gate.total_dims
    );
    println!("record: {}", context.dir.join("record.json").display());
    Ok(())
}

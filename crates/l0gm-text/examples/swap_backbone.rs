//! Puts another backbone behind the same gate. Any model needs only the `Encoder` trait for this. Here the BERT of
//! candle_transformers is a frozen backbone, and gate and classifier are trained.
//!
//!     cargo run --example swap_backbone -- MODELS/all-MiniLM-L6-v2 reviews.csv
//!
//! candle's fused norms and softmax have no gradients, so a backbone that uses them must stay frozen: it declares no
//! parameters, and its output is detached.
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use clap::Parser;
use l0gm_gate::{Gate, Interface};
use l0gm_ops::{Generator, Mode};
use l0gm_text::{
    Columns, Prepared, TextData, TextHead, TextInput, TextRobustness, TextRows, TextSettings,
    TextTask, TextTokenizer, split,
};
use l0gm_train::{
    Encoder, GatedModel, LineProgress, Parameter, RunDir, StopFlag, TrainConfig, Training, train,
};
use std::error::Error;
use std::path::{Path, PathBuf};

/// candle's BERT with mean pooling.
struct StockBert {
    model: BertModel,
    dim: usize,
}

impl StockBert {
    fn load(dir: &Path, device: &Device) -> Result<Self, Box<dyn Error>> {
        let config: Config = serde_json::from_slice(&std::fs::read(dir.join("config.json"))?)?;
        let tensors = candle_core::safetensors::load(dir.join("model.safetensors"), device)?;
        let vars = VarBuilder::from_tensors(tensors, DType::F32, device);
        Ok(Self {
            model: BertModel::load(vars, &config)?,
            dim: config.hidden_size,
        })
    }
}

impl Encoder for StockBert {
    type Input = TextInput;

    fn interface(&self) -> Interface {
        Interface::Flat { dim: self.dim }
    }

    fn encode(&self, input: &TextInput, _mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        let TextInput::Tokens { ids, padding } = input else {
            candle_core::bail!("this backbone reads token ids");
        };
        let types = ids.zeros_like()?;
        let states = self.model.forward(ids, &types, padding.mask.as_ref())?; // (batch, length, dim)
        let weights = padding.mean_weights(ids.device())?; // (batch, 1, length)
        Ok(weights.matmul(&states)?.squeeze(1)?.detach())
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }
}

/// Trains a gate and a head on an encoder from another library.
#[derive(Parser)]
struct Arguments {
    /// The folder of an encoder: config.json, tokenizer.json, model.safetensors
    model: PathBuf,
    /// A file of rows with the columns `text` and `label`
    file: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { model, file } = Arguments::parse();
    let device = Device::Cpu;
    let columns = Columns {
        text: "text",
        label: "label",
    };
    let settings = TextSettings {
        train_rows: Some(200),
        max_tokens: 64,
        ..TextSettings::default()
    };
    let split = split(TextData::file(&file, columns, &[])?, &settings)?;
    let tokenizer = TextTokenizer::from_file(&model.join("tokenizer.json"))?;
    let backbone = StockBert::load(&model, &device)?;
    let rows = |corpus: &l0gm_text::Corpus| -> Result<TextRows, Box<dyn Error>> {
        Ok(TextRows {
            tokens: tokenizer.encode(&corpus.texts, settings.max_tokens)?,
            labels: corpus.labels.clone(),
            prepared: Prepared::Tokens,
        })
    };
    let task = TextTask {
        train: rows(&split.train)?,
        valid: rows(&split.valid)?,
        test: rows(&split.test)?,
        classes: split.classes.len(),
        width: backbone.dim,
        pad: 0,
        scores: None,
        robustness: TextRobustness::default(),
    };
    let mut config = TrainConfig {
        epochs: 3,
        batch_size: 16,
        eval_batch_size: 32,
        ..TrainConfig::default()
    };
    config.optimiser.learning_rate = 1e-2;
    config.objective.lambda = 1e-3;
    let interface = backbone.interface();
    let mut generator = Generator::new(0);
    let model = GatedModel {
        gate: Gate::new(interface, &settings.gate, &config.schedule, &device)?,
        head: TextHead::new(
            interface.width(),
            task.classes,
            0.1,
            &mut generator,
            &device,
        )?,
        encoder: backbone,
    };
    let dir = std::env::temp_dir().join(format!("l0gm-swap-backbone-{}", std::process::id()));
    let run = RunDir::open(&dir)?;
    let mut progress = LineProgress::new("swapped backbone");
    let stop = StopFlag::default();
    let outcome = train(
        Training {
            task: &task,
            model: &model,
            config: &config,
            seed: 0,
            device: &device,
        },
        &run,
        &mut progress,
        &stop,
    )?;
    if let Some(last) = outcome.history.last() {
        println!(
            "validation accuracy {:.3}, {:.0}% of the dimensions active",
            last.valid_accuracy,
            100.0 * last.active_fraction
        );
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

//! MiniLM: a fine-tuning step, and features of real reviews.

use crate::bench::case::{Case, Inputs};
use candle_core::{Device, Tensor};
use l0gm_ops::{Generator, Mode, Tape, cross_entropy};
use l0gm_text::{
    FineTune, LoadedEncoder, Padding, Pooling, TOKEN_BUDGET, TextInput, TextSettings, token_batches,
};
use l0gm_train::layers::Linear;
use l0gm_train::{Encoder, Optimiser, OptimiserConfig, Part};

const MODEL: &str = "all-MiniLM-L6-v2";
/// Id of padding tokens; they are masked, so any id would do.
const PAD: u32 = 0;
const LAYERS: f64 = 6.0;
const WIDTH: f64 = 384.0;

fn encoder(inputs: &Inputs, fine_tune: FineTune) -> anyhow::Result<(LoadedEncoder, String)> {
    let dir = inputs.model(MODEL)?;
    let settings = TextSettings {
        pooling: Pooling::Cls,
        fine_tune,
        max_tokens: 256,
        ..TextSettings::default()
    };
    let loaded = LoadedEncoder::from_folder(&dir, &settings, &Device::Cpu)?;
    Ok((loaded, dir.display().to_string()))
}

/// Floating-point operations of a forward pass over one sequence: 12 width^2 weights for each token and layer, and
/// the attention scores.
fn flops(length: f64) -> f64 {
    LAYERS * (24.0 * WIDTH * WIDTH * length + 4.0 * WIDTH * length * length)
}

pub(crate) fn step(inputs: &Inputs) -> anyhow::Result<Case> {
    let (loaded, input) = encoder(inputs, FineTune::Full)?;
    let (batch, length) = (16, 128);
    let mut random = Generator::new(0);
    let head = Linear::new("head", Part::Head, 384, 2, true, &mut random, &Device::Cpu)?;
    let ids: Vec<u32> = (0..batch * length)
        .map(|_| 1000 + random.below(20_000) as u32)
        .collect();
    let text = TextInput::Tokens {
        ids: Tensor::from_vec(ids, (batch, length), &Device::Cpu)?,
        padding: Padding::new(vec![length; batch], &Device::Cpu)?,
    };
    let labels = Tensor::from_iter((0..batch as u32).map(|i| i % 2), &Device::Cpu)?;
    let encoder = loaded.encoder;
    let mut parameters = encoder.parameters();
    parameters.extend(head.parameters());
    let count: usize = parameters.iter().map(|p| p.var.elem_count()).sum();
    let mut optimiser = Optimiser::new(&parameters, &OptimiserConfig::default(), 1000)?;
    let mut generator = Generator::new(1);
    Ok(Case {
        result_bytes: None,
        goal: Some(1.0),
        flops: 3.0 * batch as f64 * flops(length as f64),
        bytes: 28.0 * count as f64,
        ours: Box::new(move || {
            let tape = Tape::start()?;
            let pooled = encoder.encode(&text, &mut Mode::Train(&mut generator))?;
            let loss = cross_entropy(&head.forward(&pooled)?, &labels)?;
            optimiser.step(&mut tape.backward(&loss)?, 0.5, false)?;
            loss.to_scalar::<f32>()?;
            Ok(())
        }),
        stock: None,
        peer: true,
        input,
    })
}

pub(crate) fn inference(inputs: &Inputs) -> anyhow::Result<Case> {
    let reviews = 256;
    let (loaded, model) = encoder(inputs, FineTune::Frozen)?;
    let data = inputs.dataset("imdb")?;
    let corpus = l0gm_text::TextData::imdb(&data)?;
    let test = corpus
        .test
        .ok_or_else(|| anyhow::anyhow!("imdb has no test split"))?;
    let every = (test.rows() / reviews).max(1);
    let texts: Vec<String> = test
        .texts
        .into_iter()
        .step_by(every)
        .take(reviews)
        .collect();
    let tokens = loaded.tokenizer.encode(&texts, 256)?;
    let length = |row: usize| tokens.get(row).len();
    let mut rows: Vec<usize> = (0..tokens.rows()).collect();
    rows.sort_by_key(|&row| length(row));
    let work: f64 = rows.iter().map(|&row| flops(length(row) as f64)).sum();
    let batches = token_batches(&rows, length, TOKEN_BUDGET, usize::MAX)
        .iter()
        .map(|batch| {
            let ids: Vec<&[u32]> = batch.iter().map(|&row| tokens.get(row)).collect();
            TextInput::tokens(&ids, PAD, &Device::Cpu)
        })
        .collect::<candle_core::Result<Vec<_>>>()?;
    let encoder = loaded.encoder;
    Ok(Case {
        result_bytes: None,
        goal: Some(0.8),
        flops: work,
        bytes: 4.0 * 10.7e6,
        ours: Box::new(move || {
            for batch in &batches {
                encoder.encode(batch, &mut Mode::Eval)?;
            }
            Ok(())
        }),
        stock: None,
        peer: true,
        input: format!("{model}\n{}", data.display()),
    })
}

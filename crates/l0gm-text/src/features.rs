//! Results of a frozen encoder that are computed once. Pooled features are cached on disk under a name made of the
//! weights, the tokenised texts and the settings. States below the first trained layer stay in memory.
use crate::{Error, Result, TOKEN_BUDGET, TextEncoder, TextInput, TokenRows, token_batches};
use candle_core::{DType, Device, Tensor};
use l0gm_ops::Mode;
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Called with the number of finished rows and of all rows; an error stops the work.
pub type Report<'a> = &'a mut dyn FnMut(usize, usize) -> Result<()>;

/// Pooled features of some texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Features of shape (rows, width), row after row.
    pub values: Vec<f32>,
    /// Number of features in a row.
    pub width: usize,
    /// Microseconds per text that the encoder took to compute these.
    pub encoder_us: f64,
}

/// A folder of cached features.
#[derive(Clone, Debug)]
pub struct FeatureCache {
    dir: PathBuf,
}

impl FeatureCache {
    /// A cache in this folder, which is created when something is written.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The features of `tokens` under a frozen encoder: read from the cache, or computed and stored there.
    ///
    /// # Errors
    /// Fails if a forward pass fails, the file cannot be written, or `report` stops the work.
    pub fn pooled(
        &self,
        encoder: &TextEncoder,
        weights_sha256: &str,
        tokens: &TokenRows,
        max_tokens: usize,
        device: &Device,
        report: Report<'_>,
    ) -> Result<Features> {
        let key = key(encoder, weights_sha256, tokens, max_tokens, device);
        let path = self.dir.join(format!("{key}.safetensors"));
        let width = encoder.width();
        // A file that cannot be read back is computed again without an error.
        if let Some(found) = read(&path, tokens.rows(), width) {
            return Ok(found);
        }
        let features = compute(encoder, tokens, device, report)?;
        write(&path, &features)?;
        Ok(features)
    }
}

/// Computes pooled features in batches of rows with similar lengths.
///
/// # Errors
/// Fails if a forward pass fails or `report` stops the work.
pub fn compute(
    encoder: &TextEncoder,
    tokens: &TokenRows,
    device: &Device,
    report: Report<'_>,
) -> Result<Features> {
    let width = encoder.width();
    let mut values = vec![0f32; tokens.rows() * width];
    let start = Instant::now();
    each_batch(
        tokens,
        encoder.transformer().shape().pad,
        device,
        report,
        |rows, input| {
            let pooled = encoder.pooled(input, &mut Mode::Eval)?; // (batch, width)
            let pooled: Vec<f32> = pooled.flatten_all()?.to_vec1()?;
            for (i, &row) in rows.iter().enumerate() {
                values[row * width..(row + 1) * width]
                    .copy_from_slice(&pooled[i * width..(i + 1) * width]);
            }
            Ok(())
        },
    )?;
    Ok(Features {
        values,
        width,
        encoder_us: start.elapsed().as_secs_f64() * 1e6 / tokens.rows().max(1) as f64,
    })
}

/// Computes the states that enter the first trained layer, (tokens x width), in the order of the tokens.
///
/// # Errors
/// Fails if a forward pass fails or `report` stops the work.
pub fn compute_hidden(
    encoder: &TextEncoder,
    tokens: &TokenRows,
    device: &Device,
    report: Report<'_>,
) -> Result<Vec<f32>> {
    let transformer = encoder.transformer();
    let width = transformer.shape().width;
    let mut values = vec![0f32; tokens.total() * width];
    each_batch(
        tokens,
        transformer.shape().pad,
        device,
        report,
        |rows, input| {
            let TextInput::Tokens { ids, padding } = input else {
                return Ok(());
            };
            let x = transformer.embed(ids, &mut Mode::Eval)?;
            let to = transformer.trainable().from_layer;
            let x = transformer.layers(&x, padding, 0, to, &mut Mode::Eval)?;
            let x: Vec<f32> = x.flatten_all()?.to_vec1()?;
            for (i, &row) in rows.iter().enumerate() {
                let (start, count) = tokens.span(row);
                let from = i * padding.longest * width;
                values[start * width..(start + count) * width]
                    .copy_from_slice(&x[from..from + count * width]);
            }
            Ok(())
        },
    )?;
    Ok(values)
}

/// Passes all rows to a callback in batches with similar lengths and at most [`TOKEN_BUDGET`] tokens. The longest
/// come first, so that the first batch shows whether the memory suffices.
pub(crate) fn each_batch(
    tokens: &TokenRows,
    pad: u32,
    device: &Device,
    report: Report<'_>,
    mut work: impl FnMut(&[usize], &TextInput) -> Result<()>,
) -> Result<()> {
    let mut order: Vec<usize> = (0..tokens.rows()).collect();
    order.sort_by_key(|&row| (std::cmp::Reverse(tokens.span(row).1), row));
    let mut done = 0;
    report(0, tokens.rows())?;
    let length = |row: usize| tokens.span(row).1;
    for rows in &token_batches(&order, length, TOKEN_BUDGET, usize::MAX) {
        let ids: Vec<&[u32]> = rows.iter().map(|&r| tokens.get(r)).collect();
        work(rows, &TextInput::tokens(&ids, pad, device)?)?;
        done += rows.len();
        report(done, tokens.rows())?;
    }
    Ok(())
}

/// A hash, in hex, of everything on which the features depend.
fn key(
    encoder: &TextEncoder,
    weights_sha256: &str,
    tokens: &TokenRows,
    max_tokens: usize,
    device: &Device,
) -> String {
    let mut hash = Sha256::new();
    let kind = if device.is_cpu() { "cpu" } else { "gpu" };
    hash.update(format!(
        "l0gm-text features 2\n{weights_sha256}\n{:?}\n{:?}\n{max_tokens}\n{kind}\n",
        encoder.transformer().config().family(),
        encoder.pooling()
    ));
    let (ids, ends) = tokens.flat();
    for id in ids {
        hash.update(id.to_le_bytes());
    }
    for end in ends {
        hash.update((*end as u64).to_le_bytes());
    }
    hex(&hash.finalize())
}

/// Bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn read(path: &Path, rows: usize, width: usize) -> Option<Features> {
    let bytes = std::fs::read(path).ok()?;
    let (_, header) = SafeTensors::read_metadata(&bytes).ok()?;
    let encoder_us = header
        .metadata()
        .as_ref()?
        .get("encoder_us")?
        .parse()
        .ok()?;
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).ok()?;
    let tensor = tensors.get("features")?;
    if tensor.dims() != [rows, width] || tensor.dtype() != DType::F32 {
        return None;
    }
    let values = tensor.flatten_all().ok()?.to_vec1().ok()?;
    Some(Features {
        values,
        width,
        encoder_us,
    })
}

fn write(path: &Path, features: &Features) -> Result<()> {
    let fail = |e: &dyn std::fmt::Display| Error::model(path, format!("cannot be written: {e}"));
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|e| fail(&e))?;
    }
    let rows = features.values.len() / features.width.max(1);
    let tensor = Tensor::from_slice(&features.values, (rows, features.width), &Device::Cpu)?;
    let about = HashMap::from([("encoder_us".to_string(), features.encoder_us.to_string())]);
    let bytes =
        safetensors::serialize([("features", &tensor)], Some(about)).map_err(|e| fail(&e))?;
    l0gm_train::write_atomically(path, &bytes)?;
    Ok(())
}

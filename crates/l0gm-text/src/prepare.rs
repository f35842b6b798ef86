//! Turns texts into a task: tokenises them once and does as much of the encoder's work in advance as the settings
//! allow.
use crate::features::{FeatureCache, Report, compute_hidden};
use crate::{
    FineTune, LoadedEncoder, Prepared, Result, SplitCorpus, TaskScores, TextRobustness, TextRows,
    TextSettings, TextTask, TokenRows,
};
use candle_core::Device;
use l0gm_train::{Encoder, RunContext};
use std::sync::Arc;

/// A task with the remarks that belong to it.
#[derive(Clone, Debug)]
pub struct PreparedTask {
    /// The three splits.
    pub task: TextTask,
    /// Remarks that every table must show.
    pub notes: Vec<String>,
}

impl PreparedTask {
    /// Fits the regression whose class scores stand in the interface.
    pub(crate) fn add_scores(
        &mut self,
        split: &SplitCorpus,
        context: &mut RunContext<'_>,
    ) -> Result<()> {
        let corpora = [&split.train, &split.valid, &split.test];
        let (classes, stop) = (split.classes.len(), context.stop.clone());
        self.task.scores = Some(TaskScores::fit(corpora, classes, context.progress, &stop)?);
        Ok(())
    }
}

/// Tokenises the three splits and computes the output of a frozen encoder, or of its frozen lower layers.
///
/// # Errors
/// Fails if a text cannot be tokenised, a forward pass fails, or `report` stops the work.
pub fn prepare(
    split: &SplitCorpus,
    loaded: &LoadedEncoder,
    settings: &TextSettings,
    cache: &FeatureCache,
    device: &Device,
    report: Report<'_>,
) -> Result<PreparedTask> {
    let corpora = [&split.train, &split.valid, &split.test];
    let tokens = corpora
        .iter()
        .map(|c| loaded.tokenizer.encode(&c.texts, settings.max_tokens))
        .collect::<Result<Vec<TokenRows>>>()?;
    let shape = loaded.encoder.transformer().shape();
    let mut notes = Vec::new();
    if settings.pooling != loaded.encoder.pooling() {
        notes.push(
            "this encoder's checkpoint has no pooler: the first token's state is pooled as it is (cls)"
                .into(),
        );
    }
    let prepared = match settings.fine_tune {
        FineTune::Full => vec![Prepared::Tokens, Prepared::Tokens, Prepared::Tokens],
        FineTune::Frozen if !loaded.encoder.gates().is_empty() => {
            notes.push("encoder frozen, its tokens' last states are gated before pooling".into());
            hidden(loaded, &tokens, settings, device, report)?
        }
        FineTune::Frozen => {
            let (prepared, encoder_us) = pooled(loaded, &tokens, settings, cache, device, report)?;
            notes.push(format!(
                "encoder frozen: latency is of gate and classifier on pooled features; the encoder itself took {encoder_us:.0} microseconds a text"
            ));
            prepared
        }
        FineTune::Last(_) => hidden(loaded, &tokens, settings, device, report)?,
    };
    let mut rows =
        tokens
            .into_iter()
            .zip(prepared)
            .zip(corpora)
            .map(|((tokens, prepared), corpus)| TextRows {
                tokens,
                labels: corpus.labels.clone(),
                prepared,
            });
    let mut next = || {
        rows.next().unwrap_or(TextRows {
            tokens: TokenRows::new([]),
            labels: Vec::new(),
            prepared: Prepared::Tokens,
        })
    };
    let task = TextTask {
        train: next(),
        valid: next(),
        test: next(),
        classes: split.classes.len(),
        width: shape.width,
        pad: shape.pad,
        scores: None,
        robustness: TextRobustness::default(),
    };
    Ok(PreparedTask { task, notes })
}

/// Computes the pooled features of every split, and the encoder's mean time per text.
fn pooled(
    loaded: &LoadedEncoder,
    tokens: &[TokenRows],
    settings: &TextSettings,
    cache: &FeatureCache,
    device: &Device,
    report: Report<'_>,
) -> Result<(Vec<Prepared>, f64)> {
    let weights = loaded.weights_sha256.as_deref().unwrap_or("");
    let total: usize = tokens.iter().map(TokenRows::rows).sum();
    let (mut before, mut microseconds) = (0, 0.0);
    let mut out = Vec::new();
    for rows in tokens {
        let features = cache.pooled(
            &loaded.encoder,
            weights,
            rows,
            settings.max_tokens,
            device,
            &mut |done, _| report(before + done, total),
        )?;
        before += rows.rows();
        microseconds += features.encoder_us * rows.rows() as f64;
        out.push(Prepared::Pooled(features.values));
    }
    Ok((out, microseconds / total.max(1) as f64))
}

/// Computes the states below the first trained layer for training and validation rows, if they fit in memory. Test
/// rows are used only once, so storing theirs would save nothing, and the latency must be that of the whole model.
fn hidden(
    loaded: &LoadedEncoder,
    tokens: &[TokenRows],
    settings: &TextSettings,
    device: &Device,
    report: Report<'_>,
) -> Result<Vec<Prepared>> {
    let width = loaded.encoder.transformer().shape().width;
    let kept = &tokens[..2];
    let bytes: usize = kept
        .iter()
        .map(|t| t.total() * width * size_of::<f32>())
        .sum();
    if bytes > settings.hidden_cache_mib << 20 {
        tracing::info!(
            "the states below the trained layers need {} MiB, more than hidden-cache-mib {}: they are computed anew each step",
            bytes >> 20,
            settings.hidden_cache_mib
        );
        return Ok(vec![Prepared::Tokens, Prepared::Tokens, Prepared::Tokens]);
    }
    let total: usize = kept.iter().map(TokenRows::rows).sum();
    let mut before = 0;
    let mut out = Vec::new();
    for rows in kept {
        let states = compute_hidden(&loaded.encoder, rows, device, &mut |done, _| {
            report(before + done, total)
        })?;
        before += rows.rows();
        out.push(Prepared::Hidden(Arc::new(states)));
    }
    out.push(Prepared::Tokens);
    Ok(out)
}

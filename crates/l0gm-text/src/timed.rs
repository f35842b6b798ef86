//! A finished run's text models built again, to be timed: the checkpoint's and the compact folder's. Where the
//! encoder is frozen, they start from pooled features and the encoder is timed apart.
use crate::build::{Built, build};
use crate::features::FeatureCache;
use crate::modality::{TextModality, settings_of};
use crate::{
    CompactText, FineTune, Prepared, Result, TextInput, TextRobustness, TextRows, TextTask,
    TokenRows,
};
use candle_core::Device;
use l0gm_ops::Mode;
use l0gm_train::{CompactPass, Encoder, GatedModel, Pass, RunSpec, TimedRun, load_trained};
use std::path::Path;
use std::time::Instant;

pub(crate) fn timed(
    modality: &TextModality,
    spec: &RunSpec,
    dir: &Path,
    device: &Device,
) -> Result<TimedRun> {
    let settings = settings_of(spec)?;
    let start = Instant::now();
    let (data, mut summary) = modality.read(spec, &settings)?;
    let weights = modality.weights_of(&settings, &mut summary)?;
    let split = crate::split(data, &settings)?;
    let reading = start.elapsed().as_secs_f64();
    let Built { loaded, gate, head } = build(
        spec,
        &settings,
        &split,
        weights.as_deref(),
        &dir.join("tokenizer.json"),
        device,
    )?;
    let start = Instant::now();
    let tokens = loaded
        .tokenizer
        .encode(&split.test.texts, settings.max_tokens)?;
    let tokenising = start.elapsed().as_secs_f64();
    let pooled = settings.fine_tune == FineTune::Frozen && loaded.encoder.gates().is_empty();
    let prepared = if pooled {
        let cache = FeatureCache::new(modality.features(dir));
        let sum = loaded.weights_sha256.as_deref().unwrap_or("");
        let features = cache.pooled(
            &loaded.encoder,
            sum,
            &tokens,
            settings.max_tokens,
            device,
            &mut |_, _| Ok(()),
        )?;
        Prepared::Pooled(features.values)
    } else {
        Prepared::Tokens
    };
    let (pad, width) = (
        loaded.encoder.bert().config().pad_token_id,
        loaded.encoder.bert().config().hidden_size,
    );
    let nothing = || TextRows {
        tokens: TokenRows::new([]),
        labels: Vec::new(),
        prepared: Prepared::Tokens,
    };
    let task = TextTask {
        train: nothing(),
        valid: nothing(),
        test: TextRows {
            tokens: tokens.clone(),
            labels: split.test.labels.clone(),
            prepared,
        },
        classes: split.classes.len(),
        width,
        pad,
        robustness: TextRobustness::default(),
    };
    let folder = dir.join("compact");
    let compact = if folder.exists() {
        let small = CompactText::load(&folder, weights.as_deref(), device)?
            .model()
            .clone();
        let pass: CompactPass<_> = Box::new(move |input| Ok(small.logits(input)?));
        Some(pass)
    } else {
        None
    };
    let frozen = loaded.encoder.clone();
    let model = GatedModel {
        encoder: loaded.encoder,
        gate,
        head,
    };
    load_trained(dir, &model.parameters())?;
    let mut timed = TimedRun::new(task, model, compact, device);
    let count = split.test.rows();
    timed.preparation = vec![
        ("reading and splitting the texts".to_owned(), reading),
        (format!("tokenising {count} test texts"), tokenising),
    ];
    if !pooled {
        let whole = "the time is the whole model's: encoder, gate and classifier on token ids";
        timed.notes.push(whole.to_owned());
        return Ok(timed);
    }
    timed.notes.push(
        "encoder frozen: the time is of gate and classifier on pooled features that are kept; the encoder, the same \
         for all models, comes before them and is timed apart"
            .to_owned(),
    );
    let place = device.clone();
    Ok(timed.with_before("the frozen encoder", move |rows| {
        let ids: Vec<&[u32]> = rows.iter().map(|&row| tokens.get(row as usize)).collect();
        let input = TextInput::tokens(&ids, pad, &place)?;
        let (encoder, place) = (frozen.clone(), place.clone());
        let pass: Pass = Box::new(move || {
            let pooled = encoder.encode(&input, &mut Mode::Eval)?;
            place.synchronize()?;
            Ok(pooled)
        });
        Ok(pass)
    }))
}

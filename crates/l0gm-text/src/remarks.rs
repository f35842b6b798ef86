//! Remarks on a text run's settings that tables must show: how it reads texts, and where it does less than the full
//! job.
use crate::split::grouped;
use crate::{FineTune, Pooling, TextSettings};
use l0gm_gate::{GateKind, Granularity};
use std::path::Path;

/// Remarks on these settings that every table must show. `pooling` is the encoder's, which has no pooler if its
/// checkpoint has none.
pub(crate) fn notes(settings: &TextSettings, pooling: Pooling, dense: bool) -> Vec<String> {
    let name = Path::new(&settings.encoder)
        .file_name()
        .map_or(settings.encoder.clone(), |n| {
            n.to_string_lossy().into_owned()
        });
    let pooling = match pooling {
        Pooling::Cls => "[CLS]",
        Pooling::Mean => "mean",
        Pooling::Pooler => "[CLS] through the pooler",
    };
    let mut notes = vec![format!(
        "encoder {name}, pooling {pooling}, fine-tune {}, at most {} tokens",
        String::from(settings.fine_tune),
        settings.max_tokens
    )];
    if settings.scores && !settings.has_scores() {
        notes.push("gates on groups of dimensions, so no class scores in the interface".into());
    }
    if dense {
        return notes;
    }
    if settings.gate.granularity == Granularity::Fine {
        notes.push(
            "fine gates: one a token's place x dimension, before pooling; not compacted".into(),
        );
    }
    if settings.gate.kind == GateKind::Conditional {
        notes.push("conditional gates: log_alpha = a + W r; not compacted".into());
    }
    notes.extend(settings.train.target_note());
    notes
}

/// Describes where these settings do less than train the whole encoder and perturb all `test` texts.
pub(crate) fn reductions(settings: &TextSettings, test: usize) -> Vec<String> {
    let mut reductions = Vec::new();
    if !settings.is_scratch() {
        match settings.fine_tune {
            FineTune::Full => {}
            FineTune::Last(layers) => {
                reductions.push(format!(
                    "of the encoder's layers only the last {layers} trained"
                ));
            }
            FineTune::Frozen => reductions.push("the encoder is frozen".to_owned()),
        }
    }
    let perturbed = settings.robustness_rows.filter(|rows| *rows < test);
    if let Some(rows) = perturbed.filter(|_| settings.train.robustness) {
        let (rows, test) = (grouped(rows), grouped(test));
        reductions.push(format!(
            "{rows} of {test} test texts perturbed for robustness"
        ));
    }
    reductions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pooling_that_is_used_is_told() {
        let settings = TextSettings {
            pooling: Pooling::Pooler,
            ..TextSettings::default()
        };
        let told = |pooling| notes(&settings, pooling, true).concat();
        assert!(told(Pooling::Pooler).contains("pooling [CLS] through the pooler,"));
        assert!(told(Pooling::Cls).contains("pooling [CLS],"));
    }

    #[test]
    fn a_frozen_encoder_and_few_perturbed_texts_are_reductions() {
        let mut settings = TextSettings {
            fine_tune: FineTune::Full,
            robustness_rows: Some(500),
            ..TextSettings::default()
        };
        assert!(reductions(&settings, 500).is_empty());
        settings.fine_tune = FineTune::Frozen;
        assert_eq!(
            reductions(&settings, 25_000),
            [
                "the encoder is frozen",
                "500 of 25,000 test texts perturbed for robustness"
            ]
        );
        settings.fine_tune = FineTune::Last(1);
        let last = "of the encoder's layers only the last 1 trained";
        assert_eq!(reductions(&settings, 500), [last]);
        settings.train.robustness = false;
        assert_eq!(reductions(&settings, 25_000).len(), 1);
    }
}

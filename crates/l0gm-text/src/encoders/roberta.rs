//! RoBERTa (Liu et al. 2019; <https://github.com/facebookresearch/fairseq/tree/main/examples/roberta>), and
//! XLM-RoBERTa and CamemBERT, which are the same network: BERT with positions counted from the row behind the padding
//! token's id, as fairseq does.
use super::bert::Bert;
use super::blocks::{Places, Tables};
use super::{BertConfig, EncoderShape, Family, FamilyConfig, Trainable};
use crate::Result;
use crate::params::WeightSource;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The keys of `config.json`, which are BERT's. If `pad_token_id` is missing, it is 1.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct RobertaConfig(pub BertConfig);

/// The sizes of an encoder whose first positions are those of padding.
pub(super) fn shape_behind_padding(config: &BertConfig) -> EncoderShape {
    let before = config.pad_token_id as usize + 1;
    let left = config.max_position_embeddings.saturating_sub(before);
    EncoderShape {
        max_tokens: Some(left),
        ..config.plain_shape()
    }
}

/// Refuses a position table that ends before the first token's row.
pub(super) fn check_positions(config: &BertConfig) -> std::result::Result<(), String> {
    match shape_behind_padding(config).max_tokens {
        Some(0) => Err(format!(
            "max_position_embeddings is {}; positions begin behind pad_token_id {}",
            config.max_position_embeddings, config.pad_token_id
        )),
        _ => Ok(()),
    }
}

impl FamilyConfig for RobertaConfig {
    fn shape(&self) -> EncoderShape {
        shape_behind_padding(&self.0)
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.0.check()?;
        check_positions(&self.0)
    }

    fn build(
        &self,
        source: &mut dyn WeightSource,
        trainable: Trainable,
        dropout: Option<f64>,
    ) -> Result<Arc<dyn Family>> {
        let tables = Tables {
            places: Places::Behind(self.0.pad_token_id),
            ..self.0.tables(dropout)
        };
        let family = Bert::new(&self.0, source, tables, trainable, dropout)?;
        Ok(Arc::new(family))
    }

    fn has_pooler(&self) -> bool {
        true
    }
}

//! ELECTRA (Clark et al. 2020; <https://github.com/google-research/electra>): BERT whose embeddings may be narrower
//! than the states, with a linear layer between. The discriminator is the encoder that people use; a generator has the
//! same form.
use super::bert::Bert;
use super::blocks::Tables;
use super::config::at_least_one;
use super::{BertConfig, EncoderShape, Family, FamilyConfig, Steps, Trainable};
use crate::Result;
use crate::input::Padding;
use crate::params::{Dense, Param, WeightSource};
use candle_core::Tensor;
use l0gm_ops::Mode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The keys of `config.json`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ElectraConfig {
    /// The keys that are BERT's.
    #[serde(flatten)]
    pub bert: BertConfig,
    /// Width of the embeddings. If the key is missing, it is 128, as on the hub.
    #[serde(default = "embedding_size")]
    pub embedding_size: usize,
}

fn embedding_size() -> usize {
    128
}

impl ElectraConfig {
    fn projects(&self) -> bool {
        self.embedding_size != self.bert.hidden_size
    }
}

impl FamilyConfig for ElectraConfig {
    fn shape(&self) -> EncoderShape {
        self.bert.plain_shape()
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.bert.check()?;
        at_least_one(&[("embedding_size", self.embedding_size)])
    }

    fn build(
        &self,
        source: &mut dyn WeightSource,
        trainable: Trainable,
        dropout: Option<f64>,
    ) -> Result<Arc<dyn Family>> {
        let tables = Tables {
            width: self.embedding_size,
            ..self.bert.tables(dropout)
        };
        let project = match self.projects() {
            true => Some(Dense::new(
                source,
                "embeddings_project",
                self.embedding_size,
                self.bert.hidden_size,
                trainable.embeddings,
            )?),
            false => None,
        };
        Ok(Arc::new(Electra {
            bert: Bert::new(&self.bert, source, tables, trainable, dropout)?,
            project,
        }))
    }

    fn flops(&self, tokens: f64) -> f64 {
        let projection = match self.projects() {
            true => 2.0 * (self.embedding_size * self.bert.hidden_size) as f64 * tokens,
            false => 0.0,
        };
        projection + self.bert.flops(tokens)
    }
}

#[derive(Debug)]
struct Electra {
    bert: Bert,
    project: Option<Dense>,
}

impl Family for Electra {
    fn embed(&self, ids: &Tensor, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        let x = self.bert.embed(ids, mode)?;
        match &self.project {
            Some(project) => project.forward(&x, mode.is_train()),
            None => Ok(x),
        }
    }

    fn layers(
        &self,
        x: &Tensor,
        padding: &Padding,
        steps: Steps,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        self.bert.layers(x, padding, steps, mode)
    }

    fn params(&self) -> Vec<&Param> {
        let projection = self.project.iter().flat_map(Dense::params);
        projection.chain(self.bert.params()).collect()
    }
}

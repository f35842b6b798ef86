//! DeBERTa v3 (He et al. 2021, 2023; <https://github.com/microsoft/DeBERTa>), and v2 where a checkpoint has no
//! convolution: BERT's layers with disentangled attention. A score is the product of two tokens' contents, plus that of the query's content with the embedding of
//! their distance (c2p), plus that of the key's content with it (p2c). All layers share the embeddings of distances.
mod config;
mod distance;

pub use config::{DebertaConfig, PositionTerms};

use self::distance::Distances;
use super::attention::{attend, open_keys, products, split_heads};
use super::blocks::{Embeddings, PostNormLayer};
use super::{Family, Steps};
use crate::input::Padding;
use crate::params::{Dense, Norm, Param};
use candle_core::Tensor;
use l0gm_ops::{Mode, add, dropout, reshape};

#[derive(Debug)]
struct Deberta {
    embeddings: Embeddings,
    /// The embedding of each distance, (2 span, width).
    relative: Param,
    relative_norm: Option<Norm>,
    layers: Vec<Layer>,
    distances: Distances,
    terms: Terms,
    heads: usize,
    /// The factor on all scores.
    scale: f64,
    state_dropout: f64,
    attention_dropout: f64,
}

/// Which products with distances a score holds.
#[derive(Clone, Copy, Debug)]
struct Terms {
    /// Content of the query, and the distance as a key.
    c2p: bool,
    /// The distance as a query, and content of the key.
    p2c: bool,
}

#[derive(Debug)]
struct Layer {
    block: PostNormLayer,
    /// What makes embeddings of distances into keys and queries, unless content's matrices do.
    position_key: Option<Dense>,
    position_query: Option<Dense>,
}

/// What all layers share in a pass.
struct Shared {
    /// The embeddings of distances, (2 span, width).
    relative: Tensor,
    /// The row of each query's distance to each key, (heads, batch, queries, keys), and the same with the last two
    /// exchanged.
    rows: [Tensor; 2],
    open: Option<Tensor>,
}

impl Deberta {
    fn shared(&self, x: &Tensor, padding: &Padding, track: bool) -> candle_core::Result<Shared> {
        let (batch, length, _) = x.dims3()?;
        let relative = self.relative.read(track);
        let relative = match &self.relative_norm {
            Some(norm) => norm.forward(&relative, track)?,
            None => relative,
        };
        let rows = self.distances.rows(length, x.device())?; // (queries, keys)
        let whole = |rows: &Tensor| {
            let (rows, columns) = (rows.unsqueeze(0)?.unsqueeze(0)?, rows.dim(1)?);
            rows.broadcast_as((self.heads, batch, length, columns))?
                .contiguous()
        };
        Ok(Shared {
            relative,
            rows: [whole(&rows)?, whole(&rows.t()?)?],
            open: open_keys(padding)?,
        })
    }

    /// The scores of queries and keys, (batch, length, width) each: (batch, heads, queries, keys).
    fn scores(
        &self,
        layer: &Layer,
        q: &Tensor,
        k: &Tensor,
        shared: &Shared,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let track = mode.is_train();
        let queries = q.dim(1)?;
        let relative = dropout(&shared.relative, self.state_dropout, mode)?;
        let mut scores = products(&split_heads(q, self.heads)?, &split_heads(k, self.heads)?)?;
        let [to_key, to_query] = &shared.rows;
        if self.terms.c2p {
            let own = layer.position_key.as_ref().unwrap_or(&layer.block.key);
            let own = own.forward(&relative, track)?;
            let rows = to_key.narrow(2, 0, queries)?;
            let term = self.with_distances(q, &own, &rows)?; // (heads, batch, queries, keys)
            scores = add(&scores, &term.transpose(0, 1)?.contiguous()?)?;
        }
        if self.terms.p2c {
            let own = layer.position_query.as_ref().unwrap_or(&layer.block.query);
            let own = own.forward(&relative, track)?;
            let rows = to_query.narrow(3, 0, queries)?;
            let term = self.with_distances(k, &own, &rows)?; // (heads, batch, keys, queries)
            scores = add(&scores, &term.permute((1, 0, 3, 2))?.contiguous()?)?;
        }
        scores.affine(self.scale, 0.0)
    }

    /// The products of each token's content (batch, tokens, width) with the embeddings of distances (2 span, width) in
    /// the given rows (heads, batch, tokens, others). Heads come first, so that no embedding is copied for each text.
    fn with_distances(
        &self,
        content: &Tensor,
        distances: &Tensor,
        rows: &Tensor,
    ) -> candle_core::Result<Tensor> {
        let (batch, tokens, width) = content.dims3()?;
        let (heads, dim, table) = (self.heads, width / self.heads, distances.dim(0)?);
        let others = rows.dim(3)?;
        let content = reshape(content, (batch, tokens, heads, dim))?
            .permute((2, 0, 1, 3))?
            .contiguous()?;
        let content = reshape(&content, (heads, batch * tokens, dim))?;
        let distances = reshape(distances, (table, heads, dim))?
            .permute((1, 2, 0))?
            .contiguous()?; // (heads, dim, 2 span)
        let all = content.matmul(&distances)?;
        let rows = rows
            .contiguous()?
            .reshape((heads, batch * tokens, others))?;
        let term = all.gather(&rows, 2)?;
        reshape(&term, (heads, batch, tokens, others))
    }
}

impl Family for Deberta {
    fn embed(&self, ids: &Tensor, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        self.embeddings.forward(ids, mode)
    }

    fn layers(
        &self,
        x: &Tensor,
        padding: &Padding,
        steps: Steps,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let track = steps.shared(mode).is_train();
        let shared = self.shared(x, padding, track)?;
        steps.walk(x, mode, |i, x, wanted, mode| {
            let layer = &self.layers[i];
            layer.block.forward(x, wanted, mode, |q, k, v, mode| {
                let scores = self.scores(layer, q, k, &shared, mode)?;
                attend(
                    &scores,
                    shared.open.as_ref(),
                    v,
                    self.attention_dropout,
                    mode,
                )
            })
        })
    }

    fn params(&self) -> Vec<&Param> {
        let mut all = self.embeddings.params();
        all.push(&self.relative);
        all.extend(self.relative_norm.iter().flat_map(Norm::params));
        for layer in &self.layers {
            all.extend(layer.block.params());
            all.extend(layer.position_key.iter().flat_map(Dense::params));
            all.extend(layer.position_query.iter().flat_map(Dense::params));
        }
        all
    }
}

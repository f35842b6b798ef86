//! The model around the gate.

use super::branches::{CinSettings, CrossSettings};
use super::check::{check, half_open_unit, layers, positive, width};
use super::start::Start;
use super::unwritten::{is_one, is_zero};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The branches of the head, the embeddings that they read, and which of them the gate covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelSettings {
    /// Width of a field's embedding, 1 to 65,536.
    pub dim: usize,
    /// Standard deviation of the initial category embeddings, above 0.
    pub embedding_std: f64,
    /// Widths of the deep branch's hidden layers; if empty, there is no deep branch.
    pub deep: Vec<usize>,
    /// Number of members of the deep branch, 1 to 256. Several members share the hidden layers; each has factors of its
    /// own on the gated embeddings and an output layer of its own, and their probabilities are averaged (TabM-mini,
    /// arXiv:2410.24210). Training takes about as many times longer as the deep branch's share of the work.
    #[serde(skip_serializing_if = "is_one")]
    pub members: usize,
    /// Dropout after each hidden layer, in [0, 1).
    pub dropout: f64,
    /// Dropout on the gated embeddings where the deep branch reads them, in [0, 1).
    pub embedding_dropout: f64,
    /// The compressed interaction network.
    pub cin: CinSettings,
    /// Whether there is a linear branch.
    pub linear: bool,
    /// Whether the linear branch reads raw inputs without the gate (eq. 20) rather than the gated embeddings.
    pub bypass: bool,
    /// Whether there is a factorisation machine on the gated embeddings: the sum of the products of all pairs of fields.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fm: bool,
    /// The cross network.
    #[serde(skip_serializing_if = "CrossSettings::is_default")]
    pub cross: CrossSettings,
    /// How the parameters start.
    #[serde(skip_serializing_if = "Start::is_default")]
    pub start: Start,
    /// How much more an open dimension of a field with many values costs in the gate's penalty, 0 to 1: its number of
    /// values (or of edges of its bins) to this power, with a mean of 1 over the fields. 0: every dimension costs 1.
    #[serde(skip_serializing_if = "is_zero")]
    pub value_cost: f64,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            dim: 16,
            embedding_std: 0.1,
            deep: vec![128, 64],
            members: 1,
            dropout: 0.25,
            embedding_dropout: 0.0,
            cin: CinSettings::default(),
            linear: true,
            bypass: true,
            fm: false,
            cross: CrossSettings::default(),
            start: Start::default(),
            value_cost: 0.0,
        }
    }
}

impl ModelSettings {
    /// Checks every setting.
    pub(super) fn check(&self) -> Result<()> {
        width("model.dim", self.dim)?;
        positive("model.embedding-std", self.embedding_std)?;
        half_open_unit("model.dropout", self.dropout)?;
        half_open_unit("model.embedding-dropout", self.embedding_dropout)?;
        for &units in &self.deep {
            width("model.deep", units)?;
        }
        layers("model.deep", self.deep.len())?;
        check(
            (1..=256).contains(&self.members),
            "model.members",
            &self.members,
            "1 to 256",
        )?;
        if self.members > 1 && self.deep.is_empty() {
            return Err(Error::Setting(format!(
                "model.members is {}, but model.deep is empty: members share hidden layers, so give some",
                self.members
            )));
        }
        check(
            (0.0..=1.0).contains(&self.value_cost),
            "model.value-cost",
            &self.value_cost,
            "a number from 0 to 1",
        )?;
        self.cin.check()?;
        self.cross.check()?;
        let behind =
            self.fm || self.cross.layers > 0 || !self.deep.is_empty() || !self.cin.maps.is_empty();
        if !self.linear && !behind {
            return Err(Error::Setting(
                "model has no branch: set model.linear, model.deep, model.cin.maps, model.fm or model.cross.layers"
                    .into(),
            ));
        }
        if self.linear && self.bypass && !behind {
            return Err(Error::Setting(
                "nothing stands behind the gate: with model.bypass set, give model.deep, model.cin.maps, model.fm or \
                 model.cross.layers"
                    .into(),
            ));
        }
        Ok(())
    }
}

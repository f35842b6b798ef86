//! The interactions between fields that a model computes: the compressed interaction network and the cross network.

use super::check::{check, layers, width};
use crate::Result;
use serde::{Deserialize, Serialize};

/// The activation of a CIN layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CinActivation {
    /// No activation, as in eq. 10.
    #[default]
    None,
    /// ReLU, as in xDeepFM's published code.
    Relu,
}

/// The compressed interaction network (eq. 8 to 12, 14).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CinSettings {
    /// Number of maps of each layer (H_1, H_2, ..); if empty, there is no CIN branch.
    pub maps: Vec<usize>,
    /// Activation of each layer's maps.
    pub activation: CinActivation,
    /// Whether to split maps as xDeepFM does: half of each layer's maps (except the last's) are summed, and the other
    /// half feed the next layer. Requires even numbers of maps there.
    pub split: bool,
    /// Rank L of the factorised maps W = U V^T (eq. 14); default: whole matrices.
    pub rank: Option<usize>,
}

impl Default for CinSettings {
    fn default() -> Self {
        Self {
            maps: vec![8, 8],
            activation: CinActivation::None,
            split: false,
            rank: None,
        }
    }
}

impl CinSettings {
    /// Checks every setting of a run or of a compact model's file.
    pub(crate) fn check(&self) -> Result<()> {
        let cin = self;
        layers("model.cin.maps", cin.maps.len())?;
        for (layer, &maps) in cin.maps.iter().enumerate() {
            width("model.cin.maps", maps)?;
            if cin.split && layer + 1 < cin.maps.len() {
                check(
                    maps % 2 == 0,
                    "model.cin.maps",
                    &maps,
                    "an even number where model.cin.split is set",
                )?;
            }
        }
        if let Some(rank) = cin.rank {
            width("model.cin.rank", rank)?;
        }
        Ok(())
    }
}

/// The cross network of DCN-v2 on the gated embeddings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CrossSettings {
    /// Number of cross layers; 0: there is no such branch.
    pub layers: usize,
    /// Rank of each layer's map W = U V^T; default: whole matrices.
    pub rank: Option<usize>,
}

impl CrossSettings {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the settings of a run or of a compact model's file.
    pub(crate) fn check(&self) -> Result<()> {
        layers("model.cross.layers", self.layers)?;
        match self.rank {
            Some(rank) => width("model.cross.rank", rank),
            None => Ok(()),
        }
    }
}

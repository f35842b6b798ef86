//! Deep ensembles (Lakshminarayanan et al. 2017): the backbone trained several times from different seeds, and the mean of
//! the members' probabilities.

use super::technique::{Interior, Technique, calibration_rival, check, read, written};
use crate::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const NAME: &str = "deep-ensemble";

pub(super) const TECHNIQUE: Technique = Technique {
    info: calibration_rival(
        NAME,
        "deep ensemble",
        "the backbone trained from several seeds; probabilities are averaged",
        "arXiv:1612.01474",
    ),
    interior: Interior::Dense,
    settings: written::<Settings>,
    members,
    apply: |settings, _| members(settings).map(|_| ()),
};

fn members(settings: &Value) -> Result<usize> {
    let Settings { members } = read(settings, NAME)?;
    let allowed = (2..=100).contains(&members);
    check(allowed, NAME, "members", members, "2 to 100")?;
    Ok(members)
}

/// The technique's own settings.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    /// Number of models.
    members: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { members: 5 }
    }
}

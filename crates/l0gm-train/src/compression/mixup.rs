//! Mixup (Zhang et al. 2018) of representations (Verma et al. 2019): the head learns from weighted means of two rows'
//! representations, with their labels in the same proportion. Thulasidasan et al. (2019) found it to calibrate.

use super::technique::{Interior, Technique, calibration_rival, check, one, read, written};
use serde::{Deserialize, Serialize};

const NAME: &str = "mixup";

pub(super) const TECHNIQUE: Technique = Technique {
    info: calibration_rival(
        NAME,
        "mixup",
        "the backbone trained on weighted means of two rows' representations and labels",
        "arXiv:1806.05236",
    ),
    interior: Interior::Dense,
    settings: written::<Settings>,
    members: one,
    apply: |settings, train| {
        let Settings { alpha } = read(settings, NAME)?;
        let allowed = (0.05..=1.0).contains(&alpha);
        check(allowed, NAME, "alpha", alpha, "from 0.05 to 1")?;
        train.mixup = alpha;
        Ok(())
    },
};

/// The technique's own settings.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    /// Both parameters of the Beta distribution of the weights; small values mix little.
    alpha: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { alpha: 0.2 }
    }
}

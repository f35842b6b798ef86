//! Label smoothing (Szegedy et al. 2016) of the whole backbone: nothing is removed, but the loss asks for less certainty.
//! Müller et al. (2019) found it to calibrate as well as temperature scaling.

use super::technique::{Interior, Technique, calibration_rival, check, one, read, written};
use serde::{Deserialize, Serialize};

const NAME: &str = "label-smoothing";

pub(super) const TECHNIQUE: Technique = Technique {
    info: calibration_rival(
        NAME,
        "label smoothing",
        "the backbone trained on labels of which a share is spread over all classes",
        "arXiv:1512.00567",
    ),
    interior: Interior::Dense,
    settings: written::<Settings>,
    members: one,
    apply: |settings, train| {
        let Settings { epsilon } = read(settings, NAME)?;
        let allowed = epsilon > 0.0 && epsilon < 1.0;
        check(allowed, NAME, "epsilon", epsilon, "above 0 and below 1")?;
        train.label_smoothing = epsilon;
        Ok(())
    },
};

/// The technique's own settings.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    /// The share of a row's target that is spread over all classes.
    epsilon: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { epsilon: 0.1 }
    }
}

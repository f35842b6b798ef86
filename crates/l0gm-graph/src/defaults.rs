//! The default settings of each profile.

use crate::GraphSettings;
use l0gm_train::Profile;

/// The settings of a profile before a user's settings are laid over them.
pub fn profile_settings(profile: Profile) -> GraphSettings {
    let mut settings = GraphSettings::default();
    if profile == Profile::Quick {
        settings.gcn.width = QUICK_WIDTH;
        settings.train.epochs = QUICK_EPOCHS;
        // The search of settings used the full recipe and says nothing about 80 epochs, so `quick` keeps its earlier
        // dropout.
        settings.gcn.dropout = QUICK_DROPOUT;
        settings.gate.initial_open = QUICK_OPEN;
        let train = &mut settings.train;
        train.optimiser.learning_rate = QUICK_LEARNING_RATE;
        train.optimiser.weight_decay = 0.0;
        train.optimiser.gate_travel = QUICK_TRAVEL;
        train.schedule.ramp = QUICK_RAMP;
    }
    settings
}

const QUICK_WIDTH: usize = 128;
const QUICK_EPOCHS: usize = 80;
const QUICK_LEARNING_RATE: f64 = 5e-3;
const QUICK_DROPOUT: f64 = 0.5;
const QUICK_OPEN: f64 = 0.92;
const QUICK_TRAVEL: f64 = 250.0;
const QUICK_RAMP: f64 = 0.1;

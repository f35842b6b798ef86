//! The default settings of each profile.

use crate::GraphSettings;
use crate::search::SearchSettings;
use crate::settings::FeatureScaling;
use l0gm_gate::GateConfig;
use l0gm_train::{LambdaUnit, Profile, Recipe};

/// The settings of a profile before a user's settings are laid over them.
pub fn profile_settings(profile: Profile) -> GraphSettings {
    if profile == Profile::General {
        return general_settings();
    }
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

/// The settings for graphs that nobody tuned them to.
fn general_settings() -> GraphSettings {
    let mut settings = GraphSettings {
        features: FeatureScaling::Auto,
        scores: true,
        search: Some(SearchSettings::default()),
        ..GraphSettings::default()
    };
    let gcn = &mut settings.gcn;
    gcn.layers = 2;
    gcn.width = 128;
    gcn.interface_width = 256;
    gcn.norm_last = false;
    gcn.dropout = 0.5;
    gcn.sparse_features = true;
    settings.gate = GateConfig::default();
    let train = &mut settings.train;
    train.epochs = 200;
    train.validate_every = 5;
    train.patience = 10;
    train.recipe = Recipe::Settled;
    train.lambda_unit = LambdaUnit::Force;
    train.optimiser.learning_rate = 2e-3;
    train.optimiser.weight_decay = 1e-4;
    train.optimiser.gate_travel = 60.0;
    // On a full batch the task's gradients on the gates are 1e-4 to 1e-2, and lambda is a multiple of them. Under a
    // larger epsilon all gates would move at the same small speed, whatever their dimensions are worth.
    train.optimiser.gate_epsilon = 1e-3;
    // The network learns first, the gates close, and most of training is left for the weights to adapt to them.
    train.schedule.warmup = 0.3;
    train.controller.reach = 0.6;
    train.controller.settle = 0.65;
    settings
}

const QUICK_WIDTH: usize = 128;
const QUICK_EPOCHS: usize = 80;
const QUICK_LEARNING_RATE: f64 = 5e-3;
const QUICK_DROPOUT: f64 = 0.5;
const QUICK_OPEN: f64 = 0.92;
const QUICK_TRAVEL: f64 = 250.0;
const QUICK_RAMP: f64 = 0.1;

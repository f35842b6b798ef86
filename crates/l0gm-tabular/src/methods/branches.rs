//! Networks of other papers that are made of branches of our backbone: the same embeddings, encoding of numbers,
//! training loop and budget, with other branches on them and without a gate.

use super::gated::GatedMethod;
use crate::settings::{CrossSettings, DistillationSettings, TabularSettings};
use l0gm_train::{Knob, MethodInfo, Role};
use std::borrow::Cow;

/// A multilayer perceptron on the field embeddings.
pub(super) static MLP: GatedMethod = GatedMethod {
    info: rival(
        "mlp",
        "MLP",
        "a multilayer perceptron on embeddings of all fields, numbers piecewise linear",
        "arXiv:2203.05556",
        Some(Cow::Borrowed("MLP")),
    ),
    adapt: Some(mlp),
    rank: None,
};

/// A linear branch on the raw inputs beside a deep branch.
pub(super) static WIDE_AND_DEEP: GatedMethod = GatedMethod {
    info: rival(
        "wide-and-deep",
        "Wide & Deep",
        "a linear branch on raw inputs beside a deep branch on embeddings",
        "arXiv:1606.07792",
        None,
    ),
    adapt: Some(wide_and_deep),
    rank: None,
};

/// A linear branch, a deep branch and a compressed interaction network of the size that its paper uses.
pub(super) static XDEEPFM: GatedMethod = GatedMethod {
    info: rival(
        "xdeepfm",
        "xDeepFM",
        "linear, deep and compressed-interaction branches (CIN of 128 and 64 maps)",
        "arXiv:1803.05170",
        None,
    ),
    adapt: Some(xdeepfm),
    rank: None,
};

/// A multilayer perceptron with several members that share their hidden layers.
pub(super) static TABM: GatedMethod = GatedMethod {
    info: rival(
        "tabm",
        "TabM-mini",
        "an ensemble of 16 multilayer perceptrons that share their hidden layers, probabilities averaged",
        "arXiv:2410.24210",
        None,
    ),
    adapt: Some(tabm),
    rank: None,
};

/// A linear branch on raw inputs, a factorisation machine and a deep branch on shared embeddings.
pub(super) static DEEPFM: GatedMethod = GatedMethod {
    info: rival(
        "deepfm",
        "DeepFM",
        "linear branch on raw inputs, factorisation machine and deep branch on shared embeddings",
        "arXiv:1703.04247",
        None,
    ),
    adapt: Some(deepfm),
    rank: None,
};

/// Cross layers beside a deep branch.
pub(super) static DCN_V2: GatedMethod = GatedMethod {
    info: rival(
        "dcn-v2",
        "DCN-v2",
        "cross layers beside a deep branch on embeddings of all fields (Deep & Cross, second version)",
        "arXiv:2008.13535",
        None,
    ),
    adapt: Some(dcn_v2),
    rank: None,
};

/// Cross layers of DCN-v2 where the settings name none.
const CROSS_LAYERS: usize = 2;

const fn rival(
    name: &'static str,
    label: &'static str,
    summary: &'static str,
    source: &'static str,
    rival_of: Option<Cow<'static, str>>,
) -> MethodInfo {
    MethodInfo {
        name: Cow::Borrowed(name),
        label: Cow::Borrowed(label),
        summary: Cow::Borrowed(summary),
        source: Cow::Borrowed(source),
        role: Role::Rival,
        gated: false,
        knob: Knob::None,
        rival_of,
        needs: None,
    }
}

/// Leaves the deep branch alone. Other papers' networks are trained on the labels alone, as they were proposed.
fn mlp(settings: &mut TabularSettings) {
    settings.distillation = DistillationSettings::default();
    let model = &mut settings.model;
    model.linear = false;
    model.cin.maps.clear();
    model.fm = false;
    model.cross = CrossSettings::default();
}

fn tabm(settings: &mut TabularSettings) {
    mlp(settings);
    settings.model.members = 16;
}

fn wide_and_deep(settings: &mut TabularSettings) {
    mlp(settings);
    settings.model.linear = true;
    settings.model.bypass = true;
}

fn xdeepfm(settings: &mut TabularSettings) {
    wide_and_deep(settings);
    settings.model.cin.maps = vec![128, 64];
}

fn deepfm(settings: &mut TabularSettings) {
    wide_and_deep(settings);
    settings.model.fm = true;
}

fn dcn_v2(settings: &mut TabularSettings) {
    let cross = settings.model.cross.clone();
    mlp(settings);
    settings.model.cross = match cross.layers {
        0 => CrossSettings {
            layers: CROSS_LAYERS,
            ..cross
        },
        // The user's own number of layers.
        _ => cross,
    };
}

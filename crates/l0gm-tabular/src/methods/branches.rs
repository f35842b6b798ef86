//! Networks of other papers that are made of branches of our backbone: the same embeddings, encoding of numbers,
//! training loop and budget, with other branches on them and without a gate.

use super::gated::GatedMethod;
use crate::settings::{CrossSettings, ModelSettings};
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
    branches: Some(mlp),
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
    branches: Some(wide_and_deep),
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
    branches: Some(xdeepfm),
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
    branches: Some(tabm),
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
    branches: Some(deepfm),
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
    branches: Some(dcn_v2),
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

/// Leaves the deep branch alone.
fn mlp(model: &mut ModelSettings) {
    model.linear = false;
    model.cin.maps.clear();
    model.fm = false;
    model.cross = CrossSettings::default();
}

fn tabm(model: &mut ModelSettings) {
    mlp(model);
    model.members = 16;
}

fn wide_and_deep(model: &mut ModelSettings) {
    mlp(model);
    model.linear = true;
    model.bypass = true;
}

fn xdeepfm(model: &mut ModelSettings) {
    wide_and_deep(model);
    model.cin.maps = vec![128, 64];
}

fn deepfm(model: &mut ModelSettings) {
    wide_and_deep(model);
    model.fm = true;
}

fn dcn_v2(model: &mut ModelSettings) {
    let cross = model.cross.clone();
    mlp(model);
    model.cross = match cross.layers {
        0 => CrossSettings {
            layers: CROSS_LAYERS,
            ..cross
        },
        // The user's own number of layers.
        _ => cross,
    };
}

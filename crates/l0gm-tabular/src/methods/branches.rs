//! Networks of other papers that are made of branches of our backbone: the same embeddings, encoding of numbers,
//! training loop and budget, with other branches on them and without a gate.

use super::gated::GatedMethod;
use crate::settings::ModelSettings;
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

fn mlp(model: &mut ModelSettings) {
    model.linear = false;
    model.cin.maps.clear();
}

fn wide_and_deep(model: &mut ModelSettings) {
    model.linear = true;
    model.bypass = true;
    model.cin.maps.clear();
}

fn xdeepfm(model: &mut ModelSettings) {
    model.linear = true;
    model.bypass = true;
    model.cin.maps = vec![128, 64];
}

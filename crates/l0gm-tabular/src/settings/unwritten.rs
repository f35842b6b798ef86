//! Settings that are not written into a record where they have their defaults.

/// Settings that are omitted from a record if they have their defaults. Thus runs from before these settings existed
/// keep their identity.
pub(crate) const UNWRITTEN: [&str; 25] = [
    "gate.distribution",
    "gate.sigma",
    "data.valid-file",
    "data.group",
    "data.time",
    "model.value-cost",
    "model.fm",
    "model.cross",
    "encoding.shrink",
    "train.select-by",
    "train.recipe",
    "train.lambda-unit",
    "train.average-epochs",
    "train.class-weights",
    "train.least-steps",
    "train.label-smoothing",
    "train.mixup",
    "model.start",
    "model.members",
    "distillation",
    "data.train-rows",
    "data.keep",
    "data.drop-unlabelled",
    "data.decimal",
    "data.header",
];

/// Whether a setting is left out of a record because it is 0.
pub(crate) fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Whether a setting is left out of a record because it is 1.
pub(super) fn is_one(value: &usize) -> bool {
    *value == 1
}

//! Refuses settings that are out of range, by name.

use crate::{Error, Result};

pub(super) fn check(
    holds: bool,
    name: &str,
    value: &dyn std::fmt::Debug,
    allowed: &str,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "{name} is {value:?}; expected {allowed}"
    )))
}

pub(super) fn open_unit(name: &str, value: f64) -> Result<()> {
    check(
        value > 0.0 && value < 1.0,
        name,
        &value,
        "a number above 0 and below 1",
    )
}

pub(super) fn half_open_unit(name: &str, value: f64) -> Result<()> {
    check(
        (0.0..1.0).contains(&value),
        name,
        &value,
        "a number from 0 to below 1",
    )
}

pub(super) fn positive(name: &str, value: f64) -> Result<()> {
    check(
        value > 0.0 && value.is_finite(),
        name,
        &value,
        "a number above 0",
    )
}

/// Largest width of a layer, embedding or encoding. A larger one is a mistake for which there would not be enough
/// memory.
pub(crate) const MAX_WIDTH: usize = 1 << 16;

pub(super) fn width(name: &str, value: usize) -> Result<()> {
    check(
        (1..=MAX_WIDTH).contains(&value),
        name,
        &value,
        &format!("1 to {MAX_WIDTH}"),
    )
}

pub(super) fn layers(name: &str, count: usize) -> Result<()> {
    check(count <= 64, name, &count, "at most 64 layers")
}

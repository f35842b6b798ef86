//! Settings from TOML or JSON: unknown keys are refused with the nearest known name.
use crate::Result;
use serde::de::DeserializeOwned;
/// `overrides` laid over `defaults` (both tables), then parsed.
pub fn merge_settings<T: serde::Serialize + DeserializeOwned>(_defaults: &T, _overrides: &serde_json::Value) -> Result<T> {
    todo!()
}

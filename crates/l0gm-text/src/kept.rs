//! Keeps the last task that was prepared with a frozen encoder. Runs of a plan that differ in gate, seed or training
//! use the same tokens and features (or token states, for fine gates), and preparing them takes longer than training.
use crate::prepare::PreparedTask;
use crate::{FineTune, TextSettings};
use candle_core::Device;
use l0gm_train::DataSummary;
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Settings that change neither the tokens nor the output of a frozen encoder.
const OF_THE_RUN: [&str; 6] = [
    "train",
    "gate",
    "dropout",
    "encoder-dropout",
    "robustness-at",
    "robustness-rows",
];

/// At most one task, with the key of what it was made from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    last: Arc<Mutex<Option<(String, PreparedTask)>>>,
}

impl Kept {
    /// The kept task, if it has this key.
    pub(crate) fn get(&self, key: &str) -> Option<PreparedTask> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, task) = last.as_ref().filter(|(made_of, _)| made_of == key)?;
        Some(task.clone())
    }

    /// Keeps a task and drops the previous one.
    pub(crate) fn keep(&self, key: String, task: &PreparedTask) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((key, task.clone()));
    }

    /// Frees the kept task before another one is prepared, because two may not fit in memory.
    pub(crate) fn clear(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Key of everything on which a frozen encoder's pooled features (or token states, for `gated_tokens`) depend: the
/// files, including the weights, and the settings that the runs share. It includes the cache folder, whose features
/// another process may need. `None` if the encoder is trained.
pub(crate) fn key(
    settings: &TextSettings,
    data: &DataSummary,
    gated_tokens: bool,
    folder: &Path,
    device: &Device,
) -> Option<String> {
    if settings.fine_tune != FineTune::Frozen || settings.is_scratch() {
        return None;
    }
    let mut value = serde_json::to_value(settings).ok()?;
    if let Value::Object(map) = &mut value {
        map.retain(|name, _| !OF_THE_RUN.contains(&name.as_str()));
    }
    let place = device.location();
    Some(format!(
        "{value} {gated_tokens} {:?} {} {} {place:?}",
        data.checksums,
        data.source,
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn frozen() -> TextSettings {
        TextSettings {
            fine_tune: FineTune::Frozen,
            ..TextSettings::default()
        }
    }

    #[test]
    fn a_key_is_blind_to_the_run_and_to_nothing_else() {
        let (data, cpu) = (DataSummary::default(), Device::Cpu);
        let key = |settings: &TextSettings| key(settings, &data, false, Path::new("a"), &cpu);
        let plain = key(&frozen()).unwrap();
        let mut other = frozen();
        other.train.epochs += 1;
        other.dropout = 0.5;
        assert_eq!(key(&other).unwrap(), plain);
        other.max_tokens -= 1;
        assert_ne!(key(&other).unwrap(), plain);
        let mut rows = frozen();
        rows.test_rows = Some(77);
        assert_ne!(key(&rows).unwrap(), plain);
        assert_eq!(key(&TextSettings::default()), None);
        let mut changed = DataSummary::default();
        changed.checksums.insert("a".into(), "b".into());
        assert_ne!(
            super::key(&frozen(), &changed, false, Path::new("a"), &cpu).unwrap(),
            plain
        );
        assert_ne!(
            super::key(&frozen(), &data, true, Path::new("a"), &cpu).unwrap(),
            plain,
            "states are not pooled features"
        );
    }
}

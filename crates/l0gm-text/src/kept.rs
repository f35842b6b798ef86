//! The last prepared task on a frozen encoder, kept in memory: runs of a plan that differ in their gate, seed
//! or training read the same tokens and features (or, under fine gates, states of tokens), and preparing them takes
//! longer than training on them.
use crate::prepare::PreparedTask;
use crate::{FineTune, TextSettings};
use candle_core::Device;
use l0gm_train::DataSummary;
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Settings that change neither tokens nor what a frozen encoder says of them.
const OF_THE_RUN: [&str; 6] = [
    "train",
    "gate",
    "dropout",
    "encoder-dropout",
    "robustness-at",
    "robustness-rows",
];

/// At most one task, and what it was made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    last: Arc<Mutex<Option<(String, PreparedTask)>>>,
}

impl Kept {
    /// The task of this key, where it is the last one.
    pub(crate) fn get(&self, key: &str) -> Option<PreparedTask> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, task) = last.as_ref().filter(|(made_of, _)| made_of == key)?;
        Some(task.clone())
    }

    /// Keeps a task in place of the last one.
    pub(crate) fn keep(&self, key: String, task: &PreparedTask) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((key, task.clone()));
    }

    /// Lets the last one go before another is made: both would not have to fit.
    pub(crate) fn clear(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What a frozen encoder's pooled features, or for `gated_tokens` its tokens' states, depend on: the files read, the
/// weights among them, and the settings that are not the run's own; and the folder that features are cached in, which
/// another process may need. `None` where the encoder learns.
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

//! The surroundings of a run: its folder, its device, and who watches and stops it.

use crate::{BaselineScore, Progress, StopFlag};
use candle_core::Device;
use std::path::PathBuf;

/// Where and how a run happens. On the same device, nothing here changes the result.
pub struct RunContext<'a> {
    /// The run's own folder.
    pub dir: PathBuf,
    /// Where tensors are placed and computed.
    pub device: Device,
    /// The device's name in records: "cpu" or "cuda:0".
    pub device_name: String,
    /// Number of threads in use, for the record.
    pub threads: usize,
    /// Receives an event at every step.
    pub progress: &'a mut dyn Progress,
    /// Checked before every step; when it is set, the run stops.
    pub stop: StopFlag,
    /// What baselines of the same study reached, for warnings about this run. Empty where none has run.
    pub baselines: Vec<BaselineScore>,
}

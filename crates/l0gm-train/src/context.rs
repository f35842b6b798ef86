//! Where and how a run happens.

use crate::{Progress, StopFlag};
use candle_core::Device;
use std::path::PathBuf;

/// Where and how a run happens. Nothing here changes its result on the same device.
pub struct RunContext<'a> {
    /// The run's own directory.
    pub dir: PathBuf,
    /// Device.
    pub device: Device,
    /// "cpu" or "cuda:0".
    pub device_name: String,
    /// Threads in use.
    pub threads: usize,
    /// Told about every step.
    pub progress: &'a mut dyn Progress,
    /// Asked before every step.
    pub stop: StopFlag,
}

//! Hard-concrete L0 gates on the representation a classifier reads.

pub mod calibration;
mod compaction;
mod config;
pub mod distribution;
mod error;
mod file;
mod gate;
mod objective;
mod relaxation;
mod schedule;

pub use compaction::{LinearLayer, compact_linear};
pub use config::{GateConfig, GateKind, Granularity, InferenceGate, PenaltyReduction};
pub use error::{Error, Result};
pub use gate::{ActiveFraction, Gate, Interface};
pub use l0gm_ops::{Generator, Mode, Stretch};
pub use objective::Objective;
pub use schedule::{Schedule, ScheduleKind, ScheduleStep, Temperature};

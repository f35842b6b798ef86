//! Hard-concrete L0 gates on the representation a classifier reads.

pub mod calibration;
mod compaction;
mod config;
mod error;
mod gate;
mod objective;
mod schedule;

pub use compaction::{LinearLayer, compact_linear};
pub use config::{GateConfig, GateKind, Granularity, InferenceGate, PenaltyReduction};
pub use error::{Error, Result};
pub use gate::{ActiveFraction, Gate, Interface};
pub use objective::Objective;
pub use schedule::{Schedule, ScheduleKind, ScheduleStep, Temperature};

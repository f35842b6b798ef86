//! What can go wrong with a gate.
/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;
/// The crate's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range; the message names the setting, its value and the range.
    #[error("{0}")]
    Setting(String),
    /// Inputs that do not fit each other.
    #[error("{0}")]
    Input(String),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

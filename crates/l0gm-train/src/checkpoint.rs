//! Checkpoints: parameters, moments and position, enough to continue to the same result.

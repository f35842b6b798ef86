//! Turns the name given to `--device` into a device, or into an error if there is none.

use crate::usage::usage;
use candle_core::Device;

/// Parses `cpu`, `cuda` or `cuda:N`, and returns the device with the name that records store.
pub fn parse(name: &str) -> anyhow::Result<(Device, String)> {
    if name == "cpu" {
        return Ok((Device::Cpu, "cpu".to_owned()));
    }
    let ordinal = match name.strip_prefix("cuda") {
        Some("") => Some(0),
        Some(rest) => rest.strip_prefix(':').and_then(|n| n.parse::<usize>().ok()),
        None => None,
    };
    let Some(ordinal) = ordinal else {
        return Err(usage(format!(
            "--device {name}: expected cpu, cuda or cuda:N (N = 0, 1, ...)"
        )));
    };
    if !candle_core::utils::cuda_is_available() {
        return Err(usage(format!(
            "--device {name}: this binary was built without CUDA; build it with \
             `cargo run -p xtask --features cuda -- reproduce --device {name}` or use --device cpu"
        )));
    }
    // Use one stream for all threads: `new_cuda` creates one for each thread, and nothing orders work between them.
    match Device::new_cuda_with_stream(ordinal) {
        Ok(device) => Ok((device, format!("cuda:{ordinal}"))),
        Err(error) => Err(usage(format!(
            "--device {name}: no usable GPU {ordinal} on this machine ({}); use --device cpu",
            error.to_string().lines().next().unwrap_or("unknown error")
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn a_gpu_where_there_is_none_is_a_usage_error() {
        assert!(super::parse("cpu").is_ok());
        for bad in ["gpu", "cuda:x", "cuda0", ""] {
            assert!(
                super::parse(bad)
                    .unwrap_err()
                    .to_string()
                    .contains("expected cpu")
            );
        }
        let error = super::parse("cuda:99").unwrap_err();
        assert!(error.to_string().contains("--device cpu"), "{error}");
        assert_eq!(crate::usage::exit_code(&error), 2);
    }
}

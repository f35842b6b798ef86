//! Settled gates: a gate that has decided is moved so far to its side that training noise no longer matters.
//!
//! Algorithm 1 trains with noisy gates and predicts with a threshold, so that a gate which was open 80% of the time may
//! be closed in use, and the other way round. Gates that are settled and then hardened are open or closed in both:
//! their expected and their deterministic active fraction are the same.

use crate::{ActiveFraction, Gate, Result, Target, settle};
use candle_core::Tensor;

/// `log_alpha` of a hardened gate that is open. P(z != 0) is above .9999 and z is 1 at every temperature up to 2, and for
/// a Gaussian gate with sigma up to 2.
const OPEN: f32 = 8.0;
/// `log_alpha` of a hardened gate that is closed. P(z != 0) is below .001 at every temperature up to 2.
const CLOSED: f32 = -12.0;

/// Opens the gates that training noise opens more often than not, and closes the others. If that would close every
/// gate, the likeliest one stays open, because a model that reads nothing predicts nothing. Returns the share of
/// dimensions that is open.
///
/// This is what settling means where lambda was given; [`settle`] is for a target.
///
/// # Errors
/// One of the gates is conditional.
pub fn settle_likely(gates: &[&Gate]) -> Result<ActiveFraction> {
    let (mut likely, mut all, mut widest) = (0usize, 0usize, 1usize);
    for gate in gates.iter().filter(|gate| !gate.is_fixed()) {
        let (Some(inner), Some(log_alpha)) = (&gate.inner, gate.log_alpha()) else {
            continue;
        };
        widest = widest.max(inner.covers);
        for value in log_alpha.to_vec1::<f32>()? {
            all += inner.covers;
            let open = inner
                .config
                .open_probability(f64::from(value), inner.temperature);
            if open > 0.5 {
                likely += inner.covers;
            }
        }
    }
    // `settle` counts what fixed gates leave open.
    for gate in gates.iter().filter(|gate| gate.is_fixed()) {
        let open = gate.hard_mask()?;
        all += open.len();
        likely += open.iter().filter(|open| **open).count();
    }
    if all == 0 {
        return Ok(ActiveFraction(1.0));
    }
    // The gates of a model have the same settings, so the likeliest are those with the largest log_alpha, which
    // `settle` opens first.
    let share = likely.max(widest) as f64 / all as f64;
    match Target::new(share) {
        Ok(target) => settle(gates, target),
        Err(_) => open_all(gates),
    }
}

/// Moves the `log_alpha` of every gate far to the side on which it is. The open dimensions stay the same.
///
/// Gates of a kind that depends on the example are left alone, and so are fixed ones.
///
/// # Errors
/// A tensor operation fails.
pub fn harden(gates: &[&Gate]) -> Result<()> {
    for gate in gates {
        let (Some(closing), Some(log_alpha)) = (gate.closing_point(), gate.log_alpha()) else {
            continue;
        };
        if gate.is_conditional() || gate.is_fixed() {
            continue;
        }
        let hard: Vec<f32> = log_alpha
            .to_vec1::<f32>()?
            .into_iter()
            .map(|value| {
                if f64::from(value) > closing {
                    OPEN
                } else {
                    CLOSED
                }
            })
            .collect();
        let count = hard.len();
        log_alpha.set(&Tensor::from_vec(hard, count, log_alpha.device())?)?;
    }
    Ok(())
}

fn open_all(gates: &[&Gate]) -> Result<ActiveFraction> {
    for gate in gates.iter().filter(|gate| !gate.is_fixed()) {
        if let Some(log_alpha) = gate.log_alpha() {
            let open = Tensor::full(OPEN, log_alpha.dims1()?, log_alpha.device())?;
            log_alpha.set(&open)?;
        }
    }
    Ok(ActiveFraction(1.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{GateConfig, Granularity, InferenceGate, Interface, Temperature};
    use candle_core::Device;

    fn gate(log_alpha: &[f32], inference: InferenceGate, tau: f64) -> Gate {
        let config = GateConfig {
            inference,
            ..GateConfig::default()
        };
        let log_alpha = Tensor::new(log_alpha, &Device::Cpu).unwrap();
        let interface = Interface::Flat {
            dim: log_alpha.elem_count(),
        };
        Gate::from_log_alpha(interface, &config, &log_alpha, Temperature(tau)).unwrap()
    }

    const KINDS: [InferenceGate; 3] = [
        InferenceGate::Median,
        InferenceGate::Threshold,
        InferenceGate::HardSigmoid,
    ];

    #[test]
    fn gates_that_noise_opens_more_often_than_not_stay_open_whatever_the_rule_of_inference() {
        // At temperature 2/3 a gate is open half of the time at log_alpha = -1.6.
        for kind in KINDS {
            let gate = gate(&[3.0, -1.0, -1.5, -1.7, -6.0], kind, 2.0 / 3.0);
            assert_eq!(settle_likely(&[&gate]).unwrap(), ActiveFraction(0.6));
            assert_eq!(
                gate.hard_mask().unwrap(),
                [true, true, true, false, false],
                "{kind:?}"
            );
        }
    }

    #[test]
    fn the_likeliest_gate_stays_open_where_all_would_close_and_all_stay_where_none_would() {
        let closed = gate(&[-5.0, -4.0, -9.0], InferenceGate::Median, 2.0 / 3.0);
        settle_likely(&[&closed]).unwrap();
        assert_eq!(closed.hard_mask().unwrap(), [false, true, false]);
        let open = gate(&[5.0, -1.0], InferenceGate::Threshold, 2.0 / 3.0);
        assert_eq!(settle_likely(&[&open]).unwrap(), ActiveFraction(1.0));
        assert_eq!(open.hard_mask().unwrap(), [true, true]);
    }

    #[test]
    fn hardened_gates_read_the_same_in_training_and_in_use() {
        for kind in KINDS {
            for tau in [0.1, 2.0 / 3.0, 2.0] {
                let gate = gate(&[2.5, 1.0, 0.2, -0.3, -2.0, -7.0], kind, tau);
                let before = gate.hard_mask().unwrap();
                harden(&[&gate]).unwrap();
                assert_eq!(gate.hard_mask().unwrap(), before, "{kind:?} {tau}");
                let open = before.iter().filter(|open| **open).count() as f64;
                assert!((gate.expected_l0().unwrap() - open).abs() < 0.01);
                let reading = gate.reading().unwrap();
                assert!(reading.z.iter().all(|z| *z == 0.0 || *z == 1.0));
            }
        }
    }

    #[test]
    fn groups_settle_whole() {
        let config = GateConfig {
            granularity: Granularity::Group,
            ..GateConfig::default()
        };
        let log_alpha = Tensor::new(&[-5f32, -4.0], &Device::Cpu).unwrap();
        let interface = Interface::Fields { fields: 2, dim: 3 };
        let gate =
            Gate::from_log_alpha(interface, &config, &log_alpha, Temperature(2.0 / 3.0)).unwrap();
        assert_eq!(settle_likely(&[&gate]).unwrap(), ActiveFraction(0.5));
        let mask = gate.hard_mask().unwrap();
        assert_eq!(mask, [false, false, false, true, true, true]);
    }
}

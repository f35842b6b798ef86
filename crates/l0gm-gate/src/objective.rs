//! The training objective J = task + lambda_t * penalty + weight * coupling (eq. 22; Algorithm 1, line 17; Table 10),
//! the one number that an optimiser lowers.

use crate::{Coupling, Error, Gate, Gates, Result, ScheduleStep};
use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

/// Settings of the objective.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Objective {
    /// Weight of the penalty, at least 0.
    pub lambda: f64,
    /// The calibration term; none by default.
    pub coupling: Coupling,
}

impl Objective {
    /// Checks every setting. The error names the setting.
    pub fn check(&self) -> Result<()> {
        if !(self.lambda >= 0.0 && self.lambda.is_finite()) {
            return Err(Error::setting(
                "lambda",
                self.lambda,
                "finite and at least 0",
            ));
        }
        self.coupling.check()
    }

    /// task + lambda * step.lambda_scale * penalty, as a scalar. `task` is returned unchanged for the identity gate
    /// and while the weight is 0. A task loss in half precision is widened to f32 first.
    ///
    /// The caller, who has the logits, must add the calibration term itself: see [`Coupling::value`].
    ///
    /// # Errors
    /// Those of the penalty. A conditional gate is an error too, because its penalty depends on the batch; use
    /// [`total`](Self::total).
    pub fn value(&self, task: &Tensor, gate: &Gate, step: ScheduleStep) -> Result<Tensor> {
        if gate.is_identity() || self.lambda * step.lambda_scale == 0.0 {
            return self.total(task, None, step);
        }
        self.total(task, Some(&gate.penalty(step.temperature)?), step)
    }

    /// Like [`value`](Self::value), with the penalties of several gates together. One lambda weighs them all.
    ///
    /// # Errors
    /// Those of `value`. With conditional gates, use [`total`](Self::total) and [`Gates::penalty_of`].
    pub fn joint(&self, task: &Tensor, gates: &Gates, step: ScheduleStep) -> Result<Tensor> {
        if gates.are_identities() || self.lambda * step.lambda_scale == 0.0 {
            return self.total(task, None, step);
        }
        self.total(task, Some(&gates.penalty(step.temperature)?), step)
    }

    /// Like [`value`](Self::value), with a penalty that the caller has computed, such as [`Gate::penalty_of`] for a
    /// batch.
    pub fn total(
        &self,
        task: &Tensor,
        penalty: Option<&Tensor>,
        step: ScheduleStep,
    ) -> Result<Tensor> {
        self.check()?;
        if task.rank() != 0 {
            return Err(Error::input(format!(
                "the task loss has shape {:?}, but must be a scalar: reduce it over the batch first",
                task.dims()
            )));
        }
        let weight = self.lambda * step.lambda_scale;
        let Some(penalty) = penalty.filter(|_| weight != 0.0) else {
            return Ok(task.clone());
        };
        let dtype = match task.dtype() {
            DType::F64 => DType::F64,
            _ => DType::F32,
        };
        // J = L_task + λ L₀: line 17.
        Ok((task.to_dtype(dtype)? + (penalty.to_dtype(dtype)? * weight)?)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{GateConfig, Interface, Schedule, Temperature};
    use candle_core::Device;

    const TAU: Temperature = Temperature(2.0 / 3.0);

    fn objective(lambda: f64) -> Objective {
        Objective {
            lambda,
            ..Objective::default()
        }
    }

    fn step(lambda_scale: f64) -> ScheduleStep {
        ScheduleStep {
            temperature: TAU,
            lambda_scale,
        }
    }

    fn gate() -> Gate {
        Gate::new(
            Interface::Flat { dim: 10 },
            &GateConfig::default(),
            &Schedule::default(),
            &Device::Cpu,
        )
        .unwrap()
    }

    #[test]
    fn objective_adds_the_weighted_penalty_to_the_task() {
        let task = Tensor::new(0.25f32, &Device::Cpu).unwrap();
        let objective = objective(0.01);
        let value = objective.value(&task, &gate(), step(0.5)).unwrap();
        // Ten gates are open with probability .9 each.
        let expected = 0.25 + 0.01 * 0.5 * 9.0;
        assert!((f64::from(value.to_scalar::<f32>().unwrap()) - expected).abs() < 1e-6);
    }

    #[test]
    fn task_is_unchanged_for_the_identity_gate_and_in_the_warm_up() {
        let task = Tensor::new(0.25f32, &Device::Cpu).unwrap();
        let objective = objective(0.01);
        let identity = Gate::identity(Interface::Flat { dim: 10 });
        for value in [
            objective.value(&task, &identity, step(1.0)),
            objective.value(&task, &gate(), step(0.0)),
        ] {
            assert_eq!(value.unwrap().to_scalar::<f32>().unwrap(), 0.25);
        }
    }

    #[test]
    fn a_loss_of_any_precision_is_accepted() {
        for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
            let task = Tensor::new(0.25f32, &Device::Cpu)
                .unwrap()
                .to_dtype(dtype)
                .unwrap();
            let value = objective(1.0).value(&task, &gate(), step(1.0)).unwrap();
            let value = value
                .to_dtype(DType::F64)
                .unwrap()
                .to_scalar::<f64>()
                .unwrap();
            assert!((value - 9.25).abs() < 1e-5, "{dtype:?}: {value}");
        }
    }

    #[test]
    fn negative_lambda_and_unreduced_loss_are_refused() {
        for lambda in [-1e-3, f64::NAN, f64::INFINITY] {
            let text = objective(lambda).check().unwrap_err().to_string();
            assert!(
                text.contains(&format!("lambda is {lambda}")) && text.contains("at least 0"),
                "{text}"
            );
        }
        let losses = Tensor::new(&[0.1f32, 0.2], &Device::Cpu).unwrap();
        let error = objective(1.0).value(&losses, &gate(), step(1.0));
        assert!(error.unwrap_err().to_string().contains("scalar"));
    }
}

//! How temperature and lambda change during training: warm-up, ramp, hardening (Algorithm 1, line 4; Table 9). All
//! settings are fractions of training progress and not numbers of steps, so that a setting means the same for the
//! thousands of steps of a table and the few hundred of a graph.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Temperature of the concrete distribution. It must be above 0.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Temperature(pub f64);

impl Temperature {
    /// Refuses a temperature that is not finite or not above 0. The error calls it `name`.
    pub(crate) fn check(self, name: &str) -> Result<()> {
        match self.0 > 0.0 && self.0.is_finite() {
            true => Ok(()),
            false => Err(Error::setting(name, self.0, "finite and above 0")),
        }
    }
}

/// The kind of schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Lambda is 0 in the warm-up and then ramps up; the temperature moves to its end after the warm-up.
    #[default]
    Annealed,
    /// Full lambda and the start temperature from the first step. This is the ablation.
    None,
}
/// Settings of the schedule, all in fractions of training progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Schedule {
    /// The kind of schedule.
    pub kind: ScheduleKind,
    /// Fraction of training with lambda 0.
    pub warmup: f64,
    /// Fraction of training, after the warm-up, over which lambda rises linearly to its value.
    pub ramp: f64,
    /// Temperature until the end of the warm-up.
    pub start_temperature: f64,
    /// Temperature at the end of training, reached linearly after the warm-up. Values below 2/3 harden the gates: z
    /// is nearer to 0 or 1, and the penalty falls by itself.
    pub end_temperature: f64,
}
impl Default for Schedule {
    fn default() -> Self {
        Self {
            kind: ScheduleKind::Annealed,
            warmup: 0.1,
            ramp: 0.3,
            start_temperature: 2.0 / 3.0,
            end_temperature: 2.0 / 3.0,
        }
    }
}
/// The state of the schedule at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScheduleStep {
    /// Current temperature.
    pub temperature: Temperature,
    /// Current factor on lambda, from 0 to 1.
    pub lambda_scale: f64,
}
impl Schedule {
    /// Checks every setting. The error names the setting, its value and the range.
    pub fn check(&self) -> Result<()> {
        for (name, value) in [("warmup", self.warmup), ("ramp", self.ramp)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::setting(
                    name,
                    value,
                    "between 0 and 1 (a fraction of training)",
                ));
            }
        }
        if self.warmup + self.ramp > 1.0 + 1e-9 {
            return Err(Error::Setting(format!(
                "warmup + ramp is {} + {} = {}, but must be at most 1 (all of training)",
                self.warmup,
                self.ramp,
                self.warmup + self.ramp
            )));
        }
        Temperature(self.start_temperature).check("start-temperature")?;
        Temperature(self.end_temperature).check("end-temperature")
    }

    /// The schedule at `progress` in [0, 1] (steps done / total steps). Values outside count as the nearest end.
    pub fn at(&self, progress: f64) -> ScheduleStep {
        let progress = if progress.is_nan() {
            0.0
        } else {
            progress.clamp(0.0, 1.0)
        };
        if self.kind == ScheduleKind::None {
            return ScheduleStep {
                temperature: Temperature(self.start_temperature),
                lambda_scale: 1.0,
            };
        }
        let since_warmup = progress - self.warmup;
        let lambda_scale = if since_warmup < 0.0 {
            0.0
        } else if since_warmup >= self.ramp {
            1.0
        } else {
            since_warmup / self.ramp
        };
        // If all of training is warm-up, the end temperature is only reached at the last moment.
        let moved = match 1.0 - self.warmup {
            rest if rest > 0.0 => (since_warmup / rest).clamp(0.0, 1.0),
            _ => f64::from(progress >= 1.0),
        };
        let temperature = self.start_temperature * (1.0 - moved) + self.end_temperature * moved;
        ScheduleStep {
            temperature: Temperature(temperature),
            lambda_scale,
        }
    }

    /// Temperature at which a finished model is used: the end temperature, or the start temperature for `None`.
    pub fn final_temperature(&self) -> Temperature {
        match self.kind {
            ScheduleKind::Annealed => Temperature(self.end_temperature),
            ScheduleKind::None => Temperature(self.start_temperature),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn annealed() -> Schedule {
        Schedule {
            warmup: 0.2,
            ramp: 0.4,
            start_temperature: 2.0,
            end_temperature: 0.5,
            ..Schedule::default()
        }
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn lambda_is_zero_in_the_warm_up_then_rises_linearly_and_stays() {
        for (progress, scale) in [
            (0.0, 0.0),
            (0.1, 0.0),
            (0.2, 0.0),
            (0.3, 0.25),
            (0.4, 0.5),
            (0.6, 1.0),
            (0.8, 1.0),
            (1.0, 1.0),
        ] {
            close(annealed().at(progress).lambda_scale, scale);
        }
    }

    #[test]
    fn temperature_holds_in_the_warm_up_then_moves_linearly_to_its_end() {
        for (progress, tau) in [(0.0, 2.0), (0.2, 2.0), (0.6, 1.25), (1.0, 0.5)] {
            close(annealed().at(progress).temperature.0, tau);
        }
        close(annealed().final_temperature().0, 0.5);
    }

    #[test]
    fn no_schedule_has_full_lambda_and_start_temperature_from_step_one() {
        let none = Schedule {
            kind: ScheduleKind::None,
            ..annealed()
        };
        for progress in [0.0, 0.5, 1.0] {
            close(none.at(progress).lambda_scale, 1.0);
            close(none.at(progress).temperature.0, 2.0);
        }
        close(none.final_temperature().0, 2.0);
    }

    #[test]
    fn extreme_fractions_give_finite_steps() {
        let all_warmup = Schedule {
            warmup: 1.0,
            ramp: 0.0,
            ..annealed()
        };
        close(all_warmup.at(0.99).lambda_scale, 0.0);
        close(all_warmup.at(1.0).lambda_scale, 1.0);
        close(all_warmup.at(1.0).temperature.0, 0.5);
        let at_once = Schedule {
            warmup: 0.0,
            ramp: 0.0,
            ..annealed()
        };
        close(at_once.at(0.0).lambda_scale, 1.0);
        close(at_once.at(0.0).temperature.0, 2.0);
        close(at_once.at(7.0).temperature.0, 0.5);
    }

    #[test]
    fn settings_outside_their_range_are_named_with_value_and_range() {
        let message = |schedule: Schedule| schedule.check().unwrap_err().to_string();
        annealed().check().unwrap();
        Schedule {
            warmup: 0.7,
            ramp: 0.3,
            ..annealed()
        }
        .check()
        .unwrap();
        for bad in [-0.1, 1.1, f64::NAN] {
            let text = message(Schedule {
                warmup: bad,
                ..annealed()
            });
            assert!(
                text.contains(&format!("warmup is {bad}")) && text.contains("between 0 and 1"),
                "{text}"
            );
            let text = message(Schedule {
                ramp: bad,
                ..annealed()
            });
            assert!(text.contains(&format!("ramp is {bad}")), "{text}");
        }
        let text = message(Schedule {
            warmup: 0.7,
            ramp: 0.5,
            ..annealed()
        });
        assert!(
            text.contains("warmup + ramp is 0.7 + 0.5") && text.contains("at most 1"),
            "{text}"
        );
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let text = message(Schedule {
                start_temperature: bad,
                ..annealed()
            });
            assert!(
                text.contains(&format!("start-temperature is {bad}")) && text.contains("above 0"),
                "{text}"
            );
            let text = message(Schedule {
                end_temperature: bad,
                ..annealed()
            });
            assert!(
                text.contains(&format!("end-temperature is {bad}")),
                "{text}"
            );
        }
    }
}

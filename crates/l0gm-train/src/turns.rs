//! Times the forward passes of several models side by side. Every model has a turn in every round, so that
//! disturbances of the machine affect all of them, and models are compared within a round.

use crate::{Error, LATENCY_WARMUP, Pass, Result, StopFlag};
use l0gm_gate::quantile;
use std::time::Instant;

/// If the rounds' medians spread by more than this share, the third digit of a latency is noise: one unit of the
/// third digit is at most 1% of a number.
pub const THIRD_DIGIT: f64 = 0.01;

/// How many rounds and passes are timed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turns {
    /// Number of rounds. In each round, every model has one turn.
    pub rounds: usize,
    /// Passes at the beginning of a turn that are not counted.
    pub warmup: usize,
    /// Timed passes of a turn.
    pub repeats: usize,
    /// Seconds after which a turn ends early. At least one pass is always timed.
    pub turn_seconds: f64,
    /// Seconds after which no further round begins, once [`Turns::FEWEST`] rounds are done.
    pub seconds: f64,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            rounds: 15,
            warmup: LATENCY_WARMUP,
            repeats: 50,
            turn_seconds: 0.2,
            seconds: 60.0,
        }
    }
}

impl Turns {
    /// Minimum number of rounds; an interquartile range needs three.
    pub const FEWEST: usize = 3;

    /// Checks that every count is at least 1.
    pub fn check(&self) -> Result<()> {
        if self.rounds == 0 || self.repeats == 0 {
            return Err(Error::Setting(format!(
                "latency needs rounds and repeats of at least 1, not {} and {}",
                self.rounds, self.repeats
            )));
        }
        Ok(())
    }
}

/// The times of one model's passes, in microseconds, by round.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    rounds: Vec<Vec<f64>>,
}

impl Timing {
    /// Median of all passes, in microseconds.
    pub fn median_us(&self) -> f64 {
        quantile(&self.sorted(), 0.5)
    }

    /// 95th percentile of all passes, in microseconds.
    pub fn p95_us(&self) -> f64 {
        quantile(&self.sorted(), 0.95)
    }

    /// Number of timed passes.
    pub fn passes(&self) -> usize {
        self.rounds.iter().map(Vec::len).sum()
    }

    /// The median of each round, in microseconds.
    pub fn round_medians_us(&self) -> Vec<f64> {
        let medians = self.rounds.iter().map(|round| {
            let mut round = round.clone();
            round.sort_by(f64::total_cmp);
            quantile(&round, 0.5)
        });
        medians.collect()
    }

    /// The interquartile range of the rounds' medians, as a share of their median.
    pub fn spread(&self) -> f64 {
        spread(&self.round_medians_us())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut all = self.rounds.concat();
        all.sort_by(f64::total_cmp);
        all
    }
}

/// The time of `of` relative to that of `against`: the median of the rounds' ratios, and its spread. Ratios are taken
/// within a round, where both models met the same state of the machine.
pub fn ratio(of: &Timing, against: &Timing) -> (f64, f64) {
    let (a, b) = (of.round_medians_us(), against.round_medians_us());
    let mut ratios: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a / b).collect();
    let width = spread(&ratios);
    ratios.sort_by(f64::total_cmp);
    (quantile(&ratios, 0.5), width)
}

/// The interquartile range of some values, as a share of their median; 0 for fewer than two.
pub fn spread(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / quantile(&sorted, 0.5)
}

/// Times all passes. Each round begins with another model, so that no model always follows the same one. `stop` is
/// checked before every turn.
pub fn side_by_side(passes: &[&Pass], turns: &Turns, stop: &StopFlag) -> Result<Vec<Timing>> {
    turns.check()?;
    let mut timings = vec![Timing { rounds: Vec::new() }; passes.len()];
    let start = Instant::now();
    for round in 0..turns.rounds {
        if round >= Turns::FEWEST && start.elapsed().as_secs_f64() >= turns.seconds {
            break;
        }
        for turn in 0..passes.len() {
            if stop.is_set() {
                return Err(Error::Stopped);
            }
            let model = (round + turn) % passes.len();
            timings[model].rounds.push(one_turn(passes[model], turns)?);
        }
    }
    Ok(timings)
}

/// One turn of a model: makes its passes and returns the microseconds of each that counts.
pub type Turn<'a> = Box<dyn FnMut(&Turns) -> Result<Vec<f64>> + 'a>;

/// Like [`side_by_side`], for models that make their turns themselves, such as other programs. A model that fails has no
/// further turn, and its error stands in its place; the others go on.
///
/// # Errors
/// There are no rounds, or a stop was requested.
pub fn by_turns(
    models: &mut [Turn<'_>],
    turns: &Turns,
    stop: &StopFlag,
) -> Result<Vec<Result<Timing>>> {
    turns.check()?;
    let mut timings: Vec<Result<Timing>> = models
        .iter()
        .map(|_| Ok(Timing { rounds: Vec::new() }))
        .collect();
    let start = Instant::now();
    for round in 0..turns.rounds {
        if round >= Turns::FEWEST && start.elapsed().as_secs_f64() >= turns.seconds {
            break;
        }
        for turn in 0..models.len() {
            if stop.is_set() {
                return Err(Error::Stopped);
            }
            let at = (round + turn) % models.len();
            if let Ok(timing) = &mut timings[at] {
                match models[at](turns) {
                    Ok(times) => timing.rounds.push(times),
                    Err(error) => timings[at] = Err(error),
                }
            }
        }
    }
    Ok(timings)
}

/// A turn of a model in this process. The clock's own time would show in a pass that is shorter than a tenth of a
/// millisecond, so the time of such a pass is the mean over as many as last so long.
///
/// # Errors
/// A pass fails.
pub fn own_turn(mut pass: impl FnMut() -> Result<()>, turns: &Turns) -> Result<Vec<f64>> {
    const SHORTEST: f64 = 1e-4;
    let start = Instant::now();
    let mut timed = |passes: usize| -> Result<f64> {
        let before = Instant::now();
        for _ in 0..passes {
            pass()?;
        }
        Ok(before.elapsed().as_secs_f64() / passes as f64)
    };
    let mut once = f64::INFINITY;
    for _ in 0..turns.warmup.max(1) {
        once = once.min(timed(1)?);
    }
    let passes = ((SHORTEST / once.max(1e-7)) as usize).clamp(1, 10_000);
    let mut times = Vec::with_capacity(turns.repeats);
    while times.is_empty()
        || (times.len() < turns.repeats && start.elapsed().as_secs_f64() < turns.turn_seconds)
    {
        times.push(1e6 * timed(passes)?);
    }
    Ok(times)
}

fn one_turn(pass: &Pass, turns: &Turns) -> Result<Vec<f64>> {
    let start = Instant::now();
    let over = |share: f64| start.elapsed().as_secs_f64() >= turns.turn_seconds * share;
    for _ in 0..turns.warmup {
        pass()?;
        // If a pass takes long, one is enough to warm the caches again.
        if over(0.5) {
            break;
        }
    }
    let mut times = Vec::with_capacity(turns.repeats);
    while times.len() < turns.repeats && (times.is_empty() || !over(1.0)) {
        let before = Instant::now();
        pass()?;
        times.push(before.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{Device, Tensor};
    use std::cell::RefCell;
    use std::rc::Rc;

    type Log = Rc<RefCell<Vec<usize>>>;

    fn noted(log: &Log, name: usize) -> Pass {
        let log = log.clone();
        Box::new(move || {
            log.borrow_mut().push(name);
            Ok(Tensor::new(&[[0f32]], &Device::Cpu)?)
        })
    }

    #[test]
    fn every_model_has_a_turn_in_every_round_and_none_is_always_first() {
        let log = Log::default();
        let passes = [noted(&log, 0), noted(&log, 1), noted(&log, 2)];
        let passes: Vec<&Pass> = passes.iter().collect();
        let turns = Turns {
            rounds: 3,
            warmup: 1,
            repeats: 2,
            turn_seconds: 60.0,
            seconds: 60.0,
        };
        let timings = side_by_side(&passes, &turns, &StopFlag::default()).unwrap();
        let mut order = log.borrow().clone();
        assert_eq!(
            order.len(),
            3 * 3 * 3,
            "a warm-up pass and two timed ones a turn"
        );
        order.dedup();
        // A round may begin with the model that ended the previous round, so neighbours are deduplicated.
        assert_eq!(order, [0, 1, 2, 1, 2, 0, 2, 0, 1]);
        assert!(timings.iter().all(|timing| timing.passes() == 6));
    }

    #[test]
    fn a_turn_that_is_over_time_still_times_one_pass() {
        let log = Log::default();
        let pass = noted(&log, 0);
        let turns = Turns {
            rounds: 2,
            turn_seconds: 0.0,
            ..Turns::default()
        };
        let timings = side_by_side(&[&pass], &turns, &StopFlag::default()).unwrap();
        assert_eq!(timings[0].passes(), 2);
        assert_eq!(log.borrow().len(), 4, "one warm-up pass before each");
    }

    #[test]
    fn when_time_is_up_the_fewest_rounds_have_been_made() {
        let log = Log::default();
        let pass = noted(&log, 0);
        let turns = Turns {
            seconds: 0.0,
            warmup: 0,
            repeats: 1,
            ..Turns::default()
        };
        let timings = side_by_side(&[&pass], &turns, &StopFlag::default()).unwrap();
        assert_eq!(timings[0].passes(), Turns::FEWEST);
    }

    #[test]
    fn a_model_that_fails_has_no_further_turn_and_the_others_go_on() {
        let mut turns_of_failing = 0;
        let mut models: Vec<Turn<'_>> = vec![
            Box::new(|_| Ok(vec![1.0, 2.0])),
            Box::new(|_| {
                turns_of_failing += 1;
                Err(Error::Task("the peer is gone".to_owned()))
            }),
        ];
        let turns = Turns {
            rounds: 4,
            ..Turns::default()
        };
        let timings = by_turns(&mut models, &turns, &StopFlag::default()).unwrap();
        drop(models);
        assert_eq!(timings[0].as_ref().unwrap().passes(), 8);
        assert!(timings[1].is_err() && turns_of_failing == 1);
    }

    #[test]
    fn short_passes_are_timed_together() {
        let mut made = 0;
        let count = || {
            made += 1;
            Ok(())
        };
        let turns = Turns {
            repeats: 5,
            turn_seconds: 60.0,
            ..Turns::default()
        };
        let times = own_turn(count, &turns).unwrap();
        assert_eq!(times.len(), 5);
        assert!(made > 50, "{made}");
        assert!(times.iter().all(|us| *us < 100.0));
    }

    #[test]
    fn figures_come_from_all_passes_and_the_spread_from_the_rounds() {
        let timing = Timing {
            rounds: vec![
                vec![10.0, 12.0, 11.0],
                vec![20.0, 21.0, 22.0],
                vec![10.0, 11.0, 90.0],
            ],
        };
        assert_eq!(timing.round_medians_us(), [11.0, 21.0, 11.0]);
        assert_eq!(timing.median_us(), 12.0);
        assert!(timing.p95_us() > 60.0);
        // The quartiles are 11 and 16, the median is 11.
        assert!((timing.spread() - 5.0 / 11.0).abs() < 1e-12);
        assert_eq!(spread(&[3.0]), 0.0);
        let half = Timing {
            rounds: vec![vec![5.5], vec![7.0], vec![5.5]],
        };
        assert_eq!(ratio(&half, &timing).0, 0.5);
    }

    #[test]
    fn a_stop_or_no_rounds_end_it() {
        let stop = StopFlag::default();
        stop.stop();
        let pass = noted(&Log::default(), 0);
        assert!(matches!(
            side_by_side(&[&pass], &Turns::default(), &stop),
            Err(Error::Stopped)
        ));
        let none = Turns {
            rounds: 0,
            ..Turns::default()
        };
        assert!(side_by_side(&[&pass], &none, &StopFlag::default()).is_err());
    }
}

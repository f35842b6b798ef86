//! Minimising the objective with L-BFGS (the crate argmin).

use super::LogisticSettings;
use super::coordinates::Coordinates;
use super::loss::Objective;
use crate::{Error, Result, StopFlag};
use argmin::core::{CostFunction, Executor, Gradient, State, TerminationReason, TerminationStatus};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use std::cell::RefCell;

/// Pairs of steps and gradient differences that L-BFGS remembers.
const MEMORY: usize = 10;
/// A fit also ends where an iteration changes the mean objective by less.
const SMALLEST_GAIN: f64 = 1e-10;

/// Where a minimisation ended.
pub(super) struct Solved {
    pub(super) parameters: Vec<f64>,
    pub(super) iterations: usize,
    pub(super) converged: bool,
}

/// Minimises from `start`. `heard` is told the mean objective at every point that is evaluated.
pub(super) fn minimise(
    objective: Objective<'_>,
    start: Vec<f64>,
    settings: &LogisticSettings,
    heard: &mut dyn FnMut(f64),
    stop: &StopFlag,
) -> Result<Solved> {
    let failed = |e: argmin::core::Error| Error::Task(format!("logistic regression: {e}"));
    let search = MoreThuenteLineSearch::new();
    let solver = LBFGS::new(search, MEMORY)
        .with_tolerance_grad(settings.tolerance)
        .and_then(|solver| solver.with_tolerance_cost(SMALLEST_GAIN))
        .map_err(failed)?;
    let coordinates = Coordinates::new(&objective)?;
    let start = coordinates.of(&start);
    let problem = Watched {
        objective,
        coordinates: &coordinates,
        last: RefCell::new(None),
        heard: RefCell::new(heard),
        stop,
    };
    let outcome = Executor::new(problem, solver)
        .configure(|state| {
            state
                .param(start.clone())
                .max_iters(settings.max_iterations as u64)
        })
        .timer(false)
        .run();
    // A stop reaches argmin as an error of the objective, which its line search turns into an ordinary end.
    if stop.is_set() {
        return Err(Error::Stopped);
    }
    let mut state = outcome.map_err(failed)?.state;
    let converged = !matches!(
        state.get_termination_status(),
        TerminationStatus::Terminated(TerminationReason::MaxItersReached)
    );
    let iterations = state.get_iter() as usize;
    if !state.get_best_cost().is_finite() {
        return Err(Error::NotFinite(
            "logistic regression: the loss is not finite; scale the features down".to_owned(),
        ));
    }
    // A line search that finds nothing lower within rounding ends the fit: the best point is the answer.
    let best = state.take_best_param().or_else(|| state.take_param());
    Ok(Solved {
        parameters: coordinates.parameters(&best.unwrap_or(start)),
        iterations,
        converged,
    })
}

/// A point in the solver's coordinates, with its objective and gradient.
type Point = (Vec<f64>, f64, Vec<f64>);

/// The objective as argmin asks for it: value and gradient apart, though one pass over the rows gives both.
struct Watched<'a> {
    objective: Objective<'a>,
    coordinates: &'a Coordinates,
    last: RefCell<Option<Point>>,
    heard: RefCell<&'a mut dyn FnMut(f64)>,
    stop: &'a StopFlag,
}

impl Watched<'_> {
    fn at<T>(
        &self,
        here: &[f64],
        read: impl Fn(&Point) -> T,
    ) -> std::result::Result<T, argmin::core::Error> {
        if let Some(point) = &*self.last.borrow()
            && point.0 == here
        {
            return Ok(read(point));
        }
        if self.stop.is_set() {
            return Err(Error::Stopped.into());
        }
        let parameters = self.coordinates.parameters(here);
        let (value, mut gradient) = self.objective.value_and_gradient(&parameters)?;
        self.coordinates.gradient(&mut gradient);
        (self.heard.borrow_mut())(value);
        let point = (here.to_vec(), value, gradient);
        let result = read(&point);
        *self.last.borrow_mut() = Some(point);
        Ok(result)
    }
}

impl CostFunction for Watched<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, parameters: &Vec<f64>) -> std::result::Result<f64, argmin::core::Error> {
        self.at(parameters, |point| point.1)
    }
}

impl Gradient for Watched<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(
        &self,
        parameters: &Vec<f64>,
    ) -> std::result::Result<Vec<f64>, argmin::core::Error> {
        self.at(parameters, |point| point.2.clone())
    }
}

//! One fit for each strength of the penalty, and the choice among them.

use super::loss::Objective;
use super::model::outputs;
use super::solve::minimise;
use super::{LogisticRegression, LogisticSettings, Rows};
use crate::{Error, PredictionTable, Progress, ProgressEvent, Result, Split, StopFlag, all_finite};

/// Weaker penalties are not tried after so many in a row that did not lower the best validation loss.
const PATIENCE: usize = 2;

/// Rows and the class of each.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    /// rows x features.
    pub rows: Rows<'a>,
    /// One class a row.
    pub labels: &'a [u32],
}

/// One strength that was tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogisticTrial {
    /// Strength of the penalty.
    pub strength: f64,
    /// Mean negative log-likelihood of the validation rows.
    pub valid_nll: f64,
    /// Iterations of L-BFGS.
    pub iterations: usize,
    /// Whether it ended by its tolerance rather than by the most iterations allowed.
    pub converged: bool,
}

/// The chosen model and how it was chosen.
#[derive(Clone, Debug)]
pub struct LogisticFit {
    /// With the best validation loss.
    pub model: LogisticRegression,
    /// How it was fitted.
    pub chosen: LogisticTrial,
    /// Everything that was tried, from strong to weak.
    pub trials: Vec<LogisticTrial>,
}

impl LogisticFit {
    /// "L2 strength 1 has the lowest validation loss of the 7 tried (100 to 0.1)", for a record's notes.
    pub fn note(&self) -> String {
        let strengths = || self.trials.iter().map(|trial| trial.strength);
        let weakest = strengths().fold(f64::INFINITY, f64::min);
        let strongest = strengths().fold(0.0, f64::max);
        format!(
            "L2 strength {} has the lowest validation loss of the {} tried ({strongest} to {weakest}), {} iterations{}",
            self.chosen.strength,
            self.trials.len(),
            self.chosen.iterations,
            if self.chosen.converged {
                ""
            } else {
                " without convergence"
            }
        )
    }
}

/// Fits on `train`, from the strongest penalty to weaker ones, and keeps the fit with the lowest loss on `valid`. Once
/// two strengths in a row did not help, weaker ones are left out.
///
/// # Errors
/// A split without rows, a label outside the classes, rows of different widths, a feature that is not finite, a
/// request to stop.
pub fn fit_logistic(
    train: Labelled<'_>,
    valid: Labelled<'_>,
    classes: usize,
    settings: &LogisticSettings,
    progress: &mut dyn Progress,
    stop: &StopFlag,
) -> Result<LogisticFit> {
    settings.check()?;
    check("training", train, train.rows.columns(), classes)?;
    check("validation", valid, train.rows.columns(), classes)?;
    let mut strengths = settings.strengths.clone();
    strengths.sort_by(|a, b| b.total_cmp(a));
    strengths.dedup();
    let mut parameters = start(train, classes);
    let mut best: Option<(LogisticRegression, LogisticTrial)> = None;
    let mut trials: Vec<LogisticTrial> = Vec::new();
    let mut worse = 0;
    for (at, &strength) in strengths.iter().enumerate() {
        let objective = Objective {
            rows: train.rows,
            labels: train.labels,
            outputs: outputs(classes),
            strength,
        };
        let mut heard = |loss: f64| {
            progress.event(&ProgressEvent {
                stage: "training",
                step: at,
                steps: strengths.len(),
                loss: Some(loss),
                metric: None,
                active_fraction: None,
            });
        };
        let solved = minimise(objective, parameters, settings, &mut heard, stop)?;
        let model = LogisticRegression::new(classes, train.rows.columns(), &solved.parameters);
        let trial = LogisticTrial {
            strength,
            valid_nll: nll(&model, valid)?,
            iterations: solved.iterations,
            converged: solved.converged,
        };
        trials.push(trial);
        parameters = solved.parameters;
        match &best {
            Some((_, kept)) if trial.valid_nll >= kept.valid_nll => worse += 1,
            _ => {
                best = Some((model, trial));
                worse = 0;
            }
        }
        if worse >= PATIENCE {
            break;
        }
    }
    let (model, chosen) = best.ok_or_else(|| {
        Error::NotFinite("logistic regression: no strength gave a finite loss".to_owned())
    })?;
    Ok(LogisticFit {
        model,
        chosen,
        trials,
    })
}

/// Weights of 0, and intercepts that predict the training shares. Half a row is added to each class, so that one that
/// has no training row starts with a finite logit.
fn start(train: Labelled<'_>, classes: usize) -> Vec<f64> {
    let mut counts = vec![0.5f64; classes];
    for &label in train.labels {
        counts[label as usize] += 1.0;
    }
    let mut parameters = vec![0.0; train.rows.columns() * outputs(classes)];
    match counts[..] {
        [first, second] => parameters.push((second / first).ln()),
        _ => parameters.extend(counts.iter().map(|count| count.ln())),
    }
    parameters
}

fn check(name: &str, part: Labelled<'_>, columns: usize, classes: usize) -> Result<()> {
    let wrong = |message: String| Err(Error::Task(format!("logistic regression: {message}")));
    let Labelled { rows, labels } = part;
    if classes < 2 {
        return wrong(format!(
            "{classes} class(es); a classifier needs at least two"
        ));
    }
    if labels.is_empty() || labels.len() != rows.count() {
        return wrong(format!(
            "the {name} split has {} rows of features and {} labels; expected as many of each, and at least one",
            rows.count(),
            labels.len()
        ));
    }
    if rows.columns() != columns {
        return wrong(format!(
            "{name} rows have {} features, training rows {columns}",
            rows.columns()
        ));
    }
    if let Some(row) = labels.iter().position(|&l| l as usize >= classes) {
        return wrong(format!(
            "{name} row {row} has the label {}, but there are {classes} classes",
            labels[row]
        ));
    }
    let rows = match rows {
        Rows::Sparse(rows) => rows,
        Rows::Products(_) => return Ok(()),
        Rows::Dense(rows) if all_finite(rows)? => return Ok(()),
        Rows::Dense(_) => {
            return wrong(format!("a feature of a {name} row is not a finite number"));
        }
    };
    if let Some(at) = rows.values().iter().position(|v| !v.is_finite()) {
        let row = rows.indptr().partition_point(|&end| end as usize <= at) - 1;
        return wrong(format!(
            "feature {} of {name} row {row} is {}; expected a finite number",
            rows.indices()[at],
            rows.values()[at]
        ));
    }
    Ok(())
}

fn nll(model: &LogisticRegression, part: Labelled<'_>) -> Result<f64> {
    let table = PredictionTable {
        split: Split::Valid,
        rows: (0..part.labels.len() as u32).collect(),
        labels: part.labels.to_vec(),
        logits: model.logits_of(part.rows)?,
        classes: model.classes(),
    };
    Ok(table.nll())
}

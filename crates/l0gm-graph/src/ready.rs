//! Makes a run's graph and model ready for training: what its settings leave open is chosen, and what starts from a
//! fitted model is fitted.

use crate::build::build_model;
use crate::found::Found;
use crate::search::search;
use crate::settings::GraphSettings;
use crate::start::{fit_scores, losses, put_scores};
use crate::{Graph, GraphModel, GraphTask};
use l0gm_train::{Result, RunContext, Sitting};
use std::path::Path;

/// A run's graph and its untrained model.
pub(crate) struct Ready {
    /// The settings, with everything chosen that they left open.
    pub(crate) settings: GraphSettings,
    pub(crate) task: GraphTask,
    pub(crate) model: GraphModel,
    /// What was decided, for the record.
    pub(crate) notes: Vec<String>,
}

impl Ready {
    /// Chooses and fits, and builds a model from the seed, `gated` or not. A sitting that continues a run finds what an earlier one has chosen.
    ///
    /// # Errors
    /// A trial fails, the folder cannot be written, or a stop was requested.
    pub(crate) fn new(
        graph: &Graph,
        task: &GraphTask,
        settings: &GraphSettings,
        (gated, seed): (bool, u64),
        sitting: Sitting<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<Self> {
        let mut notes = Vec::new();
        let mut blend = Vec::new();
        let (settings, task, scores) = match &settings.search {
            Some(asked) => {
                let chosen = search(graph, task, settings, asked, sitting, context)?;
                notes.push(chosen.found.note());
                blend = chosen.found.best().blend.clone();
                let settings = chosen.found.best().choice.applied(settings);
                (settings, chosen.task, chosen.scores)
            }
            None => {
                let scores = match settings.scores {
                    true => fit_scores(task, context)?,
                    false => Vec::new(),
                };
                (settings.clone(), task.clone(), scores)
            }
        };
        if !scores.is_empty() {
            notes.push(format!(
                "class scores of logistic regressions stand in the interface (validation NLL {})",
                losses(&scores)
            ));
        }
        let mut model = build_model(graph, &settings, gated, seed, &context.device)?;
        put_scores(&model, &scores)?;
        if let (true, Some(blend_of_model)) = (gated, &mut model.head.blend) {
            blend_of_model.share_losses(&blend);
        }
        Ok(Self {
            settings,
            task,
            model,
            notes,
        })
    }
}

/// The settings of the finished run in `dir`, with what its search chose.
///
/// # Errors
/// The result of the search cannot be read.
pub(crate) fn chosen_settings(
    settings: &GraphSettings,
    dir: &Path,
) -> crate::Result<GraphSettings> {
    match Found::read(dir)? {
        Some(found) if settings.search.is_some() => Ok(found.best().choice.applied(settings)),
        _ => Ok(settings.clone()),
    }
}
